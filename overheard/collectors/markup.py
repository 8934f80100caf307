"""What a reader sees of a piece of HTML.

Not by html.parser: before Python 3.11.14 it fails on some texts and takes minutes for others, and posts come from
strangers. What is here takes time in proportion to the text.
"""

import re
from html import unescape
from typing import Final

from overheard.limits import MAX_MESSAGE_CHARS

LONGEST: Final = 4 * MAX_MESSAGE_CHARS
"""HTML that is looked at: tags are rarely more than the words."""
LONGEST_TAG: Final = 5_000

_BLOCKS: Final = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure", "footer"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"),
        *("table", "tr", "ul"),
    )
)
_UNSEEN: Final = frozenset(("head", "script", "style", "template", "title"))
_TAG: Final = re.compile(r"""</?([a-z][^\s/>]*+)[^>"']*+(?:"[^"]*+"[^>"']*+|'[^']*+'[^>"']*+)*+>""", re.IGNORECASE)
_SHORT_TAG: Final = re.compile(r"</?([a-z][^\s/>]*+)[^>]*+>", re.IGNORECASE)
"""A tag with an odd quote in it."""
_MARKUP: Final = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)
_SPACES: Final = re.compile(r"[^\S\n]+")
_LINE_ENDS: Final = re.compile(r"\s*\n\s*")


def plain_text(html: str) -> str:
    """Text without tags: a block or a line break begins a new line, entities are characters, links keep their text.

    Spans that are hidden by a class are kept: Mastodon hides most of an address that way, and the whole of it is what
    the model's clean-up knows for a link.
    """
    html, seen, at = html[:LONGEST], [], 0
    while markup := _MARKUP.search(html, at):
        seen.append(_words(html[at : markup.start()]))
        name, at = _passed(html, markup.start())
        if name in _BLOCKS:
            seen.append("\n")
    seen.append(_words(html[at:]))
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", "".join(seen))).strip()


def _words(source: str) -> str:
    """Line ends in the source are spaces to a reader."""
    return unescape(source).replace("\n", " ")


def _passed(html: str, start: int) -> tuple[str, int]:
    """Name of the tag that begins at `start`, and where it ends: what is not closed hides all that follows."""
    if html.startswith("<!--", start):
        return "", _after(html, "-->", start + 4)
    tag = _TAG.match(html, start, start + LONGEST_TAG) or _SHORT_TAG.match(html, start)
    if tag is None:
        return "", _after(html, ">", start)
    name = tag[1].lower()
    if name in _UNSEEN and tag[0][1] != "/":
        closed = re.compile(f"(?=</{re.escape(name)})", re.IGNORECASE).search(html, tag.end())
        return name, closed.end() if closed else len(html)
    return name, tag.end()


def _after(html: str, end: str, start: int) -> int:
    found = html.find(end, start)
    return found + len(end) if found >= 0 else len(html)
