"""What a text becomes before the model reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overheard.scoring.text import clean

anything = st.text(st.characters())  # every code point, surrogates included


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("", ""),
        (" \t\n ", ""),
        ("so   good\nreally", "so good really"),
        ("@someone thanks", "@user thanks"),
        ("thanks @someone!", "thanks @user"),
        ("meet @ noon", "meet @ noon"),
        ("mail me@example.org", "mail me@example.org"),
        ("see https://example.org/a?b=c now", "see http now"),
        ("see http://example.org", "see http"),
        ("(https://example.org)", "(https://example.org)"),
        ("👩\u200d👩\u200d👧 love", "👩\u200d👩\u200d👧 love"),
        ("שלום @someone", "שלום @user"),
    ],
)
def test_mentions_and_links_are_masked_and_the_rest_is_kept(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_a_surrogate_pair_is_the_emoji_that_it_stands_for() -> None:
    assert clean("great \ud83d\ude00") == "great 😀"


@pytest.mark.parametrize("raw", ["bad \ud83d", "\ude00 bad", "\ude00\ud83d", "\ud83d\ud83d\ude00"])
def test_a_lone_surrogate_becomes_the_replacement_character(raw: str) -> None:
    assert "\ufffd" in clean(raw)
    clean(raw).encode("utf-8")


def test_control_characters_vanish_and_do_not_split_words() -> None:
    assert clean("fan\x00tas\x1btic \x07day\x7f") == "fantastic day"


def test_a_mention_is_found_behind_a_control_character() -> None:
    assert clean("\x00@someone") == "@user"


@given(anything)
def test_any_string_can_be_cleaned_and_sent_on(raw: str) -> None:
    cleaned = clean(raw)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned
    assert cleaned == cleaned.strip()


@given(anything)
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    assert clean(clean(raw)) == clean(raw)
