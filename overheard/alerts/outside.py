"""The way out: addresses are checked, charts drawn and notices sent by a process of their own, one at a time.

So neither the API nor the workers ever load apprise or matplotlib, nothing that hangs holds up more than its own
recipient, and that process can be kept from calling anything that it should not (`overheard.alerts.__main__`).
"""

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, Final

from overheard.alerts.message import Chart, Message
from overheard.errors import DataError, NotDelivered, SettingsError
from overheard.settings import Settings

COMMAND: Final = (sys.executable, "-m", "overheard.alerts")
TIMEOUT_S: Final = 60
NEEDED: Final = ("apprise", "matplotlib")
log = logging.getLogger(__name__)


def check(settings: Settings, url: str) -> str:
    """The address as it is kept: as it was said, or for a chat's own https:// address what apprise makes of it.

    Raises DataError when apprise does not understand it, or it leads where nothing may go; SettingsError.
    """
    told = _ask(settings, {"check": url})
    if "refused" in told:
        raise DataError(told["refused"])
    return str(told["url"])


def send(settings: Settings, url: str, message: Message) -> str:
    """What went wrong although it was sent; mostly nothing. Raises NotDelivered, SettingsError."""
    told = _ask(settings, {"send": message.as_dict(), "url": url})
    if "refused" in told:
        raise NotDelivered(told["refused"])
    return str(told["problem"])


def draw(settings: Settings, chart: Chart) -> bytes:
    """A PNG. Raises NotDelivered, SettingsError."""
    return base64.b64decode(_ask(settings, {"draw": asdict(chart)})["png"])


def _ask(settings: Settings, order: Mapping[str, Any]) -> dict[str, Any]:
    if lacking := [name for name in NEEDED if find_spec(name) is None]:
        raise SettingsError(f"notices need {' and '.join(lacking)}: pip install 'overheard[alerts]'")
    allowed = {"schemes": settings.notify_schemes, "hosts": settings.notify_hosts or ""}
    try:
        run = _run(settings, json.dumps({**allowed, **order}).encode())
    except subprocess.TimeoutExpired:
        raise NotDelivered(f"no answer within {TIMEOUT_S} s") from None
    try:
        return dict(json.loads(run.stdout))
    except ValueError:
        log.debug("the sender said: %s", run.stderr.decode(errors="replace"))  # it may name an address
        raise NotDelivered(f"the process that sends it ended without a word ({run.returncode})") from None


def _run(settings: Settings, order: bytes) -> "subprocess.CompletedProcess[bytes]":
    """The process ends with this one: what it holds of the pipe is all that there is."""
    theirs, ours = os.pipe()
    environment = settings.environment(MPLCONFIGDIR=str(settings.home / "matplotlib"))
    try:
        return subprocess.run(  # noqa: S603 - ours, and what it works on comes by its input
            [*COMMAND, str(theirs)],
            input=order,
            capture_output=True,
            timeout=TIMEOUT_S,
            env=environment,
            pass_fds=(theirs,),
            check=False,
        )
    finally:
        os.close(theirs)
        os.close(ours)
