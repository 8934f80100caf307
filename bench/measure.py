"""One model, all contestants: rounds in which each has its turn, so that noise hits all alike."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console

from bench import contestants, servers
from bench.contestants import Timed
from bench.jobs import Jobs
from bench.load import Order, drive
from bench.machine import Watch
from bench.models import Model
from bench.numbers import Section, latencies
from bench.servers import Server
from bench.stack import NO_CACHE, Running, start
from bench.texts import Texts

LOOP, PIPELINE, ENGINE = "one by one", "transformers pipeline", "engine"
BULK, SINGLES, IDLE = "bulk", "32 clients", "one client"
OPEN, BESIDE = "open loop at 60 %", "single messages beside a bulk job"
OPEN_SHARE = 0.6
CLIENTS = 32
BULK_CONNECTIONS = 4
JOBS, JOB_MESSAGES = 2, 5000
BESIDE_PER_S = 5.0
RAMP_S = 2.0
PART_ROWS, PARTS = 256, 6  # a job grows by so many rows at once; so many of these make a rate
WARM_UP, WARM_UP_TEXTS, OTHER_TEXTS = -1, 2000, 1000
FASTEST_PER_S = 4000  # texts to have at hand; who runs out of them just ends early


@dataclass(frozen=True)
class Plan:
    """How long each turn is. Short turns and several rounds, rather than the other way round.

    in_flight_s: work that bulk calls hold at once, well under the 10 s after which the API sends a part again.
    """

    rounds: int = 3
    turn_s: float = 8
    short_s: float = 3
    open_s: float = 12
    alone_s: float = 6
    beside_s: float = 15
    in_flight_s: float = 5


QUICK = Plan(rounds=1, turn_s=1, short_s=0.5, open_s=1, alone_s=1.5, beside_s=2, in_flight_s=0.5)


class Race:
    """All that is measured of one model. `others`: servers that serve it and were started by somebody else."""

    def __init__(self, model: Model, texts: Texts, plan: Plan, others: Sequence[Server], console: Console) -> None:
        self._model, self._texts, self._plan, self._others, self._console = model, texts, plan, others, console
        self._sections: dict[str, Section] = defaultdict(Section)
        self._single_ms: list[float] = []
        self._full_ms: list[float] = []
        self._bulk_jobs: list[tuple[float | None, float | None]] = []

    def run(self, torch: ProcessPoolExecutor, home: Path) -> dict[str, Any]:
        """Facts for the report. torch: a child to load the checkpoint into; home: where the stack keeps its state."""
        with ExitStack() as stack:
            engine = stack.enter_context(contestants.child())
            facts = engine.submit(contestants.load_engine, self._model.bundle, 0).result()
            threads = torch.submit(contestants.load_torch, self._model.checkpoint, facts["max_tokens"]).result()
            tokens = engine.submit(contestants.mean_tokens, self._draw(WARM_UP, 1)).result()
            running = stack.enter_context(start(home, NO_CACHE, first_model=self._model.bundle))
            server = servers.ours(running)
            self._warm_up(torch, engine, [server, *self._others])
            for number in range(self._plan.rounds):
                self._console.print(f"{self._model.name}: round {number + 1} of {self._plan.rounds}")
                self._round(number, torch, engine, server, running)
            resident = running.rss_mb()
            return {
                "name": self._model.name,
                "mean_tokens": round(tokens, 1),
                "threads": {"torch": threads, "engine": facts["threads"]},
                "sections": {name: section.facts() for name, section in self._sections.items()},
                "single_pass": latencies(self._single_ms),
                "full_pass": latencies(self._full_ms),
                "bulk_jobs": self._jobs_facts(),
                "stack": {
                    "rss_mb": resident,
                    "mapped": running.mapped_by_workers("torch", "mlflow"),
                    "worker_ready_s": round(running.seconds_to_answer("ml", self._texts.draw(WARM_UP, 1)[0]), 2),
                },
            }

    def _round(
        self, number: int, torch: ProcessPoolExecutor, engine: ProcessPoolExecutor, server: Server, running: Running
    ) -> None:
        plan, texts = self._plan, self._draw(number, max(self._plan.turn_s, self._plan.open_s))
        self._work(LOOP, torch, contestants.loop, texts)
        self._work(PIPELINE, torch, contestants.pipeline, texts)
        self._work(ENGINE, engine, contestants.engine, texts)
        for each in (server, *self._others):
            cpu_s = running.cpu_s if each is server else dict
            rate = self._sections[ENGINE].per_s
            per_call = min(each.largest_call, max(64, int(rate * plan.in_flight_s / BULK_CONNECTIONS)))
            bulk = self._order(each, texts, plan.turn_s, connections=BULK_CONNECTIONS, per_call=per_call)
            self._send(f"{each.name}, {BULK}", bulk, cpu_s)
            self._send(f"{each.name}, {SINGLES}", self._order(each, texts, plan.turn_s, connections=CLIENTS), cpu_s)
            self._send(f"{each.name}, {IDLE}", self._order(each, texts, plan.short_s), cpu_s)
        self._single_ms += engine.submit(contestants.single_passes_ms, texts, plan.short_s).result()
        self._full_ms += engine.submit(contestants.full_passes_ms, texts, plan.short_s / 2).result()
        rate = max(OPEN_SHARE * self._sections[f"{server.name}, {SINGLES}"].per_s, 1.0)
        many = self._order(server, texts, plan.open_s, connections=CLIENTS, rate_per_s=rate, seed=number)
        self._send(f"{server.name}, {OPEN}", many, running.cpu_s)
        self._two_lanes(number, server, running)

    def _two_lanes(self, number: int, server: Server, running: Running) -> None:
        """Bulk jobs by themselves, then with single messages beside them."""
        rate = max(self._sections[ENGINE].per_s, 1.0)
        part_s = PART_ROWS / rate
        alone_s, beside_s = (max(s, min(PARTS * part_s, 4 * s)) for s in (self._plan.alone_s, self._plan.beside_s))
        seconds = RAMP_S + alone_s + beside_s
        texts = self._texts.draw(number, JOB_MESSAGES * (JOBS + 1) + int(2 * rate * seconds))
        bulk = self._order(server, texts, seconds, connections=JOBS, per_call=JOB_MESSAGES)
        few = self._texts.draw(OTHER_TEXTS + number, int(3 * BESIDE_PER_S * beside_s))
        single = self._order(server, few, beside_s, connections=4, rate_per_s=BESIDE_PER_S, seed=number)
        with Jobs(bulk) as jobs:
            time.sleep(RAMP_S + alone_s)
            began_at = self._send(f"{server.name}, {BESIDE}", single, running.cpu_s)
            progress = jobs.progress()
        ended_at = progress.began_at + seconds
        alone = progress.per_s(progress.began_at + RAMP_S, began_at)
        self._bulk_jobs.append((alone, progress.per_s(began_at, ended_at)))

    def _jobs_facts(self) -> dict[str, Any]:
        """Of the rounds that were long enough to see both."""
        whole = [(alone, beside) for alone, beside in self._bulk_jobs if alone and beside]
        alone, beside = zip(*whole, strict=True) if whole else ((), ())
        return {
            "alone_per_s": round(mean(alone), 1) if whole else None,
            "beside_per_s": round(mean(beside), 1) if whole else None,
            "rounds_per_s": [[round(rate, 1) for rate in pair] for pair in whole],
            "single_messages_per_s": BESIDE_PER_S,
        }

    def _warm_up(self, torch: ProcessPoolExecutor, engine: ProcessPoolExecutor, all_servers: list[Server]) -> None:
        texts, short_s = self._texts.draw(WARM_UP, WARM_UP_TEXTS), self._plan.short_s
        for work in (contestants.loop, contestants.pipeline):
            torch.submit(work, texts, short_s).result()
        engine.submit(contestants.engine, texts, short_s).result()
        for server in all_servers:
            drive(self._order(server, texts, short_s, connections=2, per_call=32))

    def _draw(self, number: int, seconds: float) -> list[str]:
        return self._texts.draw(number, int(seconds * FASTEST_PER_S))

    @staticmethod
    def _order(server: Server, texts: list[str], seconds: float, **how: Any) -> Order:
        return Order(server.url, server.wire, server.headers, texts, seconds, **how)

    def _work(
        self, name: str, child: ProcessPoolExecutor, work: Callable[[Sequence[str], float], Timed], texts: list[str]
    ) -> None:
        watch = Watch()
        timed = child.submit(work, texts, self._plan.turn_s).result()
        self._sections[name].add(timed.messages, timed.seconds, {"process": timed.cpu_s})
        self._sections[name].others.append(watch.others(timed.cpu_s))

    def _send(self, name: str, order: Order, cpu_s: Callable[[], dict[str, float]]) -> float:
        """Returns when the client began."""
        watch, before = Watch(), cpu_s()
        outcome = drive(order)
        used = {program: seconds - before.get(program, 0.0) for program, seconds in cpu_s().items()}
        self._sections[name].add(
            outcome.messages,
            outcome.seconds,
            {**used, "client": outcome.client_cpu_s},
            outcome.latencies_ms,
            outcome.late_ms,
            outcome.refused,
        )
        if used:
            self._sections[name].others.append(watch.others(sum(used.values()) + outcome.client_cpu_s))
        return outcome.began_at
