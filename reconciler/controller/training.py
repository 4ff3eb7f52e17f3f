"""Training in the background: each job leases a slot and runs one model's stages there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from reconciler.adapters import room
from reconciler.controller.events import Event, Listen, Queued, StageEnded, StageStarted, Trained
from reconciler.controller.fleet import Fleet
from reconciler.core.plan import Desired
from reconciler.core.trainings import Broken, Running
from reconciler.errors import ReconcilerError, SpecError, TerminalError

#: What a machine lacks, whatever is declared: never held against a fingerprint.
OF_THE_MACHINE = frozenset(
    {
        "CacheCorrupt",
        "DataMissing",
        "ExtraMissing",
        "FolderMissing",
        "GitFailed",
        "InvalidDvcConfig",
        "ObjectMissing",
        "ProgramMissing",
        "RemoteUnsupported",
        "RuntimeMismatch",
    }
)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What a finished training left in DVC's cache."""

    fingerprint: str
    revision: str
    timeout: str | None
    lock: dict[str, object]
    """The model's blocks of dvc.lock, by stage name."""
    seconds: dict[str, float]
    """Seconds of each stage that ran; what came from the cache is absent."""


@dataclass(frozen=True, slots=True)
class Job:
    """One model's stages at one revision."""

    fleet: Fleet
    desired: Desired
    log: Path
    cancelled: threading.Event
    listen: Listen
    known: tuple[Mapping[str, Any], ...] = ()
    """Blocks of dvc.lock of what was trained before and may be had again."""
    memory: int | None = None
    """Bytes of memory that all its processes may take together; None: as many as there are."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.desired.spec.name


Result = Artifacts | Broken
Work = Callable[[Job], Artifacts]


class Trainer:
    """Runs jobs on at most `jobs` threads; passes start them and ask, and never wait for one.

    Any thread may call; starting and collecting the jobs of one model is for one at a time.

    Invariants: at most one job per model; a job's result is handed out exactly once; a model
    stays in `running` until its result has been handed out. A job that was cancelled before it
    began has no result.

    Args:
        work: Runs the stages of one model.
        logs: Where each model's output goes.
        jobs: How many run at once, at least 1.
        listen: Told how far they are.
        ended: Told of each model whose result is there, from a thread of the trainer's; None:
            results are waited for with `take`.
        memory: Bytes of memory that each job may take; None: as many as there are.
    """

    def __init__(
        self,
        work: Work,
        logs: Path,
        jobs: int,
        listen: Listen,
        ended: Callable[[str], None] | None = None,
        memory: int | None = None,
    ) -> None:
        self.memory = memory
        self._work = work
        self._logs = logs
        self._listen = listen
        self._threads = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="training")
        self._done: SimpleQueue[str] = SimpleQueue()
        self._ended = ended or self._done.put
        self._results: dict[str, Result] = {}
        self._lock = threading.Lock()
        """Held while the following change together."""
        self._stopped = False
        self._jobs: dict[str, Job] = {}
        self._futures: dict[str, Future[Artifacts]] = {}
        self._cut: dict[str, str] = {}
        """Why the running job of a model was cancelled."""

    def start(self, fleet: Fleet, desired: Desired, known: Sequence[Mapping[str, Any]]) -> None:
        """Start the stages of one model, or queue them when every slot is taken.

        Once the trainer is stopped, nothing is started.

        Args:
            fleet: What the revision declares.
            desired: The model.
            known: Blocks of dvc.lock of earlier runs.
        """
        log = self._logs / f"{desired.spec.name}.log"
        cancelled = threading.Event()
        job = Job(fleet, desired, log, cancelled, self._listen, tuple(known), self.memory)
        if not self._stopped:
            self._listen(Queued(job.model))
        with self._lock:
            if self._stopped:
                return
            assert job.model not in self._jobs, "one job per model"
            self._jobs[job.model] = job
            self._futures[job.model] = future = self._threads.submit(self._run, job)
        future.add_done_callback(lambda done: self._finish(job, done))

    def running(self, model: str) -> Running | None:
        """Return what is being trained for `model`; None when nothing is."""
        job = self._jobs.get(model)
        if job is None:
            return None
        return Running(job.desired.fingerprint, ending=job.cancelled.is_set())

    def cancel(self, model: str, why: str) -> bool:
        """End the job of a model, if it has one, and return at once; `running` says it is ending.

        Its processes are asked to end, and killed after a grace; then it is handed out as a
        Broken that is `superseded`. One whose stages had all ended by then keeps its result.

        Args:
            model: The model's name.
            why: What takes its place, as the message of that Broken.

        Returns:
            Whether it had not begun: it is gone, has started nothing, and has no result.
        """
        with self._lock:
            job = self._jobs.get(model)
            if job is None:
                return False
            if self._futures[model].cancel():
                self._drop(model)
                return True
            self._cut[model] = why
            job.cancelled.set()
            return False

    def busy(self) -> bool:
        """Return whether any job has not handed out its result."""
        return bool(self._jobs)

    def models(self) -> frozenset[str]:
        """Return the models that have a job, be it running, waiting for a slot, or ended."""
        return frozenset(tuple(self._jobs))

    def take(self, timeout_s: float) -> tuple[str, Result] | None:
        """Return the next finished model and its result; None when none ends within the time."""
        try:
            model = self._done.get(timeout=timeout_s)
        except Empty:
            return None
        result = self.collect(model)
        assert result is not None, "a result is handed out once"
        return model, result

    def collect(self, model: str) -> Result | None:
        """Return the result of a model's job, once; None while it runs, or where it has none."""
        with self._lock:
            result = self._results.pop(model, None)
            if result is not None:
                self._drop(model)
            return result

    def stop(self) -> None:
        """Cancel every job, ending its processes, and return when all have ended."""
        with self._lock:
            self._stopped = True
            for job in self._jobs.values():
                job.cancelled.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _drop(self, model: str) -> None:
        del self._jobs[model], self._futures[model]
        self._cut.pop(model, None)

    def _run(self, job: Job) -> Artifacts:
        began = time.monotonic()
        artifacts = self._work(job)
        self._listen(Trained(job.model, time.monotonic() - began))
        return artifacts

    def _finish(self, job: Job, done: Future[Artifacts]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        cut = self._cut.get(job.model)
        result: Result = done.result() if error is None else _broken(job, error, cut)
        self._results[job.model] = result
        self._ended(job.model)


def _broken(job: Job, error: BaseException, cut: str | None) -> Broken:
    """Return what ended the job; an error that is none of ours is a bug, and stops no other."""
    error = room.known(error)
    known = isinstance(error, ReconcilerError)
    reason = error.reason if isinstance(error, ReconcilerError) else "InternalError"
    lasting = isinstance(error, SpecError | TerminalError) and error.reason not in OF_THE_MACHINE
    broken = Broken(
        fingerprint=job.desired.fingerprint,
        reason=reason,
        message=str(error) if known else f"{type(error).__name__}: {error}",
        transient=not lasting,
        timeout=job.desired.timeout,
        memory=job.memory if reason == "OutOfMemory" else None,
        revision=job.desired.revision,
    )
    if cut is None or lasting or not known:
        return broken
    return replace(broken, reason="Superseded", message=cut, superseded=True)


def told(model: str, listen: Listen) -> Callable[[str, str, float], None]:
    """Return a callback that turns the progress of DVC into events of `model`."""

    def on_stage(stage: str, state: str, seconds: float) -> None:
        event: Event
        if state == "running":
            event = StageStarted(model, stage)
        else:
            event = StageEnded(model, stage, cached=state == "cached", seconds=seconds)
        listen(event)

    return on_stage
