"""Models that were as declared when they were last looked at, and which of them still must be.

That a model is settled follows from its spec, what the spec names, the fleet's settings and its
record. As long as none of these has changed, it need not be looked at again: thousands of models
are recognised by what differs between two trees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.core.compilation import PARAMS, PIPELINE, SETTINGS, SPECS

if TYPE_CHECKING:
    from reconciler.core.record import Version

#: Reasons of a plan without actions that rests on nothing but spec, settings and record.
LASTING = frozenset({"Settled", "Retired"})
_SHARED = frozenset({SETTINGS, PARAMS, PIPELINE})


class Shown(NamedTuple):
    """What a list of models shows of a champion."""

    number: int
    created: str
    """ISO 8601, with its zone."""
    metric: str
    """The first metric that the model's rules ask for, such as `r2 0.5844`; `-` without one."""
    revision: str


class Known(NamedTuple):
    """A model that is settled."""

    reason: str
    message: str
    paths: tuple[str, ...] | None
    """Files and folders that its spec names; None: anything in the tree may matter."""
    champion: Shown | None
    target: str | None = None
    """Where it is served; None: no spec says so."""

    @staticmethod
    def of(plain: Any) -> Known:
        """Return what JSON made of it."""
        reason, message, paths, champion, target = plain
        return Known(
            reason,
            message,
            None if paths is None else tuple(paths),
            None if champion is None else Shown(*champion),
            target,
        )


def shown(champion: Version) -> Shown:
    """Return what a list of models shows of a champion."""
    evidence = (champion.verdict or {}).get("evidence") or []
    asked = (str(item["metric"]) for item in evidence)
    values = champion.metrics
    metric = next((f"{name} {values[name]:.4g}" for name in asked if name in values), "-")
    return Shown(champion.number, champion.created.isoformat(), metric, champion.revision)


def shared(changed: Iterable[str]) -> bool:
    """Return whether what changed in a tree may concern every model, through its settings."""
    return not _SHARED.isdisjoint(changed)


def concerned(models: Mapping[str, Known], changed: Iterable[str]) -> set[str]:
    """Return the models of which the spec, or something that it names, is among `changed`.

    Args:
        models: The models that are settled.
        changed: Paths of files that were added, removed or changed in any way.
    """
    files = set(changed) - _SHARED
    found = {name for path in files if (name := _declares(path)) is not None}
    touched = {place for path in files if _declares(path) is None for place in _places(path)}
    if touched:
        found |= {
            name
            for name, known in models.items()
            if known.paths is None or not touched.isdisjoint(known.paths)
        }
    return found


def _declares(path: str) -> str | None:
    folder, _, file = path.rpartition("/")
    return file.removesuffix(".yaml") if folder == SPECS and file.endswith(".yaml") else None


def _places(path: str) -> Iterable[str]:
    """Give what a spec may call a changed file: itself, what it stands for, its folders."""
    yield path
    if path.endswith(".dvc"):
        yield path.removesuffix(".dvc")
    while path := path.rpartition("/")[0]:
        yield path
