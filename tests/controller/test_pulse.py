"""The pulse tells who is late, and why the daemon does not keep up."""

from __future__ import annotations

from reconciler.controller.pulse import Pulse


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_thread_is_late_after_the_time_that_it_asked_for() -> None:
    clock = Clock()
    pulse = Pulse(180, clock)
    pulse.beat("source", within_s=60)
    pulse.beat("worker-1", within_s=600)
    clock.now += 59
    assert pulse.lifeless() == ()
    clock.now += 5
    assert pulse.lifeless() == ("source should have been heard of 4 s ago",)
    pulse.beat("source", within_s=60)
    assert pulse.lifeless() == ()


def test_nothing_is_expected_of_a_thread_that_ended() -> None:
    clock = Clock()
    pulse = Pulse(180, clock)
    pulse.beat("worker-1", within_s=1)
    pulse.ended("worker-1")
    pulse.ended("never-there")
    clock.now += 10
    assert pulse.lifeless() == ()


def test_it_is_not_ready_before_the_first_sync_and_says_what_fails() -> None:
    pulse = Pulse(180, Clock())
    assert pulse.unready() == ("the repository was not looked at yet",)
    pulse.failed("the remote is away")
    assert pulse.unready() == ("the repository was not looked at yet", "the remote is away")
    pulse.synced()
    assert pulse.unready() == ()


def test_it_is_not_ready_when_the_last_sync_is_too_long_ago() -> None:
    clock = Clock()
    pulse = Pulse(180, clock)
    pulse.synced()
    clock.now += 180
    pulse.failed("the remote is away")
    assert pulse.unready() == (), "what was seen is in force"
    clock.now += 1
    assert pulse.unready() == (
        "the last sync was 181 s ago, more than 180 s",
        "the remote is away",
    )
    pulse.synced()
    assert pulse.unready() == ()


def test_the_age_of_the_last_sync_counts_from_the_start_where_there_was_none() -> None:
    clock = Clock()
    pulse = Pulse(180, clock)
    clock.now += 5
    assert pulse.sync_age_s() == 5
    pulse.synced()
    clock.now += 2
    assert pulse.sync_age_s() == 2
