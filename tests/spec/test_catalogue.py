from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters import catalogue as catalogues
from reconciler.errors import TerminalError
from reconciler.pipeline import catalogue as generator
from reconciler.spec.catalogue import Catalogue, Choice, Kind, Parameter, Range

SHIPPED = (importlib.resources.files("reconciler.spec") / "catalogue.json").read_bytes()


def test_the_shipped_catalogue_is_what_the_generator_writes() -> None:
    found = generator.catalogue()
    if found["version"] != Catalogue.from_json(SHIPPED).version:
        pytest.skip("another scikit-learn is installed than the one the catalogue is shipped for")
    assert generator.to_json(found).encode() == SHIPPED


def test_every_estimator_can_be_imported_and_has_its_hyperparameters() -> None:
    catalogue = Catalogue.from_json(SHIPPED)
    assert len(catalogue.estimators) > 70
    for path, estimator in catalogue.estimators.items():
        module, _, name = path.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        assert set(estimator.parameters) == set(cls._get_param_names())


def test_estimators_take_their_own_defaults() -> None:
    catalogue = Catalogue.from_json(SHIPPED)
    for path, estimator in catalogue.estimators.items():
        for name, parameter in estimator.parameters.items():
            value = _literal(parameter.default)
            if value is not None and value not in ("deprecated", "warn"):
                assert parameter.accepts(value), f"{path} {name} {parameter}"


def _literal(text: str) -> Any:
    import ast

    try:
        return ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError):
        return None


@pytest.mark.parametrize(
    ("accepted", "yes", "no"),
    [
        (Range("integer", 1, None, "left"), [1, 5], [0, 1.0, True, "1", None]),
        (Range("number", 0, 1, "right"), [1, 1.0, 0.5], [0, 1.1, False]),
        (Range("fraction", 0, 1, "both"), [0.0, 1.0], [0, 1, 1.5]),
        (Range("number", None, None, "neither"), [-1e9, 3], [True, "x"]),
        (Choice(("a", "b")), ["a"], ["c", 1]),
        (Choice((1, "auto")), [1, "auto"], [True, 1.0]),
        (Kind("boolean"), [True, False], [0, 1, "yes"]),
        (Kind("none"), [None], [0, "", False]),
        (Kind("list"), [[1], ()], ["x", {}]),
        (Kind("mapping"), [{}], [[]]),
    ],
)
def test_a_value_is_accepted_by_its_type_and_its_bounds(
    accepted: Any, yes: list[Any], no: list[Any]
) -> None:
    assert all(accepted.accepts(value) for value in yes)
    assert not any(accepted.accepts(value) for value in no)


def test_a_hyperparameter_says_what_it_accepts() -> None:
    bounds = (Range("integer", 1, None, "left"), Range("fraction", 0, 1, "right"), Kind("none"))
    wanted = "a whole number >= 1 or a decimal number > 0 and <= 1 or null"
    assert str(Parameter("1", bounds)) == wanted
    assert str(Parameter("1", ())) == "anything"


@pytest.mark.parametrize("text", [b"", b"[]", b'{"version": 1}', b'{"estimators": {"a": 1}}'])
def test_what_is_no_catalogue_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Catalogue.from_json(text)


def test_for_the_pinned_version_nothing_is_generated_or_kept(tmp_path: Path) -> None:
    if importlib.metadata.version("scikit-learn") != Catalogue.from_json(SHIPPED).version:
        pytest.skip("another scikit-learn is installed than the one the catalogue is shipped for")
    catalogues.load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_for_another_version_the_catalogue_is_made_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def generate() -> bytes:
        made.append(1)
        old = Catalogue.from_json(SHIPPED).version.encode()
        return SHIPPED.replace(b'"' + old + b'"', b'"0.1"', 1)

    monkeypatch.setattr(catalogues, "installed", lambda names: {"scikit-learn": "0.1"})
    monkeypatch.setattr(catalogues, "_generate", generate)
    assert catalogues.load(tmp_path / "new").version == "0.1"
    assert catalogues.load(tmp_path / "new").version == "0.1"
    assert made == [1]
    (tmp_path / "new" / "catalogue-0.1.json").write_bytes(b"half a catal")
    assert catalogues.load(tmp_path / "new").version == "0.1"
    assert made == [1, 1]


def test_a_scikit_learn_that_cannot_be_asked_is_an_error_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogues, "installed", lambda names: {"scikit-learn": "0.1"})
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TerminalError, match="cannot be listed"):
        catalogues.load(tmp_path)
