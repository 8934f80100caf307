"""A state folder in one file: databases as of one moment, models, secrets. Written while the stack runs or not."""

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Final

from overheard.errors import StackError
from overheard.settings import Settings
from overheard.stack import checks, processes

DATABASES: Final = ("overheard.db", "mlflow.db")
SECRETS: Final = ("api_key", "secret")
FOLDERS: Final = ("models/versions", "mlartifacts")
"""Their files are written once and never changed, so that they can be read while others are added."""


def lacks_database(settings: Settings) -> bool:
    """Whether the database is none that lies in the state folder."""
    return checks.sqlite_file(settings) != settings.home / DATABASES[0]


def write(settings: Settings, out: Path) -> list[str]:
    """Write `out` whole or not at all, readable by us only; returns what is in it.

    The databases come first: whatever they name was there before them, and is found in the folders. Raises StackError.
    """
    home = settings.home
    written: list[str] = []
    if not home.is_dir():
        raise StackError(f"there is no {home}: set OVERHEARD_HOME to the state folder that is meant")
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
            draft = Path(scratch) / "draft"
            with tarfile.open(draft, "w") as archive:
                for name, path in _members(home, Path(scratch), not lacks_database(settings)):
                    archive.add(path, name, filter=_unless_draft)
                    written.append(name)
            draft.chmod(0o600)
            draft.replace(out)
    except (OSError, sqlite3.Error) as error:
        raise StackError(f"{out} can't be written: {error}") from error
    return written


def restore(settings: Settings, archive: Path) -> list[str]:
    """Unpack `archive` into the state folder; returns what was in it.

    Raises StackError when a stack runs there, when there is a database already, or when it is no archive of ours.
    """
    home = settings.home
    if processes.of(home):
        raise StackError(f"a stack runs in {home}: stop it with `overheard down`")
    if found := [name for name in DATABASES if (home / name).exists()]:
        raise StackError(f"{home / found[0]} is there already: move it away, or set OVERHEARD_HOME to another folder")
    try:
        with tarfile.open(archive) as members:
            names = members.getnames()
            if not names or not all(map(_is_ours, members)):
                raise StackError(f"{archive} is no backup of a state folder")
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for member in members:
                _unpack(members, member, home / member.name)
    except (OSError, tarfile.TarError) as error:
        raise StackError(f"{archive} can't be restored to {home}: {error}") from error
    return [name for name in (*DATABASES, *SECRETS, *FOLDERS) if name in names]


def _is_ours(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    is_inside = ".." not in path.parts and any(path.is_relative_to(n) for n in (*DATABASES, *SECRETS, *FOLDERS))
    return is_inside and (member.isfile() or member.isdir())


def _unpack(members: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """By hand, for ourselves alone: tarfile knows no safe way before Python 3.11.4."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if source := members.extractfile(member):
        with source, os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(source, file)


def _members(home: Path, scratch: Path, with_database: bool) -> Iterator[tuple[str, Path]]:
    for name in DATABASES if with_database else DATABASES[1:]:
        if (home / name).exists():
            yield name, _copy(home / name, scratch / name)
    for name in (*SECRETS, *FOLDERS):
        if (home / name).exists():
            yield name, home / name


def _copy(database: Path, copy: Path) -> Path:
    """As of one moment, whatever is written meanwhile, without its writers having to wait."""
    with (
        closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as source,
        closing(sqlite3.connect(copy)) as to,
    ):
        source.backup(to)
    copy.chmod(0o600)
    return copy


def _unless_draft(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """A version that is just being written has another name until it is whole."""
    return None if any(part.startswith(".") for part in Path(member.name).parts) else member
