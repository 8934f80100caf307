"""The processes of a stack: started, watched, stopped."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx2

from overheard.errors import StackError
from overheard.settings import Settings
from overheard.stack import mlflow, processes, resp
from overheard.stack.embedded import Embedded, configure
from overheard.stack.home import Lock, log_file, tail, write_private
from overheard.stack.programs import Program
from overheard.stack.report import Report
from overheard.stack.signals import StopSignals
from overheard.stack.supervisor import State, Supervisor, SupervisordAway
from overheard.store.database import migrate

START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 28
LOOK_EVERY_S = 0.1
WATCH_EVERY_S = 1.0
LOG_LINES = 15


class Stack:
    """Leaving the context stops all processes, whatever happened inside."""

    def __init__(self, settings: Settings, programs: Sequence[Program], signals: StopSignals, report: Report) -> None:
        self.settings, self.programs = settings, programs
        self.signals, self.report = signals, report
        self.supervisor = Supervisor(settings.home)
        self.embedded: Embedded | None = None
        self.pids: dict[str, int] = {}  # of the programs that were begun; 0 until the pid is known
        self.began_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.report.working("")
        if self.supervisor.process:
            self._stop()
        self.settings.stack_file.unlink(missing_ok=True)

    def start_supervisord(self, key: str, lock: Lock) -> None:
        """Supervisord, and the database that all programs need. Raises StackError, Stopped."""
        if not self.settings.redis_url:
            self.embedded = configure(self.settings.home)
        environment = self.settings.environment(
            OVERHEARD_REDIS_URL=self._redis_url,
            OVERHEARD_API_KEY=key,
            **mlflow.server(self.settings.home, key),
            **({} if self.settings.mlflow_url else mlflow.client(key)),
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
            MLFLOW_DISABLE_TELEMETRY="true",
            PYTHONSAFEPATH="1",  # a folder of a package's name where a process happens to run is not that package
            PYTHONUNBUFFERED="1",
            **processes.mark(self.settings.home),
        )
        self.supervisor.start(self.programs, environment, lock.file)
        with self.signals.breaking_in():
            migrate(self.settings.sql_url)
        while not self.supervisor.answers():
            self._check_supervisord()
            self._pause("supervisord")
        facts = {"pid": os.getpid(), "redis_url": self._redis_url}
        urls = {f"{program.name}_url": program.url for program in self.programs if program.url}
        write_private(self.settings.stack_file, json.dumps(facts | urls, indent=1))

    def begin(self, programs: Sequence[Program]) -> None:
        for program in programs:
            self.pids[program.name] = 0
            self.supervisor.begin(program)

    def wait_for(self, programs: Sequence[Program]) -> None:
        """Return when all are ready, telling of each. Raises StackError when any begun program ends; Stopped."""
        waiting = list(programs)
        with httpx2.Client(timeout=2, trust_env=False) as client:
            while waiting:
                self.report.working("starting " + ", ".join(program.name for program in waiting))
                states = self._states_while_starting()
                for program in list(waiting):
                    is_ready = self._is_ready(program, states[program.name], client)
                    if is_ready:
                        waiting.remove(program)
                        self._say_ready(program)
                    elif program.name == "api":
                        break  # what is seen through the API is not looked for before
                if waiting:
                    self._pause(waiting[0].name)
        self.report.working("")

    def watch(self) -> None:
        """Say what dies and comes back, until stopping is asked for. Raises StackError when supervisord dies."""
        missed: dict[str, float] = {}
        while not self.signals.asked:
            self.signals.wait(WATCH_EVERY_S)
            self._check_supervisord()
            try:
                states = self.supervisor.states()
            except SupervisordAway:
                continue  # for the moment
            for name, state in states.items():
                is_running = state.state == "RUNNING"
                if name not in missed and (not is_running or state.pid != self.pids[name]):
                    missed[name] = time.monotonic()
                    log = log_file(self.settings.home, name)
                    self.report.line(f"{name} ended by itself and is started again, see {log}", "yellow")
                if name in missed and is_running:
                    self.pids[name] = state.pid
                    self.report.line(f"{name} runs again after {time.monotonic() - missed.pop(name):.1f} s", "green")

    def _stop(self) -> None:
        """Drain, then end everything within 30 s; a second Ctrl-C cuts that short, and so does a process that hangs."""
        began_at = time.monotonic()
        self.report.line("stopping: accepted work is finished or kept for the next start (Ctrl-C again: at once)")
        if not self.supervisor.has_ended():
            self.supervisor.terminate()
        while not (self.supervisor.has_ended() or self.signals.hurry or time.monotonic() - began_at > STOP_TIMEOUT_S):
            self.signals.wait(LOOK_EVERY_S)
        is_orderly = self.supervisor.has_ended()
        left = processes.end(self.settings.home, work_grace_s=5 if is_orderly else 0, redis_grace_s=1)
        ending = f"; {left} processes had to be ended" if left else ""
        self.report.line(f"stopped after {time.monotonic() - began_at:.1f} s{ending}")

    @property
    def _redis_url(self) -> str:
        return self.embedded.url if self.embedded else self.settings.broker_url

    def _is_ready(self, program: Program, state: State, client: httpx2.Client) -> bool:
        try:
            if program.name == "redis":
                return bool(resp.info(self._redis_url))
            if program.probe:
                return client.get(program.probe).status_code == 200
        except (StackError, httpx2.HTTPError):
            return False
        return state.state == "RUNNING"

    def _states_while_starting(self) -> dict[str, State]:
        """Raises StackError when a program has ended: at the start it is not tried again but shown."""
        self._check_supervisord()
        states = self.supervisor.states()
        for name in self.pids:
            state = states[name]
            self.pids[name] = self.pids[name] or state.pid
            if not state.is_alive or state.pid != self.pids[name]:
                log = log_file(self.settings.home, name)
                self._show_tail(log)
                raise StackError(f"{name} can't start ({state.problem}): its last words are above, all are in {log}")
        return states

    def _check_supervisord(self) -> None:
        if self.supervisor.has_ended():
            log = log_file(self.settings.home, "supervisord")
            self._show_tail(log)
            raise StackError(f"supervisord has ended and the stack with it: see {log}, then start again")

    def _show_tail(self, log: Path) -> None:
        self.report.working("")
        self.report.line(tail(log, LOG_LINES), "dim")

    def _pause(self, waiting_for: str) -> None:
        if time.monotonic() - self.began_at > START_TIMEOUT_S:
            log = log_file(self.settings.home, waiting_for)
            raise StackError(f"{waiting_for} is not ready after {START_TIMEOUT_S} s: see {log}")
        self.signals.pause(LOOK_EVERY_S)

    def _say_ready(self, program: Program) -> None:
        url = f"127.0.0.1:{self.embedded.port}" if program.name == "redis" and self.embedded else program.url
        text = f"  {program.name:<7} ready after {time.monotonic() - self.began_at:4.1f} s  {url}"
        self.report.line(text.rstrip(), "green")
