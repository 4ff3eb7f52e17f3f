"""Verbs that show what is released, or use it; they change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.completing import models
from reconciler.cli.options import Model, Plain, Table

app = typer.Typer()


@app.command(rich_help_panel="Look")
def status(
    model: Annotated[
        str | None,
        typer.Argument(help="One model in detail; all if none.", autocompletion=models),
    ] = None,
    output: Annotated[Table, typer.Option("--output", "-o", help="How to print.")] = Table.TABLE,
) -> None:
    """Show what is released, whether it is what is declared, and how it fares."""
    if model is None and output is Table.TABLE:
        from reconciler.cli import listing

        raise typer.Exit(listing.run())
    from reconciler.cli import status as verb

    raise typer.Exit(verb.run(model, output))


@app.command(rich_help_panel="Look")
def why(
    model: Model,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """Say in one sentence what a model waits for, since when, and what would change that."""
    from reconciler.cli import why as verb

    raise typer.Exit(verb.run(model, output))


@app.command(rich_help_panel="Look")
def history(
    model: Model,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """List every version of a model, and every decision about it: when, by whom, and why."""
    from reconciler.cli import history as verb

    raise typer.Exit(verb.run(model, output))


@app.command(rich_help_panel="Look")
def events(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="One model; all if none.", autocompletion=models),
    ] = None,
    most: Annotated[
        int, typer.Option("--last", "-n", metavar="N", min=0, help="How many, the newest last.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, one line each.")
    ] = False,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """List what happened lately: stages, decisions, how models came to stand as they do."""
    from reconciler.cli import events as verb

    raise typer.Exit(verb.run(model, output, most, follow=follow))


@app.command(rich_help_panel="Look")
def diff(
    model: Model,
    old: Annotated[
        int | None, typer.Argument(metavar="[V1]", help="A version; default: the champion.")
    ] = None,
    new: Annotated[
        int | None,
        typer.Argument(
            metavar="[V2]", help="Another; default: the newest, or of the newest what came before."
        ),
    ] = None,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """Compare two versions: spec, data, libraries, and metrics with intervals on common rows.

    Without versions: the champion and the newest; where that is the champion, what came before.
    """
    from reconciler.cli import diff as verb

    raise typer.Exit(verb.run(model, old, new, output))


@app.command(rich_help_panel="Look")
def report(
    model: Model,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="A version; default: the released one.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write all of it as one page to FILE."),
    ] = None,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """Show how a version does on its held-out rows: metrics, verdict, pictures."""
    from reconciler.cli import report as verb

    raise typer.Exit(verb.run(model, version, html, output))


@app.command(rich_help_panel="Look")
def predict(
    model: Annotated[
        str, typer.Argument(help="A model with a released version.", autocompletion=models)
    ],
    data: Annotated[
        Path, typer.Option("--data", "-d", help="Rows: a .csv, .tsv, .json, .jsonl or .parquet.")
    ],
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """Predict rows of a file with the released version of a model."""
    from reconciler.cli import predict as verb

    raise typer.Exit(verb.run(model, data, output))
