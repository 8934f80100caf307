"""What a rule finds: all that a message about it says."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True)
class Finding:
    """Something that is so now, and that somebody should know.

    key: what it is about; equal keys of a rule are one incident while it lasts. title: a line, with the figure.
    said: how much, how sure, compared with what. since: when it began, as far as is known. advice: what to do.
    brand_id: whom it is about; None: the installation. words: what grew in the negative posts. post_ids: examples,
    by id, so that an erased post is not told. links: name -> path of a page or a call of ours.
    """

    key: str
    title: str
    said: str
    since: datetime
    advice: str
    brand_id: int | None = None
    words: tuple[str, ...] = ()
    post_ids: tuple[int, ...] = ()
    links: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "since": self.since.isoformat()}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        found = cls(**kept)
        since = datetime.fromisoformat(kept["since"])
        return replace(found, since=since, words=tuple(found.words), post_ids=tuple(found.post_ids))
