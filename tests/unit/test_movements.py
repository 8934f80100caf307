"""Why a brand's share moved, from what is stored: hours, texts, and posts that two models read, on both databases."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest

from overheard.collectors.base import Post as Heard
from overheard.privacy import Privacy
from overheard.store import hours, movements, posts, sampled, unscored
from overheard.store.database import Database
from overheard.store.movements import Movement, Period
from overheard.store.parts import Answer
from overheard.store.series import Filters
from overheard.store.tables.heard import Brand

NOW = datetime(2026, 3, 15, tzinfo=UTC)
WEEK = timedelta(days=7)
BEFORE, AFTER = Period(NOW - 2 * WEEK, NOW - WEEK), Period(NOW - WEEK, NOW)
PRIVACY = Privacy(b"a secret of the tests")
IDS = count()


class Stream:
    """A brand's posts, and models that read them: any word that sounds bad makes a post negative."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.write() as session:
            brand = Brand(name="zephyr", name_key="zephyr", spec={}, created_at=NOW, updated_at=NOW)
            session.add(brand)
            session.flush()
            self.brand_id = brand.id

    def hear(self, texts: list[str], period: Period, source: str = "x", language: str = "en") -> None:
        every = (period.until - period.since) / (len(texts) + 1)
        found = [
            Heard(
                f"{next(IDS)}",
                text,
                period.since + every * (place + 1),
                author=f"a{place}",
                language=language,
                reach=place,
            )
            for place, text in enumerate(texts)
        ]
        brand_ids = [self.brand_id]
        with self.database.write() as session:
            posts.keep(
                session, found, source=source, brands_of=lambda _: brand_ids, feed_id=None, privacy=PRIVACY, now=NOW
            )

    def read(self, model: str, bias: float = 0.0, at: datetime = NOW) -> None:
        """All that wait. bias: how much more of the negative this model reads into everything."""
        with self.database.write() as session:
            work = unscored.take(session, at, lease_s=30, max_attempts=3, at_most=10_000)
            assert work
            negative = np.array([0.7 if "bad" in text else 0.1 for text in work.texts]) + bias
            scores = np.stack([negative, (1 - negative) / 2, (1 - negative) / 2], axis=1)
            unscored.give_back(session, work, Answer(scores.astype(np.float32), model), at)
        with self.database.write() as session:
            while hours.count_some(session):
                pass

    def again(self, since: datetime, model: str) -> None:
        with self.database.write() as session:
            unscored.add_since(session, since, model)

    def why(self, label: str = "negative", of: Filters = (None, None)) -> Movement:
        with self.database.read() as session:
            return movements.why(session, self.brand_id, BEFORE, AFTER, label, of)


@pytest.fixture
def stream(either: Database) -> Iterator[Stream]:
    return Stream(either)


def test_a_change_of_one_source_and_language_is_told_of_that_alone(stream: Stream) -> None:
    stream.hear(["a good kettle"] * 40, BEFORE)
    stream.hear([f"bad lid {place}" for place in range(30)], AFTER)
    stream.hear(["schlecht"] * 20, AFTER, language="de")
    stream.hear(["fine"] * 20, AFTER, source="rss")
    stream.read("m1")
    everything, english, feeds = stream.why(), stream.why(of=("x", "en")), stream.why(of=("rss", None))
    assert (everything.after.posts, english.after.posts, feeds.after.posts) == (70, 30, 20)
    assert english.after.value == pytest.approx(0.7)
    assert english.read == (0, 30)
    assert feeds.examples == ()


def test_a_crisis_is_told_with_its_words_and_examples(stream: Stream) -> None:
    stream.hear(["so bad today"] * 20 + ["fine day"] * 80, BEFORE)
    stream.hear(["so bad today"] * 20 + ["the battery is bad and on fire"] * 30 + ["fine day"] * 50, AFTER)
    stream.read("m1")
    found = stream.why()
    assert found.split is not None
    assert (found.before.posts, found.after.posts) == (100, 100)
    assert found.split.change.value == pytest.approx(0.18, abs=1e-4)
    assert found.split.mood.value == pytest.approx(0.18, abs=1e-4)
    assert found.split.mood.low > 0
    assert {"battery", "fire"} <= {word.text for word in found.words}
    assert "so" not in {word.text for word in found.words}
    assert "on fire" in {topic.text for topic in found.topics}
    assert found.read == (20, 50)
    with stream.database.read() as session:
        shown = [post.text for post in sampled.posts(session, stream.brand_id, AFTER.since, AFTER.until, 1000)]
        ids = [post.id for post in sampled.posts(session, stream.brand_id, AFTER.since, AFTER.until, 1000)]
    assert shown[ids.index(found.examples[0])] == "the battery is bad and on fire"
    assert json.loads(json.dumps(found.as_dict()))["label"] == "negative"


def test_a_swap_of_models_is_told_apart_by_the_posts_that_both_read(stream: Stream) -> None:
    texts = ["so bad today"] * 20 + ["fine day"] * 80
    stream.hear(texts, BEFORE)
    stream.read("old")
    stream.hear(texts, AFTER)
    stream.read("new", bias=0.1)
    blind = stream.why()
    assert blind.split is not None
    assert blind.split.model is None
    assert blind.split.mood.value == pytest.approx(0.1, abs=1e-4)
    stream.again(BEFORE.until - timedelta(days=3), "new")
    stream.read("new", bias=0.1, at=NOW + timedelta(minutes=1))
    found = stream.why()
    assert found.split is not None
    assert found.split.model is not None
    assert found.versions == ("new", "old")
    assert found.compared > movements.movement.LEAST_COMPARED
    assert found.split.mood.value == pytest.approx(0, abs=1e-4)
    assert found.split.model.value == pytest.approx(found.split.change.value, abs=1e-4)


def test_more_posts_from_an_angry_source_are_mix(stream: Stream) -> None:
    calm, angry = ["fine day"] * 90 + ["bad"] * 10, ["bad"] * 20 + ["fine day"] * 20
    for period, times in ((BEFORE, 1), (AFTER, 4)):
        stream.hear(calm, period)
        stream.hear(angry * times, period, source="rss")
    stream.read("m1")
    found = stream.why()
    assert found.split is not None
    assert found.split.mix.value == pytest.approx(found.split.change.value, abs=1e-6)
    assert found.split.mix.low > 0
    assert found.words == ()
    assert found.split.sources[0].before.value is not None


def test_a_silent_period_is_told_as_such(stream: Stream) -> None:
    assert stream.why().split is None
    stream.hear(["bad"] * 40, AFTER)
    stream.read("m1")
    found = stream.why()
    assert (found.before.posts, found.before.value, found.split) == (0, None, None)
    assert found.after.value == pytest.approx(0.7, abs=1e-4)
    assert found.words == ()


def test_posts_without_a_score_are_not_in_it(stream: Stream) -> None:
    stream.hear(["bad"] * 40, AFTER)
    found = stream.why("positive")
    assert (found.after.posts, found.versions, found.examples) == (0, (), ())


def test_a_sample_is_bounded_spread_and_the_same_each_time(stream: Stream) -> None:
    stream.hear([f"number {number}" for number in range(900)], AFTER)
    with stream.database.read() as session:
        first, again = (sampled.posts(session, stream.brand_id, AFTER.since, AFTER.until, 300) for _ in range(2))
        everything = sampled.posts(session, stream.brand_id, AFTER.since, AFTER.until, 900)
        halves = [
            len(sampled.posts(session, stream.brand_id, since, since + WEEK / 2, 1_000))
            for since in (AFTER.since, AFTER.since + WEEK / 2)
        ]
    assert first == again
    assert 250 <= len(first) <= 300
    assert (len(everything), sum(halves)) == (900, 900)
    numbers = [int(post.text.split()[1]) for post in first]
    assert abs(np.mean(numbers) - 450) < 20
    assert len({number % 2 for number in numbers}) == 2


def test_the_scores_of_one_model_can_be_asked_for(stream: Stream) -> None:
    stream.hear(["bad", "fine"], AFTER)
    stream.read("old")
    stream.again(AFTER.since, "new")
    stream.read("new", bias=0.2, at=NOW + timedelta(minutes=1))
    with stream.database.read() as session:
        newest, old, none = (
            sampled.posts(session, stream.brand_id, AFTER.since, AFTER.until, 10, model)
            for model in (None, "old", "another")
        )
    assert [post.model for post in newest] == ["new", "new"]
    assert [round(post.scores[0], 3) for post in old] == [0.7, 0.1]
    assert [(post.model, post.scores) for post in none] == [("", (0.0, 0.0, 0.0))] * 2
