"""Content ids: what a model's data and code are, read from a git tree without a checkout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reconciler.adapters.git import Git
from reconciler.adapters.git_output import Entry
from reconciler.core import compilation
from reconciler.core.digest import digest
from reconciler.core.fingerprint import Contents
from reconciler.errors import SpecError
from reconciler.spec import yaml
from reconciler.spec.model import ModelSpec

#: Path to entry, of one revision.
Tree = Mapping[str, Entry]


def contents(git: Git, tree: Tree, spec: ModelSpec) -> Contents:
    """Return the content ids that one model rests on.

    Raises:
        SpecError: Data or code is not in the tree.
    """
    return ContentIds(git, tree, {spec.name: spec}).of(spec)


class ContentIds:
    """Content ids of data and code; all `.dvc` files of the fleet are read in one go."""

    def __init__(self, git: Git, tree: Tree, specs: Mapping[str, ModelSpec]) -> None:
        self._tree = tree
        paths = (compilation.data_path(spec) for spec in specs.values())
        tracked = {f"{path}.dvc" for path in paths if path is not None} & set(tree)
        blobs = git.blobs([tree[path].oid for path in tracked])
        self._pointers = {path: blobs[tree[path].oid] for path in tracked}

    def of(self, spec: ModelSpec) -> Contents:
        """Return the content ids that one of the models rests on.

        Raises:
            SpecError: Data or code is not in the tree.
        """
        code = compilation.code_path(spec)
        files = [code, *spec.spec.training.deps] if code else []
        return Contents(self._data(spec), {path: self._blob(path, spec) for path in files})

    def _blob(self, path: str, spec: ModelSpec) -> str:
        entry = self._tree.get(path)
        if entry is None:
            raise SpecError(
                f"{compilation.spec_path(spec.name)}: {path} is not in this commit",
                reason="CodeMissing",
                hint="commit it",
            )
        return entry.oid

    def _data(self, spec: ModelSpec) -> str | None:
        path = compilation.data_path(spec)
        if path is None:
            return None
        if path in self._tree:
            return f"git:{self._tree[path].oid}"
        if (pointer := self._pointers.get(f"{path}.dvc")) is not None:
            return f"md5:{_md5(pointer, path)}"
        inside = {p: e.oid for p, e in self._tree.items() if p.startswith(f"{path}/")}
        if inside:
            return f"git:{digest(inside)}"
        raise SpecError(
            f"{compilation.spec_path(spec.name)}: data.source {path} is not in this commit",
            reason="DataMissing",
            hint=f"commit it, or track it with `dvc add {path}` and commit {path}.dvc",
        )


def _md5(pointer: bytes, path: str) -> str:
    """Return the content id in a `.dvc` file, which must stand for `path` and nothing else."""
    plain = yaml.load(pointer, f"{path}.dvc").data
    plain = plain if isinstance(plain, Mapping) else {}
    outs = plain.get("outs")
    out = outs[0] if isinstance(outs, list) and outs and isinstance(outs[0], dict) else {}
    if "md5" not in out:
        hint = f"run `dvc commit {path}.dvc`"
        raise SpecError(f"{path}.dvc names no content", reason="DataMissing", hint=hint)
    if out.get("path") != PurePosixPath(path).name or "wdir" in plain:
        raise SpecError(
            f"{path}.dvc stands for {out.get('path')!r:.80}, not for the file beside it",
            reason="PathEscapes",
            hint=f"make it anew with `dvc add {path}`",
        )
    return str(out["md5"])
