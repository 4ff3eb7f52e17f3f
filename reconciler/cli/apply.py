"""`apply`: carries the plan out until nothing is left that can be done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from reconciler.cli import tooling
from reconciler.cli.interrupts import terminating
from reconciler.cli.keeping import agreed, read
from reconciler.cli.progress import Progress
from reconciler.cli.unknown import unknown
from reconciler.cli.wiring import open_site
from reconciler.controller.engine import Engine
from reconciler.controller.telling import everyone
from reconciler.core.naming import some
from reconciler.core.plan_file import KeptPlan
from reconciler.core.standing import Standing
from reconciler.errors import ReconcilerError, UsageError


def run(
    models: tuple[str, ...],
    rev: str | None,
    jobs: int | None,
    plan: Path | None,
    *,
    allow: bool = False,
    memory: int | None = None,
) -> int:
    """Return 0 when every model is as declared, 1 when one is not, 130 when interrupted.

    With `allow`, the commit may change as much at once as it does, now and later. `memory` is
    the bytes that each training may take; None: most of what there is.
    """
    console = Console()
    kept = None if plan is None else _kept(plan, models, rev, allow=allow)
    if allow and (at_work := _allow(rev or "HEAD")):
        console.print(at_work, highlight=False, markup=False, soft_wrap=True)
        return 1
    try:
        standings, told = _converged(console, models, rev or "HEAD", jobs, kept, memory)
    except KeyboardInterrupt:
        console.print("interrupted; what was trained is kept, the next apply goes on from there")
        return 130
    return max(_report(console, standings, told), _shared(console))


def _kept(plan: Path, models: tuple[str, ...], rev: str | None, *, allow: bool) -> KeptPlan:
    """Return a plan that was kept, with which nothing else may be said."""
    if models or rev is not None:
        raise UsageError(
            "--plan says which models and which commit: give no others with it",
            reason="Contradiction",
        )
    if allow:
        raise UsageError(
            "--plan carries out what the plan holds, and a mass change is allowed when it is made",
            reason="Contradiction",
            hint="`reconciler plan --allow-mass-change --out FILE`",
        )
    return read(plan)


def _allow(rev: str) -> str:
    """Let a commit change as much as it does; return who goes on with it, where somebody does."""
    site = open_site()
    commit = site.git.resolve(rev)
    site.workspace.prepare()
    site.workspace.allow(commit)
    if (holder := site.workspace.holder()) is None:
        return ""
    return (
        f"commit {commit[:7]} is allowed: process {holder} is at work here, and goes on with it if"
        " it is a daemon; after an `apply`, run this again"
    )


def _shared(console: Console) -> int:
    """Push what is kept to a DVC remote that is new; return 1 when that was not possible."""
    try:
        if pushed := open_site().share():
            noun = "version" if pushed == 1 else "versions"
            console.print(f"pushed {pushed} kept {noun} to the DVC remote", highlight=False)
    except ReconcilerError as error:
        console.print(f"✗ {error}", style="red", markup=False, soft_wrap=True)
        return 1
    return 0


def _converged(
    console: Console,
    models: tuple[str, ...],
    rev: str,
    jobs: int | None,
    kept: KeptPlan | None,
    memory: int | None,
) -> tuple[Mapping[str, Standing], set[tuple[str, str]]]:
    site = open_site(rev=rev)
    site.workspace.prepare()
    with (
        site.workspace.alone(),
        terminating(),
        Progress(console) as progress,
        site.kept_events() as kept_events,
    ):
        listen = everyone(progress, kept_events)
        fleet = site.fleet(rev) if kept is None else agreed(site, kept)
        for note in (*site.apart(), *(site.uncommitted(fleet, rev) if kept is None else ())):
            console.print(f"note: {note}", markup=False, soft_wrap=True, highlight=False)
        site = site.following(fleet.revision)
        trainer = site.trainer(jobs or os.cpu_count() or 1, listen, memory=memory)
        tools = tooling.tools(site, fleet, trainer, listen)
        try:
            if kept is None:
                engine = Engine(fleet, tools, listen, allowed=site.workspace.allowed())
                names = _chosen(engine, models)
            else:  # what it would change was shown when it was made
                engine = Engine(fleet, tools, listen, kept.allows, fleet.revision)
                names = tuple(kept.models)
            standings = engine.converge(names)
        finally:
            tools.trainer.stop()
        site.export()
    return standings, progress.told


def _chosen(engine: Engine, models: tuple[str, ...]) -> tuple[str, ...]:
    known = engine.names()
    if missing := [name for name in models if name not in known]:
        raise unknown(missing[0], known)
    return tuple(dict.fromkeys(models)) or known


def _report(console: Console, standings: Mapping[str, Standing], told: set[tuple[str, str]]) -> int:
    """Say what is not as declared, and why where that was not said yet; return the exit code."""
    standings = {name: s for name, s in standings.items() if s.reason != "Retired"}
    if foreign := [name for name, s in standings.items() if s.reason == "DeclaredElsewhere"]:
        console.print(
            f"left alone, because this branch has never declared them: {', '.join(foreign)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    standings = {name: s for name, s in standings.items() if name not in foreign}
    rolling = {n: s for n, s in standings.items() if s.rolling_out}
    for name, stands in rolling.items():
        line = f"… {name}: {stands.message}"
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    wrong = {n: s for n, s in standings.items() if not s.as_declared and n not in rolling}
    for (reason, why), names in _alike(wrong, told).items():
        mark, style = ("…", "yellow") if reason == "Frozen" else ("✗", "red")
        line = f"{mark} {some(names)}: {reason}: {why}"
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    if unserved := {name: why for name, s in standings.items() if (why := s.unserved)}:
        line = f"… {some(list(unserved))}: {next(iter(unserved.values()))}"
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    count = len(standings)
    if rolling and not wrong:
        noun = "model is" if count == 1 else f"models {'is' if len(rolling) == 1 else 'are'}"
        console.print(
            f"{len(rolling)} of {count} {noun} being rolled out, which goes on by itself while"
            f" `reconciler watch` runs: {', '.join(rolling)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        return 0
    if wrong:
        verb = "is" if len(wrong) == 1 else "are"
        console.print(
            f"{len(wrong)} of {count} {verb} not as declared: {', '.join(wrong)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        return 1
    noun = "model is" if count == 1 else "models are"
    console.print(f"{count} {noun} as declared.", highlight=False)
    return 0


def _alike(
    wrong: Mapping[str, Standing], told: set[tuple[str, str]]
) -> dict[tuple[str, str], list[str]]:
    """Return the models that are not as declared by reason and message, but those told of."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, stands in wrong.items():
        why = stands.message or stands.reason
        if not any(model == name and why in message for model, message in told):
            found.setdefault((stands.reason, why), []).append(name)
    return found
