"""What one training learns from and is judged on: the base data and people's labels, frozen and hashed.

Every text has its side by a hash of its words, so it never changes sides between one week and the next. Where the base
data comes in splits of its own, these are its sides.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from overheard.copies import distinct
from overheard.errors import DataError
from overheard.scoring.bundle import LABELS
from overheard.scoring.text import key
from overheard.store.tables.learning import Label
from overheard.training.data import MIN_ROWS, SPLITS, Rows

Side: TypeAlias = Literal["train", "validation", "test"]

_SHARES: Final = {False: (80, 90), True: (80, 80)}
"""Per cent of the base rows (False) and of the fresh labels (True) that train, and that train or validate.

Fresh labels are too few to validate with; a fifth of them is held out, for the gate.
"""

BASE: Final = "base data"


@dataclass(frozen=True)
class Row:
    """One labelled text. fresh: labelled by people here, and not of the base data. source, brand: as in its label."""

    text: str
    label: int
    side: Side
    fresh: bool
    source: str = BASE
    brand: str = ""


@dataclass(frozen=True)
class Snapshot:
    """All rows of one training, no two of them near copies. base_data: where those came from that are not fresh."""

    base_data: str
    rows: tuple[Row, ...]
    audited: int
    copies: int

    def of(self, side: Side, *, fresh: bool | None = None) -> Rows:
        """The texts and labels of a side; `fresh` picks the fresh labels, or the base data's rows."""
        found = self.facts(side, fresh=fresh)
        return Rows(tuple(row.text for row in found), tuple(row.label for row in found))

    def facts(self, side: Side, *, fresh: bool | None = None) -> list[Row]:
        return [row for row in self.rows if row.side == side and fresh in (None, row.fresh)]

    @property
    def content_hash(self) -> str:
        """sha256 over each row's text, label and side: equal hashes mean equal data."""
        digest = hashlib.sha256()
        for row in sorted(json.dumps([row.side, row.text, row.label, row.fresh]) for row in self.rows):
            digest.update(row.encode() + b"\n")
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """For people and for the model's card: hash, rows and class balance per side, fresh labels per side."""
        counts = {side: list(self.of(side).counts) for side in SPLITS}
        fresh = {side: len(self.of(side, fresh=True)) for side in SPLITS}
        return {
            "hash": self.content_hash,
            "base_data": self.base_data,
            "rows": {side: sum(count) for side, count in counts.items()},
            "counts": counts,
            "fresh": {**fresh, "audit": self.audited},
            "copies": self.copies,
        }

    def write(self, path: Path) -> None:
        """As a Parquet file: whole or not at all."""
        columns = {name: [getattr(row, name) for row in self.rows] for name in Row.__dataclass_fields__}
        facts = {"base_data": self.base_data, "audited": self.audited, "copies": self.copies}
        table = pa.table(columns).replace_schema_metadata({"overheard": json.dumps(facts)})
        draft = path.with_name(f".{path.name}.draft")
        pq.write_table(table, draft)
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote. Raises DataError when it is damaged."""
        try:
            table = pq.read_table(path)
            facts = json.loads(table.schema.metadata[b"overheard"])
            return cls(rows=tuple(Row(**row) for row in table.to_pylist()), **facts)
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise DataError(f"snapshot {path} can't be read ({error}): start the training anew") from error


def freeze(base_data: str, base: Mapping[str, Rows], labels: Sequence[Label], audited: AbstractSet[str]) -> Snapshot:
    """The snapshot of a base data set's splits and of people's labels, the newest first.

    audited: keys (`scoring.text.key`) of texts that must not train: they are left out, wherever they come from. Of rows
    that are copies or near copies of each other the first is kept: people's word wins over the base data's.
    Raises DataError when too little is left to learn from or to judge by.
    """
    fresh = [
        Row(label.text, label.label, _side(label.text_key, fresh=True), True, label.source or "labels", label.brand)
        for label in labels
        if label.text_key not in audited
    ]
    kept = [*fresh, *_base_rows(base, audited)]
    places = distinct([row.text for row in kept])
    snapshot = Snapshot(base_data, tuple(kept[place] for place in places), len(audited), len(kept) - len(places))
    _check(snapshot)
    return snapshot


def _base_rows(base: Mapping[str, Rows], audited: AbstractSet[str]) -> list[Row]:
    """What is judged comes first, so that a copy of it is missing in what trains and not the other way round."""
    rows = []
    for split in reversed(SPLITS):
        for text, label in zip(base[split].texts, base[split].labels, strict=True) if split in base else ():
            if (text_key := key(text)) not in audited:
                side = split if split != "train" else _free_side(text_key, base)
                rows.append(Row(text, label, side, False))
    return rows


def _free_side(text_key: str, base: Mapping[str, Rows]) -> Side:
    """The side of a training row of the base data: it trains where others are there to validate and to test."""
    side = _side(text_key, fresh=False)
    return "train" if side in base else side


def is_held_out(text_key: str) -> bool:
    """Whether a fresh label of this text judges models and never trains one."""
    return _side(text_key, fresh=True) == "test"


def _side(text_key: str, *, fresh: bool) -> Side:
    trains, validates = _SHARES[fresh]
    place = int(text_key[:8], 16) % 100
    return "train" if place < trains else "validation" if place < validates else "test"


def _check(snapshot: Snapshot) -> None:
    train = snapshot.of("train")
    if len(train) < MIN_ROWS:
        raise DataError(f"{len(train)} rows are left to train on, at least {MIN_ROWS} are needed")
    for side in SPLITS:
        for name, count in zip(LABELS, snapshot.of(side).counts, strict=True):
            if not count:
                raise DataError(f"no row labelled {name} is left to {_USES[side]}: label more, or name more base data")


_USES: Final = {"train": "train on", "validation": "validate on", "test": "judge by"}


def leaked(snapshot: Snapshot) -> int:
    """How many test rows are, in the same words, among the training or validation rows: 0, or a snapshot is wrong."""
    seen = {key(row.text) for row in snapshot.rows if row.side != "test"}
    return sum(key(row.text) in seen for row in snapshot.facts("test"))
