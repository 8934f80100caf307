"""On what something was measured: processor, cores, load, versions."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

PACKAGES = ("overheard", "onnxruntime", "tokenizers", "celery", "redis", "flask", "gunicorn", "httpx2", "pyarrow")
TORCH = ("torch", "transformers")
INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def machine(load: float) -> dict[str, Any]:
    """load: the mean number of running processes in the minute before the measurement."""
    return {
        "cpu": cpu(),
        "instructions": [name for name in INSTRUCTIONS if name in _fact("flags").split()],
        "cores": cores(),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(load, 2),
    }


def cpu() -> str:
    """As its maker calls it."""
    return _fact("model name") or platform.processor() or platform.machine()


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Watch:
    """From its making on: how much of all cores' time went to somebody else, a hypervisor's other guests included."""

    def __init__(self) -> None:
        self._began_at, self._busy_s = time.monotonic(), _busy_s()

    def others(self, own_cpu_s: float) -> float:
        """Their share, from 0 to 1, when `own_cpu_s` of the time since was ours."""
        seconds = (time.monotonic() - self._began_at) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, (_busy_s() - self._busy_s - own_cpu_s) / seconds))


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times[:8]) - times.idle - times.iowait)  # the first eight; guests' time is in the users' already


def versions(*more: str) -> dict[str, str]:
    """Of Python and the packages that decide the figures; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _fact(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
