"""Signals to stop, sent to this very process."""

import os
import signal
import time

import pytest

from overheard.stack.signals import HURRY_AFTER_S, Stopped, StopSignals


def test_a_signal_ends_a_sleep_and_is_remembered() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        began = time.monotonic()
        signals.wait(30)
        assert time.monotonic() - began < 10
        assert signals.asked
        with pytest.raises(Stopped):
            signals.pause(0)


def interrupted_call(signals: StopSignals) -> None:
    with signals.breaking_in():
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the call went on")


def test_a_signal_breaks_into_a_call_where_that_is_allowed() -> None:
    with StopSignals() as signals, pytest.raises(Stopped):
        interrupted_call(signals)


def test_no_long_call_begins_after_a_signal() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            interrupted_call(signals)


def test_a_second_ctrl_c_hurries_unless_it_came_with_the_first() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert not signals.hurry
        assert signals.first_at
        signals.first_at -= HURRY_AFTER_S + 1
        os.kill(os.getpid(), signal.SIGTERM)
        assert not signals.hurry
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.hurry


def test_the_handlers_of_before_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
