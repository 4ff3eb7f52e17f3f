"""`status`: what is released, whether it is what is declared, and how it fares."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from reconciler.adapters.snapshot import Snapshot
from reconciler.cli.listing import age
from reconciler.cli.options import Table
from reconciler.cli.rolling import progress
from reconciler.cli.unknown import unknown
from reconciler.cli.wiring import Site, open_site
from reconciler.core.conditions import Sync
from reconciler.core.plan import Plan
from reconciler.core.record import Record
from reconciler.core.standing import GOOD
from reconciler.core.stored import to_plain
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.controller.progress import Progress

_STYLES = {
    "Synced": "green",
    "Healthy": "green",
    "OutOfSync": "yellow",
    "Progressing": "yellow",
    "Degraded": "red",
    "Missing": "red",
}


def run(model: str | None, output: Table) -> int:
    """Return 0; an unknown model is a usage error. The table of all models is `listing`'s."""
    site = open_site()
    snapshot = site.store.read()
    states = _states(site, snapshot)
    if model is not None and model not in states:
        raise unknown(model, states)
    if output is Table.TABLE and model is not None:
        _detail(Console(), model, states[model])
        return 0
    chosen: Mapping[str, object] = states if model is None else states[model]
    sys.stdout.write(_dumped(chosen, output))
    return 0


def _states(site: Site, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return, by model, its record joined with health and conditions."""
    seen, conditions = site.observed()
    plans, trouble = _plans(site, snapshot)
    names = sorted({*snapshot.records, *snapshot.quarantined, *seen, *plans})
    return {
        name: {
            "model": name,
            **_seen(seen.get(name)),
            **(_unknown(trouble) if trouble else _sync(plans.get(name))),
            "quarantined": snapshot.quarantined.get(name),
            "conditions": conditions.get(name, []),
            "rollout": _rollout(progress(site, snapshot.records.get(name))),
            "record": _plain(snapshot.records.get(name)),
        }
        for name in names
    }


def _plans(site: Site, snapshot: Snapshot) -> tuple[Mapping[str, Plan], ReconcilerError | None]:
    """Return the next step of each model at HEAD; or why HEAD cannot be followed."""
    try:
        return site.release_plans(snapshot), None
    except ReconcilerError as error:
        return {}, error


def _unknown(trouble: ReconcilerError) -> dict[str, Any]:
    """Return that nobody can tell whether a record is what HEAD declares."""
    return {"sync": Sync.UNKNOWN.value, "detail": str(trouble), "reason": trouble.reason}


def _seen(found: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(found or {"sync": "Unknown", "health": "Unknown", "detail": "", "seen": None})


def _sync(plan: Plan | None) -> dict[str, Any]:
    """Return whether the record is what HEAD declares now, whenever it was last looked at."""
    if plan is None:
        return {}
    synced = plan.reason in GOOD and not plan.actions
    return {
        "sync": "Synced" if synced else "OutOfSync",
        "detail": "" if synced and plan.reason != "Suspended" else plan.message,
        "reason": plan.reason,
    }


def _rollout(found: Progress | None) -> dict[str, Any] | None:
    """Return how far a rollout has come; None: none is on."""
    return None if found is None else {**asdict(found), "sentence": str(found)}


def _plain(record: Record | None) -> Any:
    return None if record is None else to_plain(record)


def _dumped(value: Mapping[str, object], output: Table) -> str:
    if output is Table.JSON:
        return json.dumps(value, indent=2, default=str) + "\n"
    from reconciler.core.recordtext import dumps

    return dumps(value)


def _styled(word: str) -> Text:
    return Text(word, _STYLES.get(word, ""))


def _detail(console: Console, name: str, state: Mapping[str, Any]) -> None:
    console.print(
        Text.assemble((name, "bold"), "  ", _styled(state["sync"]), "  ", _styled(state["health"]))
    )
    if state["quarantined"]:
        console.print(
            f"its record cannot be read: {state['quarantined']}", style="red", markup=False
        )
    for condition in state["conditions"]:
        console.print(
            f"  {condition['type']:<12} {condition['status']:<8} {condition['reason']}"
            f" {condition['message']} (since {condition['since'][:19]})",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
    if state["rollout"]:
        said = state["rollout"]["sentence"]
        console.print(f"  {'Rollout':<12} {said}", soft_wrap=True, highlight=False, markup=False)
    record = state["record"] or {}
    champion = record.get("champion")
    versions = [*record.get("versions", ()), *([champion] if champion else [])]
    if not versions:
        return
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in ("VERSION", "OUTCOME", "REVISION", "TRIED", "WHY"):
        grid.add_column(column)
    now = datetime.now(UTC)
    for version in sorted(versions, key=lambda v: -int(v["number"])):
        said = version.get("message") or (version.get("verdict") or {}).get("message", "")
        grid.add_row(
            str(version["number"]),
            str(version["outcome"]),
            version["revision"][:10],
            age(version["created"], now),
            Text(str(said)),
        )
    console.print(grid)
    _evidence(console, champion)
    latest = max(versions, key=lambda v: int(v["number"]))
    if champion is None or latest["number"] != champion["number"]:
        console.print(f"Version {latest['number']}, {latest['outcome']}:", highlight=False)
        _evidence(console, latest)


def _evidence(console: Console, champion: Mapping[str, Any] | None) -> None:
    for warning in (champion or {}).get("warnings") or []:
        console.print(f"  warning      {warning}", soft_wrap=True, highlight=False, markup=False)
    evidence = ((champion or {}).get("verdict") or {}).get("evidence") or []
    for item in evidence:
        console.print(
            f"  {item['outcome']:<12} {item['message']}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
