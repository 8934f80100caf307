"""What is special about Mastodon."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from overheard.collectors.base import Asked, Page, Post, Topic
from overheard.errors import DataError, SourceRefused
from tests.collectors.mastodon_case import TOKEN, MastodonCase, MastodonSearchCase


@pytest.fixture
def open_instance(tmp_path: Path) -> Iterator[MastodonCase]:
    case = MastodonCase(tmp_path)
    yield case
    case.close()


@pytest.fixture
def own_instance(tmp_path: Path) -> Iterator[MastodonSearchCase]:
    case = MastodonSearchCase(tmp_path)
    yield case
    case.close()


def read(case: MastodonCase, *terms: str, **topic: tuple[str, ...]) -> list[Page]:
    return list(case.collector().read(Asked(Topic(terms or ("acme",), **topic)), {}, case.now, None))


def posts(pages: list[Page]) -> list[Post]:
    return [post for page in pages for post in page.posts]


def texts(pages: list[Page]) -> list[str]:
    return [post.text for post in posts(pages)]


def test_html_becomes_text_and_a_content_warning_comes_first(open_instance: MastodonCase) -> None:
    link = '<a href="https://acme.example"><span class="invisible">https://</span><span>acme.example</span></a>'
    content = f'<p>I &lt;3 <a href="/tags/acme">#<span>acme</span></a><br>{link}</p><p>Bye</p>'
    open_instance.toot(open_instance.tick(), content, spoiler_text="Shopping")
    open_instance.tick()
    assert texts(read(open_instance)) == ["Shopping\nI <3 #acme\nhttps://acme.example\nBye"]


def test_an_edited_post_keeps_its_id_and_says_when_it_was_edited(open_instance: MastodonCase) -> None:
    toot = open_instance.toot(open_instance.tick(), "<p>acme is fine</p>")
    open_instance.now += timedelta(minutes=1)
    (before,) = posts(read(open_instance))
    toot.update(content="<p>acme is great</p>", edited_at="2026-03-01T12:00:30.000Z")
    (after,) = posts(read(open_instance))
    assert (before.text, before.edited_at) == ("acme is fine", None)
    assert (after.text, after.edited_at) == ("acme is great", datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))
    assert (after.external_id, after.posted_at) == (before.external_id, before.posted_at)


def test_a_repost_is_reach_of_the_original_and_no_post(open_instance: MastodonCase) -> None:
    original = open_instance.toot(open_instance.tick(), "<p>acme</p>", reblogs_count=3)
    open_instance.toot(open_instance.tick(), "<p>acme</p>", reblog={**original, "reblogs_count": 4})
    open_instance.tick()
    (page, _) = read(open_instance)
    assert [(post.external_id, post.reach) for post in page.posts] == [(original["uri"], 3)]
    assert page.reposts == {original["uri"]: 4}


def test_threads_and_quotes_are_called_by_the_ids_of_their_posts(open_instance: MastodonCase) -> None:
    first = open_instance.toot(open_instance.tick(), "<p>acme?</p>")
    quote = {"state": "accepted", "quoted_status": first}
    open_instance.toot(open_instance.tick(), "<p>acme!</p>", in_reply_to_id=first["id"], quote=quote)
    open_instance.toot(open_instance.tick(), "<p>acme.</p>", in_reply_to_id="123")
    open_instance.tick()
    found = {post.text: post for post in posts(read(open_instance))}
    assert (found["acme!"].replies_to, found["acme!"].quotes) == (first["uri"], first["uri"])
    assert found["acme."].replies_to.endswith("/api/v1/statuses/123")


def test_authors_are_named_with_their_instance(open_instance: MastodonCase) -> None:
    open_instance.toot(open_instance.tick(), "<p>acme</p>")
    open_instance.toot(open_instance.tick(), "<p>acme</p>", account={"id": "1", "acct": "bob"})
    open_instance.tick()
    host = open_instance.server.url.removeprefix("http://")
    assert sorted(post.author for post in posts(read(open_instance))) == ["ann@far.example", f"bob@{host}"]


def test_terms_become_hashtags_and_one_post_of_several_comes_once(open_instance: MastodonCase) -> None:
    open_instance.toot(open_instance.tick(), "<p>#AcmeRockets by #acme</p>")
    open_instance.tick()
    assert len(posts(read(open_instance, "acme", "Acme Rockets!", "acme rockets"))) == 1
    tags = {request.path.rpartition("/")[2].lower() for request in open_instance.server.requests}
    assert {"acme", "acmerockets"} <= tags
    assert not any("!" in tag for tag in tags)


def test_a_term_without_a_letter_needs_a_token(open_instance: MastodonCase) -> None:
    with pytest.raises(DataError, match="OVERHEARD_MASTODON_TOKEN"):
        open_instance.collector().check(Asked(Topic(("24/7",))))


def test_languages_that_nobody_asked_for_are_left_out(open_instance: MastodonCase) -> None:
    for language in ("en", "de", "de-AT", None):
        open_instance.toot(open_instance.tick(), f"<p>acme {language}</p>", language=language)
    open_instance.tick()
    assert sorted(texts(read(open_instance, languages=("de",)))) == ["acme None", "acme de", "acme de-AT"]


def test_an_instance_that_shows_hashtags_only_to_members_wants_a_token(open_instance: MastodonCase) -> None:
    open_instance.shows_hashtags_to = "authenticated"
    with pytest.raises(SourceRefused, match="OVERHEARD_MASTODON_TOKEN"):
        read(open_instance)


def test_search_finds_words_that_are_no_hashtags(own_instance: MastodonSearchCase) -> None:
    own_instance.toot(own_instance.tick(), "<p>the Acme rockets fly</p>", hashtag="space")
    own_instance.toot(own_instance.tick(), "<p>rockets of acme</p>", hashtag="space")
    own_instance.now += timedelta(seconds=2)
    assert texts(read(own_instance, 'acme "rockets"')) == ["the Acme rockets fly"]


def test_what_only_the_owner_of_the_token_may_see_is_not_kept(own_instance: MastodonSearchCase) -> None:
    for visibility in ("public", "unlisted", "private", "direct"):
        own_instance.toot(own_instance.tick(), f"<p>acme {visibility}</p>", visibility=visibility)
    own_instance.now += timedelta(seconds=2)
    assert sorted(texts(read(own_instance))) == ["acme public", "acme unlisted"]


def test_search_goes_on_below_what_its_pages_reach(own_instance: MastodonSearchCase) -> None:
    own_instance.reachable = 50
    uris = own_instance.publish(*(f"acme {number}" for number in range(170)))
    assert sorted(post.external_id for post in posts(read(own_instance))) == sorted(uris)


def test_the_token_is_shown_to_no_other_instance(own_instance: MastodonSearchCase, tmp_path: Path) -> None:
    other = MastodonCase(tmp_path)
    other.publish("acme")
    asked = Asked(Topic(("acme",)), other.server.url)
    found = posts(list(own_instance.collector().read(asked, {}, other.now, None)))
    other.close()
    assert len(found) == 1
    assert not own_instance.server.requests
    assert not any(TOKEN in str(request.headers) for request in other.server.requests)


def test_a_revoked_token_is_no_secret_in_the_error(own_instance: MastodonSearchCase) -> None:
    reader = own_instance.collector(mastodon_token="a-token-that-was-revoked")
    with pytest.raises(SourceRefused, match="OVERHEARD_MASTODON_TOKEN") as raised:
        list(reader.read(own_instance.asked(), {}, own_instance.now, None))
    assert "a-token-that-was-revoked" not in str(raised.value) + repr(vars(reader))


@pytest.mark.parametrize(
    "target", ["mastodon.social", "ftp://mastodon.social", "http://mastodon.social", "https://a/@b"]
)
def test_a_target_is_the_https_url_of_an_instance(open_instance: MastodonCase, target: str) -> None:
    with pytest.raises(DataError, match="https"):
        open_instance.collector().check(Asked(Topic(("acme",)), target))
