"""What people are asked to label, and what becomes of their answers; on both databases."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select

from overheard import queue as ranking
from overheard.errors import NotFound
from overheard.privacy import Privacy
from overheard.scoring.text import key
from overheard.store import audits, draws, erasure, labels, queue
from overheard.store.database import Database
from overheard.store.labels import NewLabel, Purpose
from overheard.store.tables.audits import Audit
from overheard.store.tables.heard import Brand, Mention, Post, Score
from overheard.store.tables.learning import Label, Unclear

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORDS = ("amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jade", "kelp", "lotus")


def text(number: int) -> str:
    """No two of them share three words in a row."""
    return " ".join(f"{word}{number}" for word in WORDS)


def fill(database: Database, said: Mapping[str, tuple[float, int]]) -> None:
    """Posts on both brands: text -> probability of its class, reach. The first is the newest."""
    with database.write() as session:
        for name in ("one", "two"):
            session.add(Brand(name=name, name_key=name, spec={}, created_at=NOW, updated_at=NOW))
        for place, (words, (most, reach)) in enumerate(said.items()):
            at = NOW - timedelta(minutes=place)
            told = {"source": "x", "language": "en", "text": words, "reach": reach, "details": {}}
            session.add(post := Post(external_id=str(place), posted_at=at, heard_at=NOW, **told))
            session.flush()
            session.add_all(Mention(brand_id=n, posted_at=at, post_id=post.id, source="x") for n in (1, 2))
            rest = (1 - most) / 2
            session.add(Score(post_id=post.id, model="m", negative=most, neutral=rest, positive=rest, scored_at=NOW))


def asked(database: Database, by: str = "ann", count: int = 10, seed: int = 0) -> list[str]:
    with database.read() as session:
        return [one.post.text for one in queue.ask(session, 1, by, count, np.random.default_rng(seed))]


def answer(database: Database, post_id: int, label: int | None, by: str = "ann") -> Score | None:
    with database.write() as session:
        return queue.answer(session, post_id, label, by, NOW)


def said(database: Database) -> set[tuple[str, int, str, str]]:
    with database.read() as session:
        return {(one.text, one.label, one.purpose, one.labelled_by) for one in session.scalars(select(Label))}


@pytest.fixture
def database(either: Database) -> Database:
    fill(either, {text(number): (0.9 - number / 100, 0) for number in range(30)})
    return either


def test_the_unsure_and_the_widely_read_come_first() -> None:
    probabilities = np.array([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.9, 0.05, 0.05]])
    assert ranking.order(probabilities, np.array([0, 0, 999, 10**6])) == [2, 3, 1, 0]
    assert ranking.order(np.zeros((0, 3)), np.zeros(0, np.int64)) == []


def test_audits_take_a_third_and_are_found_at_every_place() -> None:
    fresh, drawn = [f"f{n}" for n in range(50)], [f"a{n}" for n in range(50)]
    places = np.zeros(21)
    for seed in range(300):
        found = ranking.mix(fresh, [], drawn, 21, np.random.default_rng(seed))
        assert sum(one[0] == "a" for one in found) == 7
        places += [one[0] == "a" for one in found]
    assert places / 300 == pytest.approx(np.full(21, 1 / 3), abs=0.12)


def test_where_one_kind_runs_out_the_others_take_its_places() -> None:
    random = np.random.default_rng(0)
    assert sorted(ranking.mix([], [], ["a", "b", "c"], 3, random)) == ["a", "b", "c"]
    assert sorted(ranking.mix(["f"], ["t"], [], 3, random)) == ["f", "t"]
    assert len(ranking.mix(["f"] * 9, ["t", "u"], ["a"], 10, random)) == 10


def test_texts_are_asked_until_they_are_answered(database: Database) -> None:
    first = asked(database)
    assert set(first) == {text(number) for number in range(20, 30)}
    answer(database, 30, 2)
    assert text(29) not in asked(database)
    with database.write() as session:
        queue.take_back(session, 30, "ann")
    assert text(29) in asked(database)
    assert said(database) == set()


def test_an_answer_is_a_label_for_training_and_tells_what_the_model_said(database: Database) -> None:
    score = answer(database, 1, 2)
    assert score
    assert (score.model, score.negative) == ("m", 0.9)
    answer(database, 1, 1)
    assert said(database) == {(text(0), 1, "train", "ann")}
    with database.read() as session:
        (label,) = session.scalars(select(Label))
    assert (label.source, label.brand) == ("x", "one")


def test_a_text_of_which_somebody_could_not_tell_is_not_asked_again(database: Database) -> None:
    answer(database, 30, 1)
    answer(database, 30, None)
    answer(database, 30, None)
    assert said(database) == set()
    assert text(29) not in asked(database, "ann") + asked(database, "bob")
    answer(database, 30, 1)
    with database.read() as session:
        assert list(session.scalars(select(Unclear))) == []


def test_some_texts_go_to_a_second_person_and_to_no_third(database: Database) -> None:
    for number in range(30):
        answer(database, number + 1, 1, "ann")
    assert asked(database, "ann") == []
    assert set(asked(database, "bob", 30)) == {text(number) for number in range(30)}
    answer(database, 30, 2, "bob")
    assert text(29) not in asked(database, "cleo", 30)
    with database.read() as session:
        assert [sorted(said) for said in labels.said_twice(session)] == [[1, 2]]


def test_near_copies_are_asked_once_and_not_at_all_when_one_is_labelled(either: Database) -> None:
    copies = {f"{text(1)} {number}": (0.4, 0) for number in range(4)}
    fill(either, {**copies, text(2): (0.5, 0)})
    assert len(asked(either)) == 2
    answer(either, 2, 0)
    assert asked(either) == [text(2)]


def draw(database: Database, count: int = 6) -> set[str]:
    """Texts that were drawn for an audit."""
    draws.draw(database, 1, NOW - timedelta(hours=1), NOW + timedelta(hours=1), count, NOW)
    with database.read() as session:
        drawn = select(Post.text).join(Audit, Audit.post_id == Post.id)
        return set(session.scalars(drawn))


def test_a_drawn_text_is_asked_as_an_audit_alone_and_answered_as_one(database: Database) -> None:
    drawn = draw(database)
    found = asked(database, count=30)
    assert set(found) == {text(number) for number in range(30)}
    with database.read() as session:
        ids = {post.text: post.id for post in session.scalars(select(Post))}
    answers = {words: None if place == 0 else 2 for place, words in enumerate(sorted(drawn))}
    for words, label in answers.items():
        answer(database, ids[words], label)
    assert said(database) == {(words, 2, "audit", "ann") for words, label in answers.items() if label}
    with database.read() as session:
        unclear = list(session.scalars(select(Audit.text_key).where(Audit.unclear_at.is_not(None))))
        assert unclear == [key(sorted(drawn)[0])]
        assert audits.ask(session, 1, 10).left == 0
    assert not set(asked(database, "bob", 30)) & drawn
    for words in drawn:
        with database.write() as session:
            queue.take_back(session, ids[words], "ann")
    assert said(database) == set()
    assert drawn <= set(asked(database, count=30))


def test_a_third_of_what_is_asked_is_audits(database: Database) -> None:
    drawn = draw(database)
    assert len(drawn & set(asked(database, count=9))) == 3


def test_erasing_a_post_forgets_that_somebody_could_not_tell(database: Database) -> None:
    answer(database, 1, None)
    erasure.erase_post(database, 1, Privacy(b"secret"), NOW)
    with database.read() as session:
        assert list(session.scalars(select(Unclear))) == []
    with pytest.raises(NotFound):
        answer(database, 1, 0)


def test_a_persons_two_labels_of_a_text_are_one_word(database: Database) -> None:
    with database.write() as session:
        for purpose, label in ((Purpose.train, 0), (Purpose.audit, 1)):
            labels.save(session, [NewLabel(text(0), label, purpose)], "ann", NOW + timedelta(hours=label))
        assert labels.said_twice(session) == []
        labels.save(session, [NewLabel(text(0), 2)], "bob", NOW)
        assert sorted(labels.said_twice(session)[0]) == [1, 2]
