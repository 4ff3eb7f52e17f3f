"""Rollout rules: a spec's settings with every default resolved, and how a record keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Literal

from pydantic import ValidationError

from reconciler.core.digest import digest
from reconciler.core.estimate import spoken
from reconciler.errors import TerminalError
from reconciler.spec.model import STEPS, Rollout, seconds

Strategy = Literal["immediate", "canary", "shadow", "blue_green"]
OnDeadline = Literal["hold", "promote", "withdraw"]


@dataclass(frozen=True, slots=True)
class RolloutRules:
    """The settings of a rollout, with every default resolved."""

    strategy: Strategy = "canary"
    steps: tuple[int, ...] = STEPS
    """Per cent of the traffic at each step: 0 for a shadow; 0, then 100 for blue_green."""
    hold: timedelta = timedelta(minutes=10)
    min_requests: int = 100
    """Of the challenger, at each step."""
    max_error_rate: float | None = 0.01
    max_latency_ratio: float | None = 3.0
    max_disagreement: float | None = None
    deadline: timedelta | None = None
    """Since a step began; None: it waits for its requests as long as it takes."""
    on_deadline: OnDeadline = "hold"


def rules_of(rollout: Rollout) -> RolloutRules:
    """Return a spec's settings with every default resolved."""
    strategy = rollout.strategy
    steps = {"shadow": (0,), "blue_green": (0, 100), "immediate": ()}.get(strategy)
    return RolloutRules(
        strategy,
        rollout.steps if steps is None else steps,
        timedelta(seconds=seconds(rollout.hold)),
        rollout.min_requests,
        rollout.max_error_rate,
        rollout.max_latency_ratio,
        rollout.max_disagreement,
        None if rollout.deadline is None else timedelta(seconds=seconds(rollout.deadline)),
        rollout.on_deadline,
    )


def described(rules: RolloutRules) -> str:
    """Return what a rollout by these rules does, in a few words; empty where it is none."""
    each = spoken(rules.hold.total_seconds())
    match rules.strategy:
        case "immediate":
            return ""
        case "shadow":
            return f"shadow for {each} or more, then released"
        case "blue_green":
            return f"blue_green: switched once warm, the former version kept warm for {each}"
        case _:
            steps = " %, ".join(map(str, rules.steps))
            return f"canary of {steps} %, each for {each} or more, then released"


def settings(rollout: Rollout) -> dict[str, Any]:
    """Return what a record keeps of a spec's rollout, in JSON's own types."""
    return dict(rollout.model_dump(mode="json"))


def in_force(kept: Mapping[str, Any] | None) -> RolloutRules:
    """Return the settings that a record keeps.

    Raises:
        TerminalError: `RolloutUnreadable`: another version of the program wrote them.
    """
    try:
        return rules_of(Rollout.model_validate(dict(kept or {})))
    except ValidationError as error:
        raise TerminalError(
            "its record holds rollout settings that this version does not know",
            reason="RolloutUnreadable",
            hint="upgrade this program, or promote or roll back the challenger by hand",
        ) from error


def settings_digest(rules: RolloutRules, revision: str = "") -> str:
    """Return a digest of settings, equal for those that decide the same.

    A version is kept from another try by the digest under which it was withdrawn: under these
    settings for good, or, with a `revision`, for as long as that is the one that is followed.
    """
    plain = RolloutRules()
    told = {f.name: getattr(rules, f.name) for f in fields(rules)}
    other = {name: str(value) for name, value in told.items() if value != getattr(plain, name)}
    return digest([other, revision])[:32]
