"""On what something was measured: processor, cores, load, versions."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("overheard", "onnxruntime", "tokenizers", "celery", "redis", "flask", "gunicorn", "httpx2", "pyarrow")
TORCH = ("torch", "transformers")
INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def machine(load: float) -> dict[str, Any]:
    """load: the mean number of running processes in the minute before the measurement."""
    return {
        "cpu": _fact("model name") or platform.processor() or platform.machine(),
        "instructions": [name for name in INSTRUCTIONS if name in _fact("flags").split()],
        "cores": cores(),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(load, 2),
    }


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
