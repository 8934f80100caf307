"""What a line of the log says, and that answers name the request that a line is about."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from flask import Flask

from api import traced
from api.app import create_app
from overheard.logs import Form, Line
from overheard.settings import Settings

KEY = "an admin's key of a test"


def written(form: Form, about: dict[str, str], error: bool = False) -> str:
    into = StringIO()
    handler = logging.StreamHandler(into)
    handler.setFormatter(Line(form, lambda: about))
    log = logging.getLogger("overheard.test")
    log.handlers, log.propagate = [handler], False
    try:
        if error:
            raise ZeroDivisionError("no")
        log.warning("feed %d fails", 7)
    except ZeroDivisionError:
        log.exception("a bug")
    return into.getvalue()


def test_a_line_of_json_is_one_object_that_names_the_job() -> None:
    (line,) = written("json", {"task": "score.job", "job": "j1"}).splitlines()
    said = json.loads(line)
    assert said.pop("at").endswith("+00:00")
    assert said == {
        "level": "WARNING",
        "logger": "overheard.test",
        "message": "feed 7 fails",
        "task": "score.job",
        "job": "j1",
    }


def test_a_traceback_is_a_part_of_its_line() -> None:
    (line,) = written("json", {}, error=True).splitlines()
    assert json.loads(line)["error"].endswith("ZeroDivisionError: no")


def test_a_line_of_text_ends_with_what_it_is_about() -> None:
    assert written("text", {"job": "j1"}).endswith(" WARNING overheard.test: feed 7 fails [job=j1]\n")
    assert written("text", {}).endswith("feed 7 fails\n")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(Settings(home=tmp_path, redis_url="redis://127.0.0.1:1/0", api_key=KEY))  # type: ignore[arg-type]

    @app.get("/boom/<name>")
    def boom(name: str) -> str:
        raise ZeroDivisionError

    yield app
    app.extensions["overheard"].database.engine.dispose()


def test_an_answer_names_its_request_and_so_does_the_log(app: Flask) -> None:
    into = StringIO()
    handler = logging.StreamHandler(into)
    handler.setFormatter(Line("json", traced.about))
    logging.getLogger("api.errors").addHandler(handler)
    try:
        client, key = app.test_client(), {"Authorization": f"Bearer {KEY}"}
        told = client.get("/boom/ann?q=secret", headers={**key, "X-Request-Id": "theirs-1"})
    finally:
        logging.getLogger("api.errors").removeHandler(handler)
    assert told.status_code == 500
    assert told.headers["X-Request-Id"] == "theirs-1"
    said = json.loads(into.getvalue())
    assert (said["request"], said["call"]) == ("theirs-1", "GET /boom/<name>")
    assert "secret" not in into.getvalue()


def test_an_id_that_would_forge_a_line_is_not_taken(app: Flask) -> None:
    given = app.test_client().get("/health/live", headers={"X-Request-Id": "a b]"}).headers["X-Request-Id"]
    assert given != "a b]"
    assert app.test_client().get("/health/live").headers["X-Request-Id"] != given
