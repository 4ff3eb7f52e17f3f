"""The guard against mass changes: whether a revision would change too much at once; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from reconciler.core.naming import some
from reconciler.spec.params import Guard


class Fate(StrEnum):
    """What a revision would do to a model that is in production."""

    RETIRE = "retire"
    REPLACE = "replace"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class MassChange:
    """More than may be changed without being asked for."""

    retired: tuple[str, ...]
    replaced: tuple[str, ...]
    production: int
    """Models in production."""
    emptied: bool = False
    """Nothing at all is declared."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that would be changed."""
        return (*self.retired, *self.replaced)

    def told(self, revision: str) -> str:
        """Return what `revision` would do, and what to do about it, as one sentence."""
        counts = ((len(self.retired), "retire"), (len(self.replaced), "replace"))
        does = " and ".join(f"{verb} {count}" for count, verb in counts if count)
        empty = "declares no model and " if self.emptied else ""
        names = some(self.models)
        return (
            f"{revision} {empty}would {does} of {self.production} models in production ({names}):"
            " revert it, or allow it with `reconciler apply --allow-mass-change`"
        )


def mass_change(
    fates: Mapping[str, Fate], limits: Guard, *, others: int = 0, declared: bool
) -> MassChange | None:
    """Return what a revision would change where that is too much; None: it is not.

    Args:
        fates: What it would do to each model that is in production.
        limits: Share and count that must both be exceeded.
        others: Further models in production, which it leaves as they are.
        declared: It declares a model. One that declares none is too much whatever the limits,
            as soon as two are in production: most often `specs/` was emptied by mistake.
    """
    retired = tuple(sorted(name for name, fate in fates.items() if fate is Fate.RETIRE))
    replaced = tuple(sorted(name for name, fate in fates.items() if fate is Fate.REPLACE))
    changed, production = len(retired) + len(replaced), len(fates) + others
    emptied = not declared and production > 1 and bool(retired)
    share = Fraction(str(limits.share))  # exactly as it is written
    if emptied or (changed > limits.count and changed > share * production):
        return MassChange(retired, replaced, production, emptied)
    return None
