"""The survey: for each model of the working tree, whether anything must run, without DVC."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reconciler.adapters.cache import Cache
from reconciler.adapters.hashing import Contents
from reconciler.adapters.tree_memory import TreeMemory
from reconciler.controller.declared import Declared, plain
from reconciler.core import stages as pipelines
from reconciler.core.compilation import LOCK, PARAMS, PIPELINE, spec_path
from reconciler.core.digest import digest
from reconciler.core.freshness import Locked, Stale, compare
from reconciler.core.lockfile import Lock
from reconciler.core.stages import Stage, UnclearError
from reconciler.errors import ReconcilerError, SpecError


@dataclass(frozen=True, slots=True)
class Fresh:
    """Nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Restorable:
    """Nothing must run: outputs that are not in the tree as they were left are in the cache."""

    outs: Mapping[str, str]
    """Content id by path."""


@dataclass(frozen=True, slots=True)
class Changed:
    """DVC is to be asked, in a slot."""

    why: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Unclear:
    """Only DVC can tell, in the tree itself."""

    why: str


Found = Fresh | Restorable | Changed | Unclear


class Survey:
    """Compares what is declared with dvc.lock, and both with the files that are there.

    Args:
        root: The working tree.
        found: What it declares.
        lock: Its dvc.lock.
        cache: DVC's cache.
        memory: What earlier runs have found out.
    """

    def __init__(
        self, root: Path, found: Declared, lock: Lock, cache: Cache, memory: TreeMemory
    ) -> None:
        self._root = root
        self._declared = found
        self._lock = lock
        self._cache = cache
        self._memory = memory
        self._keys: dict[str, str] = {}
        self.contents = Contents(root, memory.contents)

    @cached_property
    def pipeline(self) -> Mapping[str, Any]:
        """dvc.yaml."""
        return plain(self._declared.pipeline, PIPELINE)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The stages that exist once per model."""
        return pipelines.per_model(self.pipeline)

    def blocks(self, model: str) -> dict[str, Any]:
        """Return the model's blocks of dvc.lock as plain values, by stage name.

        What cannot be followed there is left out: DVC decides without it.
        """
        try:
            return dict(plain(self._texts(model).encode(), LOCK))
        except SpecError:
            return {}

    def inputs(self, model: str) -> tuple[str, ...]:
        """Return the paths that a model's stages read and do not write themselves.

        Raises:
            UnclearError: Only DVC can tell.
        """
        known = self._memory.locked.get(model)
        if known is not None and known[0] == self._key(model):
            return _outside(known[1], known[2])
        found = self.stages(model)
        outs = {path for stage in found for path in stage.outs}
        return _outside([path for stage in found for path in stage.deps], outs)

    def stages(self, model: str) -> tuple[Stage, ...]:
        """Return the model's stages.

        Raises:
            UnclearError: Only DVC can tell.
        """
        params = plain(self._declared.params(model), PARAMS)
        found = pipelines.resolve(self.pipeline, params, model)
        if strangers := self._strangers(found):
            raise UnclearError(f"it rests on what stage {strangers} writes")
        return found

    def look(self, model: str) -> Found:
        """Return how one model stands."""
        try:
            locked = self._locked(model)
        except UnclearError as error:
            return Unclear(str(error))
        if isinstance(locked, Stale):
            return Changed(locked.why, self.stages(model))
        for path, md5 in locked.deps.items():
            if not self.contents.holds(path, md5):
                return Changed(f"{path} changed", self.stages(model))
        gone = {p: md5 for p, md5 in locked.outs.items() if not self.contents.holds(p, md5)}
        if not gone:
            return Fresh()
        if all(self._has(md5) for md5 in gone.values()):
            return Restorable(gone)
        return Changed(f"{min(gone)} is missing", self.stages(model))

    def _has(self, md5: str) -> bool:
        try:
            return self._cache.has(md5)
        except ReconcilerError:  # a corrupt listing: DVC makes it anew
            return False

    def _locked(self, model: str) -> Locked | Stale:
        key = self._key(model)
        known = self._memory.locked.get(model)
        if known is not None and known[0] == key and self._same(known[3]):
            return Locked(known[1], known[2])
        found = self.stages(model)
        locked = compare(found, self.blocks(model), lambda path: self._values(path, model))
        if isinstance(locked, Locked):
            own = (PARAMS, spec_path(model))
            files = {path for stage in found for path in stage.params if path not in own}
            marks = {path: self.contents.md5(path) or "" for path in sorted(files)}
            self._memory.locked[model] = [key, dict(locked.deps), dict(locked.outs), marks]
        return locked

    def _same(self, marks: Mapping[str, str]) -> bool:
        return all((self.contents.md5(path) or "") == md5 for path, md5 in marks.items())

    def _key(self, model: str) -> str:
        """Return what changes whenever the outcome of a comparison may."""
        if model not in self._keys:
            self._keys[model] = self._made(model)
        return self._keys[model]

    def _made(self, model: str) -> str:
        line = self._declared.lines[model]
        spec = self._declared.specs[model].decode(errors="replace")
        return digest([self._shared, line, spec, self._texts(model)])[:32]

    @cached_property
    def _shared(self) -> str:
        text = self._declared.pipeline.decode(errors="replace")
        return digest([text, self._declared.rest])

    def _texts(self, model: str) -> str:
        found = (self._lock.blocks.get(f"{name}@{model}", "") for name in self.names)
        return "".join(found)

    def _values(self, path: str, model: str) -> object:
        if path == PARAMS:
            return plain(self._declared.params(model), path)
        if not path.endswith((".yaml", ".yml")):
            raise UnclearError(f"parameters in {path}")
        try:
            text = (self._root / path).read_bytes()
            return plain(text, path)
        except FileNotFoundError:
            return None
        except (OSError, SpecError) as error:
            raise UnclearError(f"{path}: {error}") from error

    def _strangers(self, found: tuple[Stage, ...]) -> str | None:
        """Return a stage, not per model, that may write what one of these reads."""
        deps = {dep for stage in found for dep in stage.deps}
        for name in pipelines.others(self.pipeline):
            outs = _written(self.pipeline["stages"][name])
            if any(_overlap(dep, out) for dep in deps for out in outs):
                return name
        return None


def _outside(paths: Iterable[str], outs: Collection[str]) -> tuple[str, ...]:
    """Return the paths that are neither one of the outputs nor in one, each once."""
    return tuple(path for path in dict.fromkeys(paths) if not any(a in outs for a in _around(path)))


def _around(path: str) -> list[str]:
    """Return a path and every folder around it."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _written(body: object) -> list[str]:
    """Return where a stage writes, as far as it is known without its variables."""
    if isinstance(body, Mapping):
        body = body.get("do", body)
    found: list[str] = []
    for kind in ("outs", "metrics", "plots"):
        items = body.get(kind) if isinstance(body, Mapping) else None
        for item in items if isinstance(items, list) else []:
            name = next(iter(item), "") if isinstance(item, Mapping) else item
            found.append(str(name).partition("${")[0].rstrip("/") or ".")
    return found


def _overlap(one: str, two: str) -> bool:
    a, b = Path(one), Path(two)
    return a == b or a in b.parents or b in a.parents
