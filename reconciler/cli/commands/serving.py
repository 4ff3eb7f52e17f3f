"""Verbs that serve what is released."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import (
    AccessLog,
    AllowHost,
    Anonymous,
    GrpcPort,
    Interval,
    Jobs,
    LogFormat,
    MaxBody,
    MaxRows,
    Memory,
    Port,
    ProbesHost,
    ProbesPort,
    Rate,
    Timeout,
    TlsCa,
    TlsCert,
    TlsKey,
    Tokens,
    WebhookHost,
    WebhookPort,
    Workers,
)

app = typer.Typer()


@app.command(rich_help_panel="Serve")
def serve(
    remote: Annotated[
        str | None,
        typer.Option("--repo", metavar="URL", help="Serve a remote repository instead of this."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="Where --repo keeps its mirror and bundles."),
    ] = None,
    poll: Annotated[
        float,
        typer.Option(
            "--poll", metavar="SECONDS", min=0.1, help="Ask --repo this often. Default: 10."
        ),
    ] = 10.0,
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Where to listen.")
    ] = "127.0.0.1",
    port: Port = 8080,
    grpc_port: GrpcPort = None,
    workers: Workers = 1,
    interval: Interval = 60.0,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How to log.")
    ] = LogFormat.TEXT,
    tokens: Tokens = None,
    anonymous: Anonymous = False,
    rate: Rate = None,
    allow_host: AllowHost = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_ca: TlsCa = None,
    access_log: AccessLog = "0.01",
    max_body: MaxBody = None,
    max_rows: MaxRows = 100_000,
    timeout: Timeout = 30.0,
    fd: Annotated[int | None, typer.Option("--fd", hidden=True)] = None,
    grpc_fd: Annotated[int | None, typer.Option("--grpc-fd", hidden=True)] = None,
    leash: Annotated[int | None, typer.Option("--leash", hidden=True)] = None,
    beside: Annotated[int | None, typer.Option("--beside", hidden=True)] = None,
) -> None:
    """Serve what is released: predictions over HTTP, from the records on `deployed`."""
    from reconciler.cli import serve as verb
    from reconciler.cli.guarding import access
    from reconciler.serving.limits import Limits

    told = access(
        tokens, anonymous=anonymous, rate=rate, hosts=allow_host or (),
        tls=(tls_cert, tls_key, tls_ca), log=access_log,
    )  # fmt: skip
    limits = Limits(max_body or 16 << 20, max_rows, timeout)
    far = None if remote is None else verb.Remote(remote, state, poll)
    asked = verb.Request(
        host, port, workers, interval, limits, fd, leash, log_format, told, grpc_port, grpc_fd,
        remote=far, beside=beside,
    )  # fmt: skip
    raise typer.Exit(verb.run(asked))


@app.command(rich_help_panel="Serve")
def up(
    remote: Annotated[
        str | None,
        typer.Option("--repo", metavar="URL", help="Follow a remote repository instead of this."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="Where --repo keeps its mirror and its work."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Where the server listens.")
    ] = "127.0.0.1",
    port: Port = 8080,
    grpc_port: GrpcPort = None,
    workers: Workers = 1,
    branch: Annotated[
        str | None,
        typer.Option("--branch", metavar="NAME", help="The branch to follow. Default: HEAD."),
    ] = None,
    jobs: Jobs = None,
    interval: Interval = 60.0,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How to log.")
    ] = LogFormat.TEXT,
    probes_host: ProbesHost = "127.0.0.1",
    probes_port: ProbesPort = None,
    tokens: Tokens = None,
    anonymous: Anonymous = False,
    rate: Rate = None,
    allow_host: AllowHost = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_ca: TlsCa = None,
    access_log: AccessLog = "0.01",
    max_body: MaxBody = None,
    max_rows: MaxRows = 100_000,
    timeout: Timeout = 30.0,
    memory: Memory = None,
    webhook_host: WebhookHost = "127.0.0.1",
    webhook_port: WebhookPort = None,
) -> None:
    """Run the daemon and the server together: `watch` and `serve`, each kept running."""
    from reconciler.cli import up as verb

    both = {"--interval": interval, "--log-format": log_format.value}
    daemon = {"--repo": remote, "--state": state, "--branch": branch, "--jobs": jobs,
              "--probes-host": probes_host, "--probes-port": probes_port, "--memory": memory,
              "--webhook-host": webhook_host, "--webhook-port": webhook_port}  # fmt: skip
    server = {"--workers": workers, "--host": host, "--tokens": tokens, "--rate": rate,
              "--allow-anonymous": anonymous, "--allow-host": allow_host,
              "--tls-cert": tls_cert, "--tls-key": tls_key, "--tls-ca": tls_ca,
              "--access-log": access_log, "--max-body": max_body, "--max-rows": max_rows,
              "--timeout": timeout}  # fmt: skip
    asked = verb.Request(
        host, port, log_format, verb.words({**both, **daemon}), verb.words({**both, **server}),
        grpc_port, None if remote is None else verb.Remote(remote, branch, state),
        "" if tls_cert is None else str(tls_cert.absolute()),
    )  # fmt: skip
    raise typer.Exit(verb.run(asked))
