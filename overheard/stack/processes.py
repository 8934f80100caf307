"""The processes of a stack, found by a mark in their environment: it survives renaming and new parents."""

from collections.abc import Iterable
from pathlib import Path

import psutil  # type: ignore[import-untyped]

MARK = "OVERHEARD_STACK"
SUPERVISORD = "overheard.stack.supervisord"
WORK_GRACE_S = 10.0
REDIS_GRACE_S = 4.0


def of(home: Path) -> list[psutil.Process]:
    """Every living process that was started, at whatever remove, for the stack of this home."""
    wanted = mark(home)[MARK]
    return [process for process in psutil.process_iter() if _mark(process) == wanted]


def mark(home: Path) -> dict[str, str]:
    """What the environment of a stack's processes holds; one home may have several paths, by links."""
    return {MARK: str(home.resolve())}


def end(home: Path, work_grace_s: float = WORK_GRACE_S, redis_grace_s: float = REDIS_GRACE_S) -> int:
    """End what is left of a stack and return how many; Redis last, so that the others can give their work back."""
    found = of(home)
    _end([process for process in found if not _is_redis(process)], work_grace_s)
    _end(of(home), redis_grace_s)
    return len(found)


def _end(found: Iterable[psutil.Process], grace_s: float) -> None:
    """Ask, wait, then kill; a supervisor is killed at once, or it would start again what is being ended."""
    alive = list(found)
    for process in alive:
        try:
            process.kill() if _is_supervisor(process) else process.terminate()
        except psutil.NoSuchProcess:
            continue
    for process in psutil.wait_procs(alive, timeout=grace_s)[1]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=REDIS_GRACE_S)


def _mark(process: psutil.Process) -> str | None:
    try:
        return str(process.environ().get(MARK)) if process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, OSError):  # gone meanwhile, or another user's
        return None


def _is_redis(process: psutil.Process) -> bool:
    try:
        return process.name() in ("valkey-server", "redis-server")
    except psutil.Error:
        return False


def _is_supervisor(process: psutil.Process) -> bool:
    try:
        return SUPERVISORD in process.cmdline()
    except psutil.Error:
        return False
