"""Posts that are pushed, signed, to a real stack."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import or_, select

from overheard.store.database import Database
from overheard.store.tables.heard import Mention, Post
from overheard.webhooks import HEADER, sign
from tests.stack import RunningStack

POST = {"external_id": "1", "text": "The Zephyr is great", "posted_at": "2026-03-01T12:00:00+01:00"}


class Sender:
    """Whoever pushes to a feed, with no key."""

    def __init__(self, stack: RunningStack, feed: dict[str, Any]) -> None:
        self.url, self.secret, self.id = stack.url + feed["push_url"], feed["secret"], feed["id"]

    def push(self, *posts: dict[str, Any], deleted: tuple[str, ...] = (), **headers: str) -> httpx2.Response:
        return self.send(json.dumps({"posts": posts, "deleted": deleted}).encode(), **headers)

    def send(self, body: bytes, **headers: str) -> httpx2.Response:
        signed = {HEADER: sign(self.secret, body, int(time.time())), "Content-Type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.post(self.url, content=body, headers={**signed, **named}, trust_env=False)


@pytest.fixture
def shop(stack: RunningStack) -> Iterator[Sender]:
    """The webhook of a brand."""
    brand = stack.client.post("/brands", json={"name": "Acme", "sources": ["webhook:shop"]}).json()
    yield Sender(stack, brand["feeds"][0])
    stack.client.delete(f"/brands/{brand['id']}")


@pytest.fixture
def database(stack: RunningStack) -> Iterator[Database]:
    database = Database(f"sqlite:///{stack.home / 'overheard.db'}")
    yield database
    database.engine.dispose()


def kept(database: Database) -> dict[str, str]:
    """External id -> text of what was pushed to the webhooks of this file."""
    ours = or_(Post.external_id.startswith("shop/"), Post.external_id.startswith("web/"))
    with database.read() as session:
        return dict(session.execute(select(Post.external_id, Post.text).where(Post.source == "webhook", ours)).all())


def test_a_pushed_post_is_kept_once_edited_and_deleted(stack: RunningStack, shop: Sender, database: Database) -> None:
    post = {**POST, "external_id": "gone"}
    assert shop.push(post).json() == {"new": 1, "known": 0, "mentions": 1}
    assert shop.push(post).json() == {"new": 0, "known": 1, "mentions": 0}
    edited = {**post, "text": "The Zephyr is fine", "edited_at": "2026-03-02T12:00:00Z"}
    assert shop.push(edited, {**POST, "external_id": "2"}).json() == {"new": 1, "known": 1, "mentions": 1}
    assert kept(database) == {"shop/gone": "The Zephyr is fine", "shop/2": "The Zephyr is great"}
    feed = stack.client.get(f"/feeds/{shop.id}").json()
    assert feed["state"] == "ok"
    assert datetime.now(UTC) - datetime.fromisoformat(feed["inspected_at"]) < timedelta(minutes=1)
    assert shop.push(deleted=("gone",)).json() == {"new": 0, "known": 0, "mentions": 0}
    assert shop.push(post).json()["new"] == 0
    assert kept(database) == {"shop/2": "The Zephyr is great"}


def test_the_same_call_under_its_key_gets_the_same_answer(shop: Sender) -> None:
    first = shop.push(POST, Idempotency_Key="monday")
    assert first.json() == {"new": 1, "known": 0, "mentions": 1}
    assert shop.push(POST, Idempotency_Key="monday").json() == first.json()
    assert shop.push(POST, Idempotency_Key="tuesday").json()["known"] == 1
    other = shop.push({**POST, "external_id": "2"}, Idempotency_Key="monday")
    assert other.status_code == 409


def test_nobody_pushes_without_the_feeds_secret(stack: RunningStack, shop: Sender) -> None:
    body = b'{"posts": []}'
    old = sign(shop.secret, body, int(time.time()) - 301)
    for signature in ("", "t=1", sign("another", body, int(time.time())), old):
        refused = shop.send(body, **{HEADER: signature})
        assert refused.status_code == 401, refused.text
        assert refused.headers["Content-Type"] == "application/problem+json"
    assert httpx2.post(shop.url, json={"posts": []}, trust_env=False).status_code == 401
    assert stack.client.post(f"/webhooks/{shop.id}", json={"posts": []}).status_code == 401
    unknown = Sender(stack, {"push_url": "/webhooks/999", "secret": shop.secret, "id": 999})
    assert (
        unknown.send(body).json()["detail"]
        == shop.send(body, **{HEADER: sign("x", body, int(time.time()))}).json()["detail"]
    )


def test_a_feed_is_also_known_by_its_name(stack: RunningStack, shop: Sender) -> None:
    shop.url = f"{stack.url}/webhooks/shop"
    assert shop.push(POST).status_code == 200


@pytest.mark.parametrize(
    ("post", "field"),
    [
        ({**POST, "posted_at": "2026-03-01T12:00:00"}, "posts.1.posted_at"),
        ({**POST, "posted_at": "0001-01-01T00:00:00+02:00"}, "posts.1.posted_at"),
        ({**POST, "text": "   "}, "posts.1.text"),
        ({**POST, "external_id": ""}, "posts.1.external_id"),
        ({**POST, "url": "javascript:alert(1)"}, "posts.1.url"),
        ({**POST, "reach": -1}, "posts.1.reach"),
        ({**POST, "mood": "good"}, "posts.1.mood"),
        ({**POST, "brands": ["Acme", "Nobody"]}, "posts.1.brands.1"),
        ({"text": "What a day"}, "posts.1.external_id"),
    ],
)
def test_a_post_that_can_not_be_used_is_named_and_none_is_kept(
    shop: Sender, database: Database, post: dict[str, Any], field: str
) -> None:
    refused = shop.push({**POST, "external_id": "fine"}, post)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    assert "shop/fine" not in kept(database)


def test_what_is_no_push_is_refused(shop: Sender) -> None:
    for body, status in ((b"", 422), (b"{", 422), (b"[]", 422), (b'{"posts": null}', 422), (b'\xff{"posts": []}', 422)):
        assert shop.send(body).status_code == status
    assert shop.send(b"posts", Content_Type="text/plain").status_code == 415
    many = [{**POST, "external_id": str(number)} for number in range(1001)]
    assert shop.push(*many).json()["errors"][0]["field"] == "posts"


def test_a_paused_webhook_takes_nothing(stack: RunningStack, shop: Sender) -> None:
    stack.client.patch(f"/feeds/{shop.id}", json={"is_paused": True})
    assert shop.push(POST).status_code == 409


def test_posts_name_their_brands_where_the_feed_has_none(stack: RunningStack, shop: Sender, database: Database) -> None:
    rival = stack.client.post("/brands", json={"name": "Rival"}).json()
    made = stack.client.post("/feeds", json={"source": "webhook:any"})
    assert made.status_code == 201
    sender = Sender(stack, made.json())
    refused = sender.push(POST)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "posts.0.brands")
    answer = sender.push({**POST, "brands": ["acme", "RIVAL", "Rival"]})
    assert answer.json() == {"new": 1, "known": 0, "mentions": 2}
    with database.read() as session:
        post_id = session.scalar(select(Post.id).where(Post.external_id == "any/1"))
        assert len(session.scalars(select(Mention.brand_id).where(Mention.post_id == post_id)).all()) == 2
    assert stack.client.post("/feeds", json={"source": "webhook:any"}).status_code == 200
    stack.client.delete(f"/feeds/{sender.id}")
    stack.client.delete(f"/brands/{rival['id']}")


def test_one_sender_can_not_overwrite_what_another_sent(stack: RunningStack, shop: Sender, database: Database) -> None:
    brand_id = stack.client.get("/brands?name=Acme").json()["brands"][0]["id"]
    other = Sender(stack, stack.client.post("/feeds", json={"brand_id": brand_id, "source": "webhook:web"}).json())
    shop.push(POST)
    assert other.push({**POST, "text": "Spam"}, deleted=("9",)).json()["new"] == 1
    assert kept(database) == {"shop/1": "The Zephyr is great", "web/1": "Spam"}
