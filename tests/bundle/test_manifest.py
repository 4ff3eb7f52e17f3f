"""Nothing of a bundle is loaded before every byte of it agrees with its manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.bundle.manifest import FILE, verify
from reconciler.bundle.predictor import open_bundle
from reconciler.errors import TerminalError

FILES = ("model.onnx", "signature.json", "split.json")


def refused(bundle: Path) -> TerminalError:
    with pytest.raises(TerminalError) as caught:
        open_bundle(bundle)
    return caught.value


def test_a_sealed_bundle_verifies(bundle: Path) -> None:
    statement = verify(bundle)
    assert sorted(statement.files) == sorted(FILES)
    assert statement.model_file == "model.onnx"


@given(data=st.data())
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_flipped_byte_is_noticed(bundle: Path, data: Any) -> None:
    path = bundle / data.draw(st.sampled_from(FILES))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    whole = bytes(content)
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert refused(bundle).reason == "BundleCorrupt"
    path.write_bytes(whole)
    verify(bundle)


def test_a_truncated_model_is_refused(bundle: Path) -> None:
    os.truncate(bundle / "model.onnx", 100)
    error = refused(bundle)
    assert error.reason == "BundleCorrupt"
    assert "model.onnx is not the file that the manifest names" in error.message


def test_a_truncated_model_with_a_matching_manifest_is_refused_as_well(
    bundle: Path, sealed: Any
) -> None:
    os.truncate(bundle / "model.onnx", 100)
    sealed(bundle)
    assert refused(bundle).reason == "BundleCorrupt"


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "split.json").unlink()
    assert "missing: split.json" in refused(bundle).message


def test_a_file_too_many_is_named(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(b"")
    assert "not in the manifest: model.pkl" in refused(bundle).message


def test_a_folder_in_place_of_a_file_is_refused(bundle: Path) -> None:
    (bundle / "split.json").unlink()
    (bundle / "split.json").mkdir()
    assert "not plain files: split.json" in refused(bundle).message


def test_a_folder_without_a_manifest_is_no_bundle(bundle: Path) -> None:
    (bundle / FILE).unlink()
    assert refused(bundle).reason == "BundleMissing"
    assert refused(bundle / "nowhere").reason == "BundleMissing"


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"form": "pickle"}, {"surprise": 1}, {"files": {"../x": "0"}}, {"seed": None}],
    ids=str,
)
def test_a_manifest_that_says_something_else_is_refused(
    bundle: Path, change: dict[str, Any]
) -> None:
    statement = json.loads((bundle / FILE).read_text())
    (bundle / FILE).write_text(json.dumps(statement | change))
    assert refused(bundle).reason == "BundleCorrupt"


def test_a_manifest_that_is_no_json_is_refused(bundle: Path) -> None:
    (bundle / FILE).write_bytes(b"\xff{")
    assert refused(bundle).reason == "BundleCorrupt"


def test_a_signature_that_says_something_else_is_refused(bundle: Path, sealed: Any) -> None:
    (bundle / "signature.json").write_text("{}")
    sealed(bundle)
    assert "no readable signature" in refused(bundle).message
