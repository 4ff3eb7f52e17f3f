"""The environment in which DVC runs stages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from reconciler.adapters.dvc_program import environment

OURS = str(Path(sys.executable).parent)


@pytest.mark.parametrize("name", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_adopted_stages_find_an_active_environment_first(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join(("/theirs/bin", "/usr/bin")))
    assert environment(adopted=True)["PATH"].split(os.pathsep)[0] == OURS
    monkeypatch.setenv(name, "/theirs")
    assert environment(adopted=True)["PATH"].split(os.pathsep) == ["/theirs/bin", "/usr/bin", OURS]
    assert environment()["PATH"].split(os.pathsep)[0] == OURS
