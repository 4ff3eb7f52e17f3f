"""The plan file: reads a plan that was kept, and tells what it rests on that has moved on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.actions import (
    Abandon,
    Accept,
    Action,
    Challenge,
    Confirm,
    Fail,
    Judge,
    Reject,
    Release,
    Retire,
    Train,
)
from reconciler.core.naming import some
from reconciler.core.outlook import AT_REST, FORMAT, Kind, identity
from reconciler.errors import UsageError

#: What a model may go through, by what was planned for it. What the gate says decides how it ends.
_ENDS = (Judge, Release, Challenge, Abandon, Accept, Confirm, Reject)
_STEPS: Mapping[Kind, tuple[type[Action], ...]] = {
    Kind.CREATE: (Train, Fail, *_ENDS),
    Kind.RETRAIN: (Train, Fail, *_ENDS),
    Kind.REJUDGE: _ENDS,
    Kind.RELEASE: _ENDS,
    Kind.RETIRE: (Retire,),
    Kind.SERVE: (),
}
_FAMILY = FORMAT.rpartition("v")[0]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan has in store for one model."""

    kind: Kind
    declared: str | None
    recorded: str | None

    def allows(self, action: Action) -> bool:
        """Return whether the plan holds this action."""
        return isinstance(action, _STEPS[self.kind])


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan that can be carried out."""

    id: str
    rev: str
    """The name that `revision` was asked by."""
    revision: str
    version: str
    runtime: Mapping[str, str]
    models: Mapping[str, Planned]
    """The models that something is done with."""

    def allows(self, model: str, action: Action) -> bool:
        """Return whether the plan holds this action with this model."""
        return model in self.models and self.models[model].allows(action)


def parse(text: str, name: str) -> KeptPlan:
    """Return the plan in a file that `plan --out` wrote.

    Args:
        text: The file's content.
        name: Its name, for messages.

    Raises:
        UsageError: `InvalidPlan`: it is cut short, changed, or no plan at all; `NotApplicable`:
            a plan for reading only.
    """
    content = _document(text, name)
    if content["base"] is not None or content["uncommitted"]:
        raise UsageError(
            f"{name} is a plan for reading: it was made with --from or --uncommitted",
            reason="NotApplicable",
            hint="make one of a commit with `reconciler plan --out FILE`",
        )
    rows = (row for row in content["models"] if Kind(row["kind"]) not in AT_REST)
    return KeptPlan(
        id=content["id"],
        rev=content["rev"],
        revision=content["revision"],
        version=content["version"],
        runtime=content["runtime"],
        models={
            row["model"]: Planned(Kind(row["kind"]), row["declared"], row["recorded"])
            for row in rows
        },
    )


def _document(text: str, name: str) -> Mapping[str, Any]:
    """Return the content of a plan file that is whole and as it was written."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(name, "is no JSON: it is cut short, or no plan") from error
    if not isinstance(content, dict) or not str(content.get("format")).startswith(_FAMILY):
        raise _invalid(name, "is no plan of this program")
    if content["format"] != FORMAT:
        found = f"is of format {content['format']!r:.60}, this program reads {FORMAT}"
        raise _invalid(name, found)
    try:
        same = identity(content) == content.get("id")
    except (ValueError, TypeError) as error:
        raise _invalid(name, "was changed: it holds what no plan holds") from error
    if not same:
        raise _invalid(name, "was changed: its content does not have the id that it states")
    return content


def _invalid(name: str, what: str) -> UsageError:
    return UsageError(
        f"{name} {what}",
        reason="InvalidPlan",
        hint="make one with `reconciler plan --out FILE`",
    )


@dataclass(frozen=True, slots=True)
class Present:
    """What a plan is held against."""

    version: str
    runtime: Mapping[str, str]
    """As the commit declares it that the plan's `rev` names now."""
    declared: Mapping[str, str | None]
    """Digest of what that commit declares of each of the plan's models."""
    recorded: Mapping[str, str | None]
    """Digest of each record."""


def moved(plan: KeptPlan, now: Present) -> tuple[str, ...]:
    """Return what has moved on since the plan was made, each as a clause; empty: it holds."""
    found = []
    if plan.version != now.version:
        found.append(f"it was made by reconciler {plan.version}, this is {now.version}")
    libraries = sorted({*plan.runtime, *now.runtime})
    changed = [n for n in libraries if plan.runtime.get(n) != now.runtime.get(n)]
    if changed:
        found.append(f"the runtime in params.yaml has moved on: {', '.join(changed)}")
    specs = [n for n, row in plan.models.items() if row.declared != now.declared.get(n)]
    if specs:
        found.append(f"{plan.rev} declares otherwise: {some(specs)}")
    records = [n for n, row in plan.models.items() if row.recorded != now.recorded.get(n)]
    if records:
        found.append(f"the records have moved on: {some(records)}")
    return tuple(found)
