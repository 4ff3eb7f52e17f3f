"""`plan`: shows what apply would do, and reads only."""

from __future__ import annotations

import sys
from pathlib import Path

from reconciler.cli.options import Plans
from reconciler.cli.request import Request, from_memory, recalled
from reconciler.cli.wiring import Site, open_site
from reconciler.core.outlook import Kind, Outlook
from reconciler.errors import ReconcilerError


def run(request: Request, output: Plans, out: Path | None, *, detailed: bool) -> int:
    """Return 0; with `detailed`, 2 when there are changes and 1 when a model is blocked."""
    try:
        outlook = _planned(open_site(rev=request.rev), request)
    except ReconcilerError as error:
        if output is Plans.MARKDOWN:  # whoever reads the comment must not take an old one for true
            from reconciler.cli.plan_markdown import failed

            sys.stdout.write(failed(error))
        raise
    if out is not None:
        from reconciler.cli.keeping import save

        save(outlook, out)
    _show(outlook, output)
    if out is not None and output is Plans.TEXT:
        sys.stdout.write(f"Kept in {out}: `reconciler apply --plan {out}` carries out just that.\n")
    return _code(outlook) if detailed else 0


def _planned(site: Site, request: Request) -> Outlook:
    known = recalled(site, request)
    if known and (outlook := from_memory(site, request, known)):
        return outlook
    from reconciler.cli.outlook import look_ahead

    return look_ahead(site, request, known)


def _show(outlook: Outlook, output: Plans) -> None:
    match output:
        case Plans.JSON:
            from reconciler.cli.keeping import text

            sys.stdout.write(text(outlook))
        case Plans.MARKDOWN:
            from reconciler.cli.plan_markdown import comment

            sys.stdout.write(comment(outlook))
        case Plans.TEXT:
            from reconciler.cli.plan_text import show

            show(outlook)


def _code(outlook: Outlook) -> int:
    if Kind.BLOCKED in outlook.counts:
        return 1
    return 2 if any(row.acts for row in outlook.rows) else 0
