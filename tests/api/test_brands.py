"""`/brands`, `/feeds` and the commands that use them, on a real stack."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from overheard.cli import app
from tests.collectors.rss_case import RssCase
from tests.stack import OVERHEARD, RunningStack


@pytest.fixture(autouse=True)
def no_brands(stack: RunningStack) -> Iterator[None]:
    """Each test begins as a fresh installation does."""
    yield
    assert stack.client.put("/brands", json={"brand": [], "prune": True}).status_code == 200


@pytest.fixture
def operator(stack: RunningStack) -> Iterator[httpx2.Client]:
    secret = stack.client.post("/keys", json={"name": "operator", "role": "operator"}).json()["key"]
    with stack.new_client(secret) as client:
        yield client


def add(stack: RunningStack, name: str = "Acme", *sources: str, **spec: Any) -> dict[str, Any]:
    answer = stack.client.post("/brands", json={"name": name, "sources": sources, **spec})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def overheard(stack: RunningStack, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([OVERHEARD, *words], env=stack.environment, capture_output=True, text=True)


def said(stack: RunningStack, *words: str) -> str:
    """What a command prints, run in this process: starting one takes longer than most of them do."""
    ran = CliRunner().invoke(app, words, env=stack.environment, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_a_brand_is_added_once_described_anew_and_forgotten(stack: RunningStack, operator: httpx2.Client) -> None:
    body = {"name": "Acme", "aliases": ["ACME Corp"], "languages": ["en"], "sources": ["webhook:shop"]}
    made = operator.post("/brands", json=body)
    assert made.status_code == 201
    brand = made.json()
    (feed,) = brand["feeds"]
    assert (feed["source"], feed["state"], feed["due_at"]) == ("webhook:shop", "new", None)
    again = operator.post("/brands", json={**body, "name": " acme", "sources": ["webhook:shop", "webhook:web"]})
    assert (again.status_code, again.json()["id"], len(again.json()["feeds"])) == (201, brand["id"], 2)
    assert operator.post("/brands", json=body).status_code == 200
    assert operator.post("/brands", json={"name": "Acme"}).status_code == 409
    changed = operator.patch(f"/brands/{brand['id']}", json={"products": ["Zephyr"]}).json()
    assert (changed["aliases"], changed["products"], changed["languages"]) == (["ACME Corp"], ["Zephyr"], ["en"])
    detail = operator.get(f"/brands/{brand['id']}").json()
    assert [feed["source"] for feed in detail["feeds"]] == ["webhook:web", "webhook:shop"]
    assert "secret" not in detail["feeds"][0]
    assert operator.delete(f"/brands/{brand['id']}").status_code == 204
    assert operator.get(f"/brands/{brand['id']}").status_code == 404
    assert operator.get("/feeds").json() == {"feeds": [], "reads": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "?"}, "name"),
        ({"name": "Acme", "aliases": ["fine", "!"]}, "aliases.1"),
        ({"name": "Acme", "alias": []}, "alias"),
        ({"name": "Acme", "languages": ["klingon"]}, "languages.0"),
        ({"name": "Acme", "sources": ["webhook:shop", "what is this"]}, "sources.1"),
    ],
)
def test_a_brand_that_can_not_be_used_says_which_field(stack: RunningStack, body: dict[str, Any], field: str) -> None:
    answer = stack.client.post("/brands", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_change_that_contradicts_itself_or_another_brand_is_refused(stack: RunningStack) -> None:
    add(stack, "Rival")
    path = f"/brands/{add(stack)['id']}"
    refused = stack.client.patch(path, json={"excluded": ["acme"]})
    assert refused.status_code == 422
    assert "excluded: 'acme' is looked for, too" in refused.json()["detail"]
    assert stack.client.patch(path, json={"name": "RIVAL"}).status_code == 409
    assert stack.client.patch(path, json={"nam": "Acme"}).status_code == 422
    assert stack.client.patch(path, json={}).json()["name"] == "Acme"


def test_pages_lead_through_all_brands_and_feeds(stack: RunningStack) -> None:
    for number in range(5):
        add(stack, f"Brand {number}", "webhook:shop")
    for noun in ("brands", "feeds"):
        seen: list[int] = []
        cursor = ""
        while cursor is not None:
            page = stack.client.get(f"/{noun}?limit=2{cursor and f'&cursor={cursor}'}").json()
            seen += [row["id"] for row in page[noun]]
            cursor = page["next_cursor"]
        assert len(seen) == len(set(seen)) == 5
    assert stack.client.get("/brands?name=bRAND 3").json()["brands"][0]["name"] == "Brand 3"
    assert stack.client.get("/feeds?cursor=MjAyNi0wMS0wMVQwMDowMDowMCswMDowMCB4").status_code == 422


def test_a_file_feed_is_for_admins_and_viewers_change_nothing(stack: RunningStack, operator: httpx2.Client) -> None:
    brand_id = add(stack)["id"]
    for path, body in [
        ("/feeds", {"brand_id": brand_id, "source": "file:/etc/passwd"}),
        ("/brands", {"name": "Other", "sources": ["file:/etc/passwd"]}),
    ]:
        refused = operator.post(path, json=body)
        assert refused.status_code == 403
        assert "needs the role admin" in refused.json()["detail"]
    wanted = {"brand": [{"name": "Other", "sources": ["file:/etc/passwd"]}]}
    assert operator.put("/brands", json=wanted).status_code == 403
    secret = stack.client.post("/keys", json={"name": "viewer", "role": "viewer"}).json()["key"]
    with stack.new_client(secret) as viewer:
        assert viewer.get("/brands").status_code == viewer.get("/feeds").status_code == 200
        assert viewer.post("/brands", json={"name": "Mine"}).status_code == 403
        assert viewer.delete(f"/brands/{brand_id}").status_code == 403
        assert viewer.post("/feeds", json={"source": "webhook:mine"}).status_code == 403


def test_a_feed_is_paused_resumed_and_removed(stack: RunningStack) -> None:
    (feed,) = add(stack, "Acme", "webhook:shop")["feeds"]
    path = f"/feeds/{feed['id']}"
    paused = stack.client.patch(path, json={"is_paused": True, "every_s": 60}).json()
    assert (paused["state"], paused["every_s"]) == ("paused", 60)
    assert stack.client.patch(path, json={"is_paused": False}).json()["state"] == "new"
    assert stack.client.patch(path, json={"every_s": 1}).status_code == 422
    assert stack.client.patch(path, json={"options": {"text": "body"}}).status_code == 422
    assert stack.client.get(f"{path}/gaps").json() == {"gaps": [], "next_cursor": None}
    inspected = stack.client.post(f"{path}/inspections")
    assert inspected.status_code == 409
    assert "come by themselves" in inspected.json()["detail"]
    assert stack.client.delete(path).status_code == 204
    assert stack.client.get(path).status_code == stack.client.get(f"{path}/gaps").status_code == 404


def test_a_source_that_nobody_collects_from_is_refused_with_those_that_are(stack: RunningStack) -> None:
    answer = stack.client.post("/feeds", json={"brand_id": add(stack)["id"], "source": "usenet"})
    assert answer.status_code == 422
    assert "no source 'usenet': there are x, rss" in answer.json()["detail"]
    assert stack.client.post("/feeds", json={"brand_id": 99999, "source": "webhook:x"}).status_code == 404
    assert "needs a brand" in stack.client.post("/feeds", json={"source": "x"}).json()["detail"]


def test_the_commands_of_a_first_user(stack: RunningStack) -> None:
    assert "overheard brands add" in said(stack, "brands", "list")
    assert "overheard brands add" in said(stack, "feeds", "list")
    made = said(stack, "brands", "add", "Acme", "--alias", "ACME Corp", "--language", "en", "--source", "webhook:shop")
    assert made.startswith("listening for Acme: 1 sources\n")
    listed = said(stack, "feeds", "list", "--brand", "acme")
    assert "webhook:shop" in listed
    assert "never" in listed
    (feed,) = json.loads(said(stack, "feeds", "list", "--json"))
    url, secret = said(stack, "feeds", "secret", str(feed["id"])).split()
    assert url == f"{stack.url}/webhooks/{feed['id']}"
    assert secret in made
    assert "no gaps" in said(stack, "feeds", "gaps", str(feed["id"]))
    said(stack, "feeds", "pause", str(feed["id"]))
    assert json.loads(said(stack, "brands", "show", "ACME"))["feeds"][0]["state"] == "paused"
    said(stack, "feeds", "resume", str(feed["id"]))
    said(stack, "feeds", "add", "webhook:web", "--brand", "Acme", "--every", "60")
    said(stack, "feeds", "remove", str(feed["id"]))
    assert "ACME Corp" in said(stack, "brands", "list")
    assert "Acme is forgotten" in said(stack, "brands", "remove", "Acme", "--yes")
    missing = overheard(stack, "brands", "remove", "Acme", "--yes")
    assert (missing.returncode, missing.stderr) == (
        1,
        "overheard: no brand 'Acme': `overheard brands list` shows them\n",
    )


def test_a_file_of_brands_is_made_so_and_again_changes_nothing(stack: RunningStack, tmp_path: Path) -> None:
    add(stack, "Other", "webhook:other")
    file = tmp_path / "brands.toml"
    file.write_text('[[brand]]\nname = "Acme"\nsources = ["webhook:shop", "webhook:web"]\n[[brand]]\nname = "Rival"\n')
    apply = ("brands", "apply", str(file))
    added = "+ Acme\n+ Acme: webhook:shop\n+ Acme: webhook:web\n+ Rival\n"
    assert said(stack, *apply, "--dry-run") == added + "would be: 4 added, 0 changed, 0 removed, 0 unchanged\n"
    assert said(stack, *apply) == added + "4 added, 0 changed, 0 removed, 0 unchanged\n"
    assert said(stack, *apply) == "0 added, 0 changed, 0 removed, 4 unchanged\n"
    file.write_text('[[brand]]\nname = "Acme"\nproducts = ["Zephyr"]\nsources = ["webhook:shop"]\n')
    changed = "~ Acme  (products)\n- Acme: webhook:web\n"
    assert said(stack, *apply) == changed + "0 added, 1 changed, 1 removed, 1 unchanged\n"
    pruned = "- Other\n- Rival\n0 added, 0 changed, 2 removed, 2 unchanged\n"
    assert said(stack, *apply, "--prune", "--dry-run") == pruned.replace("0 added", "would be: 0 added")
    assert said(stack, *apply, "--prune") == pruned
    assert [brand["name"] for brand in stack.client.get("/brands").json()["brands"]] == ["Acme"]


def test_a_file_with_a_fault_changes_nothing(stack: RunningStack, tmp_path: Path) -> None:
    file = tmp_path / "brands.toml"
    file.write_text('[[brand]]\nname = "Acme"\n[[brand]]\nname = "Rival"\nsources = ["usenet", "gopher"]\n')
    refused = overheard(stack, "brands", "apply", str(file))
    assert refused.returncode == 1
    for source in ("usenet", "gopher"):
        assert f"Rival: {source}: no source {source!r}" in refused.stderr
    file.write_text('[[brand]]\nname = "Acme"\naliases = ["?"]\n[[brand]]\nnames = "Rival"\n')
    refused = overheard(stack, "brands", "apply", str(file))
    for place in ("brand[1].aliases[1]", "brand[2].names", "brand[2].name"):
        assert place in refused.stderr
    assert stack.client.get("/brands").json()["brands"] == []


def test_a_feed_is_tried_out_before_it_is_added(stack: RunningStack, operator: httpx2.Client, tmp_path: Path) -> None:
    site = RssCase(tmp_path)
    site.publish("Acme is fine", "not about us")
    source = f"rss:{site.server.url}/feed.xml"
    asked = {"source": source, "brand": {"name": "Acme", "aliases": ["ACME Corp"]}}
    found = operator.post("/feeds/tests", json=asked).json()
    assert (found["works"], found["posts"], found["examples"]) == (True, 1, ["Acme is fine"])
    refused = operator.post("/feeds/tests", json={**asked, "source": f"rss:{site.server.url}/gone.xml"}).json()
    assert (refused["works"], "404" in refused["problem"]["reason"]) == (False, True)
    assert "browser" in refused["problem"]["advice"]
    site.server.close()
    assert operator.get("/feeds").json()["feeds"] == []
    brand = add(stack)
    assert operator.post("/feeds/tests", json={"source": "hn", "brand_id": brand["id"] + 1}).status_code == 404
    for source, status in (("webhook:shop", 422), ("usenet:x", 422), ("file:/etc/passwd", 403), ("x", 409)):
        answer = operator.post("/feeds/tests", json={"source": source, "brand_id": brand["id"]})
        assert answer.status_code == status, answer.text
