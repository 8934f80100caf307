"""What is special about Bluesky."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from overheard.collectors.base import Asked, Post, Topic
from overheard.errors import SettingsError, SourceRefused
from tests.collectors.bluesky_case import BlueskyCase
from tests.collectors.server import Reply, as_json


@pytest.fixture
def bluesky(tmp_path: Path) -> Iterator[BlueskyCase]:
    case = BlueskyCase(tmp_path)
    yield case
    case.close()


def read(case: BlueskyCase, topic: Topic = Topic(("acme",)), **settings: Any) -> list[Post]:  # noqa: B008 - frozen
    pages = case.collector(**settings).read(Asked(topic), {}, case.now, None)
    return [post for page in pages for post in page.posts]


def logins(case: BlueskyCase) -> int:
    return sum(request.path.endswith("createSession") for request in case.server.requests)


def test_a_post_has_its_address_author_reach_and_thread(bluesky: BlueskyCase) -> None:
    first = bluesky.post(bluesky.tick(), "acme?")
    reply = {"root": {"uri": first["uri"], "cid": "bafy"}, "parent": {"uri": first["uri"], "cid": "bafy"}}
    bluesky.post(bluesky.tick(), "acme!", reply=reply, langs=["en-US"]).update(repostCount=7)
    bluesky.tick()
    post, _ = read(bluesky)
    assert (post.text, post.author, post.reach, post.language) == ("acme!", "did:plc:ann", 7, "en")
    assert post.replies_to == first["uri"]
    assert post.url == "https://bsky.app/profile/did:plc:ann/post/0000000000001"


def test_quotes_are_posts_alone_or_beside_pictures_but_not_lists(bluesky: BlueskyCase) -> None:
    quoted, a_list = "at://did:plc:bob/app.bsky.feed.post/1", "at://did:plc:bob/app.bsky.graph.list/1"
    alone = {"$type": "app.bsky.embed.record", "record": {"uri": quoted, "cid": "bafy"}}
    for embed in (
        alone,
        {"$type": "app.bsky.embed.recordWithMedia", "record": alone, "media": {}},
        {"$type": "app.bsky.embed.record", "record": {"uri": a_list, "cid": "bafy"}},
    ):
        bluesky.post(bluesky.tick(), "acme", embed=embed)
    bluesky.tick()
    assert [post.quotes for post in read(bluesky)] == ["", quoted, quoted]


def test_a_post_in_several_languages_is_wanted_for_any_of_them(bluesky: BlueskyCase) -> None:
    for langs in (["fr"], ["fr", "de"], [], ["de-CH"]):
        bluesky.post(bluesky.tick(), f"acme {langs}", langs=langs)
    bluesky.tick()
    found = read(bluesky, Topic(("acme",), languages=("de", "it")))
    assert [post.language for post in found] == ["de", "", "de"]


def test_a_date_that_an_author_made_up_does_not_hide_the_post(bluesky: BlueskyCase) -> None:
    bluesky.post(bluesky.tick(), "acme")["record"]["createdAt"] = "2030-01-01T00:00:00Z"
    bluesky.tick()
    (post,) = read(bluesky)
    assert post.posted_at < bluesky.now


def test_a_picture_without_words_is_no_post(bluesky: BlueskyCase) -> None:
    silent, said = bluesky.post(bluesky.tick(), "acme"), bluesky.post(bluesky.tick(), "acme!")
    bluesky.server.answer = lambda request: _emptied(bluesky.answer(request), silent["uri"])
    assert [post.external_id for post in read(bluesky)] == [said["uri"]]


def _emptied(reply: Reply, uri: str) -> Reply:
    """The same, but that the post's words were found elsewhere than in its text."""
    answer = json.loads(reply.body)
    for view in answer.get("posts", []):
        if view["uri"] == uri:
            view["record"]["text"] = ""
    return as_json(answer)


def test_excluded_words_are_left_out(bluesky: BlueskyCase) -> None:
    bluesky.publish("acme jobs", "acme")
    assert [post.text for post in read(bluesky, Topic(("acme",), excluded=("Jobs",)))] == ["acme"]


def test_a_process_logs_in_once(bluesky: BlueskyCase) -> None:
    bluesky.publish("acme")
    assert len(read(bluesky)) == len(read(bluesky)) == 1
    assert logins(bluesky) == 1


def test_a_session_is_renewed_before_it_expires(bluesky: BlueskyCase) -> None:
    bluesky.publish("acme")
    bluesky.expires_at = 1_000_000_000
    assert len(read(bluesky)) == len(read(bluesky)) == 1
    assert logins(bluesky) == 1


def test_a_session_that_was_ended_is_followed_by_another_login(bluesky: BlueskyCase) -> None:
    bluesky.publish("acme")
    read(bluesky)
    bluesky.valid, bluesky.is_refreshable = "another", False
    assert len(read(bluesky)) == 1
    assert logins(bluesky) == 2


def test_an_account_whose_sessions_never_hold_is_refused_after_two(bluesky: BlueskyCase) -> None:
    bluesky.publish("acme")
    read(bluesky)
    answer = bluesky.server.answer
    over = as_json({"error": "ExpiredToken", "message": "Token has expired"}, 400)
    bluesky.server.answer = lambda request: over if "searchPosts" in request.path else answer(request)
    with pytest.raises(SourceRefused, match="OVERHEARD_BLUESKY_PASSWORD"):
        read(bluesky)
    assert logins(bluesky) == 2


def test_a_wrong_password_is_the_operators_to_change(bluesky: BlueskyCase) -> None:
    with pytest.raises(SourceRefused, match="OVERHEARD_BLUESKY_PASSWORD"):
        read(bluesky, bluesky_password="wrong")


def test_an_account_needs_its_handle(bluesky: BlueskyCase) -> None:
    with pytest.raises(SettingsError, match="OVERHEARD_BLUESKY_HANDLE"):
        bluesky.collector(bluesky_handle=None).check(bluesky.asked())


def test_posts_of_one_instant_are_not_cut_apart(bluesky: BlueskyCase) -> None:
    bluesky.most, bluesky.reachable = 5, 5
    at = bluesky.tick()
    for second in range(5):
        for number in range(3):
            bluesky.post(at + timedelta(seconds=second), f"acme {second} {number}")
    bluesky.now += timedelta(minutes=1)
    assert len({post.external_id for post in read(bluesky)}) == 15
