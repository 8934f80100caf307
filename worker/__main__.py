"""`python -m worker ml|io|beat|flower`: one process of that kind, configured by the environment alone.

A second `ml` or `io` on one machine takes a name of its own: `python -m worker ml second`.
"""

import logging
import os
import sys
from collections.abc import Callable

from overheard.errors import OverheardError, SettingsError
from worker import context, names
from worker.app import app
from worker.heartbeat import Heart

QUIET = ["--without-gossip", "--without-mingle"]  # chatter between workers that nothing here listens to
ML_THREADS = 16  # each holds at most 256 texts: together a few seconds of work, a third of the visibility timeout
IO_THREADS = 4


def ml(name: str = "ml") -> None:
    """Scores texts: loads the model, then takes messages on threads that all feed one batcher."""
    batcher = context.batcher()
    heart = Heart(context.get().redis, _node(name), batcher)
    heart.start()
    for chatty in ("celery.app.trace", "celery.worker.strategy"):  # two lines per task that nobody reads at this rate
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        _work("ml", name, [names.SCORING, names.SCORING_BULK], ML_THREADS, context.get().settings.visibility_s)
    finally:
        heart.stop()


def io(name: str = "io") -> None:
    """Housekeeping, and later whatever waits on the network."""
    _work("io", name, [names.IO], IO_THREADS, visibility_s=600)


def beat() -> None:
    app.start(["beat", "--loglevel", context.get().settings.log_level, "--pidfile="])


def flower() -> None:
    settings = context.get().settings
    if settings.api_key is None:
        raise SettingsError("Flower needs OVERHEARD_API_KEY: it is the password of its user `admin`")
    from flower import options  # comes with the extra `local`

    options.options.basic_auth = [f"admin:{settings.api_key.get_secret_value()}"]  # not an argument: `ps` shows those
    app.start(["flower", f"--address={settings.host}", f"--port={settings.flower_port}"])


def _node(name: str) -> str:
    """What Celery and the heartbeat call this process: two of one name would be one to both."""
    return f"{name}@{os.uname().nodename}"


def _work(kind: str, name: str, queues: list[str], threads: int, visibility_s: int) -> None:
    """Each kind keeps its unacknowledged messages under keys of its own: the shortest timeout would win for all."""
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "visibility_timeout": visibility_s,
        "unacked_key": f"unacked.{kind}",
        "unacked_index_key": f"unacked_index.{kind}",
        "unacked_mutex_key": f"unacked_mutex.{kind}",
        "unacked_mutex_expire": visibility_s,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }
    level = context.get().settings.log_level
    pool = ["--pool=threads", f"--concurrency={threads}", f"--queues={','.join(queues)}", f"--hostname={_node(name)}"]
    app.worker_main(["worker", *pool, *QUIET, "--task-events", "--loglevel", level])


KINDS: dict[str, Callable[..., None]] = {kind.__name__: kind for kind in (ml, io, beat, flower)}
NAMED = ("ml", "io")


def main() -> None:
    kind, *name = sys.argv[1:] or [""]
    if kind not in KINDS or len(name) > (kind in NAMED):
        sys.exit(f"usage: python -m worker {'|'.join(KINDS)}, with a name of its own for a second {' or '.join(NAMED)}")
    try:
        logging.basicConfig(
            level=context.get().settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        KINDS[kind](*name)
    except OverheardError as error:
        sys.exit(f"worker {kind}: {error}")


main()
