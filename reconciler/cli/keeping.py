"""Keeping plans: to a file, from a file, and whether what a kept one rests on still stands."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from reconciler import __version__
from reconciler.cli.wiring import Site
from reconciler.controller.fleet import Fleet
from reconciler.core.basis import declared, recorded
from reconciler.core.outlook import Outlook
from reconciler.core.plan_file import KeptPlan, Present, moved, parse
from reconciler.errors import TerminalError, UsageError


def text(outlook: Outlook) -> str:
    """Return the plan as JSON: what is printed for programs, and what is kept."""
    return json.dumps(outlook.plain(), indent=2) + "\n"


def save(outlook: Outlook, out: Path) -> None:
    """Write the plan to a file, whole or not at all.

    Raises:
        UsageError: It could not be applied, or the file cannot be written.
    """
    if not outlook.applicable:
        raise UsageError(
            "a plan with --from or --uncommitted is for reading: apply follows commits",
            reason="NotApplicable",
            hint="commit, then `reconciler plan --out FILE`",
        )
    aside = out.with_name(f".{out.name}.new")
    try:
        aside.write_text(text(outlook), encoding="utf-8")
        aside.replace(out)
    except OSError as error:
        with contextlib.suppress(OSError):  # most often it was never made
            aside.unlink()
        raise UsageError(
            f"{out} cannot be written: {error.strerror}", reason="NotWritable"
        ) from error


def read(path: Path) -> KeptPlan:
    """Return the plan in a file.

    Raises:
        UsageError: There is none, or it is not one that can be carried out.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", reason="NoPlan") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no plan: it is not UTF-8", reason="InvalidPlan") from error


def agreed(site: Site, plan: KeptPlan) -> Fleet:
    """Return the fleet that a plan was made for, if nothing that the plan rests on has moved on.

    Raises:
        TerminalError: `StalePlan`, with what has.
    """
    fleet = site.fleet(plan.revision)
    latest = fleet if site.git.resolve(plan.rev) == plan.revision else site.fleet(plan.rev)
    records = site.store.read().records
    now = Present(
        version=__version__,
        runtime=latest.params.runtime,
        declared={name: declared(latest.wish(name)) for name in plan.models},
        recorded={name: recorded(records.get(name)) for name in plan.models},
    )
    if found := moved(plan, now):
        raise TerminalError(
            f"plan {plan.id[:16]} is out of date: {'; '.join(found)}",
            reason="StalePlan",
            hint="look at a new one: `reconciler plan --out FILE`",
        )
    return fleet
