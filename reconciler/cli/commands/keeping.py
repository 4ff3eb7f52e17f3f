"""Verbs that keep a repository in shape."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import Plain, Shell

app = typer.Typer()


@app.command(rich_help_panel="Keep in shape")
def doctor(
    online: Annotated[bool, typer.Option("--online", help="Ask the DVC remote, too.")] = False,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """Look for what is wrong with this machine and this clone, and say what to do."""
    from reconciler.cli import doctor as verb

    raise typer.Exit(verb.run(online=online, output=output))


@app.command(rich_help_panel="Keep in shape")
def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(help="Your shell.", show_default=False)],
) -> None:
    """Print a script that completes verbs, options and models: `source <(… completion bash)`."""
    from reconciler.cli import completion as verb

    raise typer.Exit(verb.run(context, shell))


@app.command(rich_help_panel="Keep in shape")
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Delete what would be listed.")] = False,
    older_than: Annotated[
        str,
        typer.Option(metavar="AGE", help="Leave alone what has changed since: 12h, 7d, or 0."),
    ] = "1d",
    retired: Annotated[
        bool, typer.Option("--retired", help="Drop the records of retired models as well.")
    ] = False,
    shared: Annotated[
        bool,
        typer.Option("--shared-cache", help="Also a cache outside of the repository: it is ours."),
    ] = False,
    remote: Annotated[
        bool,
        typer.Option("--remote", help="Also the default DVC remote, while nobody pushes to it."),
    ] = False,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """List what nothing needs any more: content, results, versions beyond `keep`, slots, logs."""
    from reconciler.cli import gc as verb

    raise typer.Exit(
        verb.run(
            delete=delete,
            older_than=older_than,
            retired=retired,
            shared=shared,
            remote=remote,
            output=output,
        )
    )
