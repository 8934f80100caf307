"""A real HTTP server on loopback that a case makes speak its platform's protocol, or have its troubles."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

PATIENCE_S: Final = 30


@dataclass(frozen=True)
class Request:
    """What a client sent. query: of the URL, or of a form in the body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What a server says. silent: nothing at all, the connection stays; hang_up: nothing, the connection is closed."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    hang_up: bool = False


SILENCE: Final = Reply(silent=True)
HANG_UP: Final = Reply(hang_up=True)


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


class Server:
    """Answers with `answer`, unless there is `trouble`. requests: what came, in order."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer, self.trouble = answer, None  # type: Callable[[Request], Reply], Reply | None
        self.requests: list[Request] = []
        self._closing = threading.Event()
        self._http = _Http(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def reply_to(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self.trouble or self.answer(request)
        if reply.silent:
            self._closing.wait(PATIENCE_S)
        return reply

    def close(self) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(PATIENCE_S)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may go away; what a case does wrong is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *args: Any) -> None:
        self._ours = server
        super().__init__(*args)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        form = body.decode() if "form-urlencoded" in self.headers.get("Content-Type", "") else ""
        query = dict(parse_qsl(url.query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self._ours.reply_to(Request(self.command, url.path, query, headers, body))
        if reply.silent or reply.hang_up:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_POST = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass
