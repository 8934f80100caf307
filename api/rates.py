"""How often a key and an address may call: counted by the minute, in Redis, where all API processes see it.

While Redis is away each process counts by itself, so nothing is refused for that, and nobody is let in without limit.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Final

from redis import Redis, RedisError
from werkzeug.exceptions import TooManyRequests

from overheard.settings import Settings

WINDOW_S: Final = 60
AWAY_S: Final = 5
"""So long Redis is not asked again after it did not answer."""
TIMEOUT_S: Final = 0.5
PLACE: Final = "overheard:rate"
log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What is counted: a key's calls; an address' calls without a key; its wrong keys."""

    key = "key"
    address = "address"
    failure = "failure"


SAID: Final = {
    Kind.key: "this key may make {most:,} calls a minute (OVERHEARD_RATE_PER_KEY)",
    Kind.address: "an address may make {most:,} calls a minute without a key (OVERHEARD_RATE_PER_ADDRESS)",
    Kind.failure: "{most:,} wrong keys came from this address within a minute (OVERHEARD_RATE_OF_WRONG_KEYS)",
}


class Rates:
    """All calls raise TooManyRequests. address: as `request.remote_addr` has it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._most = {
            Kind.key: settings.rate_per_key,
            Kind.address: settings.rate_per_address,
            Kind.failure: settings.rate_of_wrong_keys,
        }
        self._redis = Redis.from_url(settings.broker_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._away_until = 0.0
        self._here = _Local()
        self._shut: dict[str, int] = {}  # addresses with too many wrong keys -> the minute in which that was

    def count_key(self, owner: str) -> None:
        self._count(Kind.key, owner)

    def count_address(self, address: str | None) -> None:
        self._count(Kind.address, _network(address))

    def require_open(self, address: str | None) -> None:
        """That no more keys were tried from there than may be. Asks nobody: each wrong key tells this process."""
        if self._shut.get(_network(address)) == self._minute:
            raise self._refusal(Kind.failure)

    def count_failure(self, address: str | None) -> None:
        """A wrong key came from there."""
        network = _network(address)
        try:
            self._count(Kind.failure, network)
        except TooManyRequests:
            now = self._minute
            self._shut = {other: minute for other, minute in self._shut.items() if minute == now} | {network: now}
            raise

    def _count(self, kind: Kind, who: str) -> None:
        if self._most[kind] and self._calls(f"{kind}:{who}") > self._most[kind]:
            raise self._refusal(kind)

    @property
    def _minute(self) -> int:
        return int(self._clock() // WINDOW_S)

    def _calls(self, what: str) -> int:
        minute = self._minute
        if time.monotonic() < self._away_until:
            return self._here.add(what, minute)
        place = f"{PLACE}:{what}:{minute}"
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.incr(place)
                pipe.expire(place, 2 * WINDOW_S)
                return int(pipe.execute()[0])
        except RedisError as error:
            self._away_until = time.monotonic() + AWAY_S
            log.warning("calls are counted in this process alone for %d s: %s", AWAY_S, error)
            return self._here.add(what, minute)

    def _refusal(self, kind: Kind) -> TooManyRequests:
        left_s = max(1, round(WINDOW_S - self._clock() % WINDOW_S))
        return TooManyRequests(SAID[kind].format(most=self._most[kind]), retry_after=left_s)


class _Local:
    """This process' own counts of the present minute."""

    def __init__(self) -> None:
        self._lock, self._minute = threading.Lock(), 0
        self._counts: Counter[str] = Counter()

    def add(self, what: str, minute: int) -> int:
        with self._lock:
            if self._minute != minute:
                self._minute, self._counts = minute, Counter()
            self._counts[what] += 1
            return self._counts[what]


def _network(address: str | None) -> str:
    """Who has one IPv6 address has 2**64 of them."""
    try:
        number = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(number, IPv6Address) and number.ipv4_mapped is None:
        return f"{IPv6Address(int(number) >> 64 << 64)}/64"
    return str(number)
