"""From a draw over answers to an audited share, on a real stack."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.test_posts import Heard
from tests.stack import RunningStack, eventually

HOURS_AGO = datetime.now(UTC) - timedelta(hours=5)
WORDS = ("I love the new Quokka, wonderful", "The Quokka is awful and it broke", "They sell the Quokka in town")


def post(number: int) -> dict[str, Any]:
    at = HOURS_AGO + timedelta(seconds=number)
    text = f"{WORDS[number % 3]}, number {number}"
    return {
        "external_id": f"q{number}",
        "text": text,
        "posted_at": at.isoformat(),
        "url": f"https://q.example/{number}",
    }


@pytest.fixture(scope="module")
def quokka(stack: RunningStack) -> Iterator[Heard]:
    heard = Heard(stack, "quokka")
    heard.push(*(post(number) for number in range(60)))
    eventually(lambda: sum(point["scored"] for point in heard.sentiment()) == 60, 30)
    yield heard
    heard.close()


@pytest.fixture(scope="module")
def drawn(quokka: Heard) -> dict[str, Any]:
    answer = quokka.stack.client.post(f"/brands/{quokka.brand_id}/audits", json={"count": 40})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def ask(heard: Heard) -> dict[str, Any]:
    answer = heard.stack.client.get(f"/audits?brand_id={heard.brand_id}&limit=200")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_what_was_drawn_is_asked_without_the_models_answer(quokka: Heard, drawn: dict[str, Any]) -> None:
    assert sum(stratum["posts"] for stratum in drawn["strata"]) == 60
    asked = ask(quokka)
    assert (len(asked["audits"]), asked["left"]) == (40, 40)
    one = asked["audits"][0]
    assert (one["brand"], one["source"], one["draw_id"]) == ("quokka", "webhook", drawn["id"])
    assert one["url"].startswith("https://q.example/")
    assert not {"negative", "neutral", "positive", "score", "stratum", "model"} & set(one)


def test_hours_are_drawn_once(quokka: Heard, drawn: dict[str, Any]) -> None:
    path = f"/brands/{quokka.brand_id}/audits"
    hours = {"since": drawn["since"], "until": drawn["until"]}
    again = quokka.stack.client.post(path, json=hours)
    assert (again.status_code, again.json()["id"]) == (200, drawn["id"])
    overlapping = quokka.stack.client.post(path, json={**hours, "since": (HOURS_AGO - timedelta(days=90)).isoformat()})
    assert overlapping.status_code == 409
    assert "drawn twice" in overlapping.json()["detail"]
    assert quokka.stack.client.post(path, json={"since": drawn["until"], "until": drawn["since"]}).status_code == 422
    assert quokka.stack.client.post(path, json={"count": 0}).status_code == 422
    assert quokka.stack.client.post("/brands/999999/audits", json={}).status_code == 404


def test_answers_make_a_share_an_audited_one(quokka: Heard, drawn: dict[str, Any]) -> None:
    client = quokka.stack.client
    (before,) = [point for point in quokka.sentiment() if point["n"]]
    assert (before["method"], before["audits"]) == ("corrected", 0)
    asked = ask(quokka)["audits"]
    for one in asked[:-1]:
        label = 2 if "love" in one["text"] else "negative" if "awful" in one["text"] else "neutral"
        assert client.post(f"/audits/{one['id']}", json={"label": label}).status_code == 204
    assert client.post(f"/audits/{asked[-1]['id']}", json={"label": None}).status_code == 204
    assert ask(quokka) == {"audits": [], "left": 0}
    (listed,) = client.get(f"/brands/{quokka.brand_id}/audits").json()["draws"]
    assert (listed["drawn"], listed["answered"], listed["unclear"]) == (40, 39, 1)

    told = client.get(f"/brands/{quokka.brand_id}/sentiment?compare=previous").json()
    total, (day,) = told["total"], [point for point in told["points"] if point["n"]]
    assert (total["method"], total["audits"], total["n"], day["method"]) == ("audited", 39, 60, "audited")
    assert list(total["versions"].values()) == [60]
    for share in total["shares"].values():
        assert share["low"] < 1 / 3 < share["high"]
        assert share["high"] - share["low"] < 0.25
    assert total["net"]["low"] < 0 < total["net"]["high"]
    assert told["change"]["before"]["n"] == 0
    assert told["change"]["shares"]["negative"] == {"point": None, "low": None, "high": None}


def test_an_answer_can_be_taken_back(quokka: Heard, drawn: dict[str, Any]) -> None:
    client = quokka.stack.client
    labelled = client.get("/labels?purpose=audit").json()["labels"][0]
    (mine,) = [one for one in quokka.posts("&limit=200") if one["text"] == labelled["text"]]
    assert ask(quokka)["left"] == 0
    for number in range(1, 200):
        if client.delete(f"/audits/{number}/label").status_code == 204 and ask(quokka)["left"]:
            break
    assert ask(quokka)["left"] == 1
    assert mine["text"].split(",")[0] in WORDS[0] + WORDS[1] + WORDS[2]
    assert client.delete("/audits/999999/label").status_code == 404
    assert client.post("/audits/999999", json={"label": 1}).status_code == 404
    assert client.post("/audits/1", json={"label": "good"}).status_code == 422
    assert client.post("/audits/1", json={}).status_code == 422


def test_who_may_do_what(quokka: Heard, drawn: dict[str, Any]) -> None:
    client = quokka.stack.client
    keys = {
        role: client.post("/keys", json={"name": role, "role": role}).json()["key"] for role in ("viewer", "labeller")
    }
    with quokka.stack.new_client(keys["viewer"]) as viewer, quokka.stack.new_client(keys["labeller"]) as labeller:
        assert viewer.get("/audits").status_code == 403
        assert viewer.get(f"/brands/{quokka.brand_id}/audits").status_code == 200
        assert labeller.get("/audits").status_code == 200
        assert labeller.post(f"/brands/{quokka.brand_id}/audits", json={}).status_code == 403
