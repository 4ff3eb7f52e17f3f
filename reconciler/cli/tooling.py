"""Tooling: everything that passes over a fleet work with, put together."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.adapters.runtime import installed
from reconciler.cli.wiring import Site
from reconciler.controller.delivery import Delivery
from reconciler.controller.events import Listen
from reconciler.controller.fleet import Fleet
from reconciler.controller.judging import Judging
from reconciler.controller.leasing import Leasing
from reconciler.controller.measuring import measure
from reconciler.controller.passes import Tools
from reconciler.controller.training import Trainer
from reconciler.core.runtime import LIBRARIES, mismatches


def tools(
    site: Site, fleet: Fleet, trainer: Trainer, listen: Listen, leasing: Leasing | None = None
) -> Tools:
    """Return what a pass over `fleet` needs; `listen` is told what targets do.

    Raises:
        SpecError: The settings of a target cannot be followed.
    """
    declared = fleet.params.runtime
    servers = site.endpoints.servers(fleet.params.targets)
    return Tools(
        store=site.store,
        trainer=trainer,
        drafts=site.artifacts.draft,
        gate=Judging(site.artifacts, site.workspace.scored, measure),
        serving=site.serving(fleet, listen),
        status=site.status,
        clock=_now,
        mismatches=mismatches(declared, installed(tuple({*LIBRARIES, *declared}))),
        leasing=leasing or Leasing(),
        delivery=Delivery(servers, site.status, _now),
    )


def _now() -> datetime:
    return datetime.now(UTC)
