"""A word with a Redis-protocol server, enough to know that it is there, lets us in, and what it is."""

import socket
import ssl
from urllib.parse import parse_qs, unquote, urlsplit

from overheard.errors import StackError

OLDEST = (6, 2)


def info(url: str, timeout_s: float = 2) -> dict[str, str]:
    """What the server says of itself (INFO). Raises StackError when it is away, still loading, or refuses us."""
    parts = urlsplit(url)
    commands = [["INFO"]]
    if parts.password:
        user = [unquote(parts.username)] if parts.username else []
        commands.insert(0, ["AUTH", *user, unquote(parts.password)])
    try:
        with _connect(url, timeout_s) as connection, connection.makefile("rwb") as stream:
            for command in commands:
                stream.write(_encode(command))
                stream.flush()
                head = stream.readline()
                if not head.startswith((b"+", b"$")):
                    raise StackError(f"Redis at {_address(url)} says: {head[1:].decode(errors='replace').strip()}")
            lines = stream.read(int(head[1:])).decode().splitlines()
    except (OSError, ValueError) as error:
        raise StackError(f"Redis at {_address(url)} can't be reached: {error}") from error
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    if facts.get("loading") == "1":
        raise StackError(f"Redis at {_address(url)} is still loading its data")
    return facts


def _encode(words: list[str]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words))


def version(facts: dict[str, str]) -> tuple[int, ...]:
    """Redis's version that the server is, or is compatible with."""
    return tuple(int(number) for number in facts.get("redis_version", "0").split(".")[:3])


def _connect(url: str, timeout_s: float) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        connection.connect(parts.path)
        return connection
    if parts.scheme not in ("redis", "rediss"):
        raise StackError(f"OVERHEARD_REDIS_URL must begin with redis://, rediss:// or unix://, not {parts.scheme}://")
    host = parts.hostname or "localhost"
    connection = socket.create_connection((host, parts.port or 6379), timeout_s)
    if parts.scheme == "redis":
        return connection
    authority = parse_qs(parts.query).get("ssl_ca_certs", [None])[0]
    return ssl.create_default_context(cafile=authority).wrap_socket(connection, server_hostname=host)


def _address(url: str) -> str:
    """The URL without its secrets."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
