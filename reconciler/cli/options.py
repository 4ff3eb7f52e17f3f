"""Options that several verbs share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.completing import models

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="The model's name.", autocompletion=models)
]
Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL]...", help="Only these models; all if none.", autocompletion=models
    ),
]
Revision = Annotated[str, typer.Option("--rev", metavar="REV", help="The commit to follow.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Trainings at a time; default: one per core."),
]

ProbesPort = Annotated[
    str | None,
    typer.Option(
        "--probes-port",
        metavar="PORT",
        help="Where /livez, /readyz and /metrics answer: a port, 0 for any that is free, or off."
        " Default: 9464, or any that is free where that is taken.",
    ),
]
ProbesHost = Annotated[
    str,
    typer.Option(
        "--probes-host", metavar="HOST", help="The address they answer at; 0.0.0.0 is every one."
    ),
]

Tokens = Annotated[
    Path | None,
    typer.Option(
        "--tokens", metavar="FILE", help="Who may ask a server. Default: .reconciler/tokens.json."
    ),
]
Anonymous = Annotated[
    bool,
    typer.Option("--allow-anonymous", help="Give predictions to those without a token, too."),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", metavar="N", min=0.001, help="Requests a second per token, or per address."
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="A name that the server goes by."),
]

TlsCert = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="FILE", help="Serve over TLS with this certificate (PEM)."),
]
TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's key.")
]
TlsCa = Annotated[
    Path | None,
    typer.Option("--tls-ca", metavar="FILE", help="Clients need a certificate of one of these."),
]
AccessLog = Annotated[
    str,
    typer.Option(
        "--access-log",
        metavar="SHARE",
        help="Of the requests that were answered, log this share, 0 to 1, and of those that"
        " failed all; or off.",
    ),
]


def _bytes(text: str) -> int:
    from reconciler.adapters.machine import memory
    from reconciler.core.sizes import parse

    try:
        return parse(text, memory())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Memory = Annotated[
    int | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        parser=_bytes,
        help="Memory that each training may take, such as 4G, 512Mi or 50%. Default: 90%"
        " of the machine's, or of the container's.",
    ),
]

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")]
GrpcPort = Annotated[
    int | None,
    typer.Option("--grpc-port", min=0, max=65535, help="Serve over gRPC too. Default: do not."),
]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes that answer.")]
Interval = Annotated[
    float,
    typer.Option(
        "--interval", metavar="SECONDS", min=0.1, help="Look unasked this often. Default: 60."
    ),
]
MaxBody = Annotated[
    int | None,
    typer.Option(
        "--max-body",
        metavar="SIZE",
        parser=_bytes,
        help="Size that the body of a request may have, such as 4M or 512Ki. Default: 16Mi.",
    ),
]


MaxRows = Annotated[
    int, typer.Option("--max-rows", metavar="N", min=1, help="Rows that a request may have.")
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.01,
        help="How long a request may take to come, and an answer to be found.",
    ),
]
WebhookHost = Annotated[
    str, typer.Option("--webhook-host", metavar="HOST", help="Where to take webhooks.")
]
WebhookPort = Annotated[
    int | None,
    typer.Option(
        "--webhook-port",
        min=0,
        max=65535,
        help="Take a forge's webhooks here; their secret is in RECONCILER_WEBHOOK_SECRET.",
    ),
]


class Shell(StrEnum):
    """Shells that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class Plain(StrEnum):
    """Output for people or for programs."""

    TEXT = "text"
    JSON = "json"


class LogFormat(StrEnum):
    """A log for people or for programs."""

    TEXT = "text"
    JSON = "json"


class TokenScope(StrEnum):
    """What a token is good for."""

    PREDICT = "predict"
    ADMIN = "admin"


class Plans(StrEnum):
    """Output of plans: for people, for programs, as a comment on a pull request."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


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


class Hooking(StrEnum):
    """What is done with git's hooks."""

    INSTALL = "install"
    REMOVE = "remove"
    STATUS = "status"
