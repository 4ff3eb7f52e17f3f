"""Checks of `spec.deployment`: targets that exist, and keys that they honour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from reconciler.spec.model import DeploymentSpec, Rollout, seconds
from reconciler.spec.problems import Finding, nearest

_AT = ("spec", "deployment")
_ROLLOUT = (*_AT, "rollout")
#: By target: its settings in params.yaml, and whether it can split traffic.
TARGETS: Mapping[str, tuple[frozenset[str], bool]] = {
    "directory": (frozenset({"root"}), False),
    "local": (frozenset({"endpoints", "token_env"}), True),
}


def check(deployment: DeploymentSpec) -> Iterator[Finding]:
    """Give what is wrong with the deployment section."""
    known = TARGETS.get(deployment.target)
    if known is None:
        yield Finding((*_AT, "target"), *unknown(deployment.target))
        return
    rollout, (_, splits) = deployment.rollout or Rollout(), known
    if not splits and rollout != Rollout():
        message = f"target {deployment.target} switches at once and cannot roll out in steps"
        able = " or ".join(name for name, (_, splits) in TARGETS.items() if splits)
        yield Finding(
            (*_AT, "rollout"), message, f"set strategy: immediate, or target: {able}", at_key=True
        )
    elif rollout.strategy == "immediate":
        yield from _immediate(rollout)
    else:
        yield from _gradual(rollout)


def _immediate(rollout: Rollout) -> Iterator[Finding]:
    """Give the settings that a release at once has no use for."""
    for key in sorted(rollout.model_fields_set - {"strategy"}):
        if getattr(rollout, key) != getattr(Rollout(), key):
            message = "strategy immediate releases at once and has no use for it"
            hint = "leave it out, or set strategy: canary"
            yield Finding((*_ROLLOUT, key), message, hint, at_key=True)


def _gradual(rollout: Rollout) -> Iterator[Finding]:
    """Give the settings of a rollout in steps that contradict each other."""
    if rollout.steps and rollout.strategy != "canary":
        message = f"strategy {rollout.strategy} has no steps: they are a canary's"
        yield Finding((*_ROLLOUT, "steps"), message, "leave them out", at_key=True)
    for index, (one, other) in enumerate(pairwise(rollout.steps)):
        if other <= one:
            message = f"found {other} after {one}, wanted steps that ascend"
            hint = "such as [10, 50]; after the last one it has all of the traffic"
            yield Finding((*_ROLLOUT, "steps", index + 1), message, hint)
    if rollout.deadline is not None and seconds(rollout.deadline) <= seconds(rollout.hold):
        message = f"found {rollout.deadline}, wanted more than hold, which is {rollout.hold}"
        yield Finding((*_ROLLOUT, "deadline"), message, "give a step more time, or hold it less")
    if rollout.deadline is None and rollout.on_deadline != "hold":
        message = f"says {rollout.on_deadline}, and there is no deadline"
        yield Finding((*_ROLLOUT, "on_deadline"), message, "set deadline, such as 24h")


def unknown(target: str) -> tuple[str, str]:
    """Return message and hint for a target that does not exist."""
    hint = nearest(target, TARGETS, 1) or f"known are {', '.join(TARGETS)}"
    return f"there is no target {target[:80]!r}", hint
