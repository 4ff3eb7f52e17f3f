"""The manifest: the checksum of every file of a bundle, verified before anything is loaded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.errors import TerminalError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "manifest.json"
MODEL_FILES = {"onnx": "model.onnx", "native": "model.skops"}


class Manifest(BaseModel):
    """What `manifest.json` states: no time, no path, no revision, no machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    model: str
    form: Literal["onnx", "native"]
    form_reason: str
    files: dict[str, str]
    """File name to the sha256 of its bytes, for every file but the manifest itself."""
    runtime: dict[str, str]
    """The libraries as params.yaml declares them: name to version prefix."""
    seed: int
    inputs: str
    """The sha256 over everything that went into the training."""

    @property
    def model_file(self) -> str:
        """The name of the model's own file in the bundle."""
        return MODEL_FILES[self.form]


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksums(directory: Path) -> dict[str, str]:
    """Return file name to sha256, for every file of a bundle but the manifest, sorted."""
    names = sorted(p.name for p in directory.iterdir() if p.name != FILE)
    return {name: sha256(directory / name) for name in names}


def verify(directory: Path) -> Manifest:
    """Return the manifest of the bundle in `directory` once every byte agrees with it.

    Raises:
        TerminalError: `BundleMissing` without a manifest; `BundleCorrupt` when the manifest is
            not one, a file is missing, changed or too many, or anything is not a plain file.
    """
    if not (directory / FILE).is_file():
        raise TerminalError(
            f"{directory} is not a bundle: there is no {FILE}",
            reason="BundleMissing",
            hint="train the model, or restore it with `dvc checkout`",
        )
    manifest = _read(directory)
    _check_names(directory, manifest)
    for name, expected in sorted(manifest.files.items()):
        if sha256(directory / name) != expected:
            raise _corrupt(directory, f"{name} is not the file that the manifest names")
    return manifest


def _read(directory: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((directory / FILE).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = f"{FILE} is not readable: {where + ': ' if where else ''}{first['msg']}"
        raise _corrupt(directory, message) from error


def _check_names(directory: Path, manifest: Manifest) -> None:
    found = {path.name: path for path in directory.iterdir() if path.name != FILE}
    if missing := sorted(set(manifest.files) - set(found)):
        raise _corrupt(directory, f"missing: {', '.join(missing)}")
    if extra := sorted(set(found) - set(manifest.files)):
        raise _corrupt(directory, f"not in the manifest: {', '.join(extra)}")
    if manifest.model_file not in found:
        raise _corrupt(directory, f"missing: {manifest.model_file}")
    if odd := sorted(name for name, path in found.items() if not path.is_file()):
        raise _corrupt(directory, f"not plain files: {', '.join(odd)}")


def _corrupt(directory: Path, what: str) -> TerminalError:
    return TerminalError(
        f"the bundle in {directory} is corrupt: {what}",
        reason="BundleCorrupt",
        hint="restore it from the DVC cache with `dvc checkout`, or train again",
    )
