"""Samples for people to check: who is drawn, who is asked, what counts as an answer; on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import event, func, select

from overheard import audits as sampling
from overheard.audits import allocate, sample
from overheard.collectors.base import Post as Heard
from overheard.errors import Conflict, NotFound
from overheard.privacy import Privacy
from overheard.scoring.text import key
from overheard.store import audits, draws, erasure, labels, posts, unscored
from overheard.store.database import Database
from overheard.store.labels import NewLabel, Purpose
from overheard.store.parts import Answer
from overheard.store.tables.audits import Audit, Draw
from overheard.store.tables.heard import Brand, Post

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NOW = MONDAY + timedelta(hours=5, minutes=17)
PRIVACY = Privacy(b"a secret of the tests")
PROBABILITIES = np.random.default_rng(1).dirichlet([0.5, 0.8, 0.6], 400)


def test_the_less_sure_are_drawn_more_often_and_no_class_is_left_out() -> None:
    sure, unsure, rare = ([0.96, 0.02, 0.02], [0.2, 0.5, 0.3], [0.01, 0.01, 0.98])
    found = sample(np.array([sure] * 500 + [unsure] * 500 + [rare] * 8), 60, seed=7)
    assert len(set(found.places.tolist())) == 60
    of = {stratum.name: stratum for stratum in found.table}
    assert {name: stratum.posts for name, stratum in of.items()} == {"negative": 500, "neutral": 500, "positive": 8}
    assert of["positive"].drawn == sampling.LEAST
    assert of["neutral"].drawn > 2 * of["negative"].drawn


def test_the_same_draw_is_the_same_sample_and_another_is_not() -> None:
    first, again, other = (sample(PROBABILITIES, 60, seed=seed) for seed in (7, 7, 8))
    assert first.places.tolist() == again.places.tolist()
    assert set(first.places.tolist()) != set(other.places.tolist())


def test_where_few_posts_are_there_all_are_drawn() -> None:
    found = sample(PROBABILITIES[:20], 50, seed=7)
    assert sorted(found.places.tolist()) == list(range(20))
    assert all(stratum.drawn == stratum.posts for stratum in found.table)
    assert sample(PROBABILITIES[:0], 50, seed=7).table == ()


def test_too_small_a_sample_is_not_cut_into_strata() -> None:
    (stratum,) = sample(PROBABILITIES, 10, seed=7).table
    assert (stratum.posts, stratum.drawn) == (400, 10)


def test_each_post_of_a_stratum_is_drawn_as_often() -> None:
    drawn = np.zeros(400)
    for seed in range(1000):
        drawn[sample(PROBABILITIES, 60, seed).places] += 1
    found = sample(PROBABILITIES, 60, 0)
    strata = PROBABILITIES.argmax(axis=1)
    for place, stratum in enumerate(found.table):
        mine = drawn[strata == place] / 1000
        expected = stratum.drawn / stratum.posts
        assert mine == pytest.approx(expected, abs=5 * np.sqrt(expected / 1000))


def test_people_who_stop_half_way_have_judged_a_random_half() -> None:
    firsts = np.concatenate([sample(PROBABILITIES, 60, seed).strata[:30] for seed in range(200)])
    lasts = np.concatenate([sample(PROBABILITIES, 60, seed).strata[30:] for seed in range(200)])
    assert np.bincount(firsts) / 6000 == pytest.approx(np.bincount(lasts) / 6000, abs=0.03)


def test_a_share_is_known_best_as_neyman_says() -> None:
    sizes, spreads = np.array([1000, 1000, 8000]), np.array([0.5, 0.25, 0.0625])
    assert allocate(sizes, spreads, 100).tolist() == [40, 20, 40]
    assert allocate(np.array([2, 500]), np.array([0.5, 0.1]), 50).tolist() == [2, 48]


@pytest.fixture
def brand_ids(either: Database) -> list[int]:
    """Two brands; of the first 300 posts of two weeks are scored."""
    with either.write() as session:
        rows = [Brand(name=n, name_key=n, spec={}, created_at=NOW, updated_at=NOW) for n in ("zephyr", "rival")]
        session.add_all(rows)
        session.flush()
        ids = [row.id for row in rows]
    hear(either, ids[0], [heard(number) for number in range(300)])
    return ids


def heard(number: int, text: str = "") -> Heard:
    return Heard(str(number), text or f"The Zephyr is number {number}", MONDAY - timedelta(hours=number + 1))


def hear(database: Database, brand_id: int, found: list[Heard], *, are_scored: bool = True) -> None:
    now = max(MONDAY, *(post.posted_at for post in found))
    with database.write() as session:
        posts.keep(session, found, source="x", brands_of=lambda _: [brand_id], feed_id=None, privacy=PRIVACY, now=now)
        work = unscored.take(session, MONDAY, lease_s=30, max_attempts=3, at_most=1000) if are_scored else None
        if work:
            scores = PROBABILITIES[[post_id % 400 for post_id in work.ids]].astype(np.float32)
            unscored.give_back(session, work, Answer(scores, "m1"), MONDAY)


def draw(database: Database, brand_id: int, count: int = 40) -> Draw:
    return draws.draw(database, brand_id, MONDAY - timedelta(days=7), MONDAY, count, NOW)[0]


def test_a_week_is_drawn_once_and_the_next_draw_begins_where_it_ended(either: Database, brand_ids: list[int]) -> None:
    assert draws.draw_due(either, 40, NOW) == {"draws": 1, "posts": 40}
    assert draws.draw_due(either, 40, NOW) == {"draws": 0, "posts": 0}
    later = NOW + timedelta(days=7)
    wednesday = MONDAY + timedelta(days=2)
    hear(either, brand_ids[0], [replace(heard(number), posted_at=wednesday) for number in range(900, 920)])
    assert draws.draw_due(either, 40, later) == {"draws": 1, "posts": 20}
    with either.read() as session:
        newest, oldest = (listed.draw for listed in draws.page(session, brand_ids[0], None, 10))
        assert (oldest.since, oldest.until) == (NOW.replace(minute=0) - draws.LOOK_BACK, NOW.replace(minute=0))
        assert (newest.since, newest.until) == (oldest.until, later.replace(minute=0))
        assert session.scalar(select(func.count(func.distinct(Audit.post_id)))) == 60


def test_nothing_is_drawn_where_none_are_wanted(either: Database, brand_ids: list[int]) -> None:
    assert draws.draw_due(either, 0, NOW) == {"draws": 0, "posts": 0}


def test_hours_are_not_drawn_from_twice(either: Database, brand_ids: list[int]) -> None:
    first = draw(either, brand_ids[0])
    again, is_new = draws.draw(either, brand_ids[0], first.since, first.until, 40, NOW)
    assert (again.id, is_new) == (first.id, False)
    with pytest.raises(Conflict, match="nothing is drawn twice"):
        draws.draw(either, brand_ids[0], first.since + timedelta(days=6), NOW, 40, NOW)
    with pytest.raises(Conflict, match="nothing that was said"):
        draw(either, brand_ids[1])
    with pytest.raises(NotFound):
        draw(either, 12345)


def test_two_workers_draw_one_sample(either: Database, brand_ids: list[int]) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: draws.draw_due(either, 40, NOW), range(4)))
    assert sum(one["posts"] for one in found) in range(40, 161)  # who comes second may say what the first one drew
    with either.read() as session:
        assert session.scalar(select(func.count()).select_from(Draw)) == 1
        assert session.scalar(select(func.count()).select_from(Audit)) == 40


def test_a_draw_that_is_cut_off_leaves_nothing(either: Database, brand_ids: list[int]) -> None:
    def cut(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO audits"):
            raise KeyboardInterrupt

    event.listen(either.engine, "before_cursor_execute", cut)
    with pytest.raises(KeyboardInterrupt):
        draw(either, brand_ids[0])
    event.remove(either.engine, "before_cursor_execute", cut)
    with either.read() as session:
        assert session.scalar(select(func.count()).select_from(Draw)) == 0
    assert draws.draw_due(either, 40, NOW) == {"draws": 1, "posts": 40}


def test_a_post_is_drawn_with_its_newest_score_and_not_before_it_has_one(
    either: Database, brand_ids: list[int]
) -> None:
    hear(either, brand_ids[1], [heard(700), heard(701)])
    hear(either, brand_ids[1], [heard(702)], are_scored=False)
    with either.write() as session:
        found = list(session.scalars(select(Post.id).where(Post.external_id.in_(["700", "701"]))))
        unscored.add(session, found)
        work = unscored.take(session, NOW, 30, 3, at_most=2)
        assert work
        unscored.give_back(session, work, Answer(np.full((2, 3), [0.1, 0.1, 0.8], np.float32), "m2"), NOW)
    made, _ = draws.draw(either, brand_ids[1], MONDAY - timedelta(days=60), MONDAY, 40, NOW)
    assert [(stratum["posts"], stratum["drawn"]) for stratum in made.strata] == [(2, 2)]
    with either.read() as session:
        drawn = session.scalars(select(Audit).where(Audit.draw_id == made.id)).all()
    assert [(one.model, round(one.positive, 2)) for one in drawn] == [("m2", 0.8)] * 2


def ask(database: Database, brand_id: int | None = None, limit: int = 200) -> list[int]:
    with database.read() as session:
        found = audits.ask(session, brand_id, limit)
    assert len(found.next) == min(limit, found.left)
    return [one.audit.id for one in found.next]


def answer(database: Database, audit_id: int, label: int | None, by: str = "ann") -> None:
    with database.write() as session:
        audits.answer(session, audit_id, label, by, NOW)


def progress(database: Database, brand_id: int) -> tuple[int, int, int]:
    with database.read() as session:
        (listed,) = draws.page(session, brand_id, None, 10)
    return listed.drawn, listed.answered, listed.unclear


def test_a_post_is_asked_until_somebody_answers(either: Database, brand_ids: list[int]) -> None:
    draw(either, brand_ids[0])
    first, second, *rest = ask(either)
    assert len(rest) == 38
    answer(either, first, 0)
    answer(either, second, None)
    assert ask(either) == rest
    assert ask(either, brand_ids[1]) == []
    assert progress(either, brand_ids[0]) == (40, 1, 1)
    with either.write() as session:
        audits.take_back(session, first, "ann")
        audits.take_back(session, second, "ann")
    assert ask(either) == [first, second, *rest]


def test_whoever_thinks_again_replaces_their_word(either: Database, brand_ids: list[int]) -> None:
    draw(either, brand_ids[0])
    first, *_ = ask(either)
    for label in (0, None, 2, 2):
        answer(either, first, label)
    assert progress(either, brand_ids[0]) == (40, 1, 0)
    with either.read() as session:
        (label,) = labels.newest_audited(session)
    assert (label.label, label.brand, label.source, label.purpose) == (2, "zephyr", "x", Purpose.audit)
    answer(either, first, None)
    assert progress(either, brand_ids[0]) == (40, 0, 1)


def test_a_text_that_came_often_is_judged_once(either: Database, brand_ids: list[int]) -> None:
    hear(
        either, brand_ids[1], [heard(number, f"Buy a Zephyr now! https://shop.example/{number}") for number in range(9)]
    )
    hear(either, brand_ids[1], [heard(number, "Buy a Zephyr, now") for number in range(800, 809)])
    draw(either, brand_ids[1])
    (only,) = ask(either)
    answer(either, only, 1)
    assert ask(either) == []
    assert progress(either, brand_ids[1]) == (9, 9, 0)


def test_an_imported_audit_label_counts_and_a_label_for_training_does_not(
    either: Database, brand_ids: list[int]
) -> None:
    draw(either, brand_ids[0])
    with either.read() as session:
        found = audits.ask(session, None, 2).next
    first, second = (one.post.text for one in found)
    with either.write() as session:
        labels.save(session, [NewLabel(first.upper(), 2, Purpose.audit), NewLabel(second, 2)], "file", NOW)
    assert ask(either)[0] == found[1].audit.id
    assert progress(either, brand_ids[0]) == (40, 1, 0)


def test_an_edited_post_is_asked_anew(either: Database, brand_ids: list[int]) -> None:
    hear(either, brand_ids[1], [heard(700)])
    draws.draw(either, brand_ids[1], MONDAY - timedelta(days=60), MONDAY, 40, NOW)
    (only,) = ask(either)
    answer(either, only, 0)
    hear(either, brand_ids[1], [replace(heard(700, "Sorry, the Zephyr is great"), edited_at=NOW)])
    assert ask(either) == [only]
    answer(either, only, 2)
    assert ask(either) == []


def test_erasure_leaves_nothing_of_a_text_that_was_drawn(either: Database, brand_ids: list[int]) -> None:
    draw(either, brand_ids[0])
    with either.read() as session:
        one = audits.ask(session, None, 1).next[0]
    answer(either, one.audit.id, 0)
    erasure.erase_post(either, one.post.id, PRIVACY, NOW)
    with either.read() as session:
        assert not session.scalars(select(Audit).where(Audit.text_key == key(one.post.text))).all()
    assert progress(either, brand_ids[0]) == (39, 0, 0)


def test_a_post_that_is_no_longer_kept_is_not_asked_and_its_answer_still_counts(
    either: Database, brand_ids: list[int]
) -> None:
    draw(either, brand_ids[0])
    with either.read() as session:
        first, second = audits.ask(session, None, 2).next
    answer(either, first.audit.id, 0)
    with either.write() as session:
        posts.remove(session, [first.post.id, second.post.id])
    assert second.audit.id not in ask(either)
    assert progress(either, brand_ids[0]) == (40, 1, 0)
    with pytest.raises(Conflict, match="no longer kept"):
        answer(either, second.audit.id, 1)
