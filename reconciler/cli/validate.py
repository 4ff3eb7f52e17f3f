"""`validate`: every problem of every spec in one run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from reconciler.cli.options import Checks
from reconciler.cli.staging import next_commit
from reconciler.cli.wiring import open_site
from reconciler.controller.working_tree import WorkingTree, checked
from reconciler.errors import UsageError
from reconciler.spec.annotations import FORMATS


def run(paths: tuple[Path, ...], output: Checks, *, staged: bool) -> int:
    """Return 0 when no spec has an error, 1 when one has."""
    site = open_site()
    chosen = tuple(_relative(path, site.git.root) for path in paths)
    if staged:
        with next_commit(site.git) as tree:
            files, problems = checked(tree, site.catalogue, chosen, tree.modes)
    else:
        files, problems = checked(
            WorkingTree(site.git.root), site.catalogue, chosen, site.git.files()
        )
    sys.stdout.write(FORMATS[output.value](problems))
    errors = sum(problem.severity == "error" for problem in problems)
    if output is Checks.TEXT:
        noun = "spec" if len(files) == 1 else "specs"
        said = "all valid" if not errors else f"{errors} error{'s' if errors > 1 else ''}"
        sys.stdout.write(f"{len(files)} {noun}, {said}\n")
    return 1 if errors else 0


def _relative(path: Path, root: Path) -> str:
    """Return a path as the repository knows it: relative to its root, with forward slashes."""
    place = Path(os.path.abspath(path))  # noqa: PTH100  links stay as they are
    if not place.is_relative_to(root):
        raise UsageError(f"{path} is not in {root}", reason="OutsideRepository")
    if not place.exists():
        raise UsageError(f"{path} does not exist", reason="NoSuchFile")
    return place.relative_to(root).as_posix()
