"""The bench's clients against small servers that keep the documented protocols of infinity and TEI."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench import load, servers
from bench.http import Wire
from bench.load import Order

Answer = tuple[int, Any]
TEXTS = [f'text "{number}" é' for number in range(10)]
PLAIN = Wire("/score", '{"texts":[', "]}")


class Server(ThreadingHTTPServer):
    """Answers with what `routes` say; remembers the bodies and how many connections there were."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, routes: dict[str, Callable[[Any], Answer]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes = routes
        self.bodies: list[Any] = []
        self.connections = 0
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self._answer(body)

    def _answer(self, body: Any) -> None:
        status, answer = self.server.routes[self.path](body)
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(routes: dict[str, Callable[[Any], Answer]]) -> Iterator[Server]:
    with Server(routes) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def order(server: Server, wire: Wire = PLAIN, **how: Any) -> Order:
    return Order(server.url, wire, **{"headers": {}, "texts": TEXTS, "seconds": 30, **how})


def test_every_text_arrives_once_on_kept_connections() -> None:
    with serving({"/score": lambda body: (200, body)}) as server:
        outcome = load.drive(order(server, connections=2, per_call=3))
    assert sorted(text for body in server.bodies for text in body["texts"]) == sorted(TEXTS)
    assert (outcome.messages, len(outcome.latencies_ms), outcome.refused) == (10, 4, {})
    assert server.connections == 2
    assert 0 < outcome.seconds < 30
    assert 0 < outcome.client_cpu_s < 5


def test_a_closed_client_ends_in_time() -> None:
    def slow(body: Any) -> Answer:
        time.sleep(0.1)
        return 200, body

    with serving({"/score": slow}) as server:
        outcome = load.run(order(server, texts=TEXTS * 100, seconds=0.5))
    assert 1 <= outcome.messages <= 6
    assert min(outcome.latencies_ms) >= 100


def test_an_open_client_sends_although_nothing_is_answered_and_counts_from_when_it_meant_to() -> None:
    """All calls must have come before the first is answered; a client that waits for answers would hang."""
    everyone = threading.Barrier(len(TEXTS), timeout=20)

    def together(body: Any) -> Answer:
        everyone.wait()
        return 200, body

    with serving({"/score": together}) as server:
        outcome = load.run(order(server, rate_per_s=40.0))
    assert outcome.messages == len(TEXTS)
    times = load.arrivals(40.0, 30, 0)[: len(TEXTS)]
    waits_ms = sorted(1000 * (times[-1] - at) for at in times)
    assert all(latency >= wait - 5 for latency, wait in zip(sorted(outcome.latencies_ms), waits_ms, strict=True))


def test_what_is_refused_is_counted_and_not_timed() -> None:
    statuses = iter([503, 200, 202] + [200] * 7)
    with serving({"/score": lambda body: (next(statuses), body)}) as server:
        outcome = load.run(order(server))
    assert (outcome.messages, outcome.refused) == (8, {"503": 1, "202": 1})
    assert len(outcome.latencies_ms) == 8


def test_a_server_that_hangs_up_is_called_again() -> None:
    calls = iter(range(100))

    def moody(body: Any) -> Answer:
        if next(calls) == 2:
            raise ConnectionAbortedError
        return 200, body

    with serving({"/score": moody}) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # it would print the error above
        outcome = load.run(order(server))
    assert (outcome.messages, outcome.refused) == (9, {"hung up": 1})
    assert server.connections == 2


def test_infinity_is_spoken_to_as_its_documentation_says() -> None:
    def classify(body: Any) -> Answer:
        assert body["model"] == "a/model"
        scores = [[{"label": "positive", "score": 1.0}] for _ in body["input"]]
        return 200, {"object": "classify", "data": scores, "model": "a/model"}

    models = {"object": "list", "data": [{"id": "a/model", "stats": {}}]}
    with serving({"/models": lambda _: (200, models), "/classify": classify}) as server:
        found = servers.infinity(server.url + "/")
        outcome = load.run(Order(found.url, found.wire, found.headers, TEXTS, 30, per_call=4))
    assert outcome.messages == 10
    assert [len(body["input"]) for body in server.bodies] == [4, 4, 2]
    assert server.bodies[0]["input"] == TEXTS[:4]


@pytest.mark.parametrize(("info", "largest"), [({"max_client_batch_size": 64}, 64), ({}, 32)])
def test_tei_is_spoken_to_as_its_documentation_says(info: dict[str, int], largest: int) -> None:
    def predict(body: Any) -> Answer:
        assert body["truncate"] is True
        return 200, [[{"label": "positive", "score": 1.0}] for _ in body["inputs"]]

    with serving({"/info": lambda _: (200, info), "/predict": predict}) as server:
        found = servers.tei(server.url)
        outcome = load.run(Order(found.url, found.wire, found.headers, TEXTS, 30, per_call=4))
    assert found.largest_call == largest
    assert outcome.messages == 10
    assert server.bodies[0]["inputs"] == [[text] for text in TEXTS[:4]]
