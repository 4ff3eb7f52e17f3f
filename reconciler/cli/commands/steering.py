"""Verbs by which a person steers: each says whether it writes the record or a file to commit."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import Model

app = typer.Typer()

_Why = Annotated[str | None, typer.Option("--reason", "-m", metavar="TEXT", help="Why.")]


@app.command(rich_help_panel="Steer")
def suspend(model: Model, reason: _Why = None) -> None:
    """Stop training, judging and releasing a model. Writes a hold to its record.

    What is served stays, and is healed. Works while a daemon runs.
    """
    from reconciler.cli import suspend as verb

    raise typer.Exit(verb.run(model, reason))


@app.command(rich_help_panel="Steer")
def resume(model: Model) -> None:
    """End every hold on a model, a rollback's included. Writes its record."""
    from reconciler.cli import resume as verb

    raise typer.Exit(verb.run(model))
