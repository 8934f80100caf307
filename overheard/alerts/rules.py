"""The kinds of rules: what each watches, what it can be told, and the pure function that decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from overheard.alerts import machine
from overheard.alerts.facts import BrandFacts, MachineFacts, Open, Verdict
from overheard.alerts.feeds import feed_unheard
from overheard.alerts.mood import negative_share
from overheard.alerts.options import BrandOptions, Options
from overheard.alerts.silence import source_silent
from overheard.alerts.topics import topic_exploding
from overheard.alerts.volume import volume_spike
from overheard.errors import DataError


@dataclass(frozen=True)
class BrandKind:
    """Looks at one brand. does: what it watches, for people. cooldown_s: what its rules have by default.

    is_slow: it looks at more than the counts of all posts, and less often.
    """

    does: str
    find: Callable[[BrandFacts, BrandOptions, Open], Verdict]
    options: type[BrandOptions] = BrandOptions
    cooldown_s: int = 6 * 3600
    is_slow: bool = False


@dataclass(frozen=True)
class MachineKind:
    """Looks at the installation."""

    does: str
    find: Callable[[MachineFacts, Options, Open], Verdict]
    options: type[Options] = Options
    cooldown_s: int = 600


KINDS: Final[Mapping[str, BrandKind | MachineKind]] = {
    "negative_share": BrandKind("more of what is said of a brand is negative than before, for certain", negative_share),
    "volume_spike": BrandKind("much more is said of a brand than at other times like this", volume_spike),
    "topic": BrandKind("words that are suddenly in many posts of a brand", topic_exploding, is_slow=True),
    "silence": BrandKind("a source from which nothing comes for longer than is usual", source_silent, is_slow=True),
    "feed": MachineKind("a feed that fails, must be mended, or is far behind", feed_unheard),
    "worker": MachineKind("a kind of worker, Beat or Redis that is not heard of", machine.worker_missing),
    "queue": MachineKind("a queue that never gets shorter, posts that wait for their scores", machine.queue_stuck),
    "training": MachineKind("a training that failed", machine.training_failed),
    "accuracy": MachineKind("a model that has become worse, by the daily check", machine.accuracy_fell),
    "budget": MachineKind("a month's paid reads that are nearly used up", machine.budget_spent),
}


def kind_of(name: str) -> BrandKind | MachineKind:
    """Raises DataError."""
    if name not in KINDS:
        raise DataError(f"no kind of rule {name!r}: there are {', '.join(KINDS)}")
    return KINDS[name]


def options_of(name: str, said: Mapping[str, Any]) -> Options:
    """What a rule of this kind was told, with its defaults. Raises DataError."""
    try:
        return kind_of(name).options.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise DataError(f"options.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
