"""Which words grew: those of a planted crisis and, where nothing happened, none."""

import numpy as np

from overheard import words
from overheard.words import Said

COMMON = [f"word{chr(97 + number)}" for number in range(26)]


def posts(count: int, generator: np.random.Generator) -> list[str]:
    """Talk in which some words are frequent and none belongs to the class."""
    chances = 1 / np.arange(1, len(COMMON) + 1)
    return [" ".join(said) for said in generator.choice(COMMON, (count, 8), p=chances / chances.sum())]


def found(before: list[str], after: list[str]) -> list[str]:
    terms = [[words.words(text) for text in texts] for texts in (before, after)]
    return [one.text for one in words.grown(*terms)]


def test_the_words_of_a_crisis_are_named_and_no_stop_word() -> None:
    generator = np.random.default_rng(1)
    before, after = posts(200, generator), posts(300, generator)
    after[:60] = [f"the battery caught fire {text}" for text in after[:60]]
    before = [f"the {text}" for text in before]
    after[60:] = [f"the {text}" for text in after[60:]]
    assert set(found(before, after)) == {"battery", "caught", "fire"}


def test_where_nothing_happened_seldom_any_word_is_named() -> None:
    generator = np.random.default_rng(2)
    named = sum(bool(found(posts(150, generator), posts(150, generator))) for _ in range(100))
    assert named <= 0.1 * 100


def test_growth_is_told_in_shares_of_the_posts() -> None:
    before, after = ["calm talk"] * 100, ["calm talk"] * 60 + ["calm fire"] * 40
    terms = [[words.words(text) for text in texts] for texts in (before, after)]
    (fire,) = words.grown(*terms)
    assert (fire.text, fire.before, fire.after) == ("fire", 0, 0.4)
    assert fire.z > 3
    assert words.grown([], terms[1]) == []


def test_what_is_in_every_post_has_not_grown_because_there_are_more_posts() -> None:
    assert found(["so bad"] * 30, ["so bad"] * 100) == []


def test_mentions_links_and_numbers_are_no_words() -> None:
    text = "@bob Don't buy the X-2 for 300, see https://a.example #Recall!"
    assert words.words(text) == {"don't", "buy", "the", "x-2", "for", "see"}
    assert words.topics(text) >= {"don't buy", "buy the", "#recall"}
    assert words.topics("") == frozenset()


def test_one_person_says_the_same_once_and_many_say_it_often() -> None:
    same = [Said(number, "It is on FIRE" if number % 2 else "it is on fire!", "ann", 0, 0.9) for number in range(5)]
    others = [Said(10 + number, "it is on fire", author, 0, 0.9) for number, author in enumerate(("bob", "cy", "", ""))]
    assert [one.post_id for one in words.without_repeats([*same, *others])] == [0, 10, 11, 12, 13]


def test_examples_show_what_grew_and_reached_many_and_no_text_twice() -> None:
    grown = [words.Grown("fire", 0, 0.3, 6.0), words.Grown("caught fire", 0, 0.2, 5.0)]
    said = [
        Said(1, "so boring", "a", 3, 0.9),
        Said(2, "it caught fire", "b", 0, 0.6),
        Said(3, "It caught fire!", "c", 40, 0.6),
        Said(4, "fire again", "d", 500, 0.7),
        Said(5, "on fire", "e", 0, 0.7),
    ]
    assert words.examples(said, grown, 2) == [3, 4]
    assert len(words.examples(said, grown, 9)) == 4
    assert words.examples(said, [], 1) == [4]
    assert words.examples([], grown, 3) == []
