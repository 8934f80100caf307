from collections import Counter
from typing import get_args

import pytest

from overheard import demo
from overheard.demo import DemoPost, Label, Source

DAY = 24 * 60
DAYS = 14
WAVE = {8, 9}  # days on which the machines stood still and the subscription leaked


@pytest.fixture(scope="module")
def posts() -> list[DemoPost]:
    return demo.posts()


def day(post: DemoPost) -> int:
    """1 for the first 24 hours of the two weeks, 14 for the last."""
    return DAYS - post.offset_minutes // DAY


def negative_share(posts: list[DemoPost]) -> float:
    return sum(post.label == "negative" for post in posts) / len(posts)


def test_there_are_about_three_hundred_posts_with_distinct_ids(posts: list[DemoPost]) -> None:
    assert 280 <= len(posts) <= 330
    assert len({post.external_id for post in posts}) == len(posts)


def test_posts_run_from_the_oldest_to_the_newest(posts: list[DemoPost]) -> None:
    offsets = [post.offset_minutes for post in posts]
    assert offsets == sorted(offsets, reverse=True)
    assert offsets[-1] >= 0


def test_no_day_of_the_two_weeks_is_silent(posts: list[DemoPost]) -> None:
    for brand in {post.brand for post in posts}:
        assert {day(post) for post in posts if post.brand == brand} == set(range(1, DAYS + 1))


def test_every_post_is_whole(posts: list[DemoPost]) -> None:
    for post in posts:
        assert post.text.strip()
        assert post.author
        assert post.lang in {"en", "de", "es", "fr"}
        assert post.source in get_args(Source)
        assert post.reach >= 0


def test_no_text_appears_twice(posts: list[DemoPost]) -> None:
    repeated = [text for text, times in Counter(post.text for post in posts).items() if times > 1]
    assert repeated == []


def test_both_brands_are_liked_disliked_and_merely_mentioned(posts: list[DemoPost]) -> None:
    for brand in ("Tazzamo", "Norrbean"):
        assert {post.label for post in posts if post.brand == brand} == set(get_args(Label))
    assert {post.brand for post in posts} == {"Tazzamo", "Norrbean"}


def test_no_sentiment_dominates(posts: list[DemoPost]) -> None:
    for label in get_args(Label):
        assert 0.25 <= sum(post.label == label for post in posts) / len(posts) <= 0.4


def test_the_wave_stands_out_from_every_other_day_of_its_brand_alone(posts: list[DemoPost]) -> None:
    tazzamo, norrbean = ([post for post in posts if post.brand == brand] for brand in ("Tazzamo", "Norrbean"))
    wave, calm = ([post for post in tazzamo if (day(post) in WAVE) == in_wave] for in_wave in (True, False))
    assert negative_share(wave) > 2 * negative_share(calm)
    assert min(negative_share([p for p in wave if day(p) == d]) for d in WAVE) > max(
        negative_share([p for p in calm if day(p) == d]) for d in {day(p) for p in calm}
    )
    assert negative_share([post for post in norrbean if day(post) in WAVE]) < negative_share(wave) / 2


def test_links_lead_to_domains_reserved_for_examples(posts: list[DemoPost]) -> None:
    links = [word for post in posts for word in post.text.split() if "://" in word]
    assert links
    assert all(link.startswith(("https://example.com/", "https://example.org/")) for link in links)
