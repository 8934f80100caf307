"""`python -m overheard.alerts`: one address checked, one chart drawn or one notice sent, in a process of its own.

It reads one JSON object: `check` (an address), `draw` (a chart) or `send` (a message, to `url`), with `schemes` and
`hosts` that are allowed; and answers with one: `url`, `png`, `problem`, or `refused` and why. Addresses come by its
input alone, and what it answers holds none of their secrets. It ends with whoever
holds the other end of the pipe that its argument names.

It calls nothing but what `overheard.reach` allows.
"""

import base64
import json
import logging
import os
import sys
import threading
from smtplib import SMTPException, SMTPResponseException
from typing import Any, Final

from overheard.alerts import drawing, mail
from overheard.alerts.mail import Envelope
from overheard.alerts.message import Chart, Message
from overheard.errors import DataError, NotDelivered, OverheardError
from overheard.reach import Reach, Refused, guard
from overheard.recipients import parse, scrubbed

MAX_BRIEF_CHARS: Final = 1800
"""What every chat takes."""
UNSAID: Final = "it was not taken, and no reason was given"


def main() -> None:
    order = json.load(sys.stdin.buffer)
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.stdout.write(json.dumps(_answer(order)))
    sys.stdout.flush()
    os._exit(0)  # what is sent is noted at once, whatever apprise has left behind


def _end_with(line: int) -> None:
    """Whoever started this holds the other end of the line: without them nobody would note what was sent."""
    os.read(line, 1)
    os._exit(1)


def _answer(order: dict[str, Any]) -> dict[str, str]:
    if "draw" in order:
        return {"png": base64.b64encode(drawing.draw(Chart.of(order["draw"]))).decode()}
    url = str(order.get("check") or order["url"])
    try:
        reach = Reach.of(order["hosts"])
        if "check" in order:
            return {"url": _checked(url, order["schemes"], reach)}
        return {"problem": _sent(url, order["schemes"], reach, Message.of(order["send"]))}
    except OverheardError as error:
        return {"refused": str(error)}
    except Exception as error:  # a plugin's, whatever it is
        return {"refused": scrubbed(f"{type(error).__name__}: {error}", url)}


def _checked(url: str, schemes: str, reach: Reach) -> str:
    plugin = _plugin(url, schemes)
    kept = str(plugin.url()) if url.lower().startswith("https://") else url
    if host := getattr(plugin, "smtp_host", None) or parse(kept, schemes).host:
        reach.check(host)
    return kept


def _plugin(url: str, schemes: str) -> Any:
    """Of whichever kind. Raises DataError when apprise can't read the address, or makes of it what is not allowed."""
    from apprise import Apprise, AppriseAsset

    parse(url, schemes)
    logging.getLogger("apprise").addHandler(_said)
    asset = AppriseAsset(app_id="Overheard", app_desc="Overheard", app_url="", http_redirects=False, plugin_paths=[])
    plugin = Apprise.instantiate(url, asset=asset)
    if plugin is None:
        scheme = url.partition(":")[0]
        raise DataError(
            f"apprise can't read this {scheme}:// address: https://appriseit.com/services shows how each is written"
        )
    parse(plugin.url(), schemes)
    plugin.redirects = False  # whatever the address says
    return plugin


class _Said(logging.Handler):
    """What apprise says of what it does, where it says only there why it failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


_said = _Said()


def _sent(url: str, schemes: str, reach: Reach, message: Message) -> str:
    from apprise.plugins.email import NotifyEmail

    plugin = _plugin(url, schemes)
    guard(reach)
    try:
        if isinstance(plugin, NotifyEmail):
            return _mailed(plugin, message)
        _tell(plugin, message, url)
    except Refused as error:
        raise NotDelivered(str(error)) from None
    except SMTPResponseException as error:
        raise NotDelivered(scrubbed(f"the mail server says {error.smtp_code} {_text(error.smtp_error)}", url)) from None
    except (OSError, SMTPException) as error:
        raise NotDelivered(scrubbed(f"{plugin.smtp_host}:{plugin.port}: {error}", url)) from None
    return ""


def _mailed(plugin: Any, message: Message) -> str:
    headers = tuple((name, " ".join(str(value).split())) for name, value in plugin.headers.items())
    envelope = Envelope(
        host=plugin.smtp_host,
        port=plugin.port,
        mode=plugin.secure_mode,
        user=plugin.user,
        password=plugin.password,
        is_verified=plugin.verify_certificate,
        sender=(plugin.from_addr[0] or "Overheard", plugin.from_addr[1]),
        to=tuple((name or "", address) for name, address in plugin.targets),
        cc=tuple((plugin.names.get(address) or "", address) for address in sorted(plugin.cc)),
        bcc=tuple(sorted(plugin.bcc)),
        reply_to=tuple((plugin.names.get(address) or "", address) for address in sorted(plugin.reply_to)),
        headers=headers,
    )
    return mail.send(mail.compose(message, envelope, _drawn(message)), envelope)


def _drawn(message: Message) -> bytes | None:
    """A mail goes out, whatever is wrong with its picture: its words are said instead."""
    try:
        return drawing.draw(message.chart) if message.chart else None
    except Exception:
        logging.getLogger(__name__).exception("no chart")
        return None


def _tell(plugin: Any, message: Message, url: str) -> None:
    """A chat or a webhook. Raises NotDelivered."""
    from apprise import NotifyFormat
    from apprise.plugins.custom_json import NotifyJSON

    if isinstance(plugin, NotifyJSON):
        plugin.headers["Idempotency-Key"] = message.id
        plugin.payload_extras["overheard"] = message.facts
    body = message.brief[:MAX_BRIEF_CHARS]
    if not plugin.notify(body=body, title=message.subject, body_format=NotifyFormat.TEXT):
        raise NotDelivered(scrubbed(" ".join(_said.lines)[:500] or UNSAID, url))


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


main()
