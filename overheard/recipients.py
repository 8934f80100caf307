"""Who is told: an address as apprise writes it, what of it may be shown, and which are taken at all."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from overheard.errors import DataError
from overheard.seal import Seal
from overheard.secret import ensure_secret
from overheard.settings import Settings

DEFAULT: Final = "default"
"""The recipient that OVERHEARD_NOTIFY_URL makes."""
MAX_URL_CHARS: Final = 2000
HIDDEN: Final = "****"
MAIL: Final = ("mailto", "mailtos")
_WITH_HOST: Final = (*MAIL, "json", "jsons", "mmost", "mmosts", "ntfy", "ntfys", "workflow", "workflows", "https")
"""Schemes whose host is one; in the others a token stands in its place."""
_READS_FILES: Final = ("template", "pgp", "pgppub", "pgpprv", "wkd", "attach")
SHORTEST_SECRET: Final = 4
"""Shorter words are in every text."""
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+]{1,31})://\S")


@dataclass(frozen=True)
class Target:
    """An address that can be used. shown: the same without any secret: what people and logs see of it."""

    url: str
    scheme: str
    shown: str
    host: str | None


def parse(url: str, schemes: str) -> Target:
    """schemes: those that are taken, with commas. Whether apprise understands it, `alerts.outside` finds out.

    `https://` is taken where apprise knows whose it is: the address of a webhook as Slack or Teams show it.
    Raises DataError, which names no part of the address but its scheme.
    """
    url, allowed = url.strip(), [word.strip().lower() for word in schemes.split(",")]
    found = _SCHEME.match(url.lower())
    if not found or len(url) > MAX_URL_CHARS or any(ord(letter) < 32 for letter in url):
        raise DataError("it is no address: write it like mailtos://user:password@mail.example.com/?to=ann@example.com")
    scheme = found[1]
    if scheme not in allowed and scheme != "https":
        raise DataError(f"{scheme}:// is not among those allowed here (OVERHEARD_NOTIFY_SCHEMES): {', '.join(allowed)}")
    try:
        parts = urlsplit(url)
        shown, host = _printable(_shown(scheme, parts)), parts.hostname if scheme in _WITH_HOST else None
    except ValueError:
        raise DataError("it is no address: its host or port can't be read") from None
    if refused := next((name for name, _ in _options(parts) if name.strip().lower() in _READS_FILES), None):
        raise DataError(f"the option {refused!r} is not allowed: it would read files of this machine")
    return Target(url, scheme, shown, host)


def _options(parts: SplitResult) -> list[tuple[str, str]]:
    return parse_qsl(parts.query, keep_blank_values=True)


def _shown(scheme: str, parts: SplitResult) -> str:
    """Only what is known to be no secret: whatever else there is may be one. Raises ValueError."""
    if scheme not in _WITH_HOST or not parts.hostname:
        return f"{scheme}://{HIDDEN}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host += f":{parts.port}" if parts.port else ""
    if scheme not in MAIL:
        is_topic = scheme in ("ntfy", "ntfys") and "." not in parts.hostname
        return f"{scheme}://{HIDDEN}" if is_topic else f"{scheme}://{host}/{HIDDEN}"
    user = f"{unquote(parts.username)}:{HIDDEN}@" if parts.username else ""
    options = dict(_options(parts))
    to = [unquote(word) for word in parts.path.split("/") if "@" in unquote(word)]
    to += [word.strip() for word in options.get("to", "").split(",") if word.strip()]
    to = to or [f"{unquote(parts.username or '').partition('@')[0]}@{parts.hostname}"]
    return f"{scheme}://{user}{options.get('smtp', host)} → {', '.join(to)}"


def scrubbed(text: str, url: str) -> str:
    """The text as one line, without what may be a secret of the address: of mail its password and headers, of whatever
    else all but its host and port."""
    _, _, rest = url.partition("://")
    parts, scheme = urlsplit(url), url.partition(":")[0].lower()
    if scheme in MAIL:
        words = {
            parts.password or "",
            *(value for name, value in _options(parts) if name[:1] in ("+", " ")),
        }  # a plus is a space
    else:
        words = set(re.split(r"[/?#&=@:,]", rest))
        words -= {parts.hostname or "", str(parts.port)} if scheme in _WITH_HOST else set()
    for word in sorted({form for said in words for form in (said, unquote(said))}, key=len, reverse=True):
        if len(word) >= SHORTEST_SECRET:
            text = text.replace(word, HIDDEN)
    return _printable(" ".join(text.split()))


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def seal_of(settings: Settings) -> Seal:
    """What opens the recipients' addresses. Raises SettingsError."""
    return Seal(ensure_secret(settings), "recipients")
