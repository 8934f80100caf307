"""Texts that were scored already: a repost costs a look, not a forward pass."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from itertools import count
from typing import Final

ENTRY_BYTES: Final = 256
"""What one text costs, its share of the table included: measured 200 to 254."""

_unlike_any = count()


class ScoreCache:
    """Probabilities by text and model version, bounded in bytes; what was asked for longest ago goes first.

    A cleaned text is kept as 16 bytes of its hash, so nobody can read it here. Not for several threads at once.
    """

    def __init__(self, version: str, max_bytes: int) -> None:
        """`max_bytes` of 0 keeps nothing, and no two texts are the same."""
        self._version = version.encode()[:16]  # all that BLAKE2 takes; a version has 12
        self._room = max_bytes // ENTRY_BYTES
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()  # a dict walks over what was deleted from its front
        self.lookups = self.hits = 0

    def keys(self, cleaned: Sequence[str]) -> list[bytes]:
        """By which the texts are known."""
        if not self._room:
            return [next(_unlike_any).to_bytes(16) for _ in cleaned]
        return [
            blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=self._version).digest()
            for text in cleaned
        ]

    def get(self, key: bytes) -> bytes | None:
        """Three float32 as bytes, or None."""
        self.lookups += 1
        value = self._kept.get(key)
        if value is not None:
            self.hits += 1
            self._kept.move_to_end(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        if not self._room:
            return
        self._kept[key] = value
        if len(self._kept) > self._room:
            self._kept.popitem(last=False)

    @property
    def size_bytes(self) -> int:
        """At most; see ENTRY_BYTES."""
        return len(self._kept) * ENTRY_BYTES
