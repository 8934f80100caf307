"""The contract of POST /inference, over HTTP, against a real stack."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from overheard import demo
from tests.stack import RunningStack, eventually

TEXTS = [post.text for post in demo.posts()]
AWKWARD = {
    "empty": "",
    "white space": " \t\n\u00a0 ",
    "ten thousand characters": "so good " * 1250,
    "one word without end": "a" * 10_000,
    "emoji": "😀👍🏽👩‍👩‍👧 🏳️‍🌈",
    "right to left": "\u202eהשירות היה נורא\u202c שלום",
    "NUL": "great\x00stuff",
    "control characters": "\x01\x02\x1b[31m",
    "markup": "<script>alert(1)</script>",
    "special tokens": "[CLS] [SEP] [MASK] <s> </s>",
}


def assert_probabilities(rows: list[dict[str, float]], count: int) -> None:
    assert len(rows) == count
    for row in rows:
        assert list(row) == ["negative", "neutral", "positive"]
        assert all(0 <= p <= 1 for p in row.values())
        assert sum(row.values()) == pytest.approx(1, abs=1e-5)


def test_two_messages_get_two_sets_of_probabilities(stack: RunningStack) -> None:
    answer = stack.infer(["1", "2"])
    assert answer.status_code == 200
    assert_probabilities(answer.json(), 2)
    assert answer.headers["Overheard-Model"]


def test_mood_is_heard(stack: RunningStack) -> None:
    good, bad = stack.infer(["I love this so much, best day ever!", "Worst service ever, I hate them."]).json()
    assert good["positive"] > 0.7
    assert bad["negative"] > 0.7


def test_patch_is_an_alias(stack: RunningStack) -> None:
    posted = stack.infer(["same"]).json()
    patched = stack.client.patch("/inference", json={"messages": ["same"]}).json()
    assert patched[0] == pytest.approx(posted[0], abs=1e-3)


def test_nothing_in_nothing_out(stack: RunningStack) -> None:
    answer = stack.infer([])
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
def test_an_awkward_text_is_scored_and_leaves_its_neighbours_alone(stack: RunningStack, text: str) -> None:
    before, odd, after = stack.infer([TEXTS[0], text, TEXTS[1]]).json()
    assert_probabilities([odd], 1)
    alone = stack.infer(TEXTS[:2]).json()
    assert before == pytest.approx(alone[0], abs=1e-3)
    assert after == pytest.approx(alone[1], abs=1e-3)


def test_half_an_emoji_is_scored(stack: RunningStack) -> None:
    body = b'{"messages": ["cut in half \\ud83d", "\\ude00 the other half", "whole \\ud83d\\ude00"]}'
    answer = stack.client.post("/inference", content=body, headers={"Content-Type": "application/json"})
    assert_probabilities(answer.json(), 3)


def test_a_score_does_not_depend_on_its_batch_mates(stack: RunningStack) -> None:
    alone = [stack.infer([text]).json()[0] for text in TEXTS[:12]]
    together = stack.infer(TEXTS[:12] + ["long " * 2000] * 3 + TEXTS[100:180]).json()
    for one, same in zip(alone, together, strict=False):
        assert one == pytest.approx(same, abs=1e-3)


def test_64_clients_get_their_own_answers_in_order(stack: RunningStack) -> None:
    chance = random.Random(7)
    known = dict(zip(TEXTS, stack.infer(TEXTS).json(), strict=True))
    calls = [chance.choices(TEXTS, k=chance.randint(1, 50)) for _ in range(64)]
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(stack.infer, calls))
    assert {answer.status_code for answer in answers} == {200}
    for call, answer in zip(calls, answers, strict=True):
        for text, row in zip(call, answer.json(), strict=True):
            assert row == pytest.approx(known[text], abs=1e-3)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({}, "messages", "required"),
        ({"messages": "one text"}, "messages", "valid list"),
        ({"messages": ["good", 7]}, "messages.1", "valid string"),
        ({"messages": ["good", None]}, "messages.1", "valid string"),
        ({"messages": [["nested"]]}, "messages.0", "valid string"),
        ({"messages": ["ok"] * 10_001}, "messages", "10000 items"),
        ({"messages": ["ok", "x" * 25_001]}, "messages.1", "25000 characters"),
        (["no object"], "", "valid dictionary"),
    ],
)
def test_422_names_the_field_the_index_and_the_reason(
    stack: RunningStack, body: object, field: str, reason: str
) -> None:
    answer = stack.client.post("/inference", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert reason in error["reason"]


@pytest.mark.parametrize("wait", ["-1", "301", "nan", "soon"])
def test_422_for_a_wait_that_makes_no_sense(stack: RunningStack, wait: str) -> None:
    answer = stack.infer(["x"], params={"wait": wait})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "wait"


@pytest.mark.parametrize("body", [b'{"messages": ["a",', b"\xff\xfe", b"[" * 100_000], ids=["cut", "binary", "deep"])
def test_422_for_a_body_that_is_no_json(stack: RunningStack, body: bytes) -> None:
    answer = stack.client.post("/inference", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "not JSON" in answer.json()["detail"]


def test_413_for_a_body_over_ten_megabytes(stack: RunningStack) -> None:
    assert stack.infer(["x" * 20_000] * 501).status_code == 413


def test_415_for_another_content_type(stack: RunningStack) -> None:
    answer = stack.client.post("/inference", content=b'{"messages":[]}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_respond_async_makes_a_job_with_the_same_answer(stack: RunningStack) -> None:
    answer = stack.infer(TEXTS, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["Location"] == accepted["status_url"]
    eventually(lambda: stack.job(accepted["job_id"])["state"] == "succeeded")
    result = stack.client.get(accepted["result_url"])
    assert_probabilities(result.json(), len(TEXTS))
    for row, same in zip(result.json(), stack.infer(TEXTS).json(), strict=True):
        assert row == pytest.approx(same, abs=1e-3)


def test_an_answer_that_takes_longer_than_wait_becomes_a_job(stack: RunningStack) -> None:
    texts = [f"{number} {text}" for number in range(5) for text in TEXTS]
    answer = stack.infer(texts, params={"wait": 0.05})
    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    eventually(lambda: stack.job(job_id)["state"] == "succeeded", 60)
    assert len(stack.client.get(f"/jobs/{job_id}/result").json()) == len(texts)


def test_an_idempotency_key_makes_one_job(stack: RunningStack) -> None:
    key = {"Idempotency-Key": f"report {time.time_ns()}", "Prefer": "respond-async"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stack.infer(["once"], headers=key), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert stack.infer(["something else"], headers=key).status_code == 409


def test_no_log_holds_a_text(stack: RunningStack) -> None:
    secret = "unmistakable xylophone quartz"
    assert stack.infer([secret] * 2).status_code == 200
    job_id = stack.infer([secret], headers={"Prefer": "respond-async"}).json()["job_id"]
    eventually(lambda: stack.job(job_id)["state"] == "succeeded")
    assert stack.client.post("/inference", json={"messages": [secret, 7]}).status_code == 422
    logs = [log.read_text() for log in (stack.home / "logs").iterdir()]
    assert any(logs)
    assert not any(secret in log for log in logs)
    assert secret not in json.dumps(stack.job(job_id))
