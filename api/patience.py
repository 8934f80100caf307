"""gunicorn's threads, with limits to a client's slowness: else a few that send or read slowly would hold them all.

A connection gets a thread when it has sent something. From then on its request's head has `HEAD_S` to arrive, its body
`BODY_S` and a second more for each `SLOWEST` bytes; an answer that nobody reads is given up after `STALL_S`.
"""

import socket
import struct
import time
from functools import partial
from selectors import EVENT_READ
from typing import Any, ClassVar

from gunicorn.http import wsgi
from gunicorn.workers.gthread import TConn, ThreadWorker

wsgi.SERVER = "overheard"  # what else there is to know is nobody's business


class Worker(ThreadWorker):  # type: ignore[misc]
    HEAD_S: ClassVar[float] = 10
    BODY_S: ClassVar[float] = 60
    SLOWEST: ClassVar[float] = 50_000
    STALL_S: ClassVar[int] = 60

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._due: dict[TConn, float] = {}  # connections that are read from -> when the rest must have come

    def enqueue_req(self, conn: TConn) -> None:
        """A new connection waits at the poller, as one that has had an answer does, and in no thread."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", self.STALL_S, 0))
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: TConn) -> Any:
        self._due[conn] = time.monotonic() + self.HEAD_S
        try:
            return super().handle(conn)
        finally:
            self._due.pop(conn, None)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        length = next((int(value) for name, value in req.headers if name == "CONTENT-LENGTH"), 0)
        self._due[conn] = time.monotonic() + self.BODY_S + length / self.SLOWEST
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Once a second, or more often: who is late is read from no more. An answer can still be sent."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [conn for conn, due in list(self._due.items()) if due < now]:
            try:
                conn.sock.shutdown(socket.SHUT_RD)
            except OSError:
                continue  # it has gone by itself
