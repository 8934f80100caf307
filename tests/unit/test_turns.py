"""Bulk work takes turns."""

from overheard.scoring.turns import Turns


def test_jobs_beyond_the_slots_wait_and_take_turns() -> None:
    turns = Turns(2)
    assert [turns.begin(job) for job in ("a", "b", "c", "d")] == [True, True, False, False]
    assert turns.end() == "c"
    assert turns.begin("c")
    assert not turns.begin("a")
    assert [turns.end(), turns.end()] == ["d", "a"]
    assert turns.begin("d")
    assert turns.begin("a")


def test_a_job_waits_once_however_often_it_asks() -> None:
    turns = Turns(1)
    assert turns.begin("a")
    assert [turns.begin("b"), turns.begin("b")] == [False, False]
    assert turns.end() == "b"
    assert turns.begin("b")
    assert turns.end() is None
