"""The lock of a ref: one that is held is waited for, one that was left behind is removed."""

from __future__ import annotations

from pathlib import Path

from reconciler.adapters import ref_lock

REF = "refs/heads/deployed"


class Clock:
    """Steady seconds that pass only while somebody sleeps; things happen meanwhile."""

    def __init__(self, lock: Path) -> None:
        self.now = 0.0
        self.until = float("inf")
        self._lock = lock

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.until and self._lock.exists():
            self._lock.unlink()


def held(folder: Path) -> tuple[Path, Clock]:
    lock = folder / f"{REF}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    return lock, Clock(lock)


def test_a_lock_that_its_git_removes_is_waited_for(tmp_path: Path) -> None:
    _, clock = held(tmp_path)
    clock.until = 1.0

    ref_lock.wait(tmp_path, REF, clock, clock.sleep)

    assert 1.0 <= clock.now < 1.1


def test_a_lock_that_stands_for_seconds_is_removed_and_not_before(tmp_path: Path) -> None:
    lock, clock = held(tmp_path)

    ref_lock.wait(tmp_path, REF, clock, clock.sleep)

    assert clock.now >= ref_lock.ABANDONED_S
    assert not lock.exists()


def test_a_lock_that_changes_hands_counts_as_a_new_one(tmp_path: Path) -> None:
    lock, clock = held(tmp_path)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now > 1.0:
            other = lock.with_name("other")
            other.touch()
            other.replace(lock)

    ref_lock.wait(tmp_path, REF, clock, sleep)

    assert clock.now < ref_lock.ABANDONED_S
    assert lock.exists()


def test_where_there_is_no_lock_nothing_is_waited_for(tmp_path: Path) -> None:
    clock = Clock(tmp_path)

    ref_lock.wait(tmp_path, REF, clock, clock.sleep)

    assert clock.now == 0.0
