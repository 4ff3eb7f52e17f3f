"""The command line: parses, calls one verb, turns its result into an exit code.

Exit codes: 0 done, 1 not converged or not valid, 2 usage, 3 a bug of ours, 130 interrupted.
Verbs are imported when they are called, so that `--help` stays quick.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.cli.commands import (
    connecting,
    declaring,
    granting,
    keeping,
    looking,
    reconciling,
    serving,
    steering,
)
from reconciler.errors import ReconcilerError, UsageError

#: Objects between two looks for garbage: libraries make a hundred thousand that stay.
_OBJECTS = 50_000
#: Set by a shell that asks for words, see `completion`.
_COMPLETE = "_RECONCILER_COMPLETE"

app = typer.Typer(
    name="reconciler",
    help="GitOps for machine-learning models: commit a spec; get it trained, judged, released.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (declaring, reconciling, serving, looking, steering, keeping, connecting):
    app.add_typer(group.app)
app.add_typer(granting.app, name="token", rich_help_panel="Serve")


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
    if _COMPLETE in os.environ:
        from typer.completion import get_completion_inspect_parameters

        get_completion_inspect_parameters()  # makes the shells known to typer
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
