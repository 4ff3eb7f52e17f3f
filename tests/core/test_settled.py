"""Settled models: which of them a change concerns."""

from __future__ import annotations

import json

import pytest

from reconciler.core.settled import Known, Shown, concerned, shared

MODELS = {
    "plain": Known("Settled", "as declared", (), None),
    "table": Known("Settled", "as declared", ("data/t.csv",), None),
    "folder": Known("Settled", "as declared", ("data/parts",), None),
    "coded": Known("Settled", "as declared", ("code/m.py", "code/util.py"), None),
    "adopted": Known("Settled", "as declared", None, Shown(3, "2026-01-02", "r2 0.5", "abc")),
}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("specs/plain.yaml", {"plain"}),
        ("specs/new.yaml", {"new"}),
        ("data/t.csv", {"table", "adopted"}),
        ("data/t.csv.dvc", {"table", "adopted"}),
        ("data/parts/2026/01.csv", {"folder", "adopted"}),
        ("data/parts.dvc", {"folder", "adopted"}),
        ("data", {"adopted"}),
        ("data/t.csv.bak", {"adopted"}),
        ("code/util.py", {"coded", "adopted"}),
        ("specs/deep/plain.yaml", {"adopted"}),
        ("README.md", {"adopted"}),
        ("params.yaml", set()),
    ],
)
def test_a_change_concerns_the_models_that_name_what_changed(path: str, names: set[str]) -> None:
    assert concerned(MODELS, [path]) == names


def test_settings_may_concern_every_model() -> None:
    assert shared(["a", "params.yaml"])
    assert shared(["dvc.yaml"])
    assert not shared(["specs/params.yaml"])


def test_what_is_known_survives_json() -> None:
    kept = json.loads(json.dumps(MODELS))
    assert {name: Known.of(plain) for name, plain in kept.items()} == MODELS
