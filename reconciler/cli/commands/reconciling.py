"""Verbs that bring what is released to what is declared, and the one that says how."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import Jobs, Models, Plain, Revision

app = typer.Typer()


@app.command(rich_help_panel="Reconcile")
def plan(
    models: Models = None,
    rev: Revision = "HEAD",
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes.")
    ] = False,
) -> None:
    """Show what apply would do. Reads only."""
    from reconciler.cli import plan as verb

    raise typer.Exit(verb.run(tuple(models or ()), rev, output, detailed=detailed_exitcode))


@app.command(rich_help_panel="Reconcile")
def apply(models: Models = None, rev: Revision = "HEAD", jobs: Jobs = None) -> None:
    """Train, judge, release and record until every model is as declared."""
    from reconciler.cli import apply as verb

    raise typer.Exit(verb.run(tuple(models or ()), rev, jobs))
