"""Inputs: what DVC will see of a stage's files, told from git objects without a checkout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from reconciler.adapters.git import Git
from reconciler.controller.contents import Tree
from reconciler.core.recipe import UnresolvedError
from reconciler.errors import SpecError
from reconciler.spec import yaml

_PROGRAM, _LINK = "100755", "120000"


class Inputs:
    """The files of one revision, as DVC hashes and reads them; each is read once.

    Args:
        git: The repository.
        tree: The revision's files.
        texts: Those that were read already, by path.
    """

    def __init__(self, git: Git, tree: Tree, texts: Mapping[str, bytes]) -> None:
        self._git = git
        self._tree = tree
        self._texts = {tree[path].oid: text for path, text in texts.items() if path in tree}
        self._md5s: dict[str, str] = {}
        self._plain: dict[str, Mapping[str, Any]] = {}

    def content(self, path: str, overlays: Mapping[str, bytes]) -> dict[str, object]:
        """Return what dvc.lock says of an input's content: `md5`, and `isexec` of a program.

        Args:
            path: A file or folder of the revision, or what a `.dvc` file stands for.
            overlays: Files that stand in the revision's place.

        Raises:
            UnresolvedError: It is in neither, or nothing that can be told from here.
        """
        if path in overlays:
            return {"md5": _md5(overlays[path])}
        entry = self._tree.get(path)
        if entry is not None and entry.mode != _LINK:
            return {"md5": self._of(entry.oid)} | (
                {"isexec": True} if entry.mode == _PROGRAM else {}
            )
        if f"{path}.dvc" in self._tree:
            return {"md5": self._pointed(f"{path}.dvc")}
        inside = {p: e for p, e in self._tree.items() if p.startswith(f"{path}/")}
        if not inside:
            raise UnresolvedError(f"{path} is not in this commit")
        # DVC names a folder by the md5 of its listing
        listing = [
            {"md5": self._of(entry.oid), "relpath": str(PurePosixPath(p).relative_to(path))}
            for p, entry in inside.items()
        ]
        listing.sort(key=lambda item: item["relpath"])
        return {"md5": f"{_md5(json.dumps(listing, sort_keys=True).encode())}.dir"}

    def values(self, path: str, overlays: Mapping[str, bytes]) -> Mapping[str, Any]:
        """Return a file of parameters as plain values.

        Raises:
            UnresolvedError: It is not there, or no mapping.
        """
        if path in overlays:  # made here, as JSON
            plain = json.loads(overlays[path])
            return plain if isinstance(plain, Mapping) else {}
        if path not in self._tree:
            raise UnresolvedError(f"{path} is not in this commit")
        oid = self._tree[path].oid
        if oid not in self._plain:
            self._plain[oid] = _mapping(self._text(oid), path)
        return self._plain[oid]

    def found(self, path: str, overlays: Mapping[str, bytes]) -> Mapping[str, Any] | None:
        """Return a file of parameters as plain values; None where there is none to be read."""
        try:
            return self.values(path, overlays)
        except UnresolvedError:
            return None

    def _of(self, oid: str) -> str:
        if oid not in self._md5s:
            self._md5s[oid] = _md5(self._text(oid))
        return self._md5s[oid]

    def _text(self, oid: str) -> bytes:
        return self._texts[oid] if oid in self._texts else self._git.blobs([oid])[oid]

    def _pointed(self, path: str) -> str:
        plain = self.values(path, {})
        outs = plain.get("outs")
        out = outs[0] if isinstance(outs, list) and outs and isinstance(outs[0], Mapping) else {}
        if out.get("hash") != "md5" or "md5" not in out:
            raise UnresolvedError(f"{path} names its content in an older way")
        return str(out["md5"])


def _mapping(text: bytes, path: str) -> Mapping[str, Any]:
    try:
        data = yaml.load(text, path).data
    except SpecError as error:
        raise UnresolvedError(f"{path} cannot be read as YAML") from error
    if not isinstance(data, Mapping):
        raise UnresolvedError(f"{path} holds no keys")
    return data


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
