"""Checks of `spec.deployment`: targets that exist, and keys that they honour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.spec.model import DeploymentSpec, Rollout
from reconciler.spec.problems import Finding, nearest

_AT = ("spec", "deployment")
#: By target: its settings in params.yaml, and whether it can split traffic.
TARGETS: Mapping[str, tuple[frozenset[str], bool]] = {"directory": (frozenset({"root"}), False)}


def check(deployment: DeploymentSpec) -> Iterator[Finding]:
    """Give what is wrong with the deployment section."""
    known = TARGETS.get(deployment.target)
    if known is None:
        yield Finding((*_AT, "target"), *unknown(deployment.target))
        return
    _, splits = known
    if deployment.rollout not in (None, Rollout()) and not splits:
        message = f"target {deployment.target} switches at once and cannot roll out in steps"
        yield Finding((*_AT, "rollout"), message, "leave it out", at_key=True)


def unknown(target: str) -> tuple[str, str]:
    """Return message and hint for a target that does not exist."""
    hint = nearest(target, TARGETS, 1) or f"known are {', '.join(TARGETS)}"
    return f"there is no target {target[:80]!r}", hint
