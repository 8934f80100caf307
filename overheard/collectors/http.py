"""One GET for collectors whose platform has no client library of its own: bounded in time, size and redirects."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx2

from overheard import __version__
from overheard.errors import DataError, SourceBusy, SourceDown, SourceRefused
from overheard.hosts import is_loopback

AGENT: Final = f"overheard/{__version__}"
MAX_REDIRECTS: Final = 5
MAX_BYTES: Final = 10_000_000
BUSY_FOR: Final = timedelta(minutes=15)
LONGEST_BUSY: Final = timedelta(days=1)
_NUMBER: Final = re.compile(r"\[Errno -?\d+\] ")


class Answer(NamedTuple):
    """An answer of 200, or of 304 without a body. url: where it came from in the end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


def check_url(url: str) -> None:
    """Raises DataError unless it can be fetched over http or https, and holds no password, which would be stored."""
    try:
        parsed, _ = urlsplit(url), httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL) as error:
        raise DataError(f"{url!r} is no address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.hostname:
        raise DataError(f"{url!r} is no address that starts with http:// or https://")
    if parsed.username or parsed.password:
        raise DataError(f"the address at {parsed.hostname} holds a password: feeds that need one can't be read")


def get(
    source: str,
    url: str,
    timeout_s: float,
    now: datetime,
    *,
    advice: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Answer:
    """advice: what the operator should do when this is refused (any other 4xx).

    Raises SourceBusy (429, or 503 with Retry-After), SourceRefused, SourceDown.
    """
    try:
        with (
            httpx2.Client(
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                timeout=timeout_s,
                trust_env=not is_loopback(url),
                headers={"User-Agent": AGENT, **(headers or {})},
            ) as client,
            client.stream("GET", url, params=params) as response,
        ):
            body = _body(source, response, time.monotonic() + timeout_s)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        host = urlsplit(url).hostname
        reason = _NUMBER.sub("", str(error)) or type(error).__name__
        raise SourceDown(source, f"no answer from {host}: {reason}") from error
    _raise_for(source, response, now, advice)
    return Answer(response.status_code, response.headers, body, str(response.url))


def _body(source: str, response: httpx2.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise SourceDown(source, f"{response.url.host} sends more than {MAX_BYTES // 1_000_000} MB")
        if time.monotonic() > deadline:
            raise SourceDown(source, f"{response.url.host} takes too long to send its answer")
    return bytes(body)


def _raise_for(source: str, response: httpx2.Response, now: datetime, advice: str) -> None:
    status, said = response.status_code, f"{response.url.host} answers {response.status_code} {response.reason_phrase}"
    if status == 429 or (status == 503 and "Retry-After" in response.headers):
        raise SourceBusy(source, said, retry_at(response.headers.get("Retry-After", ""), now))
    if 400 <= status < 500 and status != 408:
        raise SourceRefused(source, said, advice)
    if status not in (200, 304):
        raise SourceDown(source, said)


def retry_at(retry_after: str, now: datetime) -> datetime:
    """What a Retry-After header means (RFC 9110, 10.2.3): seconds or a date, at most a day from now."""
    try:
        at = now + timedelta(seconds=int(retry_after))
    except (ValueError, OverflowError):
        try:
            at = parsedate_to_datetime(retry_after).astimezone(UTC)
        except ValueError:
            at = now + BUSY_FOR
    return min(max(at, now), now + LONGEST_BUSY)
