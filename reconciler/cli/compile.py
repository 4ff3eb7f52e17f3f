"""`compile`: keeps params.yaml in step with specs/; the one verb that writes the working tree."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from reconciler.adapters import files, merging
from reconciler.adapters.runtime import installed
from reconciler.cli.staging import next_commit
from reconciler.cli.wiring import open_site
from reconciler.controller.working_tree import WorkingTree, compiled
from reconciler.core.runtime import LIBRARIES, declaration
from reconciler.errors import UsageError


def run(*, check: bool, upgrade: bool, staged: bool) -> int:
    """Return 0 when all is in step (afterwards); 1 when a spec is wrong or `check` finds more.

    Raises:
        UsageError: `staged` without `check`: nothing is written to the index.
    """
    if staged and not check:
        raise UsageError("--staged is for --check: compile writes files", reason="Contradiction")
    site = open_site()
    with next_commit(site.git) if staged else nullcontext(WorkingTree(site.git.root)) as tree:
        result = compiled(tree, site.catalogue, declaration(installed(LIBRARIES)), upgrade=upgrade)
        stale = {path: text for path, text in result.files.items() if tree.read(path) != text}
    for problem in result.problems:
        sys.stderr.write(f"{problem}\n")
    if check:
        _complain(stale)
    else:
        _write(site.git.root, stale)
    if merging.missing(site.git):
        sys.stderr.write("note: this clone lacks the merge driver; run `reconciler init`\n")
    wrong = any(problem.severity == "error" for problem in result.problems)
    return 1 if wrong or (check and stale) else 0


def _complain(stale: Mapping[str, bytes]) -> None:
    for path in stale:
        sys.stderr.write(f"{path} is out of step with specs/; run `reconciler compile`\n")
    if not stale:
        sys.stdout.write("params.yaml is in step with specs/\n")


def _write(root: Path, stale: Mapping[str, bytes]) -> None:
    for path, text in stale.items():
        files.write(root, path, text)
        sys.stdout.write(f"wrote {path}\n")
    if stale:
        sys.stdout.write("commit what was written: what counts is what is in git\n")
    else:
        sys.stdout.write("params.yaml is in step with specs/\n")
