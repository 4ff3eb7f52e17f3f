"""Wiring of `repro`: what brings the models of the working tree up to date, put together."""

from __future__ import annotations

from reconciler.adapters import dvc_config
from reconciler.adapters.cache import Cache
from reconciler.adapters.checkout import Checkout
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.dvc_tree import read_lock
from reconciler.adapters.slots import SlotPool
from reconciler.adapters.tree_memory import TreeMemory
from reconciler.cli.wiring import Site
from reconciler.controller.declared import declared
from reconciler.controller.events import Listen
from reconciler.controller.reproduction import Reproduction
from reconciler.controller.survey import Survey
from reconciler.controller.tracked import Tracked
from reconciler.controller.working_tree import WorkingTree


def reproduction(site: Site, memory: TreeMemory, jobs: int, listen: Listen) -> Reproduction:
    """Return what brings the models of the working tree up to date.

    Raises:
        SpecError: params.yaml is out of step with specs/, or cannot be followed.
        TerminalError: dvc.lock cannot be followed.
    """
    root = site.git.root
    found = declared(WorkingTree(root), site.catalogue, memory)
    lock, folder = read_lock(root), site.workspace.tree
    cache = Cache(dvc_config.cache_dir(root), Remote(root).fetch)
    survey = Survey(root, found, lock, cache, memory)
    pool = SlotPool(folder / "slots", jobs, root)
    links = dvc_config.link_types(root)
    checkout = Checkout(root, folder / "aside", cache, links)
    checkout.clear()
    tracked = Tracked(root, survey.contents, cache, checkout, pool)
    return Reproduction(
        site.git, found, site.catalogue, lock, survey, pool, checkout, tracked,
        site.workspace.logs, listen,
    )  # fmt: skip
