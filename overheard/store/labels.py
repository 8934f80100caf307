"""What people say that texts mean: the ground that the model learns from and is audited on."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from overheard.errors import NotFound
from overheard.scoring.text import key
from overheard.store.dialect import inserting, sliced
from overheard.store.tables.learning import Label

SAME = ("text_key", "labelled_by", "purpose")
REPLACED = ("text", "label", "source", "brand", "labelled_at")


class Purpose(StrEnum):
    """What a label is for. An audited text never trains: it measures."""

    train = "train"
    audit = "audit"


@dataclass(frozen=True)
class NewLabel:
    """label: 0 negative, 1 neutral, 2 positive. source, brand: where the text is from, whom it is about; or empty."""

    text: str
    label: int
    purpose: Purpose = Purpose.train
    source: str = ""
    brand: str = ""


@dataclass(frozen=True)
class Saved:
    """How many labels were new, were changed, and were there already just so."""

    added: int
    changed: int
    unchanged: int


def save(session: Session, new: Sequence[NewLabel], labelled_by: str, now: datetime) -> Saved:
    """Keep each label; a person's newer word on a text replaces the older one. Saying it again changes nothing."""
    last = {(key(given.text), given.purpose): given for given in new}
    known = _known(session, labelled_by, [text_key for text_key, _ in last])
    changed = sum(known.get(place, given.label) != given.label for place, given in last.items())
    added = sum(place not in known for place in last)
    rows = [
        {
            "id": str(uuid4()),
            "text": given.text,
            "text_key": text_key,
            "label": given.label,
            "purpose": purpose.value,
            "source": given.source,
            "brand": given.brand,
            "labelled_by": labelled_by,
            "labelled_at": now,
        }
        for (text_key, purpose), given in last.items()
        if known.get((text_key, purpose)) != given.label
    ]
    if rows:
        insert = inserting(session, Label)
        newer = {name: insert.excluded[name] for name in REPLACED}
        session.execute(insert.on_conflict_do_update(index_elements=SAME, set_=newer), rows)
    return Saved(added, changed, len(new) - added - changed)


def _known(session: Session, labelled_by: str, keys: Sequence[str]) -> dict[tuple[str, Purpose], int]:
    """What this person said of these texts before."""
    found: dict[tuple[str, Purpose], int] = {}
    for start in range(0, len(keys), 1000):
        some = Label.text_key.in_(keys[start : start + 1000])
        query = select(Label.text_key, Label.purpose, Label.label).where(Label.labelled_by == labelled_by, some)
        found |= {(text_key, Purpose(purpose)): label for text_key, purpose, label in session.execute(query)}
    return found


def ids(session: Session, texts: Sequence[str], labelled_by: str, purpose: Purpose) -> dict[str, str]:
    """Text key -> id of what this person said of it."""
    found: dict[str, str] = {}
    for some in sliced([key(text) for text in texts]):
        query = select(Label.text_key, Label.id).where(Label.labelled_by == labelled_by, Label.purpose == purpose)
        found |= dict(session.execute(query.where(Label.text_key.in_(some))).all())
    return found


def of_texts(session: Session, text_keys: Sequence[str]) -> dict[str, list[Label]]:
    """Text key -> what people say of it: each person's newest word, the newest first."""
    found: dict[str, dict[str, Label]] = defaultdict(dict)
    for some in sliced(text_keys):
        query = select(Label).where(Label.text_key.in_(some)).order_by(Label.labelled_at.desc(), Label.id.desc())
        for label in session.scalars(query):
            found[label.text_key].setdefault(label.labelled_by, label)
    return {text_key: list(said.values()) for text_key, said in found.items()}


def said_twice(session: Session) -> list[list[int]]:
    """The labels of each text that two people or more have labelled, one per person: their newest."""
    people = func.count(Label.labelled_by.distinct())
    shared = select(Label.text_key).group_by(Label.text_key).having(people > 1)
    query = select(Label.text_key, Label.labelled_by, Label.label).where(Label.text_key.in_(shared))
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for text_key, who, label in session.execute(query.order_by(Label.labelled_at, Label.id)):
        found[text_key][who] = label
    return [list(said.values()) for said in found.values()]


def for_training(session: Session) -> list[Label]:
    """One label per text, the newest, the newest first; none of a text that is audited."""
    audited = select(Label.text_key).where(Label.purpose == Purpose.audit)
    newest = select(Label).where(Label.text_key.not_in(audited)).order_by(Label.labelled_at.desc(), Label.id.desc())
    return _one_per_text(session.scalars(newest))


def newest_audited(session: Session) -> list[Label]:
    """One audit label per text, the newest, the newest first."""
    newest = select(Label).where(Label.purpose == Purpose.audit).order_by(Label.labelled_at.desc(), Label.id.desc())
    return _one_per_text(session.scalars(newest))


def audited_keys(session: Session) -> frozenset[str]:
    """Keys of the texts that must not train."""
    return frozenset(session.scalars(select(Label.text_key).where(Label.purpose == Purpose.audit)))


def _one_per_text(given: Iterable[Label]) -> list[Label]:
    """The first of each text."""
    found: dict[str, Label] = {}
    for label in given:
        found.setdefault(label.text_key, label)
    return list(found.values())


def page(session: Session, purpose: Purpose | None, after: tuple[datetime, str] | None, limit: int) -> list[Label]:
    """Newest first; `after` is (labelled_at, id) of the last label that the caller has."""
    query = select(Label).order_by(Label.labelled_at.desc(), Label.id.desc()).limit(limit)
    if purpose:
        query = query.where(Label.purpose == purpose)
    if after:
        query = query.where(tuple_(Label.labelled_at, Label.id) < tuple_(*after))
    return list(session.scalars(query))


def counts(session: Session) -> dict[str, dict[int, int]]:
    """How many labels there are: purpose -> label -> count."""
    found: dict[str, Counter[int]] = {purpose.value: Counter() for purpose in Purpose}
    grouped = select(Label.purpose, Label.label, func.count()).group_by(Label.purpose, Label.label)
    for purpose, label, count in session.execute(grouped):
        found[purpose][label] = count
    return {purpose: dict(sorted(by_label.items())) for purpose, by_label in found.items()}


def remove(session: Session, label_id: str) -> None:
    """Raises NotFound."""
    if not session.execute(delete(Label).where(Label.id == label_id)).rowcount:  # type: ignore[attr-defined]
        raise NotFound("label", label_id)
