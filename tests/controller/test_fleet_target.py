"""Where a model is served, as far as what stands in git still says it."""

from __future__ import annotations

import pytest

from reconciler.controller.fleet import Fleet
from reconciler.core.plan import Desired, Invalid
from reconciler.spec.params import Params
from tests.controller.world import declared


def fleet(model: Desired | Invalid, text: bytes = b"", default: str | None = None) -> Fleet:
    defaults = {"deployment": {"target": default}} if default else {}
    params = Params(defaults=defaults)
    return Fleet("r1", {}, params, {}, {"m": model}, (), {}, {"specs/m.yaml": text})


def test_a_valid_spec_says_it() -> None:
    assert fleet(declared(target="local")).target("m") == "local"
    assert fleet(declared()).target("m") == "directory"
    assert fleet(declared()).target("n") is None


@pytest.mark.parametrize(
    ("text", "default", "target"),
    [
        (b"spec: {deployment: {target: local}, trainin: 1}", None, "local"),
        (b"spec: {deployment: {target: directory}}", "local", "directory"),
        (b"spec: {training: 1}", "local", "local"),
        (b"spec: {training: 1}", None, "directory"),
        (b"spec: {deployment: [1]}", None, "directory"),
        (b"spec: {deployment: {target: [1]}}", None, "directory"),
        (b"spec: {", None, None),
    ],
)
def test_one_that_is_not_valid_any_more_still_says_it_where_it_can_be_read(
    text: bytes, default: str | None, target: str | None
) -> None:
    found = fleet(Invalid("InvalidSpec", "a typo"), text, default)
    assert found.target("m") == target
