"""Recall: which models are settled, found by what has changed since they were last looked at.

The memo is a shortcut and nothing rests on it: lost, damaged, out of date or of another machine,
it costs the time that it would have saved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reconciler.adapters.layout import MARK, REF, UPSTREAM, model_of
from reconciler.core import compilation
from reconciler.core.settled import LASTING, Known, concerned, shared, shown

if TYPE_CHECKING:
    from reconciler.adapters.git import Git
    from reconciler.adapters.memo import Memo
    from reconciler.adapters.snapshot import Snapshot
    from reconciler.controller.fleet import Fleet

_FORM = 3


@dataclass(frozen=True, slots=True)
class Place:
    """All that decides which models are settled."""

    tree: str
    """The tree of the revision."""
    records: str | None
    """The tree of the records; None: there are none yet."""
    machine: str
    """This program and the libraries that it finds, see `runtime.stamp`."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """The models that are settled now, as far as that is remembered."""

    place: Place
    revision: str
    """The commit that was asked about."""
    deployed: str | None
    """The commit of the records; None: there are none yet."""
    models: Mapping[str, Known] = field(default_factory=dict)
    whole: bool = False
    """There is no other model, declared or on record."""
    settings: str | None = None
    """Digest of the settings under which they were looked at."""
    runtime: Mapping[str, str] = field(default_factory=dict)
    """The libraries that these settings declare."""
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What these settings say of each target."""
    kept: bool = False
    """The memo says exactly this."""

    def named(self) -> set[str]:
        """Return the files and folders that specs of settled models name."""
        return {path for known in self.models.values() for path in known.paths or ()}

    def without(self, names: Set[str]) -> Recalled:
        """Return the same without some of the models, to look at them anew."""
        if names.isdisjoint(self.models):
            return self
        rest = {name: known for name, known in self.models.items() if name not in names}
        return replace(self, models=rest, whole=False, kept=False)


def recall(
    git: Git, memo: Memo, revision: str, machine: str, settings: Callable[[], str | None]
) -> Recalled:
    """Return the models that are settled at `revision` because nothing of theirs has changed.

    Args:
        git: The repository.
        memo: What was remembered.
        revision: A full commit id.
        machine: See `runtime.stamp`.
        settings: Gives the digest of the settings at `revision`; None: they cannot be followed.
            It is asked only where files have changed that hold some.
    """
    tree, own, cloned = git.ids([f"{revision}^{{tree}}", REF, UPSTREAM])
    deployed = own or cloned
    (records,) = git.ids([f"{deployed}^{{tree}}"]) if deployed else (None,)
    now = Place(tree or "", records, machine)
    before = _remembered(memo.read(), revision, deployed)
    if before is None or before.place.machine != machine:
        return Recalled(now, revision, deployed)
    if before.place == now:
        return before
    found = _stale(git, before, now, settings)
    if found is None:
        return Recalled(now, revision, deployed)
    return replace(before.without(found), place=now, whole=before.whole and not found, kept=False)


def nothing(revision: str) -> Recalled:
    """Return that of no model of `revision` anything is remembered."""
    return Recalled(Place("", None, ""), revision, None)


def keep(memo: Memo, recalled: Recalled) -> None:
    """Remember which models are settled."""
    memo.keep(
        {
            "form": _FORM,
            "tree": recalled.place.tree,
            "records": recalled.place.records,
            "machine": recalled.place.machine,
            "settings": recalled.settings,
            "runtime": recalled.runtime,
            "targets": recalled.targets,
            "whole": recalled.whole,
            "models": recalled.models,
        }
    )


def learned(
    recalled: Recalled,
    plans: Mapping[str, tuple[str, str] | None],
    fleet: Fleet,
    snapshot: Snapshot,
) -> Recalled:
    """Return what is remembered once models have been looked at.

    A model that there is something to say about, such as a warning, is looked at every time.

    Args:
        recalled: The models that were not looked at, for they are settled.
        plans: Every other model: reason and message of its plan; None: it has a next step.
        fleet: What declares them.
        snapshot: Their records.
    """
    told = {problem.path for problem in fleet.problems}
    fresh = {
        name: _known(name, *plan, fleet, snapshot)
        for name, plan in plans.items()
        if plan is not None and plan[0] in LASTING and compilation.spec_path(name) not in told
    }
    return replace(
        recalled,
        models={**recalled.models, **fresh},
        whole=len(fresh) == len(plans),
        settings=fleet.settings,
        runtime=dict(fleet.params.runtime),
        targets=dict(fleet.params.targets),
    )


def _known(name: str, reason: str, message: str, fleet: Fleet, snapshot: Snapshot) -> Known:
    spec, record = fleet.spec(name), snapshot.records.get(name)
    champion = record.champion if record else None
    paths = () if spec is None else compilation.rests_on(spec)
    short = shown(champion) if champion else None
    return Known(reason, message, paths, short, spec.spec.deployment.target if spec else None)


def _remembered(
    plain: dict[str, Any] | None, revision: str, deployed: str | None
) -> Recalled | None:
    try:
        if plain is None or plain["form"] != _FORM:
            return None
        place = Place(plain["tree"], plain["records"], plain["machine"])
        models = {name: Known.of(known) for name, known in plain["models"].items()}
        return Recalled(
            place, revision, deployed, models, plain["whole"], plain["settings"],
            dict(plain["runtime"]), dict(plain["targets"]), kept=True,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _stale(
    git: Git, before: Recalled, now: Place, settings: Callable[[], str | None]
) -> set[str] | None:
    """Return the models that something of theirs has changed for; None: it may be any."""
    old = before.place
    if old.records is None or now.records is None:
        return None
    files = git.differing(old.tree, now.tree, deep=True)
    records = git.differing(old.records, now.records, deep=False)
    if files is None or records is None or MARK in records:
        return None
    if shared(files) and (before.settings is None or settings() != before.settings):
        return None
    return concerned(before.models, files) | {n for path in records if (n := model_of(path))}
