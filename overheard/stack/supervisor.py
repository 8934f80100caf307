"""Supervisord keeps the programs running; this file writes its configuration and talks to it by XML-RPC."""

import json
import re
import secrets
import subprocess
import sys
import xmlrpc.client  # nosec B411 - it reads what our own supervisord says, behind a password
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any

from overheard.errors import StackError
from overheard.stack import ports
from overheard.stack.home import log_file, read_json, write_private
from overheard.stack.processes import SUPERVISORD
from overheard.stack.programs import STOP_S, Program

RPC_TIMEOUT_S = 5
DOOR = "supervisord.json"  # where it listens, and its password

# Paths are relative to <home>/run, where supervisord starts: a home may have any characters in its name. It listens on
# loopback with a password, for a socket's path may be too long. Retries never end; `up` says what keeps failing.
HEAD = """\
[supervisord]
nodaemon=true
silent=true
nocleanup=true
logfile=../logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
childlogdir=../logs
pidfile=supervisord.pid

[inet_http_server]
port=127.0.0.1:{port}
username=up
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
GROUP = """
[group:{name}]
programs={programs}
priority={priority}
"""
PROGRAM = """
[program:{name}]
command={command}
autostart=false
autorestart=true
startsecs=2
startretries=1000000
stopwaitsecs={stop_s}
stopsignal={stop_signal}
killasgroup=true
redirect_stderr=true
stdout_logfile=../logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


@dataclass(frozen=True)
class State:
    """How supervisord sees a program. state: STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL UNKNOWN.

    problem: why it ended, as long as it is not started again.
    """

    state: str
    pid: int
    problem: str

    @property
    def is_alive(self) -> bool:
        return self.state in ("STARTING", "RUNNING")


class SupervisordAway(StackError):
    """Raised when supervisord does not answer."""


class Supervisor:
    """The supervisord of one state folder, whether this process started it or not. All calls raise SupervisordAway."""

    def __init__(self, home: Path) -> None:
        self.home, self.run = home, home / "run"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, programs: Iterable[Program], environment: Mapping[str, str], lock: IO[str]) -> None:
        """Start supervisord, and through it nothing yet. It holds `lock` as long as it lives, as its standard input.

        It gets a session of its own, so that a terminal's Ctrl-C reaches only `up`, which then stops things in order.
        """
        port, password = ports.free_port(None), secrets.token_urlsafe(32)
        write_private(self.run / DOOR, json.dumps({"port": port, "password": password}))
        write_private(self.run / "supervisord.conf", configuration(programs, port, password))
        with (self.home / "logs" / "supervisord.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", SUPERVISORD, "-c", "supervisord.conf"],
                cwd=self.run,
                env=environment,
                stdin=lock,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def terminate(self) -> None:
        """Begin an orderly stop of the supervisord that this process started."""
        if self.process:
            self.process.terminate()

    def begin(self, program: Program) -> None:
        """Start a program without waiting until it runs. Raises StackError when its command can't be executed."""
        try:
            self._call("startProcess", program.key, False)
        except xmlrpc.client.Fault as fault:
            raise StackError(f"{program.name} can't be started: {fault.faultString}") from fault

    def states(self) -> dict[str, State]:
        """By program name."""
        return {
            row["name"]: State(row["statename"], row["pid"], row["spawnerr"] or f"exit status {row['exitstatus']}")
            for row in self._call("getAllProcessInfo")
        }

    def shut_down(self) -> None:
        """Ask for an orderly stop."""
        self._call("shutdown")

    def answers(self) -> bool:
        try:
            self._call("getState")
        except SupervisordAway:
            return False
        return True

    def _call(self, method: str, *arguments: Any) -> Any:
        door = read_json(self.run / DOOR)
        url = f"http://up:{door.get('password')}@127.0.0.1:{door.get('port')}/RPC2"
        try:
            with xmlrpc.client.ServerProxy(url, transport=_Impatient()) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, HTTPException, xmlrpc.client.ProtocolError) as error:
            log = log_file(self.home, "supervisord")
            raise SupervisordAway(f"supervisord does not answer ({error}): see {log}") from error


def configuration(programs: Iterable[Program], port: int, password: str) -> str:
    """supervisord.conf. Its children inherit their configuration by environment."""
    members = list(programs)
    text = HEAD.format(port=port, password=password)
    for priority, (group, stop_s) in enumerate(STOP_S.items(), start=1):
        group_members = [program for program in members if program.group == group]
        if group_members:
            text += GROUP.format(name=group, programs=",".join(p.name for p in group_members), priority=priority)
        for program in group_members:
            command = " ".join(map(_escape, program.command))
            text += PROGRAM.format(name=program.name, command=command, stop_s=stop_s, stop_signal=program.stop_signal)
    return text


def _escape(word: str) -> str:
    """A word as supervisord reads it: `%` expands, and a blank before `;` or `#` begins a comment, even in quotes."""
    return re.sub(r"([^\w%+,./:=@-])", r"\\\1", word).replace("%", "%%")


class _Impatient(xmlrpc.client.Transport):
    """Waits for an answer for a limited time."""

    def make_connection(self, host: Any) -> HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = RPC_TIMEOUT_S
        return connection
