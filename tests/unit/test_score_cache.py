"""What is kept of texts that were scored, and for how long."""

import tracemalloc

from overheard.scoring.cache import ENTRY_BYTES, ScoreCache

SCORES = bytes(range(12))


def fill(cache: ScoreCache, texts: list[str]) -> None:
    for key in cache.keys(texts):
        cache.put(key, SCORES)


def known(cache: ScoreCache, texts: list[str]) -> list[bool]:
    return [cache.get(key) is not None for key in cache.keys(texts)]


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    cache = ScoreCache("v1", 3 * ENTRY_BYTES)
    fill(cache, ["a", "b", "c"])
    assert known(cache, ["a"]) == [True]
    fill(cache, ["d"])
    assert known(cache, ["a", "b", "c", "d"]) == [True, False, True, True]
    assert (cache.lookups, cache.hits, cache.size_bytes) == (5, 4, 3 * ENTRY_BYTES)


def test_another_model_version_knows_nothing_of_it() -> None:
    old, new = ScoreCache("v1", 1000), ScoreCache("v2", 1000)
    assert set(old.keys(["same text"])).isdisjoint(new.keys(["same text"]))


def test_it_takes_no_more_memory_than_it_may() -> None:
    allowed = 10_000_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        cache = ScoreCache("v1", allowed)
        for number in range(2 * allowed // ENTRY_BYTES):
            (key,) = cache.keys([str(number)])
            cache.put(key, number.to_bytes(12))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before <= allowed
    assert cache.size_bytes > allowed - ENTRY_BYTES


def test_without_room_no_two_texts_are_the_same() -> None:
    cache = ScoreCache("v1", 0)
    first, second = cache.keys(["same", "same"])
    assert first != second
    cache.put(first, SCORES)
    assert cache.get(first) is None
