"""Verbs about what is declared: they read and write files of the working tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import Checks, Model, Plain, Revision

app = typer.Typer()

Staged = Annotated[
    bool, typer.Option("--staged", help="What is staged, in place of the files on disk.")
]


@app.command(rich_help_panel="Declare")
def init(
    demo: Annotated[
        bool, typer.Option("--demo", help="Add a spec on a small table of scikit-learn's.")
    ] = False,
) -> None:
    """Make a folder or repository ready: git, DVC, pipeline. Overwrites and commits nothing."""
    from reconciler.cli import init as verb

    raise typer.Exit(verb.run(demo=demo))


@app.command(rich_help_panel="Declare")
def new(
    name: Annotated[str, typer.Argument(help="What the model is to be called.")],
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="DATA", help="A .csv, .tsv, .parquet or .jsonl of the repository."
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", metavar="COLUMN", help="What is to be predicted."),
    ] = None,
) -> None:
    """Draft a spec from a table: types, split, ids and leaks left out, a first threshold."""
    from reconciler.cli import new as verb

    raise typer.Exit(verb.run(name, source, target))


@app.command(rich_help_panel="Declare")
def validate(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Specs; all of specs/ if none.")
    ] = None,
    staged: Staged = False,
    output: Annotated[Checks, typer.Option("--output", "-o", help="How to print.")] = Checks.TEXT,
) -> None:
    """Check specs: every problem of every file, as path:line:column."""
    from reconciler.cli import validate as verb

    raise typer.Exit(verb.run(tuple(paths or ()), output, staged=staged))


@app.command(rich_help_panel="Declare")
def explain(
    model: Model,
    rev: Revision = "HEAD",
    uncommitted: Annotated[
        bool, typer.Option("--uncommitted", help="The working tree as it stands, in place of REV.")
    ] = False,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """Print a spec with every default, where each comes from, and what decides the artifact."""
    from reconciler.cli import explain as verb

    raise typer.Exit(verb.run(model, rev, output, uncommitted=uncommitted))


@app.command(rich_help_panel="Declare")
def schema() -> None:
    """Print the JSON Schema of a spec, for editors."""
    from reconciler.cli import schema as verb

    raise typer.Exit(verb.run())


@app.command(rich_help_panel="Declare")
def compile(  # noqa: A001  the verb's name is the field's word
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when something is out of step.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade-runtime", help="Declare the libraries installed here.")
    ] = False,
    staged: Staged = False,
) -> None:
    """Keep params.yaml in step with specs/, so that `dvc repro` runs what is declared."""
    from reconciler.cli import compile as verb

    raise typer.Exit(verb.run(check=check, upgrade=upgrade, staged=staged))


@app.command(name="merge-driver", hidden=True)
def merge_driver(base: Path, ours: Path, theirs: Path, name: str) -> None:
    """Merge dvc.lock or params.yaml per model; git calls it, as .gitattributes says."""
    from reconciler.cli import merge_driver as verb

    raise typer.Exit(verb.run(base, ours, theirs, name))
