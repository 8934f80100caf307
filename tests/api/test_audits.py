"""From a draw over answers to an audited share, on a real stack."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

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


@pytest.fixture(scope="module")
def asked(quokka: Heard, drawn: dict[str, Any]) -> list[dict[str, Any]]:
    return list(ask(quokka)["audits"])


def ask(heard: Heard) -> dict[str, Any]:
    answer = heard.stack.client.get(f"/audits?brand_id={heard.brand_id}&limit=200")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def meant(text: str) -> str | int:
    """Half of what the model calls negative is not."""
    if "awful" in text:
        return "negative" if int(text.rpartition(" ")[2]) % 2 else 1
    return "positive" if "love" in text else "neutral"


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


def test_an_answer_can_be_taken_back_and_given_anew(quokka: Heard, asked: list[dict[str, Any]]) -> None:
    client, path = quokka.stack.client, f"/audits/{asked[0]['id']}"
    for label in (0, 2, 2):
        assert client.post(path, json={"label": label}).status_code == 204
    assert client.get("/labels?purpose=audit").json()["labels"][0]["text"] == asked[0]["text"]
    left = ask(quokka)["left"]
    assert client.delete(f"{path}/label").status_code == 204
    assert client.delete(f"{path}/label").status_code == 204
    assert (ask(quokka)["audits"][0], ask(quokka)["left"]) == (asked[0], left + 1)


def test_what_is_no_answer_is_refused(quokka: Heard, asked: list[dict[str, Any]]) -> None:
    client, path = quokka.stack.client, f"/audits/{asked[0]['id']}"
    assert [client.post(path, json=body).status_code for body in ({}, {"label": "good"}, {"label": 3})] == [422] * 3
    assert client.post("/audits/999999", json={"label": 1}).status_code == 404
    assert client.delete("/audits/999999/label").status_code == 404


def test_answers_make_a_share_an_audited_one(quokka: Heard, asked: list[dict[str, Any]]) -> None:
    client = quokka.stack.client
    (before,) = [point for point in quokka.sentiment() if point["n"]]
    assert (before["method"], before["audits"]) == ("corrected", 0)
    for one in asked[:-1]:
        assert client.post(f"/audits/{one['id']}", json={"label": meant(one["text"])}).status_code == 204
    assert client.post(f"/audits/{asked[-1]['id']}", json={"label": None}).status_code == 204
    assert ask(quokka) == {"audits": [], "left": 0}
    (listed,) = client.get(f"/brands/{quokka.brand_id}/audits").json()["draws"]
    assert (listed["drawn"], listed["answered"], listed["unclear"]) == (40, 39, 1)

    told = client.get(f"/brands/{quokka.brand_id}/sentiment?compare=previous").json()
    total, (day,) = told["total"], [point for point in told["points"] if point["n"]]
    assert (total["method"], total["audits"], total["n"], day["method"]) == ("audited", 39, 60, "audited")
    assert list(total["versions"].values()) == [60]
    for share in total["shares"].values():
        assert share["low"] < share["point"] < share["high"] < share["low"] + 0.3
    assert total["shares"]["negative"]["point"] < 0.3 < total["called"]["negative"] / total["scored"]
    assert total["net"]["low"] < total["net"]["point"] < total["net"]["high"]
    assert told["change"]["before"]["n"] == 0
    assert told["change"]["shares"]["negative"] == {"point": None, "low": None, "high": None}


def test_posts_are_checked_in_the_terminal_with_a_key_each(quokka: Heard, asked: list[dict[str, Any]]) -> None:
    quokka.push(*(post(number) for number in range(60, 66)))
    eventually(lambda: len([one for one in quokka.posts("&limit=200") if one["score"]]) == 66)
    before = {
        "since": (HOURS_AGO - timedelta(days=90)).isoformat(),
        "until": (HOURS_AGO - timedelta(days=60)).isoformat(),
    }
    assert run(quokka, "audits", "draw", "quokka", *words(before)).exit_code == 1  # nothing was said then
    assert quokka.stack.client.delete(f"/audits/{asked[0]['id']}/label").status_code == 204
    assert quokka.stack.client.delete(f"/audits/{asked[1]['id']}/label").status_code == 204
    told = run(quokka, "audits", "label", "--brand", "quokka", keys="1u32")
    assert asked[0]["text"] in told.stdout
    assert "2 checked; nothing is left to check" in told.stdout
    newest = {one["text"]: one["label"] for one in quokka.stack.client.get("/labels?purpose=audit").json()["labels"]}
    assert (newest[asked[0]["text"]], newest[asked[1]["text"]]) == ("positive", "neutral")
    assert "39" in run(quokka, "audits", "list", "quokka").stdout.splitlines()[-1]
    said = run(quokka, "sentiment", "quokka", "--days", "2").stdout
    assert "audited by 39 labels of these posts" in said
    assert "±" in said


def run(heard: Heard, *words: str, keys: str = "") -> Result:
    from overheard.cli import app

    return CliRunner().invoke(app, list(words), input=keys, env={**heard.stack.environment})


def words(options: dict[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def test_who_may_do_what(quokka: Heard, drawn: dict[str, Any]) -> None:
    client = quokka.stack.client
    keys = {
        role: client.post("/keys", json={"name": role, "role": role}).json()["key"] for role in ("viewer", "labeller")
    }
    with quokka.stack.new_client(keys["viewer"]) as viewer, quokka.stack.new_client(keys["labeller"]) as labeller:
        assert viewer.get("/audits").status_code == 403
        assert viewer.get(f"/brands/{quokka.brand_id}/audits").status_code == 200
        assert labeller.get("/audits").status_code == 200
        assert viewer.get(f"/brands/{quokka.brand_id}/quality").json() == {"brand_id": quokka.brand_id, "weeks": []}
        assert labeller.post(f"/brands/{quokka.brand_id}/audits", json={}).status_code == 403
