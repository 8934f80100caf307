"""`overheard up` and `overheard down` with real processes: what starts, what is refused, and what is left behind."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from overheard.errors import StackError
from overheard.stack import resp
from tests.stack import OVERHEARD, RunningStack, eventually

STOP_S = 30
ODD_NAME = "a home; with #odd 100% signs"


def command(stack: RunningStack, *words: str) -> "subprocess.CompletedProcess[str]":
    """Another `overheard` command in the same home."""
    return subprocess.run(
        [OVERHEARD, *words], env=stack.environment, capture_output=True, text=True, timeout=180, check=False
    )


def failed_start(stack: RunningStack) -> "subprocess.CompletedProcess[str]":
    """A start that must fail with one line on stderr and leave nothing behind."""
    failed = command(stack, *stack.arguments[1:])
    assert failed.returncode == 1
    assert failed.stderr.startswith("overheard: ")
    assert len(failed.stderr.splitlines()) == 1
    return failed


def test_one_command_shows_the_demo_and_all_urls_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with RunningStack(tmp_path / ODD_NAME, without=(), demo=True) as stack:
        shown = stack.output.read_text()
        assert "Tazzamo" in shown
        assert stack.key in shown
        assert {brand["name"] for brand in stack.client.get("/brands").json()["brands"]} == {"Tazzamo", "Norrbean"}
        probes = {"": "/health/ready", "FLOWER_": "/healthcheck", "MLFLOW_": "/health"}
        for name, path in probes.items():
            url = f"http://127.0.0.1:{stack.environment[f'OVERHEARD_{name}PORT']}"
            assert url in shown
            assert httpx2.get(url + path, trust_env=False).status_code == 200
        check_passwords(stack)
        began = time.monotonic()
        os.killpg(stack.process.pid, signal.SIGINT)
        assert stack.process.wait(STOP_S) == 0
        assert time.monotonic() - began < STOP_S
        assert stack.processes() == []
        assert not (stack.home / "stack.json").exists()


def check_passwords(stack: RunningStack) -> None:
    """Flower and MLflow open by the key alone; MLflow's mirror has it."""
    doors = {"FLOWER_": "/api/workers", "MLFLOW_": "/api/2.0/mlflow/experiments/search?max_results=10"}
    for name, path in doors.items():
        url = f"http://127.0.0.1:{stack.environment[f'OVERHEARD_{name}PORT']}{path}"
        for login in (None, ("admin", "wrong"), ("admin", "password1234")):
            assert httpx2.get(url, auth=login, trust_env=False).status_code == 401
        assert httpx2.get(url, auth=("admin", stack.key), trust_env=False).status_code == 200
    environment = stack.program("worker", "io").environ()
    login = tuple(environment[f"MLFLOW_TRACKING_{name}"] for name in ("USERNAME", "PASSWORD"))
    assert login == ("admin", stack.key)


def test_a_second_start_in_the_same_home_is_refused_and_the_first_runs_on(stack: RunningStack) -> None:
    assert "overheard down" in failed_start(stack).stderr
    assert stack.client.get("/health/ready").status_code == 200


def test_the_doctor_finds_a_running_stack_well(stack: RunningStack) -> None:
    diagnosis = command(stack, "doctor")
    assert diagnosis.returncode == 0, diagnosis.stdout
    assert "problem" not in diagnosis.stdout


def test_secrets_are_not_on_command_lines_and_their_files_are_private(stack: RunningStack) -> None:
    password = stack.redis_url.split(":")[2].split("@")[0]
    words = [word for process in stack.processes() for word in process.cmdline()]
    assert not [word for word in words if stack.key in word or password in word]
    for name in ("api_key", "stack.json", "run/redis.conf"):
        assert (stack.home / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.slow
def test_a_program_that_dies_comes_back_and_up_says_so(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "home") as stack:
        stack.program("worker", "io").kill()
        eventually(lambda: "io runs again" in stack.output.read_text())
        assert "io ended by itself" in stack.output.read_text()
        assert stack.program("worker", "io")


@pytest.mark.slow
def test_work_accepted_before_sigterm_is_done_after_the_next_start(tmp_path: Path) -> None:
    home, soon = tmp_path / "home", {"lease_s": 4, "visibility_s": 4, "reap_every_s": 1}
    with RunningStack(home, **soon) as stack:
        accepted = stack.infer([f"message {n} says little" for n in range(5000)], headers={"Prefer": "respond-async"})
        stack.stop()
        assert stack.process.returncode == 0
        assert stack.processes() == []
    with RunningStack(home, **soon) as stack:
        eventually(lambda: stack.job(accepted.json()["job_id"])["state"] == "succeeded", 120)


@pytest.mark.slow
def test_a_stack_whose_up_was_killed_is_refused_a_second_start_and_stopped_by_down(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "home") as stack:
        stack.process.kill()
        stack.process.wait()
        assert "overheard down" in failed_start(stack).stderr
        stopped = command(stack, "down")
        assert stopped.returncode == 0
        assert "stopped" in stopped.stdout
        assert stack.processes() == []
        again = command(stack, "down")
        assert again.returncode == 0
        assert "nothing runs" in again.stdout


@pytest.mark.slow
def test_what_a_killed_stack_left_behind_is_cleared_by_the_next_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with RunningStack(home) as stack:
        stack.process.kill()
        stack.program("-c", "supervisord.conf").kill()
        orphans = stack.processes()
        assert orphans
    with RunningStack(home) as stack:
        assert not set(orphans) & set(stack.processes())


@pytest.mark.slow
@pytest.mark.parametrize("presses", [1, 2])
def test_processes_that_hang_do_not_keep_the_stack_from_stopping_in_time(tmp_path: Path, presses: int) -> None:
    with RunningStack(tmp_path / "home") as stack:
        for process in stack.processes():
            if process.cmdline()[-2:] in (["worker", "ml"], ["worker", "io"]) or "gunicorn" in process.cmdline():
                process.suspend()
        began = time.monotonic()
        os.killpg(stack.process.pid, signal.SIGINT)
        if presses == 2:
            eventually(lambda: "stopping" in stack.output.read_text())
            time.sleep(1.2)  # sooner it would count as the same press
            os.killpg(stack.process.pid, signal.SIGINT)
        assert stack.process.wait(STOP_S) == 0
        assert time.monotonic() - began < (STOP_S if presses == 1 else STOP_S / 3)
        assert stack.processes() == []


def test_ctrl_c_while_starting_leaves_nothing(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "home")
    with subprocess.Popen(
        stack.arguments, env=stack.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as up:
        assert up.stdout
        assert next(line for line in up.stdout if "redis" in line and "ready" in line)
        os.killpg(up.pid, signal.SIGINT)
        up.stdout.read()
    assert up.returncode == 0
    assert stack.processes() == []


def test_a_program_that_can_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "home", first_model=tmp_path / "nowhere")
    failed = failed_start(stack)
    assert "ml can't start" in failed.stderr
    assert "nowhere" in failed.stdout
    assert stack.processes() == []


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "home")
    with socket.create_server(("127.0.0.1", stack.port)):
        failed = failed_start(stack)
    assert f"port {stack.port} is taken" in failed.stderr
    assert "OVERHEARD_PORT" in failed.stderr
    assert stack.processes() == []


def home_is_a_file(home: Path) -> None:
    home.write_text("")


def part_is_a_file(home: Path) -> None:
    home.mkdir()
    (home / "redis").write_text("")


def parent_is_a_file(home: Path) -> None:
    home.parent.rmdir()
    home.parent.write_text("")


def database_is_damaged(home: Path) -> None:
    home.mkdir()
    (home / "overheard.db").write_bytes(b"this is no database" * 1000)


def database_is_cut_off(home: Path) -> None:
    home.mkdir()
    (home / "overheard.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)


@pytest.mark.parametrize(
    "damage", [home_is_a_file, part_is_a_file, parent_is_a_file, database_is_damaged, database_is_cut_off]
)
def test_a_broken_state_folder_is_one_clear_line(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    stack = RunningStack(parent / "home")
    damage(stack.home)
    assert str(parent) in failed_start(stack).stderr
    assert stack.processes() == []


def test_redis_is_asked_with_its_password_and_refuses_another(stack: RunningStack) -> None:
    facts = resp.info(stack.redis_url)
    assert resp.version(facts) >= resp.OLDEST
    assert facts["maxmemory_policy"] == "noeviction"
    assert facts["aof_enabled"] == "1"
    with pytest.raises(StackError, match="WRONGPASS"):
        resp.info(stack.redis_url.replace("redis://:", "redis://:x"))


def test_a_stack_outlives_the_pipe_that_it_reports_to(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "home")
    with subprocess.Popen(stack.arguments, env=stack.environment, stdout=subprocess.PIPE, start_new_session=True) as up:
        assert up.stdout
        up.stdout.readline()
        up.stdout.close()
        eventually(lambda: is_ready(stack), 120)
        up.terminate()
    assert up.returncode == 0
    assert stack.processes() == []


def is_ready(stack: RunningStack) -> bool:
    try:
        return httpx2.get(f"{stack.url}/health/ready", trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False
