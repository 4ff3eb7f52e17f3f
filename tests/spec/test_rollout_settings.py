"""Checks of a spec's rollout: what contradicts itself is refused, with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.spec.checks import deployment
from reconciler.spec.defaults import with_defaults
from reconciler.spec.model import DeploymentSpec
from reconciler.spec.problems import dotted


@pytest.fixture(autouse=True)
def _a_target_that_splits_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {**deployment.TARGETS, "split": (frozenset[str](), True)}
    monkeypatch.setattr(deployment, "TARGETS", both)


def found(rollout: dict[str, Any]) -> list[str]:
    section = DeploymentSpec.model_validate({"target": "split", "rollout": rollout})
    return [f"{dotted(f.keys)}: {f.message} ({f.hint})" for f in deployment.check(section)]


@pytest.mark.parametrize(
    ("rollout", "key", "words"),
    [
        ({"strategy": "canary", "steps": [50, 10]}, "steps[1]", "found 10 after 50"),
        ({"strategy": "canary", "steps": [10, 10]}, "steps[1]", "steps that ascend"),
        ({"strategy": "shadow", "steps": [10]}, "steps", "are a canary's"),
        ({"strategy": "blue_green", "steps": [10]}, "steps", "leave them out"),
        ({"strategy": "canary", "deadline": "10m"}, "deadline", "more than hold, which is 10m"),
        ({"strategy": "canary", "on_deadline": "promote"}, "on_deadline", "set deadline"),
        ({"hold": "5m"}, "hold", "strategy: canary"),
        ({"steps": [10]}, "steps", "releases at once"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    rollout: dict[str, Any], key: str, words: str
) -> None:
    (said,) = found(rollout)
    assert said.startswith(f"spec.deployment.rollout.{key}: ")
    assert words in said


@pytest.mark.parametrize(
    "rollout",
    [
        {},
        {"strategy": "immediate"},
        {"strategy": "canary"},
        {"strategy": "canary", "steps": [1, 100], "hold": "1s", "min_requests": 0},
        {"strategy": "shadow", "max_disagreement": 0.05, "deadline": "1d"},
        {"strategy": "blue_green", "deadline": "1h", "on_deadline": "withdraw"},
    ],
)
def test_settings_that_make_sense_pass(rollout: dict[str, Any]) -> None:
    assert found(rollout) == []


def test_a_spec_of_another_strategy_takes_none_of_the_fleets_settings() -> None:
    below = {"deployment": {"rollout": {"strategy": "canary", "steps": [5], "hold": "1h"}}}

    def merged(own: dict[str, Any]) -> Any:
        spec = {"spec": {"deployment": {"rollout": own}}}
        return with_defaults(spec, below)["spec"]["deployment"]["rollout"]

    assert merged({"strategy": "shadow"}) == {"strategy": "shadow"}
    assert merged({"hold": "2h"}) == {"strategy": "canary", "steps": [5], "hold": "2h"}
    assert merged({"strategy": "canary"})["steps"] == [5]
