"""Estimates that were made before: those of past days are asked for again and again, and nothing about them changes."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import Summary
from overheard.estimates import Audits, Estimate, Samples, Taught, estimate_each

MOST: Final = 5_000
"""About 10 MB; thirteen years of days."""
_made: OrderedDict[bytes, Estimate] = OrderedDict()
_lock = Lock()


def remembered(counted: Sequence[Summary], samples: Sequence[Samples], taught: Taught | None) -> list[Estimate]:
    """What `estimate_each` says of these. It is known by all that goes in, so it can't be out of date."""
    keys = list(_keys(counted, samples, taught))
    with _lock:
        known = {key: _made[key] for key in keys if key in _made}
    missing = [place for place, key in enumerate(keys) if key not in known]
    made = estimate_each([counted[place] for place in missing], [samples[place] for place in missing], taught=taught)
    known |= {keys[place]: one for place, one in zip(missing, made, strict=True)}
    with _lock:
        for key in keys:
            _made[key] = known[key]
            _made.move_to_end(key)
        while len(_made) > MOST:
            _made.popitem(last=False)
    return [known[key] for key in keys]


def forget() -> None:
    """All of them, as a new process would."""
    with _lock:
        _made.clear()


def _keys(counted: Sequence[Summary], samples: Sequence[Samples], taught: Taught | None) -> Iterator[bytes]:
    """Days of a week share their samples, which are read once."""
    model = _digest((taught.prior, taught.usual) if taught else ())
    digests = {id(one): _sample(one) for both in samples for one in both}
    for one, (own, nearby) in zip(counted, samples, strict=True):
        count = _digest((np.array([one.posts, *one.called]), one.moments.by_called, one.moments.cells))
        yield b"".join((count, digests[id(own)], digests[id(nearby)], model))


def _sample(one: Audits | None) -> bytes:
    return _digest((one.probabilities, one.labels, one.strata, one.sizes, one.answered) if one is not None else ())


def _digest(parts: Iterable[NDArray[Any]]) -> bytes:
    return blake2b(b"|".join(part.tobytes() for part in parts), digest_size=16).digest()
