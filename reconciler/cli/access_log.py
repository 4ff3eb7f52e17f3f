"""The access log: a line about a request, as a server's log has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.cli.daemon_log import DaemonLog
from reconciler.controller.events import Happened
from reconciler.core.told import Level, Told

#: What has a place of its own in `Told`.
_OWN = frozenset({"ts", "model", "reason"})


def write(log: DaemonLog, told: Mapping[str, Any]) -> None:
    """Log what a worker tells of its requests; see `Journal.drain`."""
    for line in told["lines"]:
        log.tell(asked(line))
    if lost := told["lost"]:
        log(Happened("LogLost", f"{lost} more requests went by than are logged", good=False))


def asked(line: Mapping[str, Any]) -> Told:
    """Return a line of `serving.journal` as it is logged."""
    parts = [f"{line['method']} {line['path']} {line['status']} in {line['ms']:g} ms"]
    if "version" in line:
        rows = line.get("rows", 0)
        parts.append(f"version {line['version']}, {rows} row{'' if rows == 1 else 's'}")
    parts += [f"{name} {line[name]}" for name in ("client", "token", "id") if name in line]
    return Told(
        at=datetime.fromtimestamp(line["ts"], UTC),
        level=Level.WARNING if line["status"] >= 500 else Level.INFO,
        event="Asked",
        model=line.get("model", ""),
        reason=line.get("reason", ""),
        message=", ".join(parts),
        facts={name: value for name, value in line.items() if name not in _OWN},
    )
