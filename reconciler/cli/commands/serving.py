"""Verbs that serve what is released."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command(rich_help_panel="Serve")
def serve(
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")
    ] = 8080,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=256, help="Processes that answer.")
    ] = 1,
    interval: Annotated[
        float,
        typer.Option(
            "--interval", metavar="SECONDS", min=0.1, help="Look unasked this often. Default: 60."
        ),
    ] = 60.0,
    fd: Annotated[int | None, typer.Option("--fd", hidden=True)] = None,
) -> None:
    """Serve what is released: predictions over HTTP, from the records on `deployed`."""
    from reconciler.cli import serve as verb

    raise typer.Exit(verb.run(verb.Request(host, port, workers, interval, fd)))
