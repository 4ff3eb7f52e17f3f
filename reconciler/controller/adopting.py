"""Adopting: the user's own stages that train a model, and the slice of them that a slot runs."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reconciler.adapters.git import Git
from reconciler.bundle.form import FORMAT
from reconciler.controller.contents import Tree
from reconciler.core import compilation
from reconciler.core.compilation import ADOPTED, ADOPTING, LOCK, PIPELINE
from reconciler.core.digest import digest
from reconciler.core.fingerprint import Contents
from reconciler.core.graph import (
    Stage,
    closure,
    not_written,
    overlaps,
    parsed,
    stages,
    tracked,
    writers,
)
from reconciler.errors import SpecError
from reconciler.spec import yaml
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params

_SUBMODULE = "160000"
#: What the evaluation writes.
_REPORTED = ("predictions.parquet", "metrics.json", "plot.csv", "report")


@dataclass(frozen=True, slots=True)
class Adoption:
    """One model that the user's own stages train, at one revision."""

    stages: tuple[Stage, ...]
    """Its stages and all before them, in an order in which they may run."""
    contents: Contents
    pointers: frozenset[str]
    """The `.dvc` files whose data they read."""
    pipeline: Mapping[str, Any]
    """dvc.yaml, narrowed to these stages."""
    frozen: Mapping[str, Any]
    """The blocks of dvc.lock of those among them that are frozen."""


class Pipeline:
    """The dvc.yaml of one revision, with all that its stages may read.

    Args:
        git: The repository.
        tree: The revision's files.
        text: dvc.yaml; it is read when the first model asks.
    """

    def __init__(self, git: Git, tree: Tree, text: bytes) -> None:
        self._git = git
        self._tree = tree
        self._text = text
        self._parsed: dict[str, Any] = {}

    def adoption(self, spec: ModelSpec) -> Adoption:
        """Return what decides and runs one adopted model.

        Raises:
            SpecError: dvc.yaml has no such stage, none of them writes the model, or a stage reads
                what is nowhere.
        """
        training, test = spec.spec.training, spec.spec.data.test
        assert training.model is not None
        named = closure(self._stages, training.stages, ())
        if not writers(named, training.model):
            raise not_written("model", training.model, named, self._stages)
        asked = test or training.metrics_file
        chain = closure(self._stages, training.stages, [asked] if asked else [])
        read: dict[str, str] = {}
        for stage in chain:
            read |= self._read_by(stage, chain)
        if test is not None:
            read |= self._ids(test, chain, "data.test")
        elif asked is not None and not writers(chain, asked):
            raise not_written("metrics_file", asked, chain, self._stages)
        values = {k: v for stage in chain for k, v in tracked(stage, self._parse).items()}
        paths = [*(path for stage in chain for path in stage.files), *([test] if test else [])]
        pointers = {p for out, p in self._pointers.items() if any(overlaps(out, x) for x in paths)}
        return Adoption(
            stages=chain,
            contents=Contents(None, dict(sorted(read.items())), dict(sorted(values.items()))),
            pointers=frozenset(pointers),
            pipeline=self._narrowed(chain),
            frozen={stage.name: self._frozen(stage) for stage in chain if stage.frozen},
        )

    @cached_property
    def _plain(self) -> Mapping[str, Any]:
        found = yaml.load(self._text, PIPELINE).data
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def _stages(self) -> dict[str, Stage]:
        return stages(self._plain, self._parse)

    def _narrowed(self, chain: Iterable[Stage]) -> dict[str, Any]:
        """Return dvc.yaml with the entries of some stages alone: what else it has is not asked."""
        kept = {stage.name.partition("@")[0] for stage in chain}
        entries = {name: body for name, body in self._plain["stages"].items() if name in kept}
        return {**({"vars": v} if (v := self._plain.get("vars")) else {}), "stages": entries}

    def _read_by(self, stage: Stage, chain: tuple[Stage, ...]) -> dict[str, str]:
        """Return the content id of everything that a stage reads and no stage writes."""
        if stage.frozen:
            return {f"{LOCK}:{stage.name}": digest(self._frozen(stage).get("outs"))}
        found: dict[str, str] = {}
        for path in stage.files:
            found |= self._ids(path, chain, f"stage {stage.name}")
        return found

    def _ids(self, path: str, chain: tuple[Stage, ...], reader: str) -> dict[str, str]:
        if "://" in path or path.startswith(("/", "../")):
            raise SpecError(
                f"{PIPELINE}: {reader} reads {path}, which is outside of the repository",
                reason="ExternalDependency",
                hint="bring it in with `dvc import-url`, so that its content has an id in git",
            )
        if (content := self._content(path)) is not None:
            return {path: content}
        if writers(chain, path):
            return {}
        raise SpecError(
            f"{PIPELINE}: {reader} reads {path}, which is not in this commit and which no stage of"
            " this file writes",
            reason="DataMissing",
            hint=f"commit it, or track it with `dvc add {path}` and commit {path}.dvc",
        )

    def _content(self, path: str) -> str | None:
        """Return the content id of a file or folder, in git or behind `.dvc` files; None: none."""
        if path in self._tree:
            return f"git:{self._tree[path].oid}"
        found = {p: e.oid for p, e in self._tree.items() if p.startswith(f"{path}/")}
        tracked_by = {p: i for out, p in self._pointers.items() if overlaps(out, path)
                      for i in [self._ids_of_data[out]]}  # fmt: skip
        if not found and len(tracked_by) == 1:
            return next(iter(tracked_by.values()))
        both = {**found, **tracked_by}
        return f"git:{digest(both)}" if both else None

    def _frozen(self, stage: Stage) -> Mapping[str, Any]:
        """Return what a frozen stage has left, by the user's own dvc.lock."""
        lock = self._parse(LOCK)
        blocks = lock.get("stages") if isinstance(lock, Mapping) else None
        block = blocks.get(stage.name) if isinstance(blocks, Mapping) else None
        if not isinstance(block, Mapping):
            raise SpecError(
                f"{PIPELINE}: stage {stage.name} is frozen, and {LOCK} has no outputs of it",
                reason="DataMissing",
                hint=f"commit {LOCK}",
            )
        return block

    @cached_property
    def _pointers(self) -> dict[str, str]:
        """The output of every `.dvc` file: its path, and the file."""
        return {out: pointer for out, (pointer, _) in self._data.items()}

    @cached_property
    def _ids_of_data(self) -> dict[str, str]:
        return {out: content for out, (_, content) in self._data.items()}

    @cached_property
    def _data(self) -> dict[str, tuple[str, str]]:
        paths = [path for path in self._tree if path.endswith(".dvc")]
        blobs = self._git.blobs([self._tree[path].oid for path in paths])
        found = {}
        for path in paths:
            oid = self._tree[path].oid
            for out, md5 in _outs(blobs[oid], path):
                found[out] = (path, f"md5:{md5}" if md5 else f"git:{oid}")
        return found

    def _parse(self, path: str) -> Any:
        """Return the plain data of a file; None when it is not there."""
        if path not in self._parsed:
            entry = self._tree.get(path)
            text = None if entry is None else self._git.blobs([entry.oid])[entry.oid]
            self._parsed[path] = None if text is None else parsed(text, path)
        return self._parsed[path]


def slice_of(
    spec: ModelSpec, adoption: Adoption, tree: Tree, params: Params
) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """Return what a slot must hold to run an adopted model.

    It is the whole revision, because stages import modules that they do not declare; of what DVC
    tracks, only what they read. Their dvc.lock stays away: what it names DVC would look for in its
    cache alone, and not on the remote.

    Returns:
        Paths of the revision, sorted, and files that differ from it: dvc.yaml with the two stages
        that follow, and what the adopting step is asked.
    """
    request = f"{ADOPTED}/{spec.name}/request.json"
    body = {**adoption.pipeline["stages"], **_following(spec, request)}
    overlays = {
        PIPELINE: _json({**adoption.pipeline, "stages": body}),
        request: _json(_request(spec, adoption, params)),
    }
    if adoption.frozen:
        overlays[LOCK] = _json({"schema": "2.0", "stages": dict(adoption.frozen)})
    wanted = (path for path, entry in tree.items() if _belongs(path, entry.mode, adoption))
    return tuple(sorted(set(wanted) - set(overlays))), overlays


def _belongs(path: str, mode: str, adoption: Adoption) -> bool:
    name = posixpath.basename(path)
    if mode == _SUBMODULE or name in (PIPELINE, LOCK):
        return False
    return path in adoption.pointers or not path.endswith(".dvc")


def _following(spec: ModelSpec, request: str) -> dict[str, Any]:
    """Return the stages that come after the user's own, in the form of dvc.yaml."""
    training, test, at = spec.spec.training, spec.spec.data.test, compilation.places(
        spec.name, adopted=True
    )  # fmt: skip
    adopt, evaluate = ADOPTING
    table = test or training.metrics_file
    first = {
        "cmd": f"reconciler-stage adopt {spec.name}",
        "deps": list(dict.fromkeys([request, training.model, table])),
        "outs": [at.bundle, at.prepared if test else f"{at.report}/metrics.json"],
    }
    if test is None:
        return {adopt: {"foreach": [spec.name], "do": first}}
    second = {
        "cmd": f"reconciler-stage evaluate {spec.name}",
        "deps": [at.bundle, at.prepared],
        "outs": [f"{at.report}/{n}" for n in _REPORTED],
    }
    return {
        adopt: {"foreach": [spec.name], "do": first},
        evaluate: {"foreach": [spec.name], "do": second},
    }


def _request(spec: ModelSpec, adoption: Adoption, params: Params) -> dict[str, Any]:
    """Return all that the adopting step works from: what is not in it cannot change its bytes."""
    return {
        "format": FORMAT,
        **{key: compilation.section(spec, key) for key in ("data", "training", "packaging")},
        "runtime": dict(params.runtime),
        "folders": sorted(set(_folders(adoption.stages))),
        "writers": [s.name for s in writers(adoption.stages, spec.spec.training.model or "")],
    }


def _folders(chain: Iterable[Stage]) -> Iterator[str]:
    """Give the folders of the scripts that the stages run: Python finds their modules there."""
    for stage in chain:
        cmd = stage.body.get("cmd")
        for line in cmd if isinstance(cmd, list) else [cmd]:
            for token in str(line).split():
                if token.endswith(".py"):
                    base = str(stage.body.get("wdir") or ".")
                    yield posixpath.normpath(posixpath.join(base, posixpath.dirname(token)))


def _outs(pointer: bytes, path: str) -> Iterator[tuple[str, str | None]]:
    """Give path and md5 of each output of a `.dvc` file; nothing when it is none."""
    try:
        plain = yaml.load(pointer, path).data
    except yaml.YamlError:
        return
    folder = posixpath.dirname(path)
    outs = plain.get("outs") if isinstance(plain, Mapping) else None
    for out in outs if isinstance(outs, list) else []:
        if isinstance(out, Mapping) and "path" in out:
            place = posixpath.join(folder, str(plain.get("wdir") or "."), str(out["path"]))
            yield posixpath.normpath(place), str(out["md5"]) if "md5" in out else None


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, default=str) + "\n").encode()
