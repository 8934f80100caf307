"""Whether there is a CUDA device that can score. Cheap things are asked first: torch costs seconds and 200 MB."""

import ctypes
from importlib.util import find_spec
from pathlib import Path
from typing import Final

OLDEST: Final = (8, 0)
"""Compute capability (Ampere) from which on a device multiplies bf16 and the packed attention runs."""


def why_not() -> str:
    """What to do so that a CUDA device can score; empty when one can."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return "torch is not installed: install overheard[train]"
    if not list((Path(spec.origin).parent / "lib").glob("*torch_cuda.*")):
        return "the torch that is installed was built for CPUs: install one for CUDA"
    if not count():
        return "there is no CUDA device: nvidia-smi must list one, and a container must be given it"
    import torch

    if not torch.cuda.is_available():
        return "torch finds no CUDA device: the driver must be new enough for torch's version of CUDA"
    if torch.cuda.get_device_capability() < OLDEST:
        return f"{torch.cuda.get_device_name()} is too old: take one of compute capability 8.0 or later"
    return ""


def count() -> int:
    """CUDA devices that the driver lets this process see; 0 without a driver."""
    devices = ctypes.c_int()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    known = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(devices)) == 0
    return devices.value if known else 0
