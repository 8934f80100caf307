"""Checks before a start: each names what is wrong and how to mend it."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from overheard.errors import StackError
from overheard.settings import Settings
from overheard.stack import checks, condition, ports, programs, required
from overheard.stack.checks import Finding
from tests.redis_server import redis_server


def listening(settings: Settings) -> list[Finding]:
    return list(checks.listening(settings, programs.chosen(settings, None, set())))


def free() -> int:
    return ports.free_port(None)


def test_a_taken_port_is_a_problem_that_names_its_setting(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=free(), flower_port=free(), mlflow_port=free())
    with socket.create_server(("127.0.0.1", settings.flower_port)):
        levels = {finding.check: finding for finding in listening(settings)}
    taken = levels[f"port {settings.flower_port} (flower)"]
    assert taken.level == "problem"
    assert "OVERHEARD_FLOWER_PORT" in taken.remedy
    assert levels[f"port {settings.port} (api)"].level == "ok"


def test_one_port_for_two_servers_is_a_problem(tmp_path: Path) -> None:
    port = free()
    findings = listening(Settings(home=tmp_path, port=port, flower_port=port, mlflow_port=free()))
    assert [finding.level for finding in findings] == ["ok", "problem", "ok"]


def test_an_address_of_another_machine_is_a_problem(tmp_path: Path) -> None:
    reason = ports.why_not("192.0.2.1", 8000)
    assert reason
    assert "192.0.2.1" in reason


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")],
)
def test_a_url_is_where_this_machine_reaches_the_server(host: str, url: str) -> None:
    assert ports.url(host, 80) == url


def make_database(home: Path) -> Path:
    """A database of some pages, with an index that can contradict its table."""
    path = home / "overheard.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t (x); CREATE INDEX i ON t (x);")
        connection.executemany("INSERT INTO t VALUES (?)", [(f"row {n}" * 20,) for n in range(5000)])
        connection.commit()
    return path


def test_a_whole_database_passes_and_a_cut_one_does_not(tmp_path: Path) -> None:
    settings, path = Settings(home=tmp_path), make_database(tmp_path)
    assert [finding.level for finding in checks.databases(settings)] == ["ok"]
    path.write_bytes(path.read_bytes()[: 4096 * 10])
    assert [finding.level for finding in checks.databases(settings)] == ["problem"]


def test_damage_inside_a_database_is_found_by_the_doctor(tmp_path: Path) -> None:
    settings, path = Settings(home=tmp_path), make_database(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[4096 * 5 : 4096 * 8] = b"\x07" * 4096 * 3
    path.write_bytes(damaged)
    assert [finding.level for finding in checks.databases(settings, thorough=True)] == ["problem"]


def test_a_package_that_is_missing_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["rich>=999", "no-such-package>=1", "flower>=999; extra == 'local'", "httpx2>=1"]
    monkeypatch.setattr(required, "requires", lambda _: asked)
    assert set(required.lacks()) == {"rich", "no-such-package"}
    assert required.lacks()["no-such-package"].endswith(required.MISSING)
    assert set(required.lacks("local")) == {"flower"}


def test_only_what_is_used_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(required, "requires", lambda _: ["flower>=999; extra == 'local'"])
    settings = Settings(home=tmp_path)
    everything = programs.chosen(settings, None, set())
    assert [finding.level for finding in checks.packages(everything)] == ["problem"]
    assert not list(checks.packages([program for program in everything if program.name != "flower"]))


def test_redis_that_is_away_is_a_problem(tmp_path: Path) -> None:
    (finding,) = checks.queue(Settings(home=tmp_path, redis_url=f"redis://:hidden@127.0.0.1:{free()}/0"))
    assert finding.level == "problem"
    assert "hidden" not in finding.detail


def test_redis_that_opens_without_a_password_is_warned_of(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        (finding,) = checks.queue(Settings(home=tmp_path, redis_url=url))
        assert finding.level == "warning"
        assert "without a password" in finding.detail
        with Redis.from_url(url) as redis:
            redis.config_set("requirepass", "hidden")
        (finding,) = checks.queue(Settings(home=tmp_path, redis_url=url.replace("://", "://:hidden@")))
        assert finding.level == "ok"


def test_a_start_stops_at_the_first_problem(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, database_url="no url at all", port=free(), flower_port=free(), mlflow_port=free()
    )
    with pytest.raises(StackError, match="OVERHEARD_DATABASE_URL"):
        checks.before_start(settings, programs.chosen(settings, None, set()))


def test_a_key_that_others_may_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text("x" * 43)
    (tmp_path / "api_key").chmod(0o644)
    (finding,) = condition.secrets(Settings(home=tmp_path))
    assert finding.level == "problem"
    assert finding.remedy.startswith("chmod 600")


def test_a_state_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    (finding,) = condition.folder(Settings(home=tmp_path / "home"))
    assert finding.level == "problem"


def test_a_database_of_an_older_version_is_migrated_at_the_next_start(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "overheard.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    (finding,) = condition.schema(Settings(home=tmp_path))
    assert finding.level == "warning"
