"""Make brands and feeds be as somebody wants them: what is missing is added, what differs changed, the rest left."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from overheard import sources
from overheard.brands import Spec, Wanted, key, topic
from overheard.errors import DataError, SettingsError
from overheard.settings import Settings
from overheard.sources import Source
from overheard.store import brands, feeds
from overheard.store.tables.heard import Brand, Feed

Action = Literal["added", "changed", "removed", "unchanged"]


@dataclass(frozen=True)
class Change:
    """What was done to a brand, or to a feed of it. feed: its source, as people write it; empty: the brand itself.

    fields: which were changed.
    """

    action: Action
    brand: str
    feed: str = ""
    fields: tuple[str, ...] = ()


def check(wanted: Iterable[Wanted], settings: Settings) -> None:
    """Whether posts can come from all the sources. Raises DataError with all that is wrong, and where."""
    if faults := [fault for brand in wanted for fault in _faults(brand, settings)]:
        raise DataError("\n  ".join(("nothing was changed:", *faults)) if len(faults) > 1 else faults[0])


def _faults(wanted: Wanted, settings: Settings) -> Iterator[str]:
    for text in wanted.sources:
        try:
            sources.check(sources.parse(text), topic(wanted.name, wanted.spec), settings)
        except (DataError, SettingsError) as error:
            yield f"{wanted.name}: {text}: {error}"


def add(session: Session, wanted: Wanted, every_s: int, now: datetime) -> tuple[Brand, list[Feed], bool]:
    """The brand, the feeds of its sources, and whether anything of it is new. Its other feeds stay. Raises Conflict."""
    brand, is_new = brands.add(session, wanted.name, wanted.spec, now)
    made = [feeds.add(session, brand.id, sources.parse(text), every_s, now) for text in wanted.sources]
    return brand, [feed for feed, _ in made], is_new or any(is_added for _, is_added in made)


def apply(session: Session, wanted: Sequence[Wanted], every_s: int, now: datetime) -> list[Change]:
    """Make these brands so, with these feeds and no others. Brands that are not among them are left alone."""
    return [change for brand in wanted for change in _apply(session, brand, every_s, now)]


def others(session: Session, wanted: Iterable[Wanted]) -> list[Brand]:
    """The brands that are not among these."""
    names = {key(brand.name) for brand in wanted}
    return [brand for brand in brands.all_of_them(session) if brand.name_key not in names]


def _apply(session: Session, wanted: Wanted, every_s: int, now: datetime) -> Iterator[Change]:
    known = brands.named(session, wanted.name)
    if known is None:
        known, _ = brands.add(session, wanted.name, wanted.spec, now)
        yield Change("added", wanted.name)
    else:
        fields = _differing(known, wanted)
        brands.change(session, known.id, wanted.name, wanted.spec, now)
        yield Change("changed" if fields else "unchanged", wanted.name, fields=fields)
    said = [sources.parse(text) for text in wanted.sources]
    for gone in feeds.remove_others(session, known.id, said):
        yield Change("removed", wanted.name, str(gone))
    there = {(feed.source, feed.target): feed for feed in feeds.of_brand(session, known.id)}
    for source in said:
        yield _apply_feed(session, known, there.get((source.source, source.target)), source, every_s, now)


def _differing(brand: Brand, wanted: Wanted) -> tuple[str, ...]:
    before, after = brands.spec_of(brand), wanted.spec
    renamed = ("name",) if brand.name != wanted.name else ()
    return renamed + tuple(name for name in Spec.model_fields if getattr(before, name) != getattr(after, name))


def _apply_feed(session: Session, brand: Brand, feed: Feed | None, said: Source, every_s: int, now: datetime) -> Change:
    if feed is None:
        feeds.add(session, brand.id, said, every_s, now)
        return Change("added", brand.name, str(said))
    if feed.options == said.options:
        return Change("unchanged", brand.name, str(said))
    feeds.change_options(feed, said.options, now)
    return Change("changed", brand.name, str(said), ("options",))
