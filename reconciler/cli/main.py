"""The command line: parses, calls one verb, turns its result into an exit code.

Exit codes: 0 done, 1 not converged or not valid, 2 usage, 3 a bug of ours, 130 interrupted.
Verbs are imported when they are called, so that `--help` stays quick.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.errors import ReconcilerError, UsageError

#: Objects between two looks for garbage: libraries make a hundred thousand that stay.
_OBJECTS = 50_000

app = typer.Typer(
    name="reconciler",
    help="GitOps for machine-learning models: commit a spec; get it trained, judged, released.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Models = Annotated[
    list[str] | None, typer.Argument(metavar="[MODEL]...", help="Only these models; all if none.")
]
Revision = Annotated[str, typer.Option("--rev", metavar="REV", help="The commit to follow.")]


class Plain(StrEnum):
    """Output for people or for programs."""

    TEXT = "text"
    JSON = "json"


class Checks(StrEnum):
    """Output of checks: for people, for programs, as workflow annotations."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class Table(StrEnum):
    """Output of records: a table for people, JSON or YAML for programs."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Hold the options of the program itself."""


@app.command()
def validate(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Specs; all of specs/ if none.")
    ] = None,
    output: Annotated[Checks, typer.Option("--output", "-o", help="How to print.")] = Checks.TEXT,
) -> None:
    """Check specs: every problem of every file, as path:line:column."""
    from reconciler.cli import validate as verb

    raise typer.Exit(verb.run(tuple(paths or ()), output))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec, for editors."""
    from reconciler.cli import schema as verb

    raise typer.Exit(verb.run())


@app.command()
def compile(  # noqa: A001  the verb's name is the field's word
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when something is out of step.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade-runtime", help="Declare the libraries installed here.")
    ] = False,
) -> None:
    """Keep params.yaml in step with specs/, so that `dvc repro` runs what is declared."""
    from reconciler.cli import compile as verb

    raise typer.Exit(verb.run(check=check, upgrade=upgrade))


@app.command()
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


@app.command()
def apply(
    models: Models = None,
    rev: Revision = "HEAD",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Trainings at a time; default: one per core."),
    ] = None,
) -> None:
    """Train, judge, release and record until every model is as declared."""
    from reconciler.cli import apply as verb

    raise typer.Exit(verb.run(tuple(models or ()), rev, jobs))


@app.command()
def status(
    model: Annotated[str | None, typer.Argument(help="One model in detail; all if none.")] = None,
    output: Annotated[Table, typer.Option("--output", "-o", help="How to print.")] = Table.TABLE,
) -> None:
    """Show what is released, whether it is what is declared, and how it fares."""
    from reconciler.cli import status as verb

    raise typer.Exit(verb.run(model, output))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model with a released version.")],
    data: Annotated[
        Path, typer.Option("--data", "-d", help="Rows: a .csv, .tsv, .json, .jsonl or .parquet.")
    ],
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """Predict rows of a file with the released version of a model."""
    from reconciler.cli import predict as verb

    raise typer.Exit(verb.run(model, data, output))


def main() -> NoReturn:
    """Run the command line and exit, without taking down the modules: it would cost 0.1 s."""
    gc.set_threshold(_OBJECTS)
    code = _run()
    with contextlib.suppress(BrokenPipeError):  # whoever read has seen enough
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _run() -> int:
    """Run the command line and return its exit code."""
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except UsageError as error:
        return _report(error, 2)
    except ReconcilerError as error:
        return _report(error, 1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except Exception as error:  # noqa: BLE001  the last guard: a user never sees a traceback
        from reconciler.cli.crash import report

        sys.stderr.write(report(error))
        return 3
    return 0


def _report(error: ReconcilerError, code: int) -> int:
    sys.stderr.write(f"error: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")
    return code
