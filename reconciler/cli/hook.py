"""`hook`: what git calls before a commit and after a merge."""

from __future__ import annotations

import shlex
import sys

from reconciler.adapters.runtime import installed
from reconciler.cli.ansi import printable
from reconciler.cli.request import Request, from_memory, recalled
from reconciler.cli.staging import staging
from reconciler.cli.wiring import Site, open_site
from reconciler.core import compilation
from reconciler.core.hook_script import Hook
from reconciler.core.outlook import Kind, Outlook
from reconciler.core.runtime import LIBRARIES, declaration
from reconciler.errors import ReconcilerError, SpecError

_ROWS = 10


def run(hook: Hook) -> int:
    """Return 1 when git must not commit, else 0."""
    if hook is Hook.PRE_COMMIT:
        return _asked()
    try:
        _after_merge(open_site())
    except ReconcilerError as error:  # what was merged stays merged
        sys.stdout.write(f"reconciler: no plan: {error}\n")
    return 0


def _asked() -> int:
    try:
        return _before_commit(open_site())
    except SpecError as error:
        sys.stderr.write(f"{error}\n")
        return _refuse((), ())
    except ReconcilerError as error:  # a full disk, say: no reason to lose a commit
        sys.stderr.write(f"reconciler: nothing was checked: {error}\n")
        return 0


def _before_commit(site: Site) -> int:
    from reconciler.controller.staged import judged
    from reconciler.spec.annotations import text

    here = declaration(installed(LIBRARIES))
    with staging(site.git) as (copy, commit):
        found = judged(copy, copy.read_ref("HEAD"), commit, site.catalogue, here)
        if found is None:
            return 0
        paths = (*(problem.path for problem in found.problems), *found.stale)
        unstaged = copy.unstaged(paths)
    sys.stderr.write(text(found.problems))
    for path in found.stale:
        sys.stderr.write(f"{path}: as staged, it is out of step with the specs that are staged\n")
    wrong = any(problem.severity == "error" for problem in found.problems)
    return _refuse(found.stale, unstaged) if wrong or found.stale else 0


def _refuse(stale: tuple[str, ...], unstaged: tuple[str, ...]) -> int:
    sys.stderr.write("reconciler: not committed\n")
    if stale:
        sys.stderr.write(f"  in step again: reconciler compile && git add {_named(stale)}\n")
    elif unstaged:
        sys.stderr.write(f"  not staged as on disk: git add {_named(unstaged)}\n")
    sys.stderr.write("  nonetheless: git commit --no-verify\n")
    return 1


def _named(paths: tuple[str, ...]) -> str:
    return " ".join(shlex.quote(path) for path in dict.fromkeys(paths))


def _after_merge(site: Site) -> None:
    if not site.git.level("HEAD^{tree}").keys() >= {compilation.SPECS}:
        return
    outlook = _planned(site)
    counts = ", ".join(f"{n} {kind}" for kind, n in outlook.counts.items()) or "no models"
    sys.stdout.write(f"reconciler: HEAD is now {outlook.revision[:10]}: {counts}\n")
    shown = [row for row in outlook.rows if row.acts or row.kind is Kind.BLOCKED]
    for row in shown[:_ROWS]:
        said = f": {row.message}" if row.kind is Kind.BLOCKED else ""
        sys.stdout.write(printable(f"  {row.kind:<9} {row.model}{said}") + "\n")
    if shown:
        more = f"{len(shown) - _ROWS} more; " if len(shown) > _ROWS else ""
        sys.stdout.write(f"  {more}details: reconciler plan; carry it out: reconciler apply\n")


def _planned(site: Site) -> Outlook:
    """Return the plan of HEAD; no remote is asked: whoever merges waits for this."""
    request = Request(offline=True)
    known = recalled(site, request)
    if known and (outlook := from_memory(site, request, known)):
        return outlook
    from reconciler.cli.outlook import look_ahead

    return look_ahead(site, request, known)
