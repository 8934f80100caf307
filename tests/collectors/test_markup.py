"""HTML as a reader sees it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overheard.collectors.markup import plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("fish &amp; chips &lt;3 &#128512; caf&eacute;", "fish & chips <3 😀 café"),
        ("a <b>bold</b>\n  claim", "a bold claim"),
        ('see <a href="https://example.com/x">our page</a>', "see our page"),
        ("<style>p {}</style>seen<script>alert('no')</script>", "seen"),
        ("<!-- > hidden -->seen<![CDATA[ ]>", "seen"),
        ("a<!-- never closed", "a"),
        ('<img alt="a > b">seen', "seen"),
        ("<a title=it's>seen</a>", "seen"),
        ("<SCRIPT>no</Script >seen", "seen"),
        ("i <3 u", "i <3 u"),
        ("un<b>closed", "unclosed"),
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("", ""),
    ],
)
def test_what_a_reader_sees_is_left(html: str, text: str) -> None:
    assert plain_text(html) == text


def test_a_link_of_mastodon_is_a_whole_address_again() -> None:
    hidden = '<span class="invisible">https://</span><span class="ellipsis">example.com/a-long</span>'
    link = f'<p><a href="#">{hidden}<span class="invisible">-way</span></a></p>'
    assert plain_text(link) == "https://example.com/a-long-way"


@settings(max_examples=200)
@given(st.lists(st.sampled_from(("<", ">", "!", "[", "--", "/", "a", " ", '"', "'", "&", "p", "script", "\n", ";"))))
def test_nothing_makes_it_fail(pieces: list[str]) -> None:
    assert plain_text("".join(pieces)) == plain_text("".join(pieces)).strip()


@pytest.mark.parametrize("piece", ["<a ", "<!", "<![", "<!--", "<script>", "<a '>", '<a ">"', "<a<", "&#", "\n "])
def test_a_hostile_text_takes_no_minutes(piece: str) -> None:
    """html.parser takes ten seconds for the first, and fails on the third."""
    began_at = time.process_time()
    plain_text(piece * 20_000 + "'")
    assert time.process_time() - began_at < 5
