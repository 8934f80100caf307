"""The contract of /batches, over HTTP, against a real stack."""

import csv
import datetime as dt
import io
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from redis import Redis

from tests.stack import RunningStack, eventually

CSV, JSONL, PARQUET = "text/csv", "application/x-ndjson", "application/vnd.apache.parquet"
ADDED = ["negative", "neutral", "positive", "label", "model"]
POSTS = ["I love this", "this is terrible", "it is a table", "best day ever"]


def upload(stack: RunningStack, content: Any, kind: str = CSV, **options: Any) -> httpx2.Response:
    headers = {"Content-Type": kind, **options.pop("headers", {})}
    return stack.client.post("/batches", content=content, headers=headers, **options)


def accepted(stack: RunningStack, content: Any, kind: str = CSV, **options: Any) -> str:
    answer = upload(stack, content, kind, **options)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def succeeded(stack: RunningStack, job_id: str) -> dict[str, Any]:
    job = eventually(lambda: (job := stack.job(job_id))["finished_at"] and job, 120)
    assert job["state"] == "succeeded", job
    return dict(job)


def results(stack: RunningStack, job_id: str, kind: str | None = None) -> httpx2.Response:
    succeeded(stack, job_id)
    answer = stack.client.get(f"/batches/{job_id}/results", params={"format": kind} if kind else {})
    assert answer.status_code == 200, answer.text
    return answer


def csv_rows(answer: httpx2.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text)))


def json_rows(answer: httpx2.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def csv_file(texts: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([("id", "text"), *((str(number), text) for number, text in enumerate(texts))])
    return out.getvalue().encode()


def parquet_file(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def typed_table() -> pa.Table:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    columns = {
        "id": pa.array(range(2**60, 2**60 + 4), pa.uint64()),
        "at": pa.array([moment] * 4, pa.timestamp("ms", tz="UTC")),
        "tags": pa.array([["a"], [], None, ["b", "c"]]),
        "topic": pa.array(["x", "y", "x", None]).dictionary_encode(),
        "text": pa.array(POSTS),
    }
    return pa.table(columns).replace_schema_metadata({"owner": "us"})


# Every format, in and out


def test_a_csv_file_comes_back_with_its_columns_in_its_order_and_scores_as_inference_gives_them(
    stack: RunningStack,
) -> None:
    answer = upload(stack, csv_file(POSTS))
    assert answer.status_code == 202
    body = answer.json()
    assert (body["rows"], body["rejected"]) == (4, 0)
    assert answer.headers["Location"] == body["status_url"] == f"/batches/{body['job_id']}"
    answer = results(stack, body["job_id"])
    assert answer.headers["Content-Type"] == CSV
    assert answer.headers["Content-Disposition"] == "attachment; filename=upload.scored.csv"
    rows = csv_rows(answer)
    assert list(rows[0]) == ["id", "text", *ADDED]
    assert [(row["id"], row["text"]) for row in rows] == [(str(n), text) for n, text in enumerate(POSTS)]
    for row, scores in zip(rows, stack.infer(POSTS).json(), strict=True):
        assert {name: float(row[name]) for name in scores} == pytest.approx(scores, abs=1e-3)
        assert row["label"] == max(scores, key=scores.__getitem__)


@pytest.mark.parametrize("kind", [CSV, JSONL, "application/jsonl", PARQUET])
def test_each_format_becomes_each_other(stack: RunningStack, kind: str) -> None:
    content = {
        CSV: csv_file(POSTS),
        PARQUET: parquet_file(pa.table({"id": [str(n) for n in range(4)], "text": POSTS})),
    }.get(kind) or "".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(POSTS)).encode()
    job_id = accepted(stack, content, kind)
    for rows in (
        csv_rows(results(stack, job_id, "csv")),
        json_rows(results(stack, job_id, "jsonl")),
        pq.read_table(io.BytesIO(results(stack, job_id, "parquet").content)).to_pylist(),
    ):
        assert [(row["id"], row["text"]) for row in rows] == [(str(n), text) for n, text in enumerate(POSTS)]
        assert list(rows[0]) == ["id", "text", *ADDED]
        assert {row["label"] for row in rows} <= {"negative", "neutral", "positive"}


def test_parquet_keeps_its_types_and_metadata(stack: RunningStack) -> None:
    table = typed_table()
    scored = pq.read_table(io.BytesIO(results(stack, accepted(stack, parquet_file(table), PARQUET)).content))
    assert scored.select(table.schema.names).cast(table.schema).equals(table)
    assert scored.schema.names == [*table.schema.names, *ADDED]
    assert [str(scored.schema.field(name).type) for name in ADDED] == ["float"] * 3 + ["string"] * 2
    assert scored.schema.field("topic").type == table.schema.field("topic").type
    assert scored.schema.metadata[b"owner"] == b"us"


def test_jsonl_values_of_every_kind_come_back_as_they_were(stack: RunningStack) -> None:
    sent = [
        {"id": 2**53 + 1, "text": "a", "mixed": 1, "tags": ["x", {"y": None}], "ok": True, "share": 0.1},
        {"id": 2, "text": "b 🎉", "mixed": "one", "tags": None, "ok": None, "share": 2.0},
    ]
    content = "\n\n".join(map(json.dumps, sent)).encode()
    job_id = accepted(stack, content, JSONL)
    rows = json_rows(results(stack, job_id))
    assert [{name: row[name] for name in sent[0]} for row in rows] == sent
    assert pq.read_schema(io.BytesIO(results(stack, job_id, "parquet").content)).field("id").type == pa.int64()


def test_a_form_tells_the_format_by_the_name_of_its_file(stack: RunningStack) -> None:
    content = '{"body": "I love it"}\n'
    answer = stack.client.post(
        "/batches", files={"file": ("Größe 2.ndjson", content, "text/plain")}, params={"text_column": "body"}
    )
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    assert stack.client.get(f"/batches/{job_id}").json()["filename"] == "Größe 2.ndjson"
    answer = results(stack, job_id)
    assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%202.scored.jsonl" in answer.headers["Content-Disposition"]
    assert json_rows(answer)[0]["body"] == "I love it"


def test_a_prefix_names_our_columns_otherwise(stack: RunningStack) -> None:
    content = b"text,label\nI love it,5\n"
    refused = upload(stack, content)
    assert refused.status_code == 422
    assert "has a column 'label' already" in refused.json()["detail"]
    assert "?prefix=predicted_" in refused.json()["detail"]
    (row,) = csv_rows(results(stack, accepted(stack, content, params={"prefix": "predicted_"})))
    assert (row["label"], row["predicted_label"]) == ("5", "positive")


def test_texts_that_are_blank_or_longer_than_any_model_reads_are_no_reason_to_refuse_a_row(stack: RunningStack) -> None:
    long = "good " * 10_000
    sent = [{"text": text} for text in ("", "fine", None, " \t", long)]
    rows = json_rows(results(stack, accepted(stack, "\n".join(map(json.dumps, sent)), JSONL)))
    assert [row["text"] for row in rows] == ["", "fine", None, " \t", long]
    assert [row["label"] is None for row in rows] == [True, False, True, True, False]
    assert rows[0] == {"text": "", **dict.fromkeys(ADDED)}


def test_a_file_without_any_text_needs_no_worker(stack: RunningStack) -> None:
    job_id = accepted(stack, b"id,text\n1,\n2, \n")
    assert [row["label"] for row in csv_rows(results(stack, job_id))] == ["", ""]


def head(stack: RunningStack) -> str:
    return f"POST /batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.key}\r\nContent-Type: {CSV}\r\n"


# What is wrong with rows, and with files


def test_malformed_rows_of_a_csv_file_are_told_with_their_lines(stack: RunningStack) -> None:
    lines = [
        b"id,text",
        b"1,good",
        b"2,too,many",
        b'3,"over\ntwo lines"',
        b"4",
        b'5,"closed"early',
        b"6,caf\xe9",
        b'7,"never closed',
        b"8,still good",
        b'9,"quoted"',
        b"",
        b"10,last",
    ]
    answer = upload(stack, b"\n".join(lines))
    assert (answer.json()["rows"], answer.json()["rejected"]) == (5, 5)
    job_id = answer.json()["job_id"]
    view = stack.client.get(f"/batches/{job_id}").json()
    assert view["progress"]["rejected"] == 5
    reasons = {row["line"]: row["reason"] for row in view["rejected_rows"]}
    assert list(reasons) == [3, 6, 7, 8, 9]
    assert reasons[3] == "has 3 cells, the header has 2"
    assert "not valid CSV" in reasons[7]
    assert "not UTF-8" in reasons[8]
    assert "not valid CSV" in reasons[9]
    assert [row["id"] for row in csv_rows(results(stack, job_id))] == ["1", "3", "8", "9", "10"]


def test_malformed_rows_of_a_jsonl_file_are_told_with_their_lines(stack: RunningStack) -> None:
    lines = [
        b'{"text": "a"}',
        b"",
        b'{"text": ',
        b'["b"]',
        b'{"text": 5}',
        b'{"id": 1}',
        b'{"text": "\xff"}',
        b"[" * 9999,
    ]
    answer = upload(stack, b"\n".join([*lines, b'{"text": "z"}']), JSONL)
    view = stack.client.get(answer.json()["status_url"]).json()
    reasons = [(row["line"], row["reason"]) for row in view["rejected_rows"]]
    assert [line for line, _ in reasons] == [3, 4, 5, 6, 7, 8]
    told = ["not valid JSON", "no JSON object", "a number in 'text'", "has no 'text'", "not UTF-8", "not valid JSON"]
    assert all(part in reason for part, (_, reason) in zip(told, reasons, strict=True)), reasons
    assert [row["text"] for row in json_rows(results(stack, answer.json()["job_id"]))] == ["a", "z"]


def test_of_very_many_malformed_rows_all_are_counted_and_the_first_are_shown(stack: RunningStack) -> None:
    view = stack.client.get(upload(stack, b"text\ngood\n" + b"1,2\n" * 5000).json()["status_url"]).json()
    assert view["progress"]["rejected"] == 5000
    assert len(view["rejected_rows"]) == 1000


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (CSV, b"", "upload.csv is empty"),
        (CSV, b"\n\n", "is empty"),
        (CSV, b"text\n", "has no rows"),
        (CSV, b"id,body\n1,a\n", "no column 'text'; its columns are id, body"),
        (CSV, b"text,text\na,b\n", "two columns named 'text'"),
        (CSV, b"text,id\na\nb\n", "no row that can be used; line 2 has 1 cells"),
        (CSV, "text\na\n".encode("utf-16"), "line 1 is not UTF-8"),
        (JSONL, b"text\nno json\n", "no column 'text'"),
        (JSONL, b'{"body": "a"}\n', "no column 'text'; its columns are body"),
        (JSONL, b'{"text": 1}\n', "no row that can be used; line 1 holds a number"),
        (JSONL, json.dumps({f"c{n}": n for n in range(1001)} | {"text": "a"}).encode(), "more than 1,000 columns"),
        (PARQUET, b"PAR1 and then nothing", "not a Parquet file"),
        (PARQUET, parquet_file(pa.table({"text": [1, 2]})), "column 'text' holds int64, no text"),
        (PARQUET, parquet_file(pa.table({"text": pa.array([b"\xff"]).view(pa.string())})), "is damaged"),
        (PARQUET, parquet_file(pa.table({"text": pa.array([], pa.string())})), "has no rows"),
    ],
)
def test_422_for_a_file_that_can_not_be_used(stack: RunningStack, kind: str, content: bytes, said: str) -> None:
    before = stack.client.get("/jobs").json()["jobs"]
    answer = upload(stack, content, kind)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    assert "/proc" not in answer.json()["detail"]
    assert stack.client.get("/jobs").json()["jobs"] == before


def test_415_for_a_file_of_another_kind(stack: RunningStack) -> None:
    for answer in (
        upload(stack, b"{}", "application/json"),
        stack.client.post("/batches", files={"file": ("posts.xlsx", b"x", "application/x-excel")}),
    ):
        assert answer.status_code == 415
        assert "csv" in answer.json()["detail"]


def test_a_connection_is_good_for_more_after_a_refusal(stack: RunningStack) -> None:
    with stack.new_client(stack.key) as client:
        for _ in range(5):
            assert client.post("/batches", content=b"{}", headers={"Content-Type": "application/json"}).is_error
            assert client.get("/health/live").is_success


def test_422_for_a_form_without_the_file(stack: RunningStack) -> None:
    assert stack.client.post("/batches", files={"other": ("a.csv", b"text\na\n")}).status_code == 422


def test_413_at_once_for_more_than_may_be_uploaded(stack: RunningStack) -> None:
    with socket.create_connection(("127.0.0.1", stack.port)) as connection:
        connection.sendall(f"{head(stack)}Connection: close\r\nContent-Length: 2000000000\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(10_000), b"")).decode()
    assert " 413 " in answer.splitlines()[0]
    assert "OVERHEARD_MAX_UPLOAD_BYTES" in answer


def test_a_connection_that_ends_too_early_leaves_nothing(stack: RunningStack) -> None:
    before = stack.client.get("/jobs").json()["jobs"]
    for framing in ("Content-Length: 5000", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", stack.port)) as connection:
            connection.sendall(f"{head(stack)}{framing}\r\n\r\n10\r\ntext\r\nhalf a file".encode())
            connection.shutdown(socket.SHUT_WR)
            assert " 400 " in connection.recv(10_000).decode().splitlines()[0]
    assert stack.client.get("/jobs").json()["jobs"] == before


def test_a_file_of_unknown_length_is_taken(stack: RunningStack) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"id,te"
        yield b"xt\n1,good"

    assert csv_rows(results(stack, accepted(stack, pieces())))[0]["text"] == "good"


# The life of a batch


def test_a_batch_is_a_job_with_progress_rate_and_what_is_left(stack: RunningStack) -> None:
    job_id = accepted(stack, csv_file([f"this is post number {n}" for n in range(4000)]))
    assert stack.client.get(f"/batches/{job_id}/results").status_code == 409
    running = eventually(lambda: (job := stack.job(job_id))["progress"]["rows_per_s"] and job, 60)
    assert running["kind"] == "batch"
    assert running["progress"]["total"] == 4000
    if running["state"] == "running":
        left = (4000 - running["progress"]["done"]) / running["progress"]["rows_per_s"]
        assert running["progress"]["eta_s"] == pytest.approx(left, rel=0.1, abs=0.2)
    job = succeeded(stack, job_id)
    assert job["progress"]["done"] == 4000
    eventually(lambda: stack.job(str(job["id"]))["celery_state"] == "SUCCESS")
    view = stack.client.get(f"/batches/{job_id}").json()
    assert view["results_url"] == f"/batches/{job_id}/results"
    assert view["rejected_rows"] == []
    kept = dt.datetime.fromisoformat(view["expires_at"]) - dt.datetime.fromisoformat(view["finished_at"])
    assert kept.days == 30
    assert [row["id"] for row in csv_rows(results(stack, job_id))] == [str(n) for n in range(4000)]


def test_the_result_of_a_batch_is_not_read_as_that_of_a_request(stack: RunningStack) -> None:
    job_id = accepted(stack, csv_file(POSTS))
    succeeded(stack, job_id)
    answer = stack.client.get(f"/jobs/{job_id}/result")
    assert answer.status_code == 409
    assert f"GET /batches/{job_id}/results" in answer.json()["detail"]


@pytest.mark.slow
def test_a_cancelled_batch_stops_within_five_seconds_and_goes_on_when_it_is_retried(stack: RunningStack) -> None:
    job_id = accepted(stack, csv_file([f"yet another long story {n} of many" for n in range(8000)]))
    eventually(lambda: stack.job(job_id)["progress"]["done"] > 0, 60)
    assert stack.client.delete(f"/jobs/{job_id}").json()["state"] == "cancelled"
    eventually(lambda: stack.job(job_id)["celery_state"] == "REVOKED", 5)
    done = stack.job(job_id)["progress"]["done"]
    assert done < 8000
    refused = stack.client.get(f"/batches/{job_id}/results")
    assert refused.status_code == 409
    assert f"POST /jobs/{job_id}/retry" in refused.json()["detail"]
    assert stack.client.post(f"/jobs/{job_id}/retry").json()["progress"]["done"] == done
    assert succeeded(stack, job_id)["progress"]["done"] == 8000
    assert [row["id"] for row in csv_rows(results(stack, job_id))] == [str(n) for n in range(8000)]


def test_an_upload_sent_twice_under_one_key_is_one_batch(stack: RunningStack) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = accepted(stack, csv_file(POSTS), headers=headers)
    assert accepted(stack, csv_file(POSTS), headers=headers) == first
    for other in ({"params": {"prefix": "x_"}}, {"content": csv_file(POSTS[:2])}):
        answer = upload(stack, **{"content": csv_file(POSTS), **other}, headers=headers)
        assert answer.status_code == 409
        assert "another request" in answer.json()["detail"]


def test_uploads_sent_at_once_under_one_key_are_one_batch(stack: RunningStack) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    content = csv_file([f"at once {n}" for n in range(3000)])
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: upload(stack, content, headers=headers), range(4)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    made = {answer.json()["job_id"] for answer in answers if answer.status_code == 202}
    assert len(made) == 1
    assert {accepted(stack, content, headers=headers)} == made


def test_a_batch_and_its_results_are_deleted_when_their_days_are_over(stack: RunningStack) -> None:
    old, young = (accepted(stack, csv_file(POSTS)) for _ in range(2))
    succeeded(stack, old), succeeded(stack, young)
    with sqlite3.connect(stack.home / "overheard.db", timeout=30) as database:
        database.execute("UPDATE jobs SET finished_at = '2020-01-01 00:00:00.000000' WHERE id = ?", [old])
    script = "from worker.app import app; app.send_task('jobs.purge')"
    subprocess.run([sys.executable, "-c", script], env=stack.environment, check=True)
    eventually(lambda: stack.client.get(f"/batches/{old}").status_code == 404)
    gone = stack.client.get(f"/batches/{old}/results")
    assert gone.status_code == 404
    assert "30 days after it ended (OVERHEARD_KEEP_JOBS_DAYS)" in gone.json()["detail"]
    with sqlite3.connect(stack.home / "overheard.db", timeout=30) as database:
        for table in ("batches", "part_rows", "parts"):
            assert database.execute(f"SELECT count(*) FROM {table} WHERE job_id = ?", [old]).fetchone() == (0,)
    assert stack.client.get(f"/batches/{young}/results").status_code == 200


def test_texts_are_kept_no_longer_than_until_they_are_scored(stack: RunningStack) -> None:
    job_id = accepted(stack, csv_file(POSTS))
    succeeded(stack, job_id)
    with sqlite3.connect(stack.home / "overheard.db", timeout=30) as database:
        (texts,) = database.execute("SELECT texts FROM parts WHERE job_id = ?", [job_id]).fetchone()
    assert texts == b""


def test_404_for_a_batch_that_is_unknown_or_no_batch(stack: RunningStack) -> None:
    job_id = stack.infer(["no batch"], headers={"Prefer": "respond-async"}).json()["job_id"]
    for path in (f"/batches/{uuid4()}", f"/batches/{job_id}", f"/batches/{job_id}/results"):
        answer = stack.client.get(path)
        assert answer.status_code == 404
        assert "no batch" in answer.json()["detail"]


@pytest.mark.slow
def test_two_workers_share_one_batch(stack: RunningStack) -> None:
    second = subprocess.Popen([sys.executable, "-m", "worker", "ml", "second"], env=stack.environment)
    try:
        with Redis.from_url(stack.redis_url) as redis:
            eventually(lambda: redis.hlen("overheard:heartbeats") == 2, 60)
            job_id = accepted(stack, csv_file([f"who scores number {n}?" for n in range(8000)]))
            eventually(lambda: stack.job(job_id)["progress"]["done"] > 0, 60)
            first = stack.program("worker", "ml")
            first.suspend()
            try:
                done = stack.job(job_id)["progress"]["done"]
                eventually(lambda: stack.job(job_id)["progress"]["done"] > done + 1000, 60)
            finally:
                first.resume()
            succeeded(stack, job_id)
    finally:
        second.terminate()
        second.wait(30)


def test_results_that_nobody_reads_to_the_end_leave_no_process(stack: RunningStack) -> None:
    job_id = accepted(stack, b"text,note\n" + b"".join(b",%s\n" % (b"x" * 2000) for _ in range(20_000)))
    succeeded(stack, job_id)
    with stack.client.stream("GET", f"/batches/{job_id}/results") as stream:
        assert stream.status_code == 200, stream.read()
        pieces = stream.iter_bytes(1000)  # kept: the stream ends with it
        next(pieces)
        assert [p for p in stack.processes() if "overheard.batches" in p.cmdline()]
    eventually(lambda: not [p for p in stack.processes() if "overheard.batches" in p.cmdline()])


def test_an_upload_needs_a_key_and_its_page_is_documented(stack: RunningStack) -> None:
    with stack.new_client(None) as stranger:
        assert stranger.post("/batches", content=b"text\na\n", headers={"Content-Type": CSV}).status_code == 401
    call = stack.client.get("/openapi/openapi.json").json()["paths"]["/batches"]["post"]
    assert {CSV, JSONL, PARQUET, "multipart/form-data"} <= call["requestBody"]["content"].keys()
    assert {parameter["name"] for parameter in call["parameters"]} == {"text_column", "prefix", "Idempotency-Key"}


def test_health_answers_while_a_file_is_received(stack: RunningStack) -> None:
    content = csv_file([f"busy {n}" for n in range(20_000)])
    with ThreadPoolExecutor(1) as pool:
        receiving = pool.submit(upload, stack, content)
        while not receiving.done():
            began = time.monotonic()
            assert stack.client.get("/health/live").status_code == 200
            assert time.monotonic() - began < 2
    stack.client.delete(f"/jobs/{receiving.result().json()['job_id']}")
