"""Verbs that connect a repository to what stands around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(rich_help_panel="Connect")
def comment(
    file: Annotated[Path, typer.Argument(help="Markdown that begins with a marker; - to read it.")],
) -> None:
    """Post a plan on the pull request that CI builds, or update the one it posted."""
    from reconciler.cli import comment as verb

    raise typer.Exit(verb.run(file))
