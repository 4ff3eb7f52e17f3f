"""Reproduction: what `dvc repro` would do for the models of a working tree, several at a time.

Stages run in slots, away from the tree. What they leave is put into the tree model by model: every
output whole, and then the model's blocks of dvc.lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reconciler.adapters import dvc, dvc_tree
from reconciler.adapters.checkout import Checkout
from reconciler.adapters.git import Git
from reconciler.adapters.ignoring import ignore
from reconciler.adapters.slots import Slot, SlotPool
from reconciler.controller.declared import Declared, spec_of
from reconciler.controller.events import Listen, Queued, Trained, Warned
from reconciler.controller.in_the_tree import reproduce
from reconciler.controller.results import Result, tell
from reconciler.controller.survey import Changed, Found, Fresh, Restorable, Survey, Unclear
from reconciler.controller.tracked import Tracked
from reconciler.controller.training import told
from reconciler.core import compilation, lockfile
from reconciler.core.compilation import LOCK, PARAMS, PIPELINE, RUNTIME_IMAGE
from reconciler.core.lockfile import Lock
from reconciler.core.stages import Stage, UnclearError, others
from reconciler.errors import ReconcilerError
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.model import ModelSpec, seconds


class Reproduction:
    """Brings models of one working tree up to date.

    A model's outputs and blocks are written while DVC's lock is held, so that no other DVC sees
    or writes half of them; a killed run leaves every output and dvc.lock whole.

    Args:
        git: The repository.
        found: What the working tree declares.
        catalogue: The estimators that specs may name.
        lock: dvc.lock as it is at the start.
        survey: Tells what must run.
        pool: Slots of our own.
        checkout: Puts outputs into the tree.
        tracked: Looks after data that DVC tracks.
        logs: The folder of the logs.
        listen: Told of what happens.
    """

    def __init__(
        self,
        git: Git,
        found: Declared,
        catalogue: Catalogue,
        lock: Lock,
        survey: Survey,
        pool: SlotPool,
        checkout: Checkout,
        tracked: Tracked,
        logs: Path,
        listen: Listen,
    ) -> None:
        self._git = git
        self._declared = found
        self._catalogue = catalogue
        self._survey = survey
        self._pool = pool
        self._checkout = checkout
        self._tracked = tracked
        self._logs = logs
        self._listen = listen
        self._cancel = threading.Event()
        self._publishing = threading.Lock()
        order = (f"{stage}@{model}" for stage in survey.names for model in found.lines)
        self._last = [name for name in order if name not in lock.blocks]

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose stages are here for each model."""
        return self._declared.models

    @property
    def adopted(self) -> tuple[str, ...]:
        """The models for which dvc.yaml has no stages of their own."""
        return self._declared.adopted

    @property
    def left_out(self) -> tuple[str, ...]:
        """The stages of dvc.yaml that belong to no model: they are not looked at."""
        return others(self._survey.pipeline)

    def run(self, models: Sequence[str], jobs: int) -> dict[str, Result]:
        """Bring the models up to date, and return what became of each, in order.

        Args:
            models: Names in the `models:` map.
            jobs: How many run at a time.
        """
        wrong = self._declared.wrong
        results = {name: Result(failure=wrong[name]) for name in models if name in wrong}
        results |= self._settle([name for name in models if name not in results])
        found = {name: self._survey.look(name) for name in models if name not in results}
        results |= {name: Result() for name, one in found.items() if isinstance(one, Fresh)}
        for name, result in results.items():
            tell(name, result, self._listen)
        results |= self._in_slots({n: one for n, one in found.items() if n not in results}, jobs)
        unclear = {n: one.why for n, one in found.items() if isinstance(one, Unclear)}
        if unclear:
            log, names = self._logs / "dvc-repro.log", self._survey.names
            results |= reproduce(self._git.root, unclear, names, log, self._cancel, self._listen)
        return {name: results[name] for name in models}

    def _settle(self, models: Sequence[str]) -> dict[str, Result]:
        """Have tracked data and its `.dvc` files agree; return the models for which they do not."""
        known: dict[str, str | None] = {}
        failed = {}
        for name in models:
            for path in self._inputs(name):
                if path not in known:
                    known[path] = self._settled(name, path)
                if (why := known[path]) is not None:
                    failed[name] = Result(failure=why)
        return failed

    def _settled(self, model: str, path: str) -> str | None:
        try:
            if (did := self._tracked.settle(path)) is not None:
                self._listen(Warned(model, did))
        except ReconcilerError as error:
            return str(error)
        return None

    def _inputs(self, model: str) -> tuple[str, ...]:
        try:
            return self._survey.inputs(model)
        except UnclearError:
            return ()

    def _in_slots(self, todo: Mapping[str, Found], jobs: int) -> dict[str, Result]:
        with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="repro") as threads:
            futures = {
                name: threads.submit(self._guarded, name, one)
                for name, one in todo.items()
                if isinstance(one, Changed | Restorable)
            }
            try:
                return {name: self._taken(name, future) for name, future in futures.items()}
            except BaseException:
                self._cancel.set()
                threads.shutdown(cancel_futures=True)
                raise

    def _guarded(self, model: str, one: Changed | Restorable) -> Result:
        try:
            done = self._changed(model, one) if isinstance(one, Changed) else self._restored(one)
        except ReconcilerError as error:
            done = Result(failure=str(error))
        tell(model, done, self._listen)
        return done

    def _taken(self, model: str, future: Future[Result]) -> Result:
        """Return what became of a model; an error that is none of ours stops no other one."""
        if (error := future.exception()) is None:
            return future.result()
        result = Result(failure=f"{type(error).__name__}: {error}")
        tell(model, result, self._listen)
        return result

    def _restored(self, one: Restorable) -> Result:
        self._publish(self._checkout.build(one.outs), {})
        return Result(restored=True)

    def _changed(self, model: str, one: Changed) -> Result:
        """Run a model's stages in a slot, and put what they leave into the tree."""
        began = time.monotonic()
        self._listen(Queued(model))
        spec = spec_of(self._declared, model, self._catalogue)
        bound = spec.spec.training.timeout
        with self._pool.lease(model) as slot:
            slot.take(self._git.root, *self._files(model, spec, one.stages))
            done = dvc.repro(
                slot,
                model,
                self._survey.names,
                log=self._logs / f"{model}.log",
                on_stage=told(model, self._listen),
                bounds=dvc.Bounds(None if bound is None else seconds(bound)),
                cancel=self._cancel,
                known=list(self._survey.blocks(model).values()),
                needs_remote=False,
            )
            lock = lockfile.parse((slot.root / LOCK).read_text(encoding="utf-8"))
            built = self._checkout.build(self._outs(slot, done.lock, one.stages))
        blocks = {stage.name: lock.blocks[stage.name] for stage in one.stages}
        self._publish(built, blocks)
        cached = [p for stage in one.stages for p in stage.outs if p not in stage.uncached]
        ignore(self._git, [path for path in cached if path in built])
        self._listen(Trained(model, time.monotonic() - began))
        return Result(ran=done.ran, restored=not done.ran)

    def _files(
        self, model: str, spec: ModelSpec, stages: Sequence[Stage]
    ) -> tuple[list[str], dict[str, bytes]]:
        """Return the paths that a slot needs, and files that differ from the tree's."""
        code = compilation.code_path(spec)
        paths = [".dvcignore", *self._inputs(model), *spec.spec.training.deps]
        paths += [code] if code else []
        paths += [path for stage in stages for path in stage.params]
        overlays = {
            PIPELINE: self._declared.pipeline,
            PARAMS: self._declared.params(model),
            compilation.spec_path(model): self._declared.specs[model],
            RUNTIME_IMAGE: (self._git.root / RUNTIME_IMAGE).read_bytes(),
        }
        return [path for path in dict.fromkeys(paths) if path not in overlays], overlays

    def _outs(
        self, slot: Slot, lock: Mapping[str, Any], stages: Sequence[Stage]
    ) -> dict[str, str | Path]:
        """Return the outputs that the tree does not hold yet: content ids, or where they are."""
        found: dict[str, str | Path] = {}
        for stage in stages:
            for out in lock[stage.name].get("outs", ()):
                path, md5 = str(out["path"]), str(out["md5"])
                if not self._survey.contents.holds(path, md5):
                    found[path] = slot.root / path if path in stage.uncached else md5
        return found

    def _publish(self, built: Mapping[str, Path], blocks: Mapping[str, str]) -> None:
        """Put outputs and blocks into the tree, while no other DVC and no other thread does."""
        root = self._git.root
        with self._publishing, dvc_tree.held(root):
            dvc_tree.refuse_busy(root, built)
            self._checkout.put(built)
            if blocks:
                dvc_tree.write_blocks(root, blocks, self._last)
