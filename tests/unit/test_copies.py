from overheard.training.copies import without_copies
from overheard.training.data import Rows

SEEN = Rows(("The new phone arrives tomorrow in all our shops http://a.example", "good morning everyone"), (1, 2))


def left(*texts: str) -> tuple[str, ...]:
    return without_copies(Rows(texts, (1,) * len(texts)), SEEN).texts


def test_the_same_words_with_another_link_mention_or_ending_are_a_copy() -> None:
    assert (
        left(
            "the new phone arrives tomorrow in all our shops http://b.example",
            "@someone The NEW phone arrives tomorrow in all our shops!",
            "BREAKING: the new phone arrives tomorrow in all our",
        )
        == ()
    )


def test_a_shared_phrase_is_no_copy() -> None:
    texts = ("good morning everyone, what a day to stay in bed", "the new phone is late again", "", "phone")

    assert left(*texts) == texts


def test_labels_stay_with_their_texts() -> None:
    rows = Rows(("something else entirely", SEEN.texts[0], "and one more"), (0, 1, 2))

    assert without_copies(rows, SEEN).labels == (0, 2)
