"""Labels on a real SQLite file: who says what, and what of it trains."""

from datetime import UTC, datetime, timedelta

import pytest

from overheard.errors import NotFound
from overheard.store import labels
from overheard.store.database import Database
from overheard.store.labels import NewLabel, Purpose, Saved

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
GOOD, BAD = NewLabel("Lovely phone", 2), NewLabel("Awful phone", 0)


@pytest.fixture
def database(either: Database) -> Database:
    return either


def save(database: Database, *new: NewLabel, by: str = "ann", now: datetime = NOW) -> Saved:
    with database.write() as session:
        return labels.save(session, new, by, now)


def trained(database: Database) -> list[tuple[str, int]]:
    with database.read() as session:
        return [(label.text, label.label) for label in labels.for_training(session)]


def test_saying_it_again_changes_nothing(database: Database) -> None:
    assert save(database, GOOD, BAD) == Saved(2, 0, 0)
    assert save(database, GOOD, BAD, now=LATER) == Saved(0, 0, 2)
    with database.read() as session:
        assert {label.labelled_at for label in labels.page(session, None, None, 10)} == {NOW}


def test_a_persons_last_word_counts_also_within_one_call(database: Database) -> None:
    save(database, GOOD)
    assert save(database, NewLabel("Lovely phone", 0), NewLabel("lovely PHONE!", 1), now=LATER) == Saved(0, 1, 1)
    assert trained(database) == [("lovely PHONE!", 1)]


def test_of_two_people_the_later_one_is_heard(database: Database) -> None:
    save(database, GOOD, by="ann", now=LATER)
    save(database, NewLabel("Lovely phone", 1), by="bob", now=NOW)
    assert trained(database) == [("Lovely phone", 2)]


def test_a_text_that_anybody_audits_never_trains(database: Database) -> None:
    save(database, GOOD, BAD, by="ann")
    save(database, NewLabel("@shop Lovely phone http://x.example", 2, Purpose.audit), by="bob")
    assert trained(database) == [("Awful phone", 0)]
    with database.read() as session:
        assert labels.counts(session) == {"train": {0: 1, 2: 1}, "audit": {2: 1}}
        assert len(labels.audited_keys(session)) == 1


def test_pages_hold_each_label_once_newest_first(database: Database) -> None:
    for hour in range(5):
        save(database, NewLabel(f"text number {hour}", 1), now=NOW + timedelta(hours=hour))
    with database.read() as session:
        first = labels.page(session, Purpose.train, None, 3)
        rest = labels.page(session, Purpose.train, (first[-1].labelled_at, first[-1].id), 3)
        assert labels.page(session, Purpose.audit, None, 3) == []
    assert [label.text[-1] for label in [*first, *rest]] == ["4", "3", "2", "1", "0"]


def test_a_label_can_be_taken_back_once(database: Database) -> None:
    save(database, GOOD)
    with database.write() as session:
        label_id = labels.page(session, None, None, 1)[0].id
        labels.remove(session, label_id)
    assert trained(database) == []
    with database.write() as session, pytest.raises(NotFound):
        labels.remove(session, label_id)


def test_many_labels_at_once_are_saved_in_one_go(database: Database) -> None:
    many = [NewLabel(f"text {number}", number % 3) for number in range(2500)]
    assert save(database, *many) == Saved(2500, 0, 0)
    assert save(database, *many[:-1], NewLabel("text 2499", 1)) == Saved(0, 1, 2499)
