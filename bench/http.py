"""HTTP/1.1 by hand, with as little work as can be: the client shares the machine with the server that it measures."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Wire:
    """How a server wants its texts: where, and what stands around the list and around each of them."""

    path: str
    head: str
    tail: str
    item: tuple[str, str] = ("", "")

    def body(self, texts: Sequence[str]) -> str:
        before, after = self.item
        return self.head + ",".join(f"{before}{json.dumps(text)}{after}" for text in texts) + self.tail


def request(url: str, method: str, path: str, headers: Mapping[str, str], body: str = "") -> bytes:
    """A whole request, ready to be sent."""
    address, payload = urlsplit(url), body.encode()
    facts = {"Host": address.netloc, "Content-Length": str(len(payload)), **headers}
    if body:
        facts["Content-Type"] = "application/json"
    head = "".join(f"{name}: {value}\r\n" for name, value in facts.items())
    return f"{method} {address.path.rstrip('/')}{path} HTTP/1.1\r\n{head}\r\n".encode() + payload


class Connection(asyncio.Protocol):
    """Kept alive, one call at a time. Answers must say their Content-Length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._body = self._end = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, url: str) -> "Connection":
        address = urlsplit(url)
        host, port = address.hostname or "localhost", address.port or 80
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    async def call(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises ConnectionError when the server hangs up, or its answer can't be read."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._fail("hung up")

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._end and not self._read_head():
            return
        if len(self._received) >= self._end and self._answer:
            answer, self._answer = self._answer, None
            answer.set_result((int(self._received[9:12]), bytes(self._received[self._body : self._end])))
            del self._received[: self._end]
            self._end = 0

    def _read_head(self) -> bool:
        self._body = self._received.find(b"\r\n\r\n") + 4
        if self._body < 4:
            return False
        _, _, length = bytes(self._received[: self._body]).lower().partition(b"content-length:")
        try:
            self._end = self._body + int(length.partition(b"\r\n")[0])
        except ValueError:
            self._fail("no Content-Length")
            return False
        return True

    def _fail(self, reason: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError(reason))
