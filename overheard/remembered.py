"""Estimates that were made before: those of past days are asked for again and again, and nothing about them changes."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from overheard.aggregates import Summary
from overheard.estimates import Estimate, Samples, Taught, estimate_each

MOST: Final = 5_000
"""About 10 MB; thirteen years of days."""
_made: OrderedDict[bytes, Estimate] = OrderedDict()
_lock = Lock()


def remembered(counted: Sequence[Summary], samples: Sequence[Samples], taught: Taught | None) -> list[Estimate]:
    """What `estimate_each` says of these. It is known by all that goes in, so it can't be out of date."""
    keys = [_key(one, sample, taught) for one, sample in zip(counted, samples, strict=True)]
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


def _key(counted: Summary, samples: Samples, taught: Taught | None) -> bytes:
    hashed = blake2b(digest_size=16)
    for part in _parts(counted, samples, taught):
        hashed.update(part.tobytes() + b"|")
    return hashed.digest()


def _parts(counted: Summary, samples: Samples, taught: Taught | None) -> Iterator[NDArray[Any]]:
    yield np.array([counted.posts, *counted.called])
    yield from (counted.moments.by_called, counted.moments.cells)
    yield from (taught.prior, taught.usual) if taught else ()
    for sample in samples:
        if sample is None:
            yield np.array(-1)
        else:
            yield from (sample.probabilities, sample.labels, sample.strata, sample.sizes, sample.answered)
