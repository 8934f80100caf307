"""What a training learns from and is judged on."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from overheard.errors import DataError
from overheard.scoring.text import key
from overheard.store.tables.learning import Label
from overheard.training import snapshot
from overheard.training.data import Rows
from overheard.training.snapshot import Snapshot, freeze, leaked

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def base(count: int = 600, start: int = 0) -> Rows:
    texts = tuple(
        f"post number {start + n} about topic{(start + n) * 7} said w{(start + n) * 13}" for n in range(count)
    )
    return Rows(texts, tuple(n % 3 for n in range(count)))


def label(text: str, value: int, source: str = "x", brand: str = "acme") -> Label:
    return Label(
        id=text,
        text=text,
        text_key=key(text),
        label=value,
        purpose="train",
        source=source,
        brand=brand,
        labelled_by="ann",
        labelled_at=NOW,
    )


def fresh(count: int = 100) -> list[Label]:
    return [label(f"customer {n} writes f{n * 11} of g{n * 17}", n % 3) for n in range(count)]


def sides(frozen: Snapshot) -> dict[str, str]:
    return {row.text: row.side for row in frozen.rows}


def test_no_row_changes_sides_when_others_come_and_go() -> None:
    before = sides(freeze("base", {"train": base(600)}, fresh(50), frozenset()))
    after = sides(freeze("base", {"train": base(500, start=50)}, fresh(100), frozenset()))
    both = before.keys() & after.keys()
    assert len(both) > 500
    assert {text: before[text] for text in both} == {text: after[text] for text in both}


def test_a_fifth_of_the_fresh_labels_is_held_out_and_none_validates() -> None:
    frozen = freeze("base", {"train": base()}, fresh(400), frozenset())
    counts = frozen.summary()["fresh"]
    assert counts["validation"] == 0
    assert 0.14 < counts["test"] / 400 < 0.26
    assert counts["train"] + counts["test"] == 400


def test_splits_that_the_base_data_has_are_kept() -> None:
    splits = {"train": base(300), "validation": base(60, 1000), "test": base(90, 2000)}
    frozen = freeze("base", splits, [], frozenset())
    assert frozen.summary()["rows"] == {"train": 300, "validation": 60, "test": 90}


def test_people_win_over_the_base_data() -> None:
    rows = base()
    frozen = freeze("base", {"train": rows}, [label(rows.texts[0].upper(), 2)], frozenset())
    (row,) = [row for row in frozen.rows if key(row.text) == key(rows.texts[0])]
    assert (row.label, row.fresh, row.brand) == (2, True, "acme")
    assert frozen.copies == 1


def test_audited_texts_are_nowhere() -> None:
    rows = base()
    audited = frozenset({key(rows.texts[5]), key(fresh()[3].text)})
    frozen = freeze("base", {"train": rows}, fresh(), audited)
    assert audited.isdisjoint(key(row.text) for row in frozen.rows)
    assert frozen.summary()["fresh"]["audit"] == 2


def test_near_copies_are_on_one_side_only() -> None:
    rows = base(300)
    retweets = Rows(tuple(f"RT @someone {text} http://t.example" for text in rows.texts), rows.labels)
    frozen = freeze("base", {"train": rows + retweets}, [], frozenset())
    assert len(frozen.rows) == 300
    assert leaked(frozen) == 0


def test_a_leak_is_counted() -> None:
    rows = (snapshot.Row("One and the same!", 0, "train", False), snapshot.Row("one and the SAME", 0, "test", False))
    assert leaked(Snapshot("base", rows, 0, 0)) == 1


def test_equal_rows_have_equal_hashes_in_any_order_and_others_others() -> None:
    rows = base()
    turned = Rows(rows.texts[::-1], rows.labels[::-1])
    first = freeze("base", {"train": rows}, fresh(), frozenset())
    assert first.content_hash == freeze("base", {"train": turned}, fresh()[::-1], frozenset()).content_hash
    other = Rows(rows.texts, (*rows.labels[:-1], 0))
    assert first.content_hash != freeze("base", {"train": other}, fresh(), frozenset()).content_hash


def test_what_was_written_is_read_back_and_damage_is_said(tmp_path: Path) -> None:
    frozen = freeze("base", {"train": base()}, fresh(), frozenset({key("audited")}))
    path = tmp_path / "snapshot.parquet"
    frozen.write(path)
    assert Snapshot.read(path) == frozen
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="start the training anew"):
        Snapshot.read(path)


def test_too_little_is_said_before_anything_heavy_starts() -> None:
    with pytest.raises(DataError, match="left to train on"):
        freeze("base", {"train": base(60)}, [], frozenset())
    one_sided = Rows(base(300).texts, (0,) * 299 + (1,))
    with pytest.raises(DataError, match="no row labelled positive is left to train on"):
        freeze("base", {"train": one_sided}, [], frozenset())
