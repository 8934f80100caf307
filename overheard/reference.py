"""The frozen reference of a bundle: what its training texts were like, in counts alone; and posts, counted alike."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from overheard.drift import Chance, Counts, Floats, Reference, divergence
from overheard.scoring.bundle import REFERENCE, TOKENIZER, read_manifest
from overheard.scoring.text import clean, key

TOKENS: Final = 1_000
LENGTHS: Final = (20, 40, 60, 80, 100, 120, 140, 180, 240, 320, 640)
"""Where buckets of lengths begin, in characters as the model reads them; the first begins at 0."""
MOST_TEXTS: Final = 50_000
SIZES: Final = (30, 45, 60, 90, 125, 180, 250, 350, 500, 700, 1_000, 1_400, 2_000, 2_800, 4_000)
DRAWS: Final = 100


class Vocabulary:
    """Which tokens are counted: those of a tokenizer that most of the training texts hold, by their ids."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    @classmethod
    def of(cls, bundle: Path) -> "Vocabulary":
        """As the bundle's model reads."""
        return cls(Tokenizer.from_file(str(bundle / TOKENIZER)), read_manifest(bundle).max_tokens)

    def tokens(self, texts: Sequence[str]) -> list[set[int]]:
        """The different tokens of each text, without those that every text gets. texts: cleaned."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [set(encoding.ids) for encoding in encodings]


@dataclass(frozen=True)
class Incidence:
    """Which of K tokens are in which texts. flat: of all texts in a row, K for any other; starts: of each text."""

    flat: NDArray[np.int64]
    starts: NDArray[np.int64]
    bins: int

    @classmethod
    def of(cls, tokens: Iterable[set[int]], ids: Sequence[int]) -> "Incidence":
        place = {token: index for index, token in enumerate(ids)}
        rows = [[place.get(token, len(ids)) for token in found] for found in tokens]
        starts = np.cumsum([0, *map(len, rows)])
        return cls(np.array([one for row in rows for one in row], np.int64), starts, len(ids) + 1)

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def counts(self, rows: NDArray[np.int64] | None = None) -> Floats:
        """(K + 1,): in how many texts each token is. rows: of these texts, some maybe more than once."""
        if rows is None:
            flat = self.flat
        else:
            sizes = self._sizes[rows]
            ends = np.cumsum(sizes)
            flat = self.flat[np.arange(ends[-1]) + np.repeat(self.starts[rows] - ends + sizes, sizes)]
        return np.bincount(flat, minlength=self.bins).astype(np.float64)


def distinct(texts: Sequence[str]) -> list[int]:
    """Places of the texts whose words came nowhere before: a reference has each once, and so are posts counted."""
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        first.setdefault(key(text), place)
    return list(first.values())


def count(
    texts: Sequence[str], classes: Sequence[int], languages: Iterable[str], vocabulary: Vocabulary, ids: Sequence[int]
) -> Counts:
    """texts, languages: of distinct posts; a language may be empty. classes: predicted; may be of some of them only."""
    cleaned = [clean(text) for text in texts]
    return Counts(
        texts=len(texts),
        classes=np.bincount(np.asarray(classes, np.int64), minlength=3).astype(np.float64),
        lengths=lengths(cleaned),
        languages=Counter(filter(None, languages)),
        vocabulary=Incidence.of(vocabulary.tokens(cleaned), ids).counts(),
    )


def make(
    texts: Sequence[str], classes: Sequence[int], languages: Mapping[str, int], vocabulary: Vocabulary, seed: int = 0
) -> bytes:
    """The file's content. texts: that the model trained on; classes (n,): what it predicts for rows held out of that.

    At most MOST_TEXTS texts are counted. What chance does to the vocabulary is measured: texts are drawn from these
    again and again, few and many, and each time compared with all of them drawn anew.
    """
    generator = np.random.default_rng(seed)
    places = distinct(texts)
    if len(places) > MOST_TEXTS:
        places = generator.permutation(places)[:MOST_TEXTS].tolist()
    cleaned = [clean(texts[place]) for place in places]
    tokens = vocabulary.tokens(cleaned)
    common = Counter(token for found in tokens for token in found)
    ids = sorted(common, key=lambda token: (-common[token], token))[:TOKENS]
    incidence = Incidence.of(tokens, ids)
    told = {
        "format": 1,
        "texts": len(places),
        "classes": np.bincount(np.asarray(classes, np.int64), minlength=3).tolist(),
        "length_edges": LENGTHS,
        "lengths": lengths(cleaned).astype(int).tolist(),
        "languages": dict(sorted(languages.items())),
        "token_ids": ids,
        "vocabulary": incidence.counts().astype(int).tolist(),
        "chance": [asdict(one) for one in chance(incidence, generator)],
    }
    return (json.dumps(told) + "\n").encode()


def read(bundle: Path) -> tuple[Reference, list[int]] | None:
    """A bundle's reference and the ids of its tokens; None where it has none, or one of another format."""
    try:
        kept: dict[str, Any] = json.loads((bundle / REFERENCE).read_bytes())
    except OSError:
        return None
    if kept["format"] != 1 or tuple(kept["length_edges"]) != LENGTHS:
        return None
    counts = Counts(
        texts=kept["texts"],
        classes=np.array(kept["classes"], np.float64),
        lengths=np.array(kept["lengths"], np.float64),
        languages=kept["languages"],
        vocabulary=np.array(kept["vocabulary"], np.float64),
    )
    return Reference(counts, tuple(Chance(**one) for one in kept["chance"])), kept["token_ids"]


def lengths(cleaned: Sequence[str]) -> Floats:
    """(B,): how many texts are so long."""
    buckets = np.searchsorted(LENGTHS, [len(text) for text in cleaned], side="right")
    return np.bincount(buckets, minlength=len(LENGTHS) + 1).astype(np.float64)


def chance(incidence: Incidence, generator: np.random.Generator) -> list[Chance]:
    """What the divergence of few and of many such texts is by chance.

    Method: bootstrap of texts (Efron and Tibshirani, An introduction to the bootstrap, 1993).
    """
    found: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(DRAWS):
        everything = incidence.counts(generator.integers(len(incidence), size=len(incidence)))
        for size in SIZES:
            some = incidence.counts(generator.integers(len(incidence), size=size))
            found[size].append(float(divergence(some, everything)))
    return [Chance(size, float(np.mean(js)), float(np.std(js))) for size, js in found.items()]
