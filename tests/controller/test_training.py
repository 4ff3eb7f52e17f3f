"""Training in the background: jobs that are cancelled, before they begin and while they run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.controller import decisions
from reconciler.controller.fleet import Fleet
from reconciler.controller.memory import Memory, observed
from reconciler.controller.training import Artifacts, Job, Result, Trainer
from reconciler.core.notes import describe
from reconciler.core.plan import Desired
from reconciler.core.record import Outcome
from reconciler.core.trainings import Broken, Running
from reconciler.errors import ReconcilerError, TerminalError, TransientError
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FLEET = Fleet("r1", {}, Params(), {}, {}, (), {}, {})


def wanted(model: str, fingerprint: str = "fp1") -> Desired:
    spec = ModelSpec.model_validate(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Model",
            "metadata": {"name": model},
            "spec": {
                "data": {"source": "data/x.csv", "target": "y"},
                "training": {"estimator": "sklearn.linear_model.Ridge", "timeout": "1h"},
                "acceptance": [{"metric": "r2", "min": 0.5}],
            },
        }
    )
    return Desired(spec, fingerprint, "r1")


def _cancelled() -> ReconcilerError | None:
    return TransientError("the run was cancelled", reason="Cancelled")


class Work:
    """Stages that run until they are cancelled, or let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.go = threading.Event()
        self.running = threading.Semaphore(0)
        self.end: Callable[[], ReconcilerError | None] = _cancelled

    def __call__(self, job: Job) -> Artifacts:
        self.began.append(job.model)
        self.running.release()
        while not self.go.is_set():
            if job.cancelled.wait(0.01) and (error := self.end()):
                raise error
        return Artifacts(job.desired.fingerprint, job.desired.revision, "1h", {}, {})


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def trainer(work: Work, tmp_path: Path) -> Iterator[Trainer]:
    made = Trainer(work, tmp_path, 1, lambda _: None)
    yield made
    made.stop()


def begun(trainer: Trainer, work: Work, model: str = "m") -> None:
    trainer.start(FLEET, wanted(model), ())
    assert work.running.acquire(timeout=5)


def result(trainer: Trainer) -> Result:
    found = trainer.take(5)
    assert found is not None
    return found[1]


def test_a_cancelled_job_is_ending_until_its_result_says_what_took_its_place(
    trainer: Trainer, work: Work
) -> None:
    begun(trainer, work)
    assert trainer.running("m") == Running("fp1")
    assert not trainer.cancel("m", "cut short: revision r2 declares another model")
    assert trainer.running("m") == Running("fp1", ending=True)
    assert result(trainer) == Broken(
        "fp1",
        "Superseded",
        "cut short: revision r2 declares another model",
        transient=True,
        timeout="1h",
        revision="r1",
        superseded=True,
    )
    assert trainer.running("m") is None


def test_a_job_that_is_cancelled_before_it_began_is_gone_at_once(
    trainer: Trainer, work: Work
) -> None:
    begun(trainer, work, "first")
    trainer.start(FLEET, wanted("m"), ())
    assert trainer.cancel("m", "cut short")
    assert trainer.running("m") is None
    trainer.start(FLEET, wanted("m", "fp2"), ())
    work.go.set()
    ended = [trainer.take(5), trainer.take(5)]
    assert [model for model, _ in filter(None, ended)] == ["first", "m"]
    assert not trainer.busy()
    assert work.began == ["first", "m"]


def test_a_job_may_be_cancelled_by_several_at_once(trainer: Trainer, work: Work) -> None:
    begun(trainer, work, "first")
    for _ in range(50):
        trainer.start(FLEET, wanted("m"), ())
        together = threading.Barrier(4)

        def cancel(together: threading.Barrier = together) -> bool:
            together.wait()
            return trainer.cancel("m", "cut short")

        with ThreadPoolExecutor(4) as threads:
            gone = [threads.submit(cancel) for _ in range(4)]
        assert sorted(one.result() for one in gone) == [False, False, False, True]


def test_once_it_is_stopped_a_trainer_starts_nothing(trainer: Trainer, work: Work) -> None:
    trainer.stop()
    trainer.start(FLEET, wanted("m"), ())
    assert (trainer.running("m"), trainer.busy(), work.began) == (None, False, [])


def test_what_had_ended_before_it_was_cancelled_keeps_its_result(
    trainer: Trainer, work: Work
) -> None:
    work.end = lambda: None
    begun(trainer, work)
    trainer.cancel("m", "cut short")
    work.go.set()
    assert isinstance(result(trainer), Artifacts)


def test_a_failure_of_its_own_stays_one_though_the_job_was_cancelled(
    trainer: Trainer, work: Work
) -> None:
    work.end = lambda: TerminalError("it diverged", reason="Diverged")
    begun(trainer, work)
    trainer.cancel("m", "cut short")
    broken = result(trainer)
    assert isinstance(broken, Broken)
    assert (broken.reason, broken.superseded, broken.transient) == ("Diverged", False, False)


def test_nothing_of_a_cancellation_sticks_to_the_next_job_or_to_others(
    trainer: Trainer, work: Work
) -> None:
    assert not trainer.cancel("unknown", "cut short")
    begun(trainer, work)
    trainer.cancel("m", "cut short")
    result(trainer)
    work.end = lambda: TransientError("no space", reason="DiskFull")
    begun(trainer, work)
    trainer.stop()
    broken = result(trainer)
    assert isinstance(broken, Broken)
    assert (broken.reason, broken.superseded) == ("DiskFull", False)


def test_the_record_says_what_was_cut_short_and_nothing_is_held_against_it() -> None:
    cut = Broken("fp1", "Superseded", "cut short: …", transient=True, revision="r1")
    decision = decisions.cancelled("m", cut, "r2", 10, NOW)
    record = decision.change(None)
    (version,) = record.versions
    assert (version.outcome, version.reason, version.message) == (
        Outcome.CANCELLED,
        "Superseded",
        "cut short: …",
    )
    assert (version.fingerprint, version.revision, record.attempted) == ("fp1", "r1", "r2")
    seen = observed(record, Memory(), None, ())
    assert (seen.broken, seen.candidates, seen.champion) == ((), (), None)
    note = describe("m", None, record)
    assert note.subject == "Cut short m 1"
    assert ("Verdict", "cancelled (Superseded)") in note.trailers
