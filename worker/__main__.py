"""`python -m worker ml|io|train|beat|flower`: one process of that kind, configured by the environment alone.

A second `ml`, `io` or `train` on one machine takes a name of its own: `python -m worker ml second`.
"""

import ctypes
import logging
import sys
from collections.abc import Callable
from contextlib import suppress

from overheard import logs
from overheard.errors import OverheardError, SettingsError
from overheard.stack import required
from worker import context, names, traced
from worker.app import app
from worker.heartbeat import Heart
from worker.living import node

QUIET = ["--without-gossip", "--without-mingle"]  # chatter between workers that nothing here listens to
ML_THREADS = 16  # each holds at most 256 texts: together a few seconds of work, a third of the visibility timeout
FLOWER_TASKS = 5_000  # that it remembers, 4 KB each; its default of 100,000 would grow for hours on a busy stack
IO_THREADS = 8  # most of them wait for a platform's answer
HEAPS = 2
M_ARENA_MAX = -8  # of glibc's malloc.h
WITHOUT_TORCH_KB = (
    250_000  # more than a training process takes before it trains, and less than it ever takes afterwards
)


def ml(name: str = "ml") -> None:
    """Scores texts: loads the model, then takes messages on threads that all feed one batcher."""
    serving = context.serving()
    heart = Heart(context.get().redis, names.HEARTBEATS, node(name), serving.facts)
    heart.start()
    serving.start()
    for chatty in ("celery.app.trace", "celery.worker.strategy"):  # two lines per task that nobody reads at this rate
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        queues = [names.SCORING, names.SCORING_BULK]
        _work("ml", name, queues, _threads(ML_THREADS), context.get().settings.visibility_s)
    finally:
        serving.stop()
        heart.stop()
        context.tally().keep()


def io(name: str = "io") -> None:
    """Housekeeping, and whatever waits on the network."""
    _share_heaps()
    heart = Heart(context.get().redis, names.HOUSEKEEPERS, node(name), dict)
    heart.start()
    try:
        _work("io", name, [names.IO], _threads(IO_THREADS), visibility_s=600)
    finally:
        heart.stop()


def train(name: str = "train") -> None:
    """Trains, one training at a time, each in a fresh process: what it took of memory and devices goes with it.

    A process that trained holds torch, and is replaced for that; one that only found its message doubled stays.
    """
    if lacks := required.lacks("train"):
        raise SettingsError(f"training needs {', '.join(lacks)}: {required.remedy('train')}")
    heart = Heart(context.get().redis, names.TRAINERS, node(name), dict)
    heart.start()
    fresh = {"worker_pool_start_method": "spawn", "worker_max_memory_per_child": WITHOUT_TORCH_KB}
    app.conf.update(fresh, worker_proc_alive_timeout=120)
    try:
        _work("train", name, [names.TRAINING], ["--pool=prefork", "--concurrency=1"], visibility_s=600)
    finally:
        heart.stop()


def beat() -> None:
    app.start(["beat", "--loglevel", context.get().settings.log_level, "--pidfile="])


def flower() -> None:
    settings = context.get().settings
    if settings.api_key is None:
        raise SettingsError("Flower needs OVERHEARD_API_KEY: it is the password of its user `admin`")
    from flower import options  # comes with the extra `local`

    options.options.basic_auth = [f"admin:{settings.api_key.get_secret_value()}"]  # not an argument: `ps` shows those
    kept = f"--max-tasks={FLOWER_TASKS}"
    app.start(["flower", f"--address={settings.host}", f"--port={settings.flower_port}", kept])


def _share_heaps() -> None:
    """glibc would give each thread a heap of its own, which keeps what the thread's largest task took."""
    with suppress(AttributeError, OSError):  # another libc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, HEAPS)


def _threads(count: int) -> list[str]:
    return ["--pool=threads", f"--concurrency={count}"]


def _work(kind: str, name: str, queues: list[str], pool: list[str], visibility_s: int) -> None:
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
    where = [f"--queues={','.join(queues)}", f"--hostname={node(name)}"]
    app.worker_main(["worker", *pool, *where, *QUIET, "--task-events", "--loglevel", level])


KINDS: dict[str, Callable[..., None]] = {kind.__name__: kind for kind in (ml, io, train, beat, flower)}
NAMED = ("ml", "io", "train")


def main() -> None:
    kind, *name = sys.argv[1:] or [""]
    if kind not in KINDS or len(name) > (kind in NAMED):
        sys.exit(f"usage: python -m worker {'|'.join(KINDS)}, with a name of its own for a second {' or '.join(NAMED)}")
    try:
        settings = context.get().settings
        logs.configure(settings.log_level, settings.log_format, traced.about)
        KINDS[kind](*name)
    except OverheardError as error:
        sys.exit(f"worker {kind}: {error}")


if __name__ == "__main__":  # a spawned training process imports this file, too
    main()
