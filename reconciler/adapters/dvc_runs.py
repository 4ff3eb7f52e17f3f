"""DVC's run-cache on a remote, one entry at a time: what this run needs, and what it has left.

DVC pushes and fetches its run-cache only as a whole, which takes seconds per thousand entries.
Inside a process of DVC's, `install` makes it

- look for a stage's result, where its own run-cache has none, among blocks of dvc.lock that are
  known, and then in the remote's run-cache under the stage's own key;
- push, with `dvc push --run-cache`, the entries of the stages in this folder's dvc.lock, and
  what these stages have left: also metrics that are not cached, without which the entry is of
  no use elsewhere.

This rests on names that are DVC's own affair (those of `_needed`). Where a DVC lacks them,
nothing is installed, and DVC's own way remains.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.adapters.dvc_asking import asking, reachable

#: Bytes per second below which a remote counts as one that hangs.
_LEAST_SPEED = 50_000
_NAME = re.compile(r"[0-9a-f]{64}")

Block = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a remote is asked."""

    patience_s: float
    """Seconds that it may take, besides those for moving the bytes."""
    needed: bool = True
    """Whether a remote that cannot be asked fails the run; else it goes on without it."""


def install(known: Sequence[Block], terms: Terms) -> bool:
    """Take the place of DVC's run-cache of remotes; False: this DVC's is not as we know it.

    Args:
        known: Blocks of dvc.lock of earlier runs, by anyone.
        terms: How the remote is asked.
    """
    try:
        cache = _needed()
    except (ImportError, AttributeError):
        return False
    offers: dict[str, list[Block]] = {}
    for block in known:
        offers.setdefault(_key(block), []).append(block)
    source: list[_Source] = []

    def load(self: Any, stage: Any) -> Any:
        found = _newest(self, stage)
        if found is not None and _whole(self, stage, found):
            return found
        if not source:
            source.append(_Source(self.repo, terms))
        run = _Run(self, stage, source[0])
        candidates = [*([found] if found else []), *offers.get(run.key, ())]
        return next((c for c in candidates if run.bring(c)), None) or run.from_remote() or found

    def push(self: Any, _remote: str | None, _odb: Any = None) -> list[tuple[str, str]]:
        return _push(self, terms.patience_s)

    cache._load, cache.push = load, push
    return True


def _needed() -> Any:
    """Return DVC's class of run-caches, if it has all that is needed here.

    Raises:
        ImportError: It has not.
        AttributeError: It has not.
    """
    from dvc.data_cloud import DataCloud
    from dvc.stage.cache import StageCache, _get_cache_hash, _get_stage_hash

    for name in ("_load", "_load_cache", "_get_cache_path", "_create_stage", "push"):
        getattr(StageCache, name)
    for name in ("get_remote_odb", "push", "pull"):
        getattr(DataCloud, name)
    assert _get_cache_hash
    assert _get_stage_hash
    return StageCache


class _Source:
    """The default remote, as far as this run asks it."""

    def __init__(self, repo: Any, terms: Terms) -> None:
        self._terms = terms
        self._name = _remote(repo)
        if self._name is not None and not terms.needed and not reachable(repo, self._name):
            self._name = None

    def asked(self, size: int = 0) -> contextlib.AbstractContextManager[None] | None:
        """Return the context in which to ask it for `size` bytes; None: it is not asked."""
        limit_s = self._terms.patience_s + size / _LEAST_SPEED
        return None if self._name is None else asking(self._name, limit_s)


class _Run:
    """One stage as it is about to run, and the places where its result may be."""

    def __init__(self, cache: Any, stage: Any, source: _Source) -> None:
        from dvc.stage.cache import _get_stage_hash

        self._cache = cache
        self._stage = stage
        self._source = source
        self.key: str = _get_stage_hash(stage)

    def bring(self, entry: Block) -> bool:
        """Return whether what `entry` names is in the cache, having asked the remote for it."""
        if _whole(self._cache, self._stage, entry):
            return True
        if (asked := self._source.asked(_size(entry))) is None:
            return False
        with asked:
            _pull(self._cache, entry)
        return _whole(self._cache, self._stage, entry)

    def from_remote(self) -> Block | None:
        """Return the entry that the remote's run-cache has, with its outputs in the cache."""
        if (asked := self._source.asked()) is None:
            return None
        with asked:
            entries = self._fetched()
        return next((entry for entry in entries if self.bring(entry)), None)

    def _fetched(self) -> list[Block]:
        odb = runs(self._cache.repo)
        if odb is None:
            return []
        folder = odb.fs.join(odb.path, "runs", self.key[:2], self.key)
        with contextlib.suppress(FileNotFoundError):
            for source in odb.fs.find(folder):
                value = odb.fs.name(source)
                if _NAME.fullmatch(value):
                    _copy(odb, source, self._cache.repo.cache.legacy, self._path(value))
        return self._own()

    def _own(self) -> list[Block]:
        """Return the local entries, the newest first; one that is not of this key goes."""
        files = _files(self._cache, self.key)
        entries = {path: self._cache._load_cache(self.key, path.name) for path in files}
        for path, entry in entries.items():
            if entry and _key(entry) != self.key:  # DVC would take it for this stage's
                path.unlink()
        return [entry for path, entry in entries.items() if entry and path.exists()]

    def _path(self, value: str) -> str:
        return str(self._cache._get_cache_path(self.key, value))


def _newest(cache: Any, stage: Any) -> Block | None:
    """Return the newest local entry; None: there is none.

    DVC's own way fails for good where a DVC was killed before it had written the first one.
    """
    from dvc.stage.cache import _get_stage_hash

    key = _get_stage_hash(stage)
    found = (cache._load_cache(key, path.name) for path in _files(cache, key)) if key else ()
    return next((entry for entry in found if entry), None)


def _files(cache: Any, key: str) -> list[Path]:
    """Return the local files of a key, the newest first; what was never finished is none."""
    folder = Path(cache._get_cache_path(key, "_")).parent
    found = [path for path in folder.glob("*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _push(cache: Any, patience_s: float) -> list[tuple[str, str]]:
    """Push what the stages of dvc.lock have left and then their entries; return the entries."""
    from dvc.dvcfile import LOCK_FILE
    from dvc.utils.serialize import load_yaml

    repo = cache.repo
    name = _remote(repo)
    if name is None or not Path(LOCK_FILE).exists():
        return []
    kept = {out.def_path for stage in repo.index.stages for out in stage.outs if not out.can_push}
    blocks = list(load_yaml(LOCK_FILE).get("stages", {}).values())
    with asking(name, patience_s + sum(map(_size, blocks)) / _LEAST_SPEED):
        for block in blocks:
            outs = [out for out in block.get("outs", ()) if out["path"] not in kept]
            _push_outs(cache, {**block, "outs": outs})
        return [entry for block in blocks if (entry := _push_entry(cache, block)) is not None]


def _push_entry(cache: Any, block: Block) -> tuple[str, str] | None:
    key, value = _key(block), _value(block)
    source = cache._get_cache_path(key, value)
    odb = runs(cache.repo)
    if odb is None or not Path(source).exists():  # a stage that DVC's run-cache does not hold
        return None
    place = odb.fs.join(odb.path, "runs", key[:2], key, value)
    if not odb.fs.exists(place):
        _copy(cache.repo.cache.legacy, source, odb, place)
    return key, value


def _pull(cache: Any, entry: Block) -> None:
    """Bring what an entry names, as far as the remote has it.

    Raises:
        OSError: The remote has some of it, and it cannot be brought.
    """
    from dvc.exceptions import CollectCacheError

    cloud = cache.repo.cloud
    with contextlib.suppress(CollectCacheError, FileNotFoundError):  # the remote has it no more
        for objects in cache._create_stage(dict(entry)).get_used_objs().values():
            for missing in cloud.pull(objects).failed:
                odb = cloud.get_remote_odb()
                odb.fs.info(odb.oid_to_path(missing.value))
                raise OSError(f"{missing.value} cannot be brought")


def _push_outs(cache: Any, entry: Block) -> None:
    for objects in cache._create_stage(dict(entry)).get_used_objs().values():
        if failed := cache.repo.cloud.push(objects).failed:
            raise OSError(f"{len(failed)} files cannot be pushed")


def _copy(source: Any, path: str, target: Any, place: str) -> None:
    from dvc.fs import generic

    target.fs.makedirs(target.fs.parent(place), exist_ok=True)
    generic.copy(source.fs, path, target.fs, place)


def runs(repo: Any) -> Any:
    """Return where the default remote keeps entries; None where such a remote cannot."""
    from dvc.config import RemoteConfigError
    from dvc.fs import HTTPFileSystem

    try:
        odb = repo.cloud.get_remote_odb(None, "push --run-cache", hash_name="md5-dos2unix")
    except RemoteConfigError:
        return None
    return None if isinstance(odb.fs, HTTPFileSystem) else odb


def _remote(repo: Any) -> str | None:
    name = repo.config["core"].get("remote")
    return str(name) if name else None


def _whole(cache: Any, stage: Any, entry: Block) -> bool:
    return bool(cache._create_stage(dict(entry), wdir=stage.wdir).outs_cached())


def _key(entry: Block) -> str:
    from dvc.stage.cache import _get_cache_hash

    return str(_get_cache_hash(copy.deepcopy(dict(entry)), key=True))


def _value(entry: Block) -> str:
    from dvc.stage.cache import _get_cache_hash

    return str(_get_cache_hash(copy.deepcopy(dict(entry))))


def _size(entry: Block) -> int:
    return sum(int(out.get("size") or 0) for out in entry.get("outs", ()))
