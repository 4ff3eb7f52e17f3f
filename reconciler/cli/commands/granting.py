"""Verbs about tokens: who may ask a server for what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import Plain, TokenScope

app = typer.Typer(
    no_args_is_help=True, help="Say who may ask a server: `create`, `list`, `revoke` tokens."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the token is called.")]
File = Annotated[
    Path | None,
    typer.Option(
        "--tokens",
        metavar="FILE",
        help="Where tokens are kept. Default: .reconciler/tokens.json of this repository.",
    ),
]


@app.command()
def create(
    name: Name,
    scope: Annotated[
        TokenScope, typer.Option("--scope", help="What it is good for; admin includes predict.")
    ],
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="AGE", help="It is worth nothing after: 12h, 90d."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="N",
            help="Requests per second that its bearer may send. Default: that of `serve --rate`.",
        ),
    ] = None,
    tokens: File = None,
) -> None:
    """Make a token, and print its secret: once, it is kept nowhere."""
    from reconciler.cli import token as verb

    raise typer.Exit(verb.create(name, scope, expires, rate, tokens))


@app.command("list")
def list_(
    tokens: File = None,
    output: Annotated[Plain, typer.Option("--output", "-o", help="How to print.")] = Plain.TEXT,
) -> None:
    """List all tokens; their secrets are not known."""
    from reconciler.cli import token as verb

    raise typer.Exit(verb.list_(tokens, output))


@app.command()
def revoke(name: Name, tokens: File = None) -> None:
    """Make a token worthless; servers that run notice within two seconds."""
    from reconciler.cli import token as verb

    raise typer.Exit(verb.revoke(name, tokens))
