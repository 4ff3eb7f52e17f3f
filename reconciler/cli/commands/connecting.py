"""Verbs that connect a repository to what stands around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import Hooking
from reconciler.core.hook_script import Hook

app = typer.Typer()


@app.command(rich_help_panel="Connect")
def comment(
    file: Annotated[Path, typer.Argument(help="Markdown that begins with a marker; - to read it.")],
) -> None:
    """Post a plan on the pull request that CI builds, or update the one it posted."""
    from reconciler.cli import comment as verb

    raise typer.Exit(verb.run(file))


@app.command(rich_help_panel="Connect")
def hooks(
    action: Annotated[Hooking, typer.Argument(help="What to do.", show_default=False)],
) -> None:
    """Have git check what is committed and plan what is merged, where no daemon runs."""
    from reconciler.cli import hooks as verb

    raise typer.Exit(verb.run(action))


@app.command(hidden=True)
def hook(name: Hook) -> None:
    """Check what is staged, or plan what was merged; git calls it, see `hooks`."""
    from reconciler.cli import hook as verb

    raise typer.Exit(verb.run(name))
