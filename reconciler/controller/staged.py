"""Staged: specs as the next commit would hold them, whatever stands beside them on disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from reconciler.adapters.git import Git
from reconciler.controller.working_tree import WorkingTree, checked, compiled
from reconciler.core import models_map
from reconciler.core.compilation import PARAMS, PIPELINE, RUNTIME_IMAGE, SETTINGS, SPECS
from reconciler.errors import SpecError
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.problems import Problem

_SHARED = (SETTINGS, PARAMS, PIPELINE)
#: Looking for more paths than these in every spec takes longer than reading all of them.
_MANY = 500


class Committed(WorkingTree):
    """Files of one commit, as the verbs that come before a commit read those on disk.

    Args:
        git: The repository.
        commit: A commit of it; None: there is none yet, and no file.
        only: Models that are looked at, in specs/ and in the `models:` map; None: all.
    """

    def __init__(self, git: Git, commit: str | None, only: Collection[str] | None = None) -> None:
        super().__init__(git.root)
        self._git = git
        self._tree = {} if commit is None else git.tree(commit)
        self._only = only
        self._texts: dict[str, bytes] = {}  # by blob id
        self._fetch(path for path in _SHARED if path in self._tree)

    @property
    def modes(self) -> dict[str, str]:
        """The mode of every file, by path."""
        return {path: entry.mode for path, entry in self._tree.items()}

    @property
    def declares(self) -> bool:
        """Whether there is any file of ours."""
        return any(path in _SHARED or _model(path) for path in self._tree)

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None when the commit has none of that name."""
        entry = self._tree.get(path)
        if entry is None or entry.mode == "160000":
            return None
        self._fetch([path])
        text = self._texts[entry.oid]
        settings = self._only is not None and path in (SETTINGS, PARAMS)
        return models_map.narrowed(text, self._only or ()) if settings else text

    def specs(self) -> dict[str, bytes]:
        """Return every spec that is looked at, by path."""
        found = sorted(path for path in self._tree if _model(path))
        found = [path for path in found if self._only is None or _model(path) in self._only]
        self._fetch(found)
        return {path: self._texts[self._tree[path].oid] for path in found}

    def lines(self) -> dict[str, bytes] | None:
        """Return the lines of the `models:` map by model; None where they cannot be told."""
        return models_map.lines(self.read(self.settings()) or models_map.EMPTY)

    def shared(self) -> str:
        """Return a digest of what concerns every model."""
        return models_map.settings(*(self.read(path) or b"" for path in _SHARED))

    def _fetch(self, paths: Iterable[str]) -> None:
        wanted = [self._tree[path].oid for path in paths]
        self._texts |= self._git.blobs(oid for oid in wanted if oid not in self._texts)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in the commit that would be made."""

    problems: tuple[Problem, ...]
    stale: tuple[str, ...]
    """Generated files that are out of step with the specs beside them."""


def judged(
    git: Git, base: str | None, commit: str, catalogue: Catalogue, here: Mapping[str, str]
) -> Judged | None:
    """Return what is wrong with a commit, as far as it differs from the one before.

    Args:
        git: The repository in which both can be read.
        base: The commit before; None: there is none.
        commit: The commit that would be made.
        catalogue: The estimators that specs may name.
        here: The declaration of the installed libraries.

    Returns:
        None: nothing in it concerns a model.
    """
    after = Committed(git, commit)
    changed = None if base is None else git.differing(base, commit, deep=True)
    if changed is None:
        models = None if after.declares else frozenset[str]()
    else:
        models = _concerned(git, base, after, changed)
    if models is not None and not models:
        return None
    tree = after if models is None else Committed(git, commit, models)
    _, problems = checked(tree, catalogue, (), tree.modes)
    try:
        files = compiled(tree, catalogue, here, upgrade=False).files
    except SpecError:
        if not problems:
            raise
        files = {}  # what is wrong with the settings stands among the problems
    return Judged(problems, tuple(path for path, text in files.items() if tree.read(path) != text))


def _concerned(
    git: Git, base: str | None, after: Committed, changed: Collection[str]
) -> frozenset[str] | None:
    """Return the models that changes concern; None: all of them."""
    models = {name for path in changed if (name := _model(path))}
    others = {path for path in changed if not _model(path)}
    if others & {*_SHARED, RUNTIME_IMAGE}:
        before = Committed(git, base)
        old, new = before.lines(), after.lines()
        if old is None or new is None or RUNTIME_IMAGE in others:
            return None
        if before.shared() != after.shared():
            return None
        models |= {name for name in {*old, *new} if old.get(name) != new.get(name)}
    if others := others - {*_SHARED}:
        places = {place for path in others for place in _places(path)}
        if len(places) > _MANY:
            return None
        models |= {*_naming(after.specs(), places)}
    return None if models and after.lines() is None else frozenset(models)


def _places(path: str) -> Iterator[str]:
    """Give what a spec may call a file: its path, that of its data, and folders it is in.

    A folder at the top is left out: its name alone, such as `data`, is a word of every spec.
    """
    place = PurePosixPath(path.removesuffix(".dvc"))
    yield str(place)
    yield from (str(folder) for folder in place.parents if len(folder.parts) > 1)


def _naming(specs: Mapping[str, bytes], paths: Collection[str]) -> Iterator[str]:
    names = [path.encode() for path in paths]
    for path, text in specs.items():
        if any(name in text for name in names):
            yield _model(path)


def _model(path: str) -> str:
    """Return the model whose spec stands at a path; empty when it is no spec."""
    folder, _, file = path.rpartition("/")
    return file.removesuffix(".yaml") if folder == SPECS and file.endswith(".yaml") else ""
