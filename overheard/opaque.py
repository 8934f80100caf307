"""Numbers of rows as names that say nothing of them: no order, no age, no neighbour."""

import hmac
from typing import Final

_ROUNDS: Final = 4
_HALF: Final = 2**32


def seal(number: int, secret: bytes) -> str:
    """16 hexadecimal digits for a number below 2**64, always the same.

    A Feistel network of four keyed rounds: without the secret it can't be told from random. Source: Luby and Rackoff,
    How to construct pseudorandom permutations from pseudorandom functions, SIAM Journal on Computing 17 (1988).
    """
    left, right = divmod(number, _HALF)
    for turn in range(_ROUNDS):
        left, right = right, left ^ _mixed(right, turn, secret)
    return f"{left * _HALF + right:016x}"


def unseal(name: str, secret: bytes) -> int:
    """The number that was sealed; any other name gives some number, too. Raises ValueError for what is no name."""
    if len(name) != 16:
        raise ValueError(f"{name!r} is no name of ours")
    left, right = divmod(int(name, 16), _HALF)
    for turn in reversed(range(_ROUNDS)):
        left, right = right ^ _mixed(left, turn, secret), left
    return left * _HALF + right


def _mixed(half: int, turn: int, secret: bytes) -> int:
    digest = hmac.digest(secret, f"opaque:{turn}:{half}".encode(), "sha256")
    return int.from_bytes(digest[:4])
