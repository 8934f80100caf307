"""The load: callers, jobs, uploads, signed pushes, labels and a training, each in a thread of its own at a steady pace.

A caller of /inference asks once and goes on; whoever brings something to keep sends it again, under the same
Idempotency-Key, until it is accepted. That is what docs/reference.md asks of clients.
"""

import csv
import io
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from bench.chaos.ledger import Ledger
from overheard.webhooks import HEADER, sign

TIMEOUT_S: Final = 60
AGAIN_S: Final = 0.5
SAME: Final = 5e-3
"""Two scorings of one text differ by less (int8, another batch); another text's scores hardly ever do."""
LABELS: Final = ("negative", "neutral", "positive")
Row = Sequence[float]


@dataclass(frozen=True)
class Known:
    """Texts, and what the model says of each when nothing is broken."""

    texts: list[str]
    scores: list[Row]

    def pick(self, chance: random.Random, count: int) -> list[int]:
        return [chance.randrange(len(self.texts)) for _ in range(count)]

    def says(self, picked: Sequence[int], rows: Sequence[Row]) -> bool:
        """Whether these are the scores of the texts that were picked, in their order."""
        return len(rows) == len(picked) and all(
            abs(told - known) < SAME
            for place, row in zip(picked, rows, strict=True)
            for told, known in zip(row, self.scores[place], strict=True)
        )


@dataclass(frozen=True)
class Door:
    """How a stack is reached. webhook, secret: of the feed that is pushed to. training: body of /train/start."""

    url: str
    key: str
    webhook: str
    secret: str
    training: dict[str, Any]

    def client(self, timeout_s: float = TIMEOUT_S) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False)


class Load:
    """From `with` to its end. name: goes into all that is sent, so that nothing is like another load's."""

    def __init__(self, name: str, door: Door, known: Known, ledger: Ledger, pace: float = 1.0) -> None:
        self.name, self.door, self.known, self.ledger = name, door, known, ledger
        self._stopped = threading.Event()
        self._trainings = 0
        work: list[tuple[Callable[[httpx2.Client, str, random.Random], None], float]] = [
            *[(self._call, 0.4)] * 2,
            (self._job, 3.0),
            (self._batch, 4.0),
            (self._push, 0.7),
            (self._label, 0.7),
        ]
        self._threads = [
            threading.Thread(target=self._repeat, args=(number, do, every_s / pace), daemon=True)
            for number, (do, every_s) in enumerate(work)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def train(self) -> None:
        """Begin a training, as soon as none runs."""
        self._trainings += 1
        name = f"{self.name}-training-{self._trainings}"
        with self.door.client() as client:
            answer = self._insist(client, "POST", "/train/start", "trainings", {name: None}, json=self.door.training)
            if answer:
                self.ledger.accept("trainings", {name: answer[0].json()["job_id"]}, answer[1])

    def train_beside(self) -> None:
        """The same, without waiting for it to be accepted."""
        thread = threading.Thread(target=self.train, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, number: int, do: Callable[..., None], every_s: float) -> None:
        chance = random.Random(f"{self.name} {number}")
        with self.door.client() as client:
            turn = 0
            while not self._stopped.is_set():
                turn += 1
                do(client, f"{self.name}-{number}-{turn}", chance)
                self._stopped.wait(every_s * chance.uniform(0.5, 1.5))

    def _call(self, client: httpx2.Client, name: str, chance: random.Random) -> None:
        picked = self.known.pick(chance, 3)
        messages = [self.known.texts[place] for place in picked]
        sent_at = self.ledger.send("calls", {name: picked})
        answer = self._try(client, "POST", "/inference", json={"messages": messages})
        if answer is None:
            return
        if answer.status_code == httpx2.codes.ACCEPTED:
            self.ledger.accept("jobs", {name: (answer.json()["job_id"], picked)}, sent_at)
            return
        self.ledger.accept("calls", {name: picked}, sent_at)
        if not self.known.says(picked, [[row[label] for label in LABELS] for row in answer.json()]):
            self.ledger.mistake("calls")

    def _job(self, client: httpx2.Client, name: str, chance: random.Random) -> None:
        picked = self.known.pick(chance, 40)
        body = {"messages": [self.known.texts[place] for place in picked]}
        headers = {"Prefer": "respond-async"}
        answer = self._insist(client, "POST", "/inference", "jobs", {name: picked}, json=body, headers=headers)
        if answer:
            self.ledger.accept("jobs", {name: (answer[0].json()["job_id"], picked)}, answer[1])

    def _batch(self, client: httpx2.Client, name: str, chance: random.Random) -> None:
        picked = self.known.pick(chance, 60)
        file = io.StringIO()
        rows = csv.writer(file)
        rows.writerow(["number", "text"])
        rows.writerows((number, self.known.texts[place]) for number, place in enumerate(picked))
        headers = {"Content-Type": "text/csv"}
        body = file.getvalue().encode()
        answer = self._insist(client, "POST", "/batches", "batches", {name: picked}, content=body, headers=headers)
        if answer:
            self.ledger.accept("batches", {name: (answer[0].json()["job_id"], picked)}, answer[1])

    def _push(self, client: httpx2.Client, name: str, chance: random.Random) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        posts = [
            {"external_id": f"{name}-{place}", "text": self.known.texts[place], "posted_at": now}
            for place in set(self.known.pick(chance, 8))
        ]
        things = {str(post["external_id"]): post["text"] for post in posts}
        body = json.dumps({"posts": posts}).encode()

        def signed() -> dict[str, str]:
            return {HEADER: sign(self.door.secret, body, int(time.time())), "Content-Type": "application/json"}

        answer = self._insist(client, "POST", self.door.webhook, "posts", things, content=body, headers=signed)
        if answer:
            self.ledger.accept("posts", things, answer[1])

    def _label(self, client: httpx2.Client, name: str, chance: random.Random) -> None:
        picked = self.known.pick(chance, 5)
        things = {
            f"{self.known.texts[place]} {name} {row}": LABELS[(place + row) % 3] for row, place in enumerate(picked)
        }
        body = {"labels": [{"text": text, "label": label} for text, label in things.items()]}
        answer = self._insist(client, "POST", "/labels", "labels", things, json=body)
        if answer:
            self.ledger.accept("labels", things, answer[1])

    def _insist(
        self, client: httpx2.Client, method: str, path: str, kind: str, things: dict[str, Any], **request: Any
    ) -> tuple[httpx2.Response, float] | None:
        """Send until it is accepted: the answer, and when it was sent. None: the load ended before."""
        headers = request.pop("headers", {})
        key = {"Idempotency-Key": next(iter(things))[-200:]} if kind != "labels" else {}
        while True:
            sent_at = self.ledger.send(kind, things)
            fresh = headers() if callable(headers) else headers
            if (answer := self._try(client, method, path, headers={**fresh, **key}, **request)) is not None:
                return answer, sent_at
            if self._stopped.wait(AGAIN_S):
                return None

    def _try(self, client: httpx2.Client, method: str, path: str, **request: Any) -> httpx2.Response | None:
        try:
            answer = client.request(method, path, **request)
        except httpx2.HTTPError as error:
            self.ledger.refuse(type(error).__name__)
            return None
        if answer.is_success:
            return answer
        self.ledger.refuse(f"{answer.status_code} {_detail(answer)}")
        return None


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))[:60]
    except ValueError:
        return ""
