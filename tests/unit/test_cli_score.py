"""`overheard score` against a small HTTP server that keeps the API's contract, and in this process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zlib import crc32

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from overheard.cli.score import score
from overheard.errors import DataError, ScoringUnavailable, SettingsError

KEY = "a-key-of-enough-characters"
ADDED = ["negative", "neutral", "positive", "label", "model"]
DEADLINE_S = 60
app = typer.Typer()
app.command()(score)


def probabilities(text: str) -> list[float]:
    """What the server answers: decided by the text alone, so that a row in the wrong place is seen."""
    share = crc32(text.encode()) % 1000 / 1000
    return [share, 0.0, 1 - share]


Script = Callable[["Handler", list[str]], bool]


class Api(ThreadingHTTPServer):
    """Answers as the API does. `scripts` says what happens to the first calls instead, one after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = "model-a"
        self.scripts: list[Script] = []
        self.texts: list[str] = []
        self.calls = 0
        self.jobs: dict[str, list[str]] = {}
        self.lock = threading.Lock()
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that were killed do not read their answers."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self, home: Path) -> dict[str, str]:
        return {"OVERHEARD_HOME": str(home), "OVERHEARD_API_URL": self.url, "OVERHEARD_API_KEY": KEY}


class Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/health/live":
            self.answer(200, {"status": "live"})
        elif self.path.endswith("/result"):
            self.answer_scores(self.server.jobs[self.path.split("/")[2]])
        else:
            job_id = self.path.split("/")[2]
            state = "succeeded" if job_id in self.server.jobs else "failed"
            self.answer(200, {"id": job_id, "state": state, "error": {"detail": "the model is broken"}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.answer(401, {"detail": "a key is needed"})
            return
        messages = json.loads(body)["messages"]
        if len(body) > 10_000_000 or len(messages) > 10_000 or any(len(text) > 25_000 for text in messages):
            self.answer(422, {"detail": "too much"})
            return
        with self.server.lock:
            self.server.calls += 1
            script = self.server.scripts.pop(0) if self.server.scripts else None
        if script is None or script(self, messages):
            with self.server.lock:
                self.server.texts += messages
            self.answer_scores(messages)

    def answer_scores(self, messages: list[str]) -> None:
        rows = [dict(zip(ADDED[:3], probabilities(text), strict=True)) for text in messages]
        self.answer(200, rows, {"Overheard-Model": self.server.model})

    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


# Scripts: what a call meets. True: it is answered after all.


def after_row(row: int, script: Script) -> list[Script]:
    """Which of the calls under way comes first is chance, so what happens depends on the rows that a call brings."""

    def look(handler: Handler, messages: list[str]) -> bool:
        return script(handler, messages) if int(messages[-1].split()[-1]) > row else True

    return [look] * 30


def works(handler: Handler, messages: list[str]) -> bool:
    return True


def busy(handler: Handler, messages: list[str]) -> bool:
    handler.answer(503, {"detail": "too many wait"}, {"Retry-After": "0"})
    return False


def becomes_a_job(handler: Handler, messages: list[str]) -> bool:
    job_id = f"job-{len(handler.server.jobs)}"
    handler.server.jobs[job_id] = messages
    handler.answer(202, {"job_id": job_id})
    return False


def becomes_a_job_that_fails(handler: Handler, messages: list[str]) -> bool:
    handler.answer(202, {"job_id": "another"})
    return False


def drops_the_line(handler: Handler, messages: list[str]) -> bool:
    handler.close_connection = True
    return False


def meets_a_new_model(handler: Handler, messages: list[str]) -> bool:
    handler.server.model = "model-b"
    return True


def meets_both_models(handler: Handler, messages: list[str]) -> bool:
    rows = [dict(zip(ADDED[:3], [1, 0, 0], strict=True))] * len(messages)
    handler.answer(200, rows, {"Overheard-Model": "model-a, model-b"})
    return False


def is_refused(handler: Handler, messages: list[str]) -> bool:
    handler.answer(422, {"detail": "messages.3: not to our taste"})
    return False


def is_held(handler: Handler, messages: list[str]) -> bool:
    handler.server.released.wait(DEADLINE_S)
    return True


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def posts(tmp_path) -> Path:
    path = tmp_path / "posts.csv"
    path.write_text("id,text\n" + "".join(f"{n:05},post number {n}\n" for n in range(3000)))
    return path


def run(*args: object, **environment: str) -> Result:
    """With nothing of this machine's own stack: what is not given is unset."""
    unset = {"OVERHEARD_HOME": "/nowhere", "OVERHEARD_API_URL": "", "OVERHEARD_API_KEY": ""}
    return CliRunner().invoke(app, [str(arg) for arg in args], env={**unset, **environment})


def error_of(result: Result) -> str:
    """The one line that `main` prints."""
    assert result.exception is not None, result.output
    assert "\n" not in str(result.exception)
    return f"{type(result.exception).__name__}: {result.exception}"


@contextmanager
def process(*args: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from overheard.cli import main; main()", "score", *map(str, args)]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def wait_until(is_true: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + DEADLINE_S
    while not is_true():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def rows_kept(output: Path) -> int:
    return sum(path.stat().st_size // 12 for path in Path(f"{output}.partial").glob("scores*"))


def check_scored(scored: Path, count: int = 3000, model: str = "model-a") -> None:
    """Every row once, in order, with the scores of its own text."""
    rows = pyarrow.csv.read_csv(scored).to_pylist()
    assert [row["id"] for row in rows] == list(range(count))
    assert {row["model"] for row in rows} == {model}
    for row in rows:
        expected = probabilities(row["text"])
        assert [row["negative"], row["neutral"], row["positive"]] == pytest.approx(expected, abs=1e-5)
        assert row["label"] == ("negative" if expected[0] >= expected[2] else "positive")


# Through the API


def test_a_file_is_scored_through_the_api_in_order(api, posts, tmp_path):
    result = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert result.exit_code == 0, result.exception
    assert f"through {api.url}" in result.stderr
    check_scored(tmp_path / "scored.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["posts.csv", "scored.csv"]


def test_the_summary_tells_shares_per_class(api, tmp_path):
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps({"text": text}) + "\n" for text in ["a", "b", "c", "d", ""]))
    result = run(posts, "-o", tmp_path / "scored.jsonl", "--json", **api.environment(tmp_path))
    summary = json.loads(result.stdout)
    labels = ["negative" if probabilities(text)[0] >= 0.5 else "positive" for text in "abcd"]
    assert summary["shares"] == {name: labels.count(name) / 4 for name in ADDED[:3]}
    assert (summary["rows"], summary["without_text"], summary["model"]) == (5, 1, "model-a")
    shown = run(posts, "-o", tmp_path / "again.jsonl", **api.environment(tmp_path)).stdout
    assert f"{100 * labels.count('positive') / 4:.1f} %" in shown


@pytest.mark.parametrize("trouble", [busy, drops_the_line, becomes_a_job, meets_both_models])
def test_a_call_that_meets_trouble_is_brought_to_its_end(api, posts, tmp_path, trouble):
    api.scripts = [works, trouble, works, trouble]
    result = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert result.exit_code == 0, result.exception
    check_scored(tmp_path / "scored.csv")


def test_a_model_that_changes_midway_scores_the_whole_file(api, posts, tmp_path):
    api.scripts = after_row(500, meets_a_new_model)
    result = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert "are of model model-a, the model is now model-b: starting anew" in result.stderr
    check_scored(tmp_path / "scored.csv", model="model-b")


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [(is_refused, "422: messages.3: not to our taste"), (becomes_a_job_that_fails, "the model is broken")],
)
def test_a_refusal_ends_the_run_and_the_rerun_goes_on(api, posts, tmp_path, trouble, complaint):
    api.scripts = after_row(500, trouble)
    result = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert complaint in error_of(result)
    assert "rows are kept" in result.stderr
    assert not (tmp_path / "scored.csv").exists()
    api.scripts = []
    again = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert "going on after" in again.stderr
    check_scored(tmp_path / "scored.csv")


def test_a_stack_that_takes_no_texts_is_given_up_after_a_while(api, posts, tmp_path, monkeypatch):
    monkeypatch.setattr("overheard.client.PATIENCE_S", 0.5)
    api.scripts = [busy] * 1000
    result = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert "takes no texts now: too many wait" in error_of(result)
    assert [path.name for path in tmp_path.iterdir()] == ["posts.csv"]


def test_a_lost_connection_is_one_clear_line(posts, tmp_path, monkeypatch):
    monkeypatch.setattr("overheard.client.RECONNECT_S", (0.01, 0.01))
    environment = {"OVERHEARD_API_URL": "http://127.0.0.1:9", "OVERHEARD_API_KEY": KEY}
    result = run(posts, "-o", tmp_path / "scored.csv", **environment)
    assert isinstance(result.exception, ScoringUnavailable)
    assert "no connection to http://127.0.0.1:9" in error_of(result)


def test_a_refused_key_says_which_setting(api, posts, tmp_path):
    environment = {**api.environment(tmp_path), "OVERHEARD_API_KEY": "another-key-of-that-length"}
    result = run(posts, "-o", tmp_path / "scored.csv", **environment)
    assert isinstance(result.exception, SettingsError)
    assert "OVERHEARD_API_KEY" in error_of(result)


def test_long_texts_are_cut_to_what_the_api_takes(api, tmp_path):
    posts = tmp_path / "posts.csv"
    posts.write_text("text\n" + ("ü" * 30_000 + "\n") * 200)
    result = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert result.exit_code == 0, result.exception
    assert len(api.texts) == 200


# Interruptions


def test_a_killed_run_is_continued(api, posts, tmp_path):
    output = tmp_path / "scored.csv"
    api.scripts = after_row(500, is_held)
    with process(posts, "-o", output, **api.environment(tmp_path)) as killed:
        wait_until(lambda: rows_kept(output) > 0)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    assert not output.exists()
    api.released.set()
    api.scripts, api.texts = [], []
    result = run(posts, "-o", output, **api.environment(tmp_path))
    assert "going on after" in result.stderr
    assert len(set(api.texts)) < 3000
    check_scored(output)
    assert not Path(f"{output}.partial").exists()


def test_a_run_killed_again_and_again_ends_with_every_row_once(api, posts, tmp_path):
    output = tmp_path / "scored.csv"
    for row in (500, 1500, 2500):
        kept = rows_kept(output)
        api.released.clear()
        api.scripts = after_row(row, is_held)
        with process(posts, "-o", output, **api.environment(tmp_path)) as killed:
            wait_until(lambda kept=kept: rows_kept(output) > kept)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        api.released.set()
    api.scripts = []
    assert run(posts, "-o", output, **api.environment(tmp_path)).exit_code == 0
    check_scored(output)


def test_ctrl_c_ends_at_once_and_keeps_what_is_done(api, posts, tmp_path):
    output = tmp_path / "scored.csv"
    api.scripts = after_row(500, is_held)
    with process(posts, "-o", output, **api.environment(tmp_path)) as stopped:
        wait_until(lambda: rows_kept(output) > 0)
        stopped.send_signal(signal.SIGINT)
        _, stderr = stopped.communicate(timeout=DEADLINE_S)
    assert stopped.returncode not in (0, -signal.SIGINT)
    assert "rows are kept" in stderr
    assert "Traceback" not in stderr


def test_a_killed_run_in_this_process_is_continued(posts, tmp_path):
    output = tmp_path / "scored.csv"
    environment = {"OVERHEARD_HOME": str(tmp_path / "home")}
    with process(posts, "-o", output, "--here", **environment) as killed:
        wait_until(lambda: rows_kept(output) > 0)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    result = run(posts, "-o", output, "--here", "--json", **environment)
    assert 0 < json.loads(result.stdout)["resumed_rows"] < 3000
    rows = pyarrow.csv.read_csv(output)
    assert rows["id"].to_pylist() == list(range(3000))
    assert len(set(rows["model"].to_pylist())) == 1


def stopped_early(api: Api, posts: Path, output: Path, home: Path) -> None:
    api.scripts = after_row(500, is_refused)
    run(posts, "-o", output, **api.environment(home))
    assert Path(f"{output}.partial").is_dir()
    api.scripts = []


def test_a_changed_input_starts_anew(api, posts, tmp_path):
    output = tmp_path / "scored.csv"
    stopped_early(api, posts, output, tmp_path)
    posts.write_text(posts.read_text().replace("number", "No."))
    result = run(posts, "-o", output, **api.environment(tmp_path))
    assert "of another input or column: starting anew" in result.stderr
    check_scored(output)


def test_a_changed_model_starts_anew(api, posts, tmp_path):
    output = tmp_path / "scored.csv"
    stopped_early(api, posts, output, tmp_path)
    api.model = "model-b"
    result = run(posts, "-o", output, **api.environment(tmp_path))
    assert "are of model model-a, the model is now model-b: starting anew" in result.stderr
    check_scored(output, model="model-b")


def test_two_runs_into_one_output_do_not_mix(api, posts, tmp_path):
    output = tmp_path / "scored.csv"
    api.scripts = after_row(500, is_held)
    with process(posts, "-o", output, **api.environment(tmp_path)) as first:
        wait_until(lambda: rows_kept(output) > 0)
        second = run(posts, "-o", output, **api.environment(tmp_path))
        assert "being written by another" in error_of(second)
        api.released.set()
        assert first.wait(DEADLINE_S) == 0
    check_scored(output)


# Which way


def test_a_running_stack_of_this_home_is_found(api, tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps({"api_url": api.url}))
    (tmp_path / "api_key").write_text(KEY + "\n")
    result = run("some text", "--json", OVERHEARD_HOME=str(tmp_path))
    assert result.stderr.strip() == f"through {api.url}"
    assert json.loads(result.stdout)[0]["model"] == "model-a"


def test_here_leaves_the_stack_alone(api, tmp_path):
    result = run("some text", "--here", **api.environment(tmp_path))
    assert result.stderr.strip() == "in this process"
    assert api.calls == 0


def test_a_stack_that_has_died_is_passed_over(tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps({"api_url": "http://127.0.0.1:9"}))
    (tmp_path / "api_key").write_text(KEY)
    assert run("some text", OVERHEARD_HOME=str(tmp_path)).stderr.strip() == "in this process"


# Texts


def test_texts_are_shown_with_their_scores(tmp_path):
    result = run("I love this, thank you!", "Worst [bold]service[/bold] ever", OVERHEARD_HOME=str(tmp_path))
    first, second = result.stdout.splitlines()[1:]
    assert "positive" in first
    assert "negative" in second
    assert "[bold]service[/bold]" in second


def test_json_of_texts_is_a_list_in_order(api, tmp_path):
    rows = json.loads(run("b", "a", "b", "--json", **api.environment(tmp_path)).stdout)
    assert [row["text"] for row in rows] == ["b", "a", "b"]
    assert [rows[0][name] for name in ADDED[:3]] == pytest.approx(probabilities("b"))
    assert rows[0] == rows[2]


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["good", "  "], "text 2 is empty"),
        (["posts.csv"], "name the output too, for example -o posts.scored.csv"),
        (["a.csv", "b.csv", "-o", "c.csv"], "one input file, not 2"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(args, complaint):
    assert complaint in error_of(run(*args))


# Files


def test_parquet_keeps_its_types_and_metadata(api, tmp_path):
    schema = pa.schema([("id", pa.uint64()), ("at", pa.timestamp("ns", tz="UTC")), ("body", pa.string())], {"a": "b"})
    posts = tmp_path / "posts.parquet"
    pq.write_table(pa.Table.from_pylist([{"id": 2**63, "at": 5, "body": "a"}, {"id": 1, "body": None}], schema), posts)
    result = run(posts, "-o", tmp_path / "scored.parquet", "--text-column", "body", **api.environment(tmp_path))
    assert result.exit_code == 0, result.exception
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored.select(["id", "at", "body"]).equals(pq.read_table(posts), check_metadata=True)
    assert scored.schema.names[3:] == ADDED
    assert scored.to_pylist()[0]["positive"] == pytest.approx(probabilities("a")[2])
    assert [scored.to_pylist()[1][name] for name in ADDED] == [None] * 5


def test_columns_of_our_names_are_kept_and_ours_take_a_prefix(api, tmp_path):
    posts = tmp_path / "posts.csv"
    posts.write_text("text,label\na,2\n")
    refused = run(posts, "-o", tmp_path / "scored.csv", **api.environment(tmp_path))
    assert "has a column 'label' already" in error_of(refused)
    assert "--prefix predicted_" in error_of(refused)
    run(posts, "-o", tmp_path / "scored.csv", "--prefix", "predicted_", **api.environment(tmp_path))
    header, row = (tmp_path / "scored.csv").read_text().splitlines()
    assert header == "text,label," + ",".join(f"predicted_{name}" for name in ADDED)
    assert row.startswith("a,2,")


def test_an_output_that_exists_is_replaced_only_when_asked_to(api, posts, tmp_path):
    output = tmp_path / "scored.csv"
    output.write_text("precious")
    assert "--overwrite" in error_of(run(posts, "-o", output, **api.environment(tmp_path)))
    assert output.read_text() == "precious"
    assert run(posts, "-o", output, "--overwrite", **api.environment(tmp_path)).exit_code == 0
    check_scored(output)


def test_the_input_is_never_the_output(api, posts, tmp_path):
    assert "is the input" in error_of(run(posts, "-o", posts, "--overwrite", **api.environment(tmp_path)))


@pytest.mark.parametrize(
    ("content", "output", "complaint"),
    [
        (None, "scored.csv", "does not exist"),
        ("text\n", "scored.csv", "has no rows"),
        ("text,id\na,1\nb\n", "scored.csv", "line 3"),
        ("body,id\na,1\n", "scored.csv", "its columns are body, id"),
        ("text\na\n", "scored.xlsx", r".csv, .jsonl"),
        ("text\na\n", "nowhere/scored.csv", "is no folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(api, tmp_path, content, output, complaint):
    posts = tmp_path / "posts.csv"
    if content is not None:
        posts.write_text(content)
    before = sorted(tmp_path.iterdir())
    result = run(posts, "-o", tmp_path / output, **api.environment(tmp_path))
    assert isinstance(result.exception, DataError)
    assert complaint in error_of(result)
    assert sorted(tmp_path.iterdir()) == before
    assert api.calls == 0


def test_help_shows_an_example():
    assert "Example: overheard score" in run("--help").stdout


def test_the_whole_command_prints_one_line_for_an_error(tmp_path):
    with process(tmp_path / "missing.csv", "-o", tmp_path / "scored.csv") as failing:
        stdout, stderr = failing.communicate(timeout=DEADLINE_S)
    assert (failing.returncode, stdout) == (1, "")
    assert stderr.startswith("overheard: ")
    assert len(stderr.splitlines()) == 1
