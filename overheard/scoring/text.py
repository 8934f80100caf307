"""What a text looks like before it is tokenised."""

import hashlib
import re
from typing import Final

_CONTROLS: Final = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if not chr(code).isspace()}


def clean(text: str) -> str:
    """The text as the models were trained to read it: mentions as `@user`, links as `http`, single spaces.

    Never raises: surrogate pairs are joined, lone surrogates become U+FFFD, control characters are dropped.
    Source of the masking: CardiffNLP, TweetEval (Barbieri et al., Findings of EMNLP 2020).
    """
    if not text.isprintable():
        text = whole(text).translate(_CONTROLS)
    words = text.split()
    if "@" in text or "http" in text:
        words = [_mask(word) for word in words]
    return " ".join(words)


def _mask(word: str) -> str:
    if word.startswith("@") and len(word) > 1:
        return "@user"
    return "http" if word.startswith("http") else word


def key(text: str) -> str:
    """By which texts are the same to people: 64 hexadecimal digits of its words alone, no mentions, links, case, signs.

    A text without words is known by its signs.
    """
    masked = clean(text).lower()
    words = re.findall(r"\w+", re.sub(r"(@user|http)(?=\s|$)", "", masked))
    return hashlib.sha256(" ".join(words or [masked]).encode()).hexdigest()


def whole(text: str) -> str:
    """Surrogate pairs joined, lone ones replaced by U+FFFD: UTF-16, where they come from, is where that is simple."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
