"""What a training's numbers depend on beyond its data and its recipe."""

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from overheard import __version__


def described() -> dict[str, str]:
    """Versions, device and git revision, by name."""
    import torch

    packages = {name: version(name) for name in ("torch", "transformers", "onnxruntime")}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    return {"overheard": __version__, "git_revision": _git_revision(), "device": device, **packages}


def _git_revision() -> str:
    """Of the checkout that this code runs from; empty when it was installed otherwise, or where there is no git."""
    if not shutil.which("git"):
        return ""
    here = Path(__file__).parent
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)  # noqa: S607
    return asked.stdout.strip()
