"""Models that only DVC can follow: `dvc repro` itself runs them, in the user's tree."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.adapters import dvc_here
from reconciler.controller.events import Listen, Warned
from reconciler.controller.results import Result, tell
from reconciler.controller.training import told
from reconciler.errors import ReconcilerError


def reproduce(
    root: Path,
    unclear: Mapping[str, str],
    stages: Sequence[str],
    log: Path,
    cancel: threading.Event,
    listen: Listen,
) -> dict[str, Result]:
    """Return what became of each model.

    Args:
        root: The working tree.
        unclear: Why only DVC can tell, by model.
        stages: The stages that exist once per model.
        log: Where everything that is printed goes.
        cancel: Ends the run once it is set.
        listen: Told of what happens.
    """
    for model, why in unclear.items():
        listen(Warned(model, f"`dvc repro` runs it here, for only DVC can tell: {why}"))
    targets = {f"{stage}@{model}": (stage, model) for model in unclear for stage in stages}

    def on_stage(name: str, state: str, taken_s: float) -> None:
        stage, model = targets.get(name, (name, "another stage"))
        told(model, listen)(stage, state, taken_s)

    try:
        ran, failed = dvc_here.repro(root, tuple(targets), log, on_stage, cancel)
    except ReconcilerError as error:
        ran, failed = (), {name: str(error) for name in targets}
    results = {model: _result(model, stages, ran, failed) for model in unclear}
    for model, result in results.items():
        tell(model, result, listen)
    return results


def _result(
    model: str, stages: Sequence[str], ran: Sequence[str], failed: Mapping[str, str]
) -> Result:
    own = {f"{stage}@{model}": stage for stage in stages}
    failure = next((text for name, text in failed.items() if name in own), None)
    return Result(tuple(stage for name, stage in own.items() if name in ran), failure=failure)
