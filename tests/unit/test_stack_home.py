"""The state folder: its lock, its private files, its key."""

import threading
from pathlib import Path

import pytest

from overheard.errors import SettingsError, StackError
from overheard.settings import Settings
from overheard.stack import home
from overheard.stack.home import Lock
from overheard.stack.key import ensure_api_key


def test_the_lock_is_had_by_one_and_names_its_holder(tmp_path: Path) -> None:
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.take()
    assert not second.take()
    holder = second.holder()
    assert holder
    assert holder.is_running()
    first.release()
    assert second.take()
    second.release()


def test_a_lock_file_of_a_process_that_is_gone_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text('{"pid": 1, "created": 0}')
    lock = Lock(tmp_path)
    assert lock.holder() is None
    lock.release()


def test_a_private_file_is_replaced_and_readable_by_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    home.write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_notes_read_as_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    assert home.read_json(path) == {}
    for damaged in ("", "{", "[1]", "7"):
        path.write_text(damaged)
        assert home.read_json(path) == {}


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    with pytest.raises(StackError, match="logs can't be used") as raised:
        home.prepare(tmp_path)
    assert "OVERHEARD_HOME" in str(raised.value)


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(ensure_api_key(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert len(keys[0]) >= 32
    assert settings.api_key_file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_set_is_used_and_not_stored(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="0.0.0.0", api_key="a-key-of-enough-characters")
    assert ensure_api_key(settings) == "a-key-of-enough-characters"
    assert not settings.api_key_file.exists()


def test_no_key_is_made_up_for_an_address_that_others_can_reach(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OVERHEARD_API_KEY"):
        ensure_api_key(Settings(home=tmp_path, host="0.0.0.0"))


def test_a_file_without_a_proper_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text("short\n")
    with pytest.raises(SettingsError, match="delete it"):
        ensure_api_key(Settings(home=tmp_path))
