"""`repro`: what `dvc repro` would do for the models of the working tree, several at a time."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping

from rich.console import Console

from reconciler.adapters import merging, tree_memory
from reconciler.cli.interrupts import terminating
from reconciler.cli.progress import Progress
from reconciler.cli.reproducing import reproduction
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.reproduction import Reproduction
from reconciler.controller.results import Result
from reconciler.errors import UsageError

_LOCK = "repro.lock"


def run(models: tuple[str, ...], jobs: int | None) -> int:
    """Return 0 when the models are up to date, 1 when one is not, 130 when interrupted."""
    console = Console()
    site = open_site()
    if merging.missing(site.git):
        sys.stderr.write("note: this clone lacks the merge driver; run `reconciler init`\n")
    site.workspace.prepare()
    try:
        with site.workspace.alone(_LOCK), terminating(), Progress(console) as progress:
            results = _results(site, models, jobs or os.cpu_count() or 1, progress, console)
    except KeyboardInterrupt:
        console.print("interrupted; what was trained is kept, the next repro goes on from there")
        return 130
    return _report(console, results)


def _results(
    site: Site, models: tuple[str, ...], jobs: int, progress: Progress, console: Console
) -> Mapping[str, Result]:
    memory = tree_memory.load(site.workspace.tree / "memory.json")
    try:
        work = reproduction(site, memory, jobs, progress)
        _check(models, work)
        if work.left_out:
            listed = ", ".join(work.left_out)
            console.print(f"note: left to `dvc repro`: {listed}", markup=False, soft_wrap=True)
        return work.run(tuple(dict.fromkeys(models)) or work.models, jobs)
    finally:
        tree_memory.save(site.workspace.tree / "memory.json", memory)


def _check(models: tuple[str, ...], work: Reproduction) -> None:
    """Refuse names of models that are not for `repro`."""
    unknown = next((name for name in models if name not in work.models), None)
    if unknown in work.adopted:
        raise UsageError(
            f"dvc.yaml has no stages of its own for {unknown}",
            reason="NoStages",
            hint="`dvc repro` runs your stages; `reconciler apply` trains what is committed",
        )
    if unknown is not None:
        raise UsageError(
            f"no model is called {unknown}",
            reason="UnknownModel",
            hint=f"there are: {', '.join(work.models) or 'none'}",
        )


def _report(console: Console, results: Mapping[str, Result]) -> int:
    counts = Counter(_kind(result) for result in results.values())
    told = ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS if counts[kind])
    noun = "model" if len(results) == 1 else "models"
    console.print(f"{len(results)} {noun}: {told or 'nothing to do'}.", highlight=False)
    return 1 if counts["failed"] else 0


_KINDS = ("unchanged", "trained", "from the cache", "failed")


def _kind(result: Result) -> str:
    if result.failure is not None:
        return "failed"
    if result.ran:
        return "trained"
    return "from the cache" if result.restored else "unchanged"
