"""Where notices go and feeds are read: anywhere on the open internet, and inside of it only where an operator said so.

Whoever may add a recipient or a feed could otherwise have this machine call its neighbours: databases, a cloud's
metadata. An audit hook looks at every connection as it is made, whatever library makes it: so a name that leads
elsewhere by then, a redirect or a proxy change nothing.
"""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, Self

from overheard.errors import DataError, SettingsError

_CLOUDS: Final = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))
"""Public by their numbers, but the inside of a cloud: Azure's host, Oracle's metadata."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")


class Refused(Exception):
    """Raised by a connection that is not allowed. No OSError: nobody then tries the next address."""


class _RefusedHere(Refused, OSError):
    """The same inside of `bound`, as a failure that client libraries clean up after: the reason is kept for it."""


@dataclass(frozen=True)
class Reach:
    """What is allowed beyond the open internet: networks, and names. setting: where an operator allows it."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: frozenset[str] = frozenset()
    setting: str = "OVERHEARD_NOTIFY_HOSTS"

    @classmethod
    def of(cls, hosts: str, setting: str = "OVERHEARD_NOTIFY_HOSTS") -> Self:
        """hosts: names, addresses and networks, with commas. Raises SettingsError."""
        networks, names = [], set[str]()
        for word in filter(None, (part.strip() for part in hosts.split(","))):
            try:
                networks.append(ip_network(word.strip("[]"), strict=False))
            except ValueError:
                if "/" in word or ":" in word:
                    reason = f"{word!r} is no host and no network: write mail.internal, 10.1.2.3 or 10.1.0.0/16"
                    raise SettingsError(reason) from None
                names.add(word)
        return cls(tuple(networks), frozenset(names), setting)

    def has(self, address: str) -> bool:
        number = ip_address(address.partition("%")[0])
        return is_public(address) or any(number in network for network in self.networks) or address in self._named

    @cached_property
    def _named(self) -> frozenset[str]:
        """Addresses that the names had when that was first asked."""
        return frozenset(address for name in self.names for address in addresses(name))

    def check(self, host: str) -> None:
        """Raises DataError when a name has no address, or one that is refused: any of them might be taken."""
        found = addresses(host)
        if not found:
            raise DataError(f"the host {host!r} has no address: is it written right?")
        for address in found:
            if not self.has(address):
                raise DataError(self.refusal(host, address))

    def refusal(self, host: str, address: str = "") -> str:
        where = f"{host} ({address})" if address not in ("", host) else host
        return f"{where} is inside of a private network or of this machine: an operator may name it in {self.setting}"


class _Bound(threading.local):
    """Where a thread's connections may go; None: anywhere."""

    reach: Reach | None = None
    refused: str = ""


_thread = _Bound()


@contextmanager
def bound(reach: Reach) -> Iterator[_Bound]:
    """Meanwhile this thread connects nowhere else: what tries fails, and the reason stays in `refused`."""
    _watch()
    before = _thread.reach
    _thread.reach, _thread.refused = reach, ""
    try:
        yield _thread
    finally:
        _thread.reach = before


def guard(reach: Reach) -> None:
    """From now on this process connects nowhere else. There is no way back."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if refusal := _refusal(reach, event, arguments):
            raise Refused(refusal)

    sys.addaudithook(look)


@cache
def _watch() -> None:
    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if _thread.reach is not None and (refusal := _refusal(_thread.reach, event, arguments)):
            _thread.refused = refusal
            raise _RefusedHere(refusal)

    sys.addaudithook(look)


def _refusal(reach: Reach, event: str, arguments: tuple[Any, ...]) -> str:
    if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        return ""
    address = str(arguments[1][0]) if isinstance(arguments[1], tuple) else str(arguments[1])
    return "" if _is_allowed(reach, address) else reach.refusal(address)


def _is_allowed(reach: Reach, address: str) -> bool:
    try:
        return reach.has(address)
    except ValueError:  # no number: a socket in the file system, or a name that nobody has looked up yet
        return False


def addresses(host: str) -> list[str]:
    """All that a name has at present; of an address, itself."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def is_public(address: str) -> bool:
    """Whether it is of the open internet: no private network, no machine's own, no link's, no cloud's metadata."""
    number = _carried(ip_address(address.partition("%")[0]))
    return number.is_global and not number.is_multicast and not any(number in network for network in _CLOUDS)


def _carried(number: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Where an IPv6 address that only carries an IPv4 address leads."""
    if isinstance(number, IPv4Address):
        return number
    if number in _NAT64:
        return IPv4Address(int(number) & 0xFFFFFFFF)
    return number.ipv4_mapped or (number.sixtofour if number in _SIX_TO_FOUR else None) or number
