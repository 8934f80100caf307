"""What the load maker sent, and what it was told was accepted (2xx): the one list that the audit goes by."""

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

KINDS: Final = ("calls", "jobs", "batches", "posts", "labels", "trainings")


@dataclass
class Ledger:
    """sent, accepted: kind -> name of a thing -> what is known of it; a name was sent before it was accepted.

    answered: kind -> (sent at, answered at) of its successes, monotonic. errors: what callers saw instead.
    """

    sent: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    accepted: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    wrong: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    answered: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, kind: str, things: dict[str, Any]) -> float:
        """They are on their way; returns when."""
        with self._lock:
            self.sent[kind] |= things
        return time.monotonic()

    def accept(self, kind: str, things: dict[str, Any], sent_at: float) -> None:
        with self._lock:
            self.accepted[kind] |= things
            self.answered[kind].append((sent_at, time.monotonic()))

    def refuse(self, reason: str) -> None:
        with self._lock:
            self.errors[reason] += 1

    def mistake(self, kind: str) -> None:
        """An answer that belongs to something else."""
        with self._lock:
            self.wrong[kind] += 1

    def is_well_since(self, moment: float) -> float | None:
        """Seconds from the moment until every kind that was ever accepted has been again; None: not yet."""
        with self._lock:
            firsts = [
                min((done for sent, done in moments if sent >= moment), default=None)
                for kind, moments in self.answered.items()
                if kind != "trainings"
            ]
        ends = [at for at in firsts if at is not None]
        return max(ends) - moment if firsts and len(ends) == len(firsts) else None
