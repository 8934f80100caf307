"""How pushed posts are signed: HMAC-SHA256 over the time and the body, by a secret that the feed and its sender share.

`Overheard-Signature: t=1767225600,v1=5f2c…`, where v1 is over `1767225600.` and the bytes of the body.
"""

import hashlib
import hmac
import re
from datetime import datetime
from typing import Final

from overheard.errors import NotSigned

HEADER: Final = "Overheard-Signature"
MAX_AGE_S: Final = 300
"""A push that somebody has overheard can be repeated for so long; what it brings is known by then."""
_FORM: Final = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})", re.ASCII)


def secret_of(key: bytes, feed_id: int, made_at: datetime) -> str:
    """A feed's secret, derived from the installation's: it is kept nowhere. A later feed with the id has another."""
    return "whs_" + _hmac(key, f"webhook:{feed_id}:{made_at.timestamp():.6f}".encode())


def sign(secret: str, body: bytes, at_s: int) -> str:
    """The header's value. at_s: Unix time."""
    return f"t={at_s},v1={_hmac(secret.encode(), f'{at_s}.'.encode() + body)}"


def verify(secret: str, signature: str | None, body: bytes, now_s: float) -> None:
    """Raises NotSigned: without signature, not of this secret and body, or made too far from now."""
    if not signature:
        raise NotSigned(f"send {HEADER}: t=UNIX_TIME,v1=HMAC_SHA256(secret, UNIX_TIME + '.' + body)")
    if not (told := _FORM.fullmatch(signature.replace(" ", ""))):
        raise NotSigned(f"{HEADER} should be t=UNIX_TIME,v1=64 hexadecimal digits")
    expected = sign(secret, body, int(told[1])).rpartition("=")[2]
    if not hmac.compare_digest(expected, told[2]):
        raise NotSigned("no webhook of this name has this secret, or the body is not the one that was signed")
    if abs(now_s - int(told[1])) > MAX_AGE_S:
        raise NotSigned(f"the signature is more than {MAX_AGE_S // 60} minutes from now: sign each attempt anew")


def _hmac(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()
