"""`python -m worker ml|io|beat|flower`: one process of that kind, configured by the environment alone."""

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


def ml() -> None:
    """Scores texts: loads the model, then takes messages on threads that all feed one batcher."""
    batcher = context.batcher()
    heart = Heart(context.get().redis, f"ml@{os.uname().nodename}", batcher)
    heart.start()
    for chatty in ("celery.app.trace", "celery.worker.strategy"):  # two lines per task that nobody reads at this rate
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        _work("ml", [names.SCORING, names.SCORING_BULK], ML_THREADS, context.get().settings.visibility_s)
    finally:
        heart.stop()


def io() -> None:
    """Housekeeping, and later whatever waits on the network."""
    _work("io", [names.IO], IO_THREADS, visibility_s=600)


def beat() -> None:
    app.start(["beat", "--loglevel", context.get().settings.log_level, "--pidfile="])


def flower() -> None:
    settings = context.get().settings
    if settings.api_key is None:
        raise SettingsError("Flower needs OVERHEARD_API_KEY: it is the password of its user `admin`")
    from flower import options  # comes with the extra `local`

    options.options.basic_auth = [f"admin:{settings.api_key.get_secret_value()}"]  # not an argument: `ps` shows those
    app.start(["flower", f"--address={settings.host}", f"--port={settings.flower_port}"])


def _work(kind: str, queues: list[str], threads: int, visibility_s: int) -> None:
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
    pool = ["--pool=threads", f"--concurrency={threads}", f"--queues={','.join(queues)}", f"--hostname={kind}@%h"]
    app.worker_main(["worker", *pool, *QUIET, "--task-events", "--loglevel", level])


KINDS: dict[str, Callable[[], None]] = {kind.__name__: kind for kind in (ml, io, beat, flower)}


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in KINDS:
        sys.exit(f"usage: python -m worker {'|'.join(KINDS)}")
    try:
        logging.basicConfig(
            level=context.get().settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        KINDS[sys.argv[1]]()
    except OverheardError as error:
        sys.exit(f"worker {sys.argv[1]}: {error}")


main()
