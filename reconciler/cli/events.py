"""`events`: what happened lately, to one model or to all, and what happens next."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

from reconciler.cli.ansi import columns
from reconciler.cli.options import Plain
from reconciler.cli.subject import subject
from reconciler.cli.telling import as_json, axes, single, stamp
from reconciler.cli.wiring import Site, open_site
from reconciler.core.told import Told

_POLL_S = 0.5
_HEADER = ("WHEN", "LEVEL", "MODEL", "EVENT", "WHAT")
_STYLES: tuple[dict[str, str], ...] = ({}, {"warning": "yellow"}, {}, {}, {})


def run(model: str | None, output: Plain, most: int, *, follow: bool) -> int:
    """Print the last `most` events, newest last, and with `follow` those to come; return 0."""
    site = open_site()
    last, found = site.events(model, most=most)
    if model is not None and not found:
        subject(model)  # refuses a name that no model has
    if follow:
        _lines(found, output)
        _follow(site, model, last, output)
    elif output is Plain.JSON:
        sys.stdout.write(json.dumps([json.loads(as_json(told)) for told in found], indent=2) + "\n")
    elif found:
        sys.stdout.write(columns(_HEADER, [_row(told) for told in found], _STYLES))
    else:
        about = f" to {model}" if model else ""
        sys.stdout.write(f"Nothing has happened{about} lately.\n")
    return 0


def _follow(site: Site, model: str | None, last: int, output: Plain) -> None:
    """Print what happens, until nobody reads it any more."""
    with suppress(BrokenPipeError):
        while True:
            time.sleep(_POLL_S)
            last, found = site.events(model, after=last)
            _lines(found, output)


def _lines(found: Iterable[Told], output: Plain) -> None:
    for told in found:
        text = as_json(told) if output is Plain.JSON else "  ".join(_row(told))
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _row(told: Told) -> Sequence[str]:
    what = ": ".join(part for part in (axes(told), told.message) if part)
    cells = (stamp(told.at), told.level, told.model or "-", told.reason or told.event, what)
    return tuple(map(single, cells))
