"""What a recipient is told, in every form that one may need."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from overheard.alerts.chart import Chart


@dataclass(frozen=True)
class Message:
    """One notice, ready to be sent.

    id: the same however often it is sent. thread: the id of the message that it follows; empty: of none. subject: one
    line. text, html: the whole, for e-mails; html shows its chart as `cid:chart`. brief: for chats, and plain.
    facts: for programs, as JSON. chart: None where there is nothing to draw.
    """

    id: str
    subject: str
    text: str
    html: str
    brief: str
    thread: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    chart: Chart | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        chart = told.pop("chart")
        return cls(**told, chart=chart and Chart.of(chart))
