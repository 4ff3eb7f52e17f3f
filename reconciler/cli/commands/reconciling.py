"""Verbs that bring what is released to what is declared, and the one that says how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import (
    Interval,
    Jobs,
    LogFormat,
    Memory,
    Models,
    Plans,
    ProbesHost,
    ProbesPort,
    WebhookHost,
    WebhookPort,
)

app = typer.Typer()


@app.command(rich_help_panel="Reconcile")
def plan(
    models: Models = None,
    rev: Annotated[
        str | None,
        typer.Option("--to", "--rev", metavar="REV", help="The commit to follow. Default: HEAD."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="REV", help="Plan as if what this commit declares were released."
        ),
    ] = None,
    uncommitted: Annotated[
        bool, typer.Option("--uncommitted", help="Plan the working tree as it stands.")
    ] = False,
    allow_mass_change: Annotated[
        bool,
        typer.Option(
            "--allow-mass-change", help="Plan what would have to be allowed, as if it were."
        ),
    ] = False,
    jobs: Jobs = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the DVC remote what it has.")
    ] = False,
    output: Annotated[Plans, typer.Option("--output", "-o", help="How to print.")] = Plans.TEXT,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Keep the plan, for `apply --plan FILE`."),
    ] = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode", help="Exit 2 when there are changes, 1 when a model is blocked."
        ),
    ] = False,
) -> None:
    """Show what apply would do. Reads only."""
    from reconciler.cli import plan as verb
    from reconciler.cli.request import request

    asked = request(
        models, rev, base, jobs,
        uncommitted=uncommitted, offline=offline, allow=allow_mass_change,
    )  # fmt: skip
    raise typer.Exit(verb.run(asked, output, out, detailed=detailed_exitcode))


@app.command(rich_help_panel="Reconcile")
def apply(
    models: Models = None,
    rev: Annotated[
        str | None,
        typer.Option("--rev", metavar="REV", help="The commit to follow. Default: HEAD."),
    ] = None,
    jobs: Jobs = None,
    memory: Memory = None,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Carry out just what `plan --out` kept."),
    ] = None,
    allow_mass_change: Annotated[
        bool,
        typer.Option(
            "--allow-mass-change", help="Let this commit change as much at once as it does."
        ),
    ] = False,
) -> None:
    """Train, judge, release and record until every model is as declared."""
    from reconciler.cli import apply as verb

    chosen = tuple(models or ())
    code = verb.run(chosen, rev, jobs, plan, allow=allow_mass_change, memory=memory)
    raise typer.Exit(code)


@app.command(rich_help_panel="Reconcile")
def watch(
    remote: Annotated[
        str | None,
        typer.Option("--repo", metavar="URL", help="Follow a remote repository instead of this."),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option("--branch", metavar="NAME", help="The branch to follow. Default: HEAD."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="Where --repo keeps its mirror and its work."),
    ] = None,
    jobs: Jobs = None,
    memory: Memory = None,
    interval: Interval = 60.0,
    rollout_poll: Annotated[
        float,
        typer.Option(
            "--rollout-poll",
            metavar="SECONDS",
            min=0.1,
            help="Ask servers this often how a rollout fares. Default: 2.",
        ),
    ] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="End once nothing is left that can be done now.")
    ] = False,
    allow_mass_change: Annotated[
        bool,
        typer.Option("--allow-mass-change", help="Let every commit change as much as it does."),
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How to log.")
    ] = LogFormat.TEXT,
    probes_host: ProbesHost = "127.0.0.1",
    probes_port: ProbesPort = None,
    webhook_host: WebhookHost = "127.0.0.1",
    webhook_port: WebhookPort = None,
    leash: Annotated[int | None, typer.Option("--leash", hidden=True)] = None,
    beside: Annotated[int | None, typer.Option("--beside", hidden=True)] = None,
) -> None:
    """Follow a branch: reconcile each commit, and keep what is released as it is declared."""
    import os

    from reconciler.cli import operating
    from reconciler.cli import watch as verb
    from reconciler.cli.watching import Pace

    off = probes_port == operating.OFF
    probes = None if off else verb.Address(probes_host, operating.port(probes_port))
    hook = None if webhook_port is None else verb.Address(webhook_host, webhook_port)
    asked = verb.Request(
        branch, remote, state,
        Pace(jobs or os.cpu_count() or 1, memory, interval, rollout_poll, allow_mass_change),
        once, log_format, probes, hook, leash, beside,
    )  # fmt: skip
    raise typer.Exit(verb.run(asked))


@app.command(rich_help_panel="Reconcile")
def repro(models: Models = None, jobs: Jobs = None) -> None:
    """Do what `dvc repro` would do here, in parallel: uncommitted edits count, nothing is released.

    Stages run away from the working tree; what they leave is put into it model by model, and
    dvc.lock is what `dvc repro` would have written.
    """
    from reconciler.cli import repro as verb

    raise typer.Exit(verb.run(tuple(models or ()), jobs))
