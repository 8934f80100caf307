"""Where notices may go: anywhere on the open internet, and inside of it only where an operator said so.

Whoever may add a recipient could otherwise have this machine call its neighbours: databases, a cloud's metadata.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

from overheard.errors import DataError, SettingsError

_CLOUDS: Final = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))
"""Public by their numbers, but the inside of a cloud: Azure's host, Oracle's metadata."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")


@dataclass(frozen=True)
class Reach:
    """What is allowed beyond the open internet. named: addresses that an operator's names had when this was made."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    named: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hosts: str) -> Self:
        """hosts: names, addresses and networks, with commas. Raises SettingsError."""
        networks, named = [], set[str]()
        for word in filter(None, (part.strip() for part in hosts.split(","))):
            try:
                networks.append(ip_network(word.strip("[]"), strict=False))
            except ValueError:
                if "/" in word or ":" in word:
                    reason = f"{word!r} is no host and no network: write mail.internal, 10.1.2.3 or 10.1.0.0/16"
                    raise SettingsError(reason) from None
                named.update(addresses(word))
        return cls(tuple(networks), frozenset(named))

    def has(self, address: str) -> bool:
        number = ip_address(address.partition("%")[0])
        return address in self.named or any(number in network for network in self.networks) or is_public(address)

    def check(self, host: str) -> None:
        """Raises DataError when a name has no address, or one that is refused: any of them might be taken."""
        found = addresses(host)
        if not found:
            raise DataError(f"the host {host!r} has no address: is it written right?")
        for address in found:
            if not self.has(address):
                raise DataError(refusal(host, address))


def refusal(host: str, address: str) -> str:
    where = host if host == address else f"{host} ({address})"
    return (
        f"{where} is inside of a private network or of this machine: an operator may name it in OVERHEARD_NOTIFY_HOSTS"
    )


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
