"""Clients that send or read slowly hold up nobody else: gunicorn itself, with two threads and little patience."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.stack import eventually, free_port

CONFIGURATION = """
from api.patience import Worker

class Quick(Worker):
    HEAD_S, BODY_S, SLOWEST, STALL_S = 1, 1, 1000, 1

worker_class = Quick
bind = "127.0.0.1:{port}"
threads = 2
keepalive = 5
control_socket_disable = True
"""
APP = """
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    big = b"x" * 50_000_000 if environ["PATH_INFO"] == "/big" else b"read %d" % len(body)
    start_response("200 OK", [("Content-Length", str(len(big)))])
    return [big]
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("gunicorn"), free_port()
    (folder / "conf.py").write_text(CONFIGURATION.format(port=port))
    (folder / "served.py").write_text(APP)
    here = str(Path(__file__).parent.parent.parent)
    command = [sys.executable, "-m", "gunicorn", "-c", "conf.py", "--pythonpath", f"{here},{folder}", "served:app"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as server:
        try:
            eventually(lambda: _answers(port))
            yield port
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    try:
        return get(port).status_code == 200
    except httpx2.HTTPError:
        return False


def get(port: int) -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{port}/", timeout=10, trust_env=False)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf",
        b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk", "an answer that is not read"],
)
def test_slow_clients_are_given_up_and_others_answered(port: int, sent: bytes) -> None:
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
    try:
        for one in slow:
            one.sendall(sent)
        began = time.monotonic()
        assert get(port).text == "read 0"
        assert time.monotonic() - began < (0.9 if not sent else 9.5)
    finally:
        for one in slow:
            one.close()


def test_who_sends_slowly_but_steadily_is_heard_to_the_end(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
        for _ in range(20):
            slow.sendall(b"x" * 100)
            time.sleep(0.1)
        assert slow.recv(1000).endswith(b"read 2000")


def test_a_server_says_nothing_of_what_it_is(port: int) -> None:
    assert get(port).headers["Server"] == "overheard"
