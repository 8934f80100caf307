"""`overheard up` and `overheard down`: one stack per home, from the first check to the last process."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from overheard import demo, registry
from overheard.calls import Calls
from overheard.demo import heard
from overheard.errors import BundleError, OverheardError, StackError
from overheard.privacy import Privacy
from overheard.secret import ensure_secret
from overheard.settings import Settings
from overheard.stack import checks, home, ports, processes, programs
from overheard.stack.demo import score, table
from overheard.stack.embedded import find_binary
from overheard.stack.key import ensure_api_key
from overheard.stack.programs import Extra, Program
from overheard.stack.report import Report
from overheard.stack.signals import Stopped, StopSignals
from overheard.stack.stack import Stack
from overheard.stack.supervisor import Supervisor, SupervisordAway
from overheard.store.database import Database

DOWN_TIMEOUT_S = 30
DEMO_DAYS = 30
LOOK_EVERY_S = 0.1


def up(settings: Settings, without: set[Extra], with_demo: bool, report: Report) -> None:
    """Start, show and watch a stack until a signal stops it. Raises StackError when it can't start or breaks down."""
    home.prepare(settings.home)
    lock = home.Lock(settings.home)
    with StopSignals() as signals:
        _take(lock, settings.home)
        members = programs.chosen(settings, None if settings.redis_url else find_binary(), without)
        _clear(settings.home, report)
        checks.before_start(settings, members)
        is_first_start = not settings.api_key_file.exists()
        key = ensure_api_key(settings)
        report.line(f"starting {', '.join(program.name for program in members)} in {settings.home}")
        with Stack(settings, members, signals, report) as stack, suppress(Stopped):
            _convert_model(stack)
            stack.start_supervisord(key, lock)
            *needed, rest = programs.stages(members)
            for stage in needed:
                stack.begin(stage)
                stack.wait_for(stage)
            if with_demo:
                _show_demo(stack, key)
            stack.begin(rest)
            stack.wait_for(rest)
            _show_urls(settings, members, key if is_first_start else None, report)
            stack.watch()


def down(settings: Settings, report: Report) -> None:
    """Stop whatever runs for this home, and say what that was. Raises StackError when something can't be stopped."""
    if not settings.home.is_dir():
        report.line(f"nothing runs: there is no {settings.home}")
        return
    began_at = time.monotonic()
    lock = home.Lock(settings.home)
    is_running = not lock.take()
    if is_running:
        _ask_to_stop(settings.home, lock)
        report.working(f"stopping the stack of {settings.home}")
        while not lock.take() and time.monotonic() - began_at < DOWN_TIMEOUT_S:
            time.sleep(LOOK_EVERY_S)
        report.working("")
        if not lock.take() and (holder := lock.holder()):
            holder.kill()  # it hangs
    left = processes.end(settings.home)
    settings.stack_file.unlink(missing_ok=True)
    if unmoved := [process.pid for process in processes.of(settings.home)]:
        raise StackError(f"processes {unmoved} of {settings.home} can't be ended: end them yourself")
    if is_running or left:
        ended = f", {left} of its processes had to be ended" if left else ""
        report.line(f"stopped the stack of {settings.home} after {time.monotonic() - began_at:.1f} s{ended}")
    else:
        report.line(f"nothing runs in {settings.home}")


def _take(lock: home.Lock, folder: Path) -> None:
    if lock.take():
        return
    holder = lock.holder()
    who = f"process {holder.pid}" if holder else "its supervisord; `up` itself was killed"
    raise StackError(f"a stack runs in {folder} already ({who}): stop it with `overheard down`, or set OVERHEARD_HOME")


def _clear(folder: Path, report: Report) -> None:
    """The lock is ours, so whatever still carries this home's mark has lost its supervisord."""
    left = processes.end(folder)
    if left:
        report.line(f"ended {left} processes that a killed stack had left behind", "yellow")


def _ask_to_stop(folder: Path, lock: home.Lock) -> None:
    holder = lock.holder()
    if holder:
        holder.terminate()
        return
    try:
        Supervisor(folder).shut_down()
    except SupervisordAway:  # it does not answer: what remains is ended with its processes
        processes.end(folder)


def _convert_model(stack: Stack) -> None:
    """Before anything starts, for it may take longer than a start may. Raises BundleError when it can't be done."""
    settings = stack.settings
    model = settings.first_model, settings.models, settings.first_model_labels
    try:
        is_there = registry.find(*model) is not None
    except BundleError:
        return  # the worker that can't start with it is shown with its last words
    if not is_there:
        stack.report.line(f"fetching or converting {settings.first_model}: once, it takes a minute or two")
        with stack.signals.breaking_in():
            registry.locate(*model)


def _show_demo(stack: Stack, key: str) -> None:
    """A demo that can't be scored is no reason to stop a stack that runs."""
    posts = list(demo.posts())
    settings, report = stack.settings, stack.report
    api = ports.url(settings.host, settings.port)
    report.working(f"scoring {len(posts)} demo posts")
    try:
        with stack.signals.breaking_in():
            scores = score(api, key, posts)
            _keep_demo(settings, api, key)
    except OverheardError as error:
        report.line(str(error), "yellow")
    else:
        report.show(table(posts, scores))
    finally:
        report.working("")


def _keep_demo(settings: Settings, api: str, key: str) -> None:
    """So that the dashboard has something to show. What the messages of this start miss, the sweep scores."""
    database = Database(settings.sql_url)
    privacy = Privacy(ensure_secret(settings), settings.keep_authors)
    try:
        is_new = heard.keep(database, privacy, settings.home / "demo.json", datetime.now(UTC))
    finally:
        database.engine.dispose()
    if is_new:
        with Calls(api, key) as calls:
            calls.call("POST", "/posts/rescoring", {"days": DEMO_DAYS})


def _show_urls(settings: Settings, members: list[Program], new_key: str | None, report: Report) -> None:
    for program in members:
        if program.url:
            login = "  (user admin, password: the API key)" if program.name in ("flower", "mlflow") else ""
            report.line(f"  {program.name:<7} {program.url}{login}")
    if settings.api_key:
        report.line("  key     the one in OVERHEARD_API_KEY")
    elif new_key:
        report.line(f"  key     {new_key}  (shown this once; kept in {settings.api_key_file})")
    else:
        report.line(f"  key     in {settings.api_key_file}")
    report.line(
        f"ready: {next(program.url for program in members if program.name == 'api')}  (Ctrl-C stops everything)", "bold"
    )
