"""Pages without a browser: who gets in, what a brand's page says, how numbers are written, what templates may hold."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.pages import drawn, words
from overheard.aggregates import summary
from overheard.brands import Spec
from overheard.intervals import NONE, Share
from overheard.settings import Settings
from overheard.sources import parse
from overheard.store import brands, feeds, keys, quarters
from overheard.store.database import Database
from overheard.store.keys import Role
from overheard.store.tables.alerting import Incident, Rule
from overheard.store.tables.counts import Hour
from overheard.store.tables.heard import Gap
from tests.pages import KEY, sign_in

TEMPLATES = Path(__file__).parent.parent.parent / "api" / "pages" / "templates"
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)


def add_brand(database: Database, name: str, posts_an_hour: int, hours: int, model: str = "old", **spec: object) -> int:
    rng = np.random.default_rng(len(name))
    with database.write() as session:
        brand, _ = brands.add(session, name, Spec.read(spec), NOW)
        for hour in range(hours):
            counted = summary(rng.dirichlet([3, 4, 3], posts_an_hour))
            called, sums = counted.called, counted.sums
            session.add(
                Hour(
                    brand_id=brand.id,
                    hour=NOW - hour * HOUR,
                    source="x",
                    model=model if hour > 48 else "new",
                    posts=posts_an_hour,
                    called_negative=called[0],
                    called_neutral=called[1],
                    called_positive=called[2],
                    sum_negative=sums[0],
                    sum_neutral=sums[1],
                    sum_positive=sums[2],
                    moments=counted.moments.pack(),
                )
            )
        session.flush()
        quarters.sum_up(session, [(brand.id, NOW - hour * HOUR, "x") for hour in range(hours)])
        return brand.id


def test_a_stranger_is_led_to_the_door_and_programs_hear_of_keys(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/?period=7")
    assert (page.status_code, page.headers["Location"]) == (303, "/sign-in?next=/?period%3D7")
    program, script = client.get("/brands"), client.get("/brands", headers={"Sec-Fetch-Mode": "cors"})
    assert [program.status_code, script.status_code] == [401, 401]
    challenged = [answer.headers.getlist("WWW-Authenticate") for answer in (program, script)]
    assert [[one.split()[0] for one in found] for found in challenged] == [["Basic", "Bearer"], ["Bearer"]]


def test_only_a_right_key_with_the_pages_token_opens(app: Flask) -> None:
    client = app.test_client()
    assert client.post("/sign-in", data={"key": KEY}).status_code == 403
    assert sign_in(client, "wrong") == 401
    assert client.get("/").status_code == 303
    assert sign_in(client) == 303
    assert client.get("/").status_code == 200


def test_a_key_ends_its_sessions_when_it_is_revoked(app: Flask, database: Database) -> None:
    with database.write() as session:
        key, secret = keys.create(session, "short", Role.viewer, NOW)
    client = app.test_client()
    sign_in(client, secret)
    assert client.get("/brands").status_code == 200
    with database.write() as session:
        keys.revoke(session, key.id, NOW)
    assert client.get("/brands").status_code == 401
    assert client.get("/").status_code == 303


def test_another_admins_key_ends_the_sessions_of_the_old_one(client: FlaskClient, tmp_path: Path) -> None:
    (cookie,) = [one for one in client._cookies.values() if one.key.startswith("overheard")]
    settings = Settings(home=tmp_path, redis_url="redis://127.0.0.1:1/0", api_key="another admin's key")  # type: ignore[arg-type]
    other = create_app(settings)
    changed = other.test_client()
    changed.set_cookie(cookie.key, cookie.value)
    assert changed.get("/brands").status_code == 401
    other.extensions["overheard"].database.engine.dispose()


def test_a_session_changes_nothing_without_the_token(client: FlaskClient) -> None:
    assert client.post("/brands", json={"name": "Acme"}).status_code == 403
    token = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/").text)
    assert token
    assert client.post("/brands", json={"name": "Acme"}, headers={"X-CSRFToken": token[1]}).status_code == 201
    bearer = {"Authorization": f"Bearer {KEY}"}
    assert client.post("/brands", json={"name": "Bolt"}, headers=bearer).status_code == 201


def test_cookies_that_were_set_over_tls_travel_over_tls_alone(app: Flask) -> None:
    for scheme, is_secure in (("http", False), ("https", True)):
        set_cookie = app.test_client().get("/sign-in", base_url=f"{scheme}://localhost").headers["Set-Cookie"]
        assert ("Secure" in set_cookie) == is_secure
        assert {"HttpOnly", "SameSite=Lax"} <= set(set_cookie.split("; "))


def test_without_a_brand_the_next_step_is_told(client: FlaskClient) -> None:
    for page in ("/", "/app/posts", "/app/label", "/app/feeds"):
        assert "Add a brand" in client.get(page).text, page
    assert "/app/feeds?add=1#add" in client.get("/").text


def test_a_brand_without_posts_says_what_to_do(client: FlaskClient, database: Database) -> None:
    with database.write() as session:
        brands.add(session, "Acme", Spec.read({}), NOW)
    assert "Say where to listen" in client.get("/").text
    assert "Acme has no feed yet" in client.get("/app/feeds?about=brand").text


def test_an_unknown_brand_is_a_page_that_says_so(client: FlaskClient) -> None:
    page = client.get("/?brand=77")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "no brand" in page.text.lower()


def test_a_brands_page_marks_models_alerts_and_gaps(client: FlaskClient, database: Database) -> None:
    brand_id = add_brand(database, "Acme", 20, 24 * 40)
    with database.write() as session:
        feed, _ = feeds.add(session, brand_id, parse("hn"), 300, NOW)
        session.add(Gap(feed_id=feed.id, since=NOW - 90 * HOUR, until=NOW - 80 * HOUR, reason="it was away"))
        rule = Rule(name="r", kind="k", options={}, cooldown_s=1, is_enabled=True, created_at=NOW, changed_at=NOW)
        session.add(rule)
        session.flush()
        finding = {"title": "Negative share is 61 %"}
        told = {"rule_id": rule.id, "brand_id": brand_id, "key": "k", "finding": finding}
        session.add(Incident(**told, opened_at=NOW - 5 * HOUR, seen_at=NOW))
    page = client.get("/?period=7").text
    for words_told in ("model new reads from here on", "Negative share is 61", "it was away", "Not audited", "±"):
        assert words_told in page
    assert "model old reads" not in page


def test_days_with_few_posts_rest_on_the_days_before_them(client: FlaskClient, database: Database) -> None:
    add_brand(database, "Acme", 1, 24 * 12)
    page = client.get("/?period=7").text
    assert re.search(r"Each point is of the [3-4] days up to it", page)
    assert "too few" not in page.split("Numbers as a table")[1].split("</table>")[0].replace("one day has too few", "")


def test_competitors_are_compared_by_voice(client: FlaskClient, database: Database) -> None:
    add_brand(database, "Acme", 9, 24 * 8, competitors=["BOLT", "Nobody"])
    add_brand(database, "Bolt", 3, 24 * 8)
    page = re.sub(r"\s+", " ", client.get("/app/overview/compared?brand=1&period=7").text)
    assert re.search(r"Acme.*75.%.*Bolt.*25.%", page)


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (Share(0.314, 0.274, 0.354), "±4"),
        (Share(0.5, 0.499, 0.501), "±1"),
        (Share(0.03, 0.002, 0.25), "(0 to 25)"),
        (Share(-0.4, -0.6, -0.2), "±20"),
    ],
)
def test_an_interval_is_written_as_it_lies(share: Share, written: str) -> None:
    assert words.margin(share) == written


def test_a_change_claims_no_more_than_is_sure() -> None:
    assert drawn.moved(Share(0.07, 0.03, 0.11), "last week") == "up 7 points (±4) on last week"
    assert drawn.moved(Share(-0.07, -0.11, -0.03), "last week") == "down 7 points (±4) on last week"
    assert drawn.moved(Share(0.02, -0.02, 0.06), "last week") == "no clear change on last week"
    assert drawn.moved(NONE, "last week") == "too few posts in last week to compare"


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_templates_hold_nothing_that_the_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", text)
    scripts = re.findall(r"<script([^>]*)>([^<]*)", text)
    assert all("src=" in told or "application/json" in told for told, _ in scripts)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
