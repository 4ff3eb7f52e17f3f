"""A native bundle holds reviewed types alone; no pickle is ever loaded."""

from __future__ import annotations

import importlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from reconciler.bundle.native import load
from reconciler.bundle.predictor import open_bundle
from reconciler.bundle.trusted import TRUSTED
from reconciler.errors import TerminalError


def native(bundle: Path, sealed: Any, content: bytes) -> Path:
    """Turn the bundle made by hand into a native one."""
    (bundle / "model.onnx").unlink()
    (bundle / "model.skops").write_bytes(content)
    text = (bundle / "signature.json").read_text().replace('"onnx"', '"native"')
    (bundle / "signature.json").write_text(text)
    sealed(bundle, "native")
    return bundle


class Anything:
    """A type on no list."""


@pytest.mark.parametrize("name", TRUSTED)
def test_every_trusted_type_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert isinstance(getattr(importlib.import_module(module), attribute), type)


def test_a_native_bundle_answers(bundle: Path, sealed: Any) -> None:
    import polars as pl
    import skops.io
    from sklearn.linear_model import LinearRegression

    table = pl.DataFrame({"a": [0.0, 1.0, 0.0, 1.0], "b": [0.0, 0.0, 1.0, 1.0]})
    model = LinearRegression().fit(table, [0, 2, 1, 3])
    predictor = open_bundle(native(bundle, sealed, skops.io.dumps(model)))
    assert predictor.predict_one({"a": 3, "b": 4.0}).values == pytest.approx([10.0])
    assert predictor.predict({"a": [], "b": []}).values.shape == (0,)


def test_a_type_that_was_not_reviewed_is_refused(bundle: Path, sealed: Any) -> None:
    import skops.io

    archive = skops.io.dumps({"model": Anything()})
    with pytest.raises(TerminalError, match="Anything") as caught:
        open_bundle(native(bundle, sealed, archive))
    assert caught.value.reason == "UntrustedType"


def test_a_function_of_the_system_is_refused(bundle: Path, sealed: Any, tmp_path: Path) -> None:
    import os

    import skops.io

    archive = skops.io.dumps({"model": os.system})
    with pytest.raises(TerminalError) as caught:
        open_bundle(native(bundle, sealed, archive))
    assert caught.value.reason == "UntrustedType"


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_pickle_in_place_of_the_archive_is_not_loaded(
    bundle: Path, sealed: Any, tmp_path: Path
) -> None:
    trap = tmp_path / "sprung"
    with pytest.raises(TerminalError) as caught:
        open_bundle(native(bundle, sealed, pickle.dumps(Trap(trap))))
    assert caught.value.reason == "BundleCorrupt"
    assert not trap.exists()


@pytest.mark.parametrize("schema", [{}, [], {"__loader__": "Nothing"}, {"__class__": "int"}])
def test_an_archive_that_is_none_is_refused(tmp_path: Path, schema: Any) -> None:
    import zipfile

    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    with pytest.raises(TerminalError) as caught:
        load(path)
    assert caught.value.reason == "BundleCorrupt"
