"""Slices: one model's stages in a leased slot, on the repository's own cache."""

from __future__ import annotations

from reconciler.adapters import dvc
from reconciler.adapters.dvc_failures import Outage
from reconciler.adapters.git import Git
from reconciler.adapters.slots import SlotPool
from reconciler.controller.authored import Authored
from reconciler.controller.training import Artifacts, Job, told
from reconciler.errors import ReconcilerError
from reconciler.spec.model import seconds


class Slices:
    """Runs jobs in slots.

    Args:
        git: The repository.
        pool: The slots.
    """

    def __init__(self, git: Git, pool: SlotPool) -> None:
        self._git = git
        self._pool = pool
        self._outage = Outage()

    def run(self, job: Job) -> Artifacts:
        """Run the stages of one model at its revision, and return what they left in the cache.

        Raises:
            SpecError: The stages refuse what is declared, or the data it names.
            TerminalError: Training failed, and would again.
            TransientError: The machine is not ready (a full disk, a lock), or it was cancelled.
        """
        self._outage.check()
        try:
            return self._run(job)
        except ReconcilerError as error:
            raise self._outage.noted(error) from error.__cause__

    def _run(self, job: Job) -> Artifacts:
        desired = job.desired
        paths, overlays = job.fleet.slice_of(job.model)
        bound = desired.timeout
        with self._pool.lease(job.model, stop=job.cancelled) as slot:
            slot.fill(self._git, desired.revision, paths, overlays)
            done = dvc.repro(
                slot,
                job.model,
                job.fleet.stages_of(job.model),
                log=job.log,
                on_stage=told(job.model, job.listen),
                bounds=dvc.Bounds(None if bound is None else seconds(bound), job.memory),
                cancel=job.cancelled,
                known=[*Authored(self._git, job.fleet).blocks(job.model), *job.known],
                adopted=job.model in job.fleet.adoptions,
            )
            names = job.fleet.locked(job.model)
            lock = {name: block for name, block in done.lock.items() if name in names}
            # before anything is on record
            dvc.push(slot, lock, job.log.with_suffix(".push.log"), job.cancelled)
        return Artifacts(
            fingerprint=desired.fingerprint,
            revision=desired.revision,
            timeout=bound,
            lock=lock,
            seconds=dict(done.seconds),
        )
