"""What a reader sees of a piece of HTML."""

import re
from html.parser import HTMLParser
from typing import Final

_BLOCKS: Final = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure", "footer"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"),
        *("table", "tr", "ul"),
    )
)
_UNSEEN: Final = frozenset(("head", "script", "style", "template", "title"))
_SPACES: Final = re.compile(r"[^\S\n]+")
_LINE_ENDS: Final = re.compile(r"\s*\n\s*")


def plain_text(html: str) -> str:
    """Text without tags: a block or a line break begins a new line, entities are characters, links keep their text.

    Spans that are hidden by a class are kept: Mastodon hides most of an address that way, and the whole of it is what
    the model's clean-up knows for a link.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", "".join(reader.seen))).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self._unseen = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._unseen and tag in _UNSEEN:
            self._unseen = tag
        self._break_at(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""
        self._break_at(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.seen.append(data.replace("\n", " "))

    def _break_at(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.seen.append("\n")
