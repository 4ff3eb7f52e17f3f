"""`completion`: prints the script that makes a shell complete verbs, options and models."""

from __future__ import annotations

import contextlib
import io
import sys

import typer
from typer.completion import get_completion_inspect_parameters, shell_complete

from reconciler.cli.options import Shell


def run(context: typer.Context, shell: Shell) -> int:
    """Return 0."""
    get_completion_inspect_parameters()  # makes the shells known to typer
    root = context.find_root()
    script = io.StringIO()
    with contextlib.redirect_stdout(script):
        instruction = f"source_{shell.value}"
        code = shell_complete(root.command, {}, "reconciler", "_RECONCILER_COMPLETE", instruction)
    sys.stdout.write(script.getvalue().strip() + "\n")  # zsh wants its mark on the first line
    return code
