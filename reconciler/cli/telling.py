"""How events are written: a line for people, a JSON object for programs."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

from reconciler.core.told import Fact, Level, Told


def line(told: Told) -> str:
    """Return an event as one line for people, without its end."""
    level = "" if told.level in (Level.INFO, Level.DEBUG) else f" {told.level}"
    about = f" {told.model}:" if told.model else ""
    return single(f"{stamp(told.at)}{level}{about} {sentence(told)}")


def sentence(told: Told) -> str:
    """Return what happened and why, such as `Synced, Degraded: BytesChanged: a byte differs`."""
    said = told.message.lower().startswith(told.reason.lower())
    return ": ".join(
        part for part in (axes(told), "" if said else told.reason, told.message) if part
    )


def axes(told: Told) -> str:
    """Return how the model stands since then, such as `Synced, Degraded`; empty: that stays."""
    return ", ".join(str(told.facts[axis]) for axis in ("sync", "health") if axis in told.facts)


def as_json(told: Told) -> str:
    """Return an event as one JSON object, on one line of ASCII without its end."""
    facts = {name: _finite(value) for name, value in told.facts.items()}
    plain = {
        "ts": stamp(told.at, "milliseconds"),
        "level": told.level,
        "event": told.event,
        **({"model": told.model} if told.model else {}),
        **({"reason": told.reason} if told.reason else {}),
        "message": told.message,
        **facts,
    }
    return json.dumps(plain)


def stamp(at: datetime, precision: str = "seconds") -> str:
    """Return a time in UTC, such as `2026-03-01T12:00:00Z`."""
    return at.astimezone(UTC).isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def single(text: str) -> str:
    """Return text on one line: what ends lines or steers a terminal is written as `\\x1b`."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _finite(value: Fact) -> Fact | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
