"""Whether a text is about a topic, for platforms that can't be asked that."""

import re
from functools import lru_cache

from overheard.collectors.base import Topic


def is_about(topic: Topic, text: str) -> bool:
    """Whether it has any of the terms (all texts have, where there are none) and none of the excluded words."""
    if topic.terms and not _any_of(topic.terms).search(text):
        return False
    return not (topic.excluded and _any_of(topic.excluded).search(text))


def is_spoken(topic: Topic, language: str) -> bool:
    """Whether the topic takes this language. Nobody is turned away for not saying which it is."""
    return not topic.languages or not language or language in topic.languages


@lru_cache(256)
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    """Whole words: `art` is not in "party". Beyond U+0E00 few scripts part words by spaces, so there a part counts."""
    choices = "|".join(re.escape(word.strip()).replace(r"\ ", r"\s+") for word in words)
    return re.compile(rf"(?<![^\W\u0e00-\U0010ffff])(?:{choices})(?![^\W\u0e00-\U0010ffff])", re.IGNORECASE)
