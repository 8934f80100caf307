"""What processes log: a line of text or a JSON object, with the request, the task and the job that it is about.

At info level and above lines hold no text of a post and no key: who writes one names ids, counts and kinds of errors.
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

Form = Literal["text", "json"]
About = Callable[[], Mapping[str, str]]


class Line(logging.Formatter):
    """about: what is worked at when a line is written, such as {"job": "…"}."""

    def __init__(self, form: Form, about: About) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._form, self._about = form, about

    def format(self, record: logging.LogRecord) -> str:
        about = self._about()
        if self._form == "text":
            words = " ".join(f"{name}={value}" for name, value in about.items())
            return super().format(record) + (f" [{words}]" if words else "")
        facts = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **about,
        }
        if record.exc_info:
            facts["error"] = self.formatException(record.exc_info)
        return json.dumps(facts, ensure_ascii=False)


def configure(level: str, form: Form, about: About) -> None:
    """All of this process' lines go to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Line(form, about))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for client in ("httpx", "httpx2"):  # they log whole addresses, and a feed's may hold a key
        logging.getLogger(client).setLevel(logging.WARNING)
