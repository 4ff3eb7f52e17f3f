"""The outlook: what a plan says of every model, in one value that all ways of showing it share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from reconciler.core.changes import Change
from reconciler.core.digest import digest
from reconciler.spec.problems import Problem

FORMAT: Final = "reconciler/plan/v1"


class Kind(StrEnum):
    """What would be done with a model."""

    CREATE = "create"
    RETRAIN = "retrain"
    REJUDGE = "re-judge"
    RELEASE = "release"
    SERVE = "serve"
    RETIRE = "retire"
    BLOCKED = "blocked"
    UNCHANGED = "unchanged"


#: Kinds that leave a model as it is.
AT_REST = frozenset({Kind.UNCHANGED, Kind.BLOCKED})


class Result(StrEnum):
    """Whether the result of a stage is there already."""

    HERE = "cached"
    REMOTE = "on the remote"
    NONE = "runs"
    LIKELY = "probably runs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one model, as the plan expects it."""

    name: str
    result: Result
    why: str = ""
    """Why that is not known; empty where it is."""
    seconds: float | None = None
    """Median of the last times it ran; None: it never did."""

    @property
    def runs(self) -> bool:
        """Return whether it takes time, as far as is known."""
        return self.result not in (Result.HERE, Result.REMOTE)


@dataclass(frozen=True, slots=True)
class Row:
    """One model's part of the plan."""

    model: str
    kind: Kind
    reason: str
    message: str
    changes: tuple[Change, ...] = ()
    stages: tuple[Stage, ...] = ()
    gate: str | None = None
    """What the gate says; None where that is not known before training."""
    verdict: Mapping[str, Any] | None = None
    """The verdict behind `gate`, as `Verdict.to_json` gives it."""
    rollout: str | None = None
    """How the version takes over the traffic, as a sentence; None: at once."""
    serve: str | None = None
    """What its target needs beside that, as a sentence; None: nothing."""
    declared: str | None = None
    """Digest of what is declared of it; None: nothing is, or the model is left as it is."""
    recorded: str | None = None
    """Digest of its record; None: there is none, or the model is left as it is."""

    @property
    def speaks(self) -> bool:
        """Return whether there is something to tell, although nothing would be done."""
        return bool(self.changes) or self.reason in ("Suspended", "RollingOut")

    @property
    def acts(self) -> bool:
        """Return whether something would be done."""
        return self.kind not in AT_REST

    @property
    def seconds(self) -> float | None:
        """Return how long its stages will run; None when that is not known."""
        times = [stage.seconds for stage in self.stages if stage.runs]
        return None if None in times else sum(t for t in times if t is not None)

    def plain(self) -> dict[str, Any]:
        """Return the row as plain values."""
        if self.kind is Kind.UNCHANGED and not self.changes:
            brief = (self.model, self.kind.value, self.reason, self.message)
            return dict(zip(("model", "kind", "reason", "message"), brief, strict=True))
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return found | {"seconds": self.seconds}


@dataclass(frozen=True)
class Outlook:
    """A whole plan."""

    revision: str
    """The commit that is planned for."""
    rev: str
    """The name it was asked by."""
    rows: tuple[Row, ...]
    version: str
    """The version of this program: another may decide otherwise."""
    deployed: str | None
    """The commit of the records; None: there are none yet."""
    runtime: Mapping[str, str]
    """Libraries as params.yaml declares them."""
    base: str | None = None
    """The commit whose declaration is taken as satisfied; None: the records are what counts."""
    uncommitted: bool = False
    """`revision` stands for the working tree and is no commit of the repository's."""
    chosen: tuple[str, ...] | None = None
    """The models that were asked for; None: all."""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    jobs: int = 1
    seconds: float | None = None
    """Expected time of the whole run; None: nothing of it is known."""
    untimed: int = 0
    """Models that train and whose time is not known; they are not part of `seconds`."""

    @property
    def applicable(self) -> bool:
        """Return whether `apply --plan` can carry it out: it is one of a commit against records."""
        return self.base is None and not self.uncommitted

    @cached_property
    def counts(self) -> Mapping[Kind, int]:
        """Return how many models there are of each kind, in the order of kinds."""
        found = Counter(row.kind for row in self.rows)
        return {kind: found[kind] for kind in Kind if found[kind]}

    @cached_property
    def shown(self) -> tuple[Row, ...]:
        """Return the rows that have something to say, what is done first."""
        order = {kind: place for place, kind in enumerate(Kind)}
        told = [row for row in self.rows if row.kind is not Kind.UNCHANGED or row.speaks]
        return tuple(sorted(told, key=lambda row: (order[row.kind], row.model)))

    @cached_property
    def id(self) -> str:
        """Return the digest of all that the plan rests on and says, 64 hexadecimal digits."""
        return identity(self._content())

    def plain(self) -> dict[str, Any]:
        """Return the plan as plain values: what `apply --plan` reads."""
        return {"format": FORMAT, "id": self.id, **self._content()}

    def _content(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "rev": self.rev,
            "revision": self.revision,
            "base": self.base,
            "uncommitted": self.uncommitted,
            "deployed": self.deployed,
            "runtime": dict(self.runtime),
            "chosen": None if self.chosen is None else list(self.chosen),
            "summary": {kind.value: count for kind, count in self.counts.items()},
            "jobs": self.jobs,
            "seconds": self.seconds,
            "untimed": self.untimed,
            "notes": list(self.notes),
            "problems": [asdict(problem) for problem in self.problems],
            "models": [row.plain() for row in self.rows],
        }


def identity(content: Mapping[str, Any]) -> str:
    """Return the digest of a plan's content, whatever the order of its keys."""
    return digest({k: v for k, v in content.items() if k not in ("format", "id")})
