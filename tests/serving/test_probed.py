"""A request that counts nowhere: where tokens are asked for, only an admin may send one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.adapters.tokens import Right, Token, TokenFile, digest
from reconciler.serving.access import Door, Rules
from tests.serving.shops import FLOWER, open_bench

PROBE = {"x-reconciler-probe": "1"}
TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.5, 0.25]}
ASKED = [
    ("/predict/flower", json.dumps(FLOWER)),
    ("/v2/models/flower/infer", json.dumps({"inputs": [TENSOR]})),
]


def counted(door: Door, path: str, body: str, **headers: str) -> int:
    """Return how many requests count of one that asks not to be."""
    with open_bench(door=door) as bench:
        assert bench.post(path, body, {**PROBE, **headers}).status_code == 200
        return len(bench.ended)


@pytest.mark.parametrize(("path", "body"), ASKED)
def test_a_client_hides_nothing_from_a_rollout_where_tokens_are_asked_for(
    tmp_path: Path, path: str, body: str
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    for name, right in (("shop", Right.PREDICT), ("ops", Right.ADMIN)):
        file.add(Token(name, right, digest(name.encode()), 0, ""))
    door = Door(Rules(anonymous=True, own=digest(b"own")), file)
    shown = {name: f"Bearer {name}" for name in ("shop", "ops", "own")}
    found = {name: counted(door, path, body, authorization=shown[name]) for name in shown}
    assert found == {"shop": 1, "ops": 0, "own": 0}
    assert counted(door, path, body) == 1, "an anonymous client"


@pytest.mark.parametrize(("path", "body"), ASKED)
def test_anybody_may_probe_where_no_tokens_are_asked_for(path: str, body: str) -> None:
    for door in (Door(), Door(Rules(own=digest(b"own")))):
        assert counted(door, path, body) == 0
        assert counted(door, path, body, authorization="Bearer whatever") == 0
