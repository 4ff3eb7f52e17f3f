"""Rolling: how far a model's rollout has come, as its servers were last looked at."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.cli.wiring import Site
    from reconciler.controller.progress import Progress
    from reconciler.core.record import Record
    from reconciler.core.tally import Tally


def progress(site: Site, record: Record | None) -> Progress | None:
    """Return how far a model's rollout has come, and what stops it; None: none is on."""
    from reconciler.controller import progress as known
    from reconciler.controller.delivery import stopped
    from reconciler.controller.guards import UNGUARDED, Guards

    if record is None or record.challenger is None:
        return None
    totals: Mapping[str, Mapping[str, Tally]] = {}
    if site.workspace.status.exists():
        with suppress(TransientError):
            totals = site.status.counted(record.model)
    guards, now = UNGUARDED, datetime.now(UTC)
    with suppress(ReconcilerError):  # where HEAD cannot be followed, nobody says what is frozen
        guards = Guards(site.fleet("HEAD", only=record.model).params.freeze)
    return known.progress(record, totals, now, stopped(record, guards, now))
