"""The Space's start command with real processes: what a mounted bucket keeps, and what is said where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
START = [sys.executable, str(Path(__file__).parents[2] / "deploy" / "space" / "start.py")]


def space(home: Path, bucket: Path) -> RunningStack:
    stack = RunningStack(home)
    stack.arguments = START
    stack.environment["SPACE_BUCKET"] = str(bucket)
    return stack


def test_a_container_goes_on_where_the_one_before_was_stopped(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    with space(tmp_path / "first", bucket) as first:
        label = {"text": "the lid broke on day two", "label": "negative"}
        assert first.client.post("/labels", json={"labels": [label]}).json()["added"] == 1
        key = first.key
    assert first.process.returncode == 0
    assert first.processes() == []
    shutil.rmtree(first.home)  # a container's disk goes with it
    with space(tmp_path / "second", bucket) as second:
        assert second.key == key
        assert [kept["text"] for kept in second.client.get("/labels").json()["labels"]] == [label["text"]]


def test_without_a_bucket_it_says_what_a_restart_loses(tmp_path: Path) -> None:
    environment = {**os.environ, "SPACE_BUCKET": str(tmp_path / "none"), "OVERHEARD_HOME": str(tmp_path / "home")}
    environment["OVERHEARD_HOST"] = "0.0.0.0"
    environment.pop("OVERHEARD_API_KEY", None)
    run = subprocess.run(START, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "A restart loses everything" in run.stdout
    assert run.returncode == 1
    assert "set OVERHEARD_API_KEY" in run.stderr  # a Space can be reached by everybody
