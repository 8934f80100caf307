"""Which back end scores here: OVERHEARD_DEVICE, and what this machine has. A worker on CPU never imports torch."""

import logging
from pathlib import Path

from overheard.errors import SettingsError
from overheard.scoring.engine import Engine
from overheard.scoring.gpu import device
from overheard.settings import PREFIX, Settings

log = logging.getLogger(__name__)


def load_engine(directory: Path, settings: Settings) -> Engine:
    """The bundle in `directory` on the device of the settings. Raises BundleError, and SettingsError when it is `cuda`
    and there is none that can be used: the message says what to do.
    """
    if settings.device != "cpu":
        reason = device.why_not()
        if not reason:
            from overheard.scoring.gpu.engine import TorchEngine

            return TorchEngine(directory, settings.models)
        if settings.device == "cuda":
            raise SettingsError(f"{PREFIX}DEVICE is cuda: {reason}, or set {PREFIX}DEVICE=cpu")
        if device.count():
            log.warning("a CUDA device is left unused: %s", reason)
    from overheard.scoring.onnx import OnnxEngine

    return OnnxEngine(directory, settings.scoring_threads)
