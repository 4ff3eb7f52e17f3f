"""Verbs by which a person steers: each says whether it writes the record or a file to commit."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import Model

app = typer.Typer()

_Why = Annotated[str | None, typer.Option("--reason", "-m", metavar="TEXT", help="Why.")]


@app.command(rich_help_panel="Steer")
def rollback(
    model: Model,
    to: Annotated[
        int | None,
        typer.Option("--to", metavar="VERSION", help="Which one; default: the one before."),
    ] = None,
    reason: _Why = None,
) -> None:
    """Put an earlier version in production, at once. Writes a hold to its record.

    The hold keeps out what HEAD declares and what was taken back, and nothing else: a commit that
    declares another model is released as ever, and so is all after `resume`.
    """
    from reconciler.cli import rollback as verb

    raise typer.Exit(verb.run(model, to, reason))


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


@app.command(rich_help_panel="Steer")
def retry(model: Model) -> None:
    """Forget that what HEAD declares has failed, so that it is tried again. Writes its record."""
    from reconciler.cli import retry as verb

    raise typer.Exit(verb.run(model))


@app.command(rich_help_panel="Steer")
def promote(
    model: Model,
    reason: Annotated[
        str, typer.Option("--reason", "-m", metavar="TEXT", help="Why; it stands on record.")
    ],
    version: Annotated[
        int | None,
        typer.Argument(metavar="[VERSION]", help="Which one; default: what HEAD declares."),
    ] = None,
) -> None:
    """Release what the gate left open, or end a rollout now. Writes your word to its record.

    What failed or was rejected cannot be promoted: change its rule and commit.
    """
    from reconciler.cli import promote as verb

    raise typer.Exit(verb.run(model, version, reason))


@app.command(rich_help_panel="Steer")
def retire(model: Model) -> None:
    """Take a model out of production. Removes its spec from the working tree, for you to commit."""
    from reconciler.cli import retire as verb

    raise typer.Exit(verb.run(model))
