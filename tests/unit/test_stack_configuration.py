"""What is written for Redis and for supervisord, read back as they read it."""

import shlex
import socket
import stat
from configparser import RawConfigParser
from pathlib import Path

import pytest

from overheard.settings import Settings
from overheard.stack import embedded, programs
from overheard.stack.home import prepare
from overheard.stack.programs import STOP_S, Extra, Program
from overheard.stack.supervisor import configuration


def parsed(members: list[Program]) -> RawConfigParser:
    """As supervisord parses it."""
    parser = RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(configuration(members, 1, "secret"))
    return parser


def all_programs(**settings: object) -> list[Program]:
    return programs.chosen(Settings(**settings), Path("/usr/bin/valkey-server"), set())


@pytest.mark.parametrize(
    "word", ["/a b/c", "50%", "a #comment", "a ; b", "quo'te\"s", "back\\slash", "api.app:create_app()"]
)
def test_a_command_reaches_supervisord_word_by_word(word: str) -> None:
    command = parsed([Program("any", (word, "second"))])["program:any"]["command"]
    assert shlex.split(command % {}) == [word, "second"]


def test_the_api_stops_first_and_redis_last_and_all_within_30_s() -> None:
    parser = parsed(all_programs())
    priority = {
        name: int(parser[group]["priority"])
        for group in parser.sections()
        if group.startswith("group:")
        for name in parser[group]["programs"].split(",")
    }
    assert max(priority, key=lambda name: priority[name]) == "api"
    assert min(priority, key=lambda name: priority[name]) == "redis"
    assert set(priority) == {"redis", "api", "ml", "io", "train", "beat", "flower", "mlflow"}
    assert sum(STOP_S.values()) + len(STOP_S) < 28


def test_optional_programs_and_an_embedded_redis_can_be_left_out() -> None:
    chosen = programs.chosen(Settings(), None, {Extra.flower})
    assert [program.name for program in chosen] == ["api", "ml", "io", "train", "beat", "mlflow"]


def test_queue_and_scoring_start_before_the_rest() -> None:
    stages = [[program.name for program in stage] for stage in programs.stages(all_programs())]
    assert stages == [["redis"], ["api", "ml"], ["io", "train", "beat", "flower", "mlflow"]]


def test_mlflow_is_never_offered_to_other_machines() -> None:
    mlflow = all_programs(host="0.0.0.0")[-1]
    assert mlflow.command[mlflow.command.index("--host") + 1] == "127.0.0.1"


def test_redis_keeps_its_port_and_password_between_starts(tmp_path: Path) -> None:
    prepare(tmp_path)
    first = embedded.configure(tmp_path)
    assert embedded.configure(tmp_path) == first
    with socket.create_server(("127.0.0.1", first.port)):
        moved = embedded.configure(tmp_path)
    assert moved.port != first.port
    assert moved.password == first.password


def test_redis_loses_nothing_that_it_accepted_and_keeps_its_secret(tmp_path: Path) -> None:
    prepare(tmp_path)
    server = embedded.configure(tmp_path)
    path = tmp_path / "run" / "redis.conf"
    lines = path.read_text().splitlines()
    assert {"appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", "bind 127.0.0.1"} <= set(lines)
    assert f"requirepass {server.password}" in lines
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damaged", ["", "[]", '{"port": "x", "password": "short"}', '{"port": 1, "password": null}'])
def test_damaged_notes_about_redis_are_made_anew(tmp_path: Path, damaged: str) -> None:
    prepare(tmp_path)
    (tmp_path / "run" / "redis.json").write_text(damaged)
    server = embedded.configure(tmp_path)
    assert len(server.password) >= 32
    assert server.port > 1024
