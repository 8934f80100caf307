"""Addresses and ports: which are free, who has the others, and how a URL for them reads."""

import errno
import random
import socket

import psutil  # type: ignore[import-untyped]

PRIVATE_PORTS = range(20_000, 30_000)  # below the range that systems take a client's ports from
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nosec B104 - not an address to listen on, one to reach


def url(host: str, port: int) -> str:
    """Where a server that listens on `host` is reached from this machine."""
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def why_not(host: str, port: int) -> str | None:
    """Why no server can listen there; None when one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was left a moment ago is free
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} is taken{_by(port)}"
        return f"port {port} on {host} can't be used ({error.strerror})"
    return None


def free_port(remembered: object, host: str = "127.0.0.1") -> int:
    """The remembered port when it is free, else another that is."""
    candidates = random.sample(PRIVATE_PORTS, 100)
    if isinstance(remembered, int) and remembered in PRIVATE_PORTS:
        candidates.insert(0, remembered)
    return next(port for port in candidates if why_not(host, port) is None)


def _by(port: int) -> str:
    """Who listens on the port, where the system lets us know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return ""
