"""What is kept of people: authors as keyed hashes, texts without e-mail addresses and phone numbers."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

_EMAIL: Final = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE: Final = re.compile(
    r"""(?<![\w.,/#$€£+-])(?:
      (?:\+|00)[1-9]\d{0,2}(?:[ ().-]{0,3}\d){6,13}          # with a country code
    | \(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}                   # North American
    | \(?0\d{1,4}\)?[ /-]{1,3}\d{2,5}(?:[ -]?\d{2,4}){1,4}   # national, with a leading zero and separators
    )(?![\w-])""",
    re.VERBOSE,
)
EMAIL, PHONE = "[email]", "[phone]"


def masked(text: str) -> str:
    """The text with `[email]` and `[phone]` where such were. Other digits (prices, years, scores, ids) stay."""
    if "@" in text:
        text = _EMAIL.sub(EMAIL, text)
    if sum(map(str.isdigit, text)) >= 9:  # no phone number has fewer
        text = _PHONE.sub(PHONE, text)
    return text


@dataclass(frozen=True)
class Privacy:
    """secret: keys the hashes, so that nobody without it can try names. keep_authors: names are kept as they are."""

    secret: bytes = field(repr=False)
    keep_authors: bool = False

    def author(self, source: str, author: str) -> str:
        """What is kept of an author; empty stays empty."""
        return author if self.keep_authors or not author else self._hash("author", source, author)[:32]

    def post(self, source: str, external_id: str) -> str:
        """By what a post that was forgotten is known: 64 hexadecimal digits."""
        return self._hash("post", source, external_id)

    def _hash(self, kind: str, source: str, name: str) -> str:
        return hmac.new(self.secret, f"{kind}:{source}:{name}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
