"""The forecast: which stages have their results already, here or on the remote, without DVC.

A stage's key follows from git and from what the stage before it has left. So each model is
followed from its first stage as far as results are known; the remote is asked about all models
at once, at most once per stage.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reconciler.adapters import run_cache
from reconciler.adapters.cache import Cache
from reconciler.adapters.git import Git
from reconciler.adapters.run_cache import Found, content
from reconciler.controller.fleet import Fleet
from reconciler.controller.inputs import Inputs
from reconciler.core import graph
from reconciler.core.compilation import PIPELINE
from reconciler.core.outlook import Result, Stage
from reconciler.core.recipe import Block, Recipe, UnresolvedError, expected, recipe, run_key
from reconciler.errors import ReconcilerError, SpecError

#: Models that the remote is asked about: more would take longer than the answer is worth.
_ASKED = 500


class Remote(Protocol):
    """Where results may be that are not here."""

    def look(self, keys: Collection[str], md5s: Collection[str]) -> Found:
        """Return what it has of these keys of the run-cache, of their content, and of `md5s`.

        Raises:
            TransientError: It cannot be asked.
            TerminalError: It never can.
        """
        ...


@dataclass(frozen=True, slots=True)
class Silent:
    """A remote that is not asked, and why."""

    why: str


@dataclass(slots=True)
class _Chain:
    """The stages of one model, as far as they are followed."""

    model: str
    recipes: tuple[Recipe, ...]
    """In an order in which they may run."""
    offers: Mapping[str, tuple[Block, ...]]
    """What earlier runs have left, by key."""
    overlays: Mapping[str, bytes]
    stages: list[Stage] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """Content of the outputs that are known, by path."""
    key: str = ""
    """Of the stage that is looked at."""
    blocks: tuple[Block, ...] = ()
    """What that stage has left, by someone's word."""

    @property
    def next(self) -> Recipe | None:
        """The stage that is looked at; None: all have been."""
        return self.recipes[len(self.stages)] if len(self.stages) < len(self.recipes) else None

    def settle(self, result: Result, why: str = "") -> None:
        """Say how the stage that is looked at stands."""
        assert self.next is not None
        self.stages.append(Stage(self.next.name.removesuffix(f"@{self.model}"), result, why))

    def take(self, result: Result, block: Block) -> None:
        """Take what that stage has left for what it will leave."""
        self.left |= {str(out["path"]): str(out["md5"]) for out in block["outs"]}
        self.settle(result)

    def lacking(self, recipe: Recipe) -> Stage | None:
        """Return a stage that runs and leaves what `recipe` takes; None: all of it is known."""
        for before, stage in zip(self.recipes, self.stages, strict=False):
            if stage.runs and recipe.takes(before):
                return stage
        return None


class Forecaster:
    """Tells which results are there.

    Args:
        git: The repository.
        fleet: What is declared.
        store: The folder of DVC's cache.
        remote: Asked for what is not here; None: there is none.
    """

    def __init__(self, git: Git, fleet: Fleet, store: Path, remote: Remote | Silent | None) -> None:
        self._fleet = fleet
        self._store = store
        self._cache = Cache(store)
        self._remote = remote
        self._inputs = Inputs(git, fleet.tree, fleet.files)

    def stages(self, known: Mapping[str, Iterable[Block]]) -> dict[str, tuple[Stage, ...]]:
        """Return the stages of each model, with where the result of each is.

        Args:
            known: Blocks of dvc.lock of earlier runs, whoever made them, by valid model.
        """
        chains = {model: self._chain(model, blocks) for model, blocks in known.items()}
        rest = list(chains.values())
        while rest := [chain for chain in rest if not self._followed(chain)]:
            self._ask(rest)
        return {model: tuple(chain.stages) for model, chain in chains.items()}

    def _chain(self, model: str, blocks: Iterable[Block]) -> _Chain:
        overlays, names = self._fleet.slice_of(model)[1], self._fleet.locked(model)
        try:
            found = self._stages(overlays)
            recipes = tuple(recipe(found[name]) for name in names)
        except (UnresolvedError, SpecError, KeyError) as error:
            shown = (name.removesuffix(f"@{model}") for name in names)
            stages = [Stage(name, Result.UNKNOWN, str(error)) for name in shown]
            return _Chain(model, (), {}, overlays, stages)
        return _Chain(model, recipes, _by_key(blocks), overlays)

    def _stages(self, overlays: Mapping[str, bytes]) -> Mapping[str, graph.Stage]:
        """Return the stages of one model's slice, by name."""
        own = PIPELINE in overlays
        pipeline = self._inputs.values(PIPELINE, overlays) if own else self._fleet.pipeline
        return graph.stages(pipeline, lambda path: self._inputs.found(path, overlays))

    def _followed(self, chain: _Chain) -> bool:
        """Follow a model as far as is known here; False: the remote must be asked first."""
        while (stage := chain.next) is not None:
            if (before := chain.lacking(stage)) is not None:
                lost = before.result is Result.UNKNOWN
                chain.settle(Result.UNKNOWN if lost else Result.LIKELY, before.why)
                continue
            try:
                chain.key = run_key(self._expected(chain, stage))
            except UnresolvedError as error:
                chain.settle(Result.UNKNOWN, str(error))
                continue
            if not self._here(chain):
                return False
        return True

    def _expected(self, chain: _Chain, stage: Recipe) -> Block:
        inputs, overlays = self._inputs, chain.overlays
        deps = {
            path: {"md5": left}
            if (left := self._left(chain, path)) is not None
            else inputs.content(path, overlays)
            for path in stage.deps
        }
        return expected(stage, deps, lambda path: inputs.values(path, overlays))

    def _left(self, chain: _Chain, path: str) -> str | None:
        """Return the content of what a stage before has left, or of a file in such a folder."""
        if path in chain.left:
            return chain.left[path]
        for out in (out for out in chain.left if path.startswith(f"{out}/")):
            with contextlib.suppress(ReconcilerError, OSError):  # a damaged listing names nothing
                return self._cache.within(chain.left[out], path[len(out) + 1 :])
        return None

    def _here(self, chain: _Chain) -> bool:
        """Settle a stage by what is here; False: only the remote can tell."""
        chain.blocks = (
            *run_cache.entries(self._store, chain.key),
            *chain.offers.get(chain.key, ()),
        )
        if (whole := next(filter(self._whole, chain.blocks), None)) is not None:
            chain.take(Result.HERE, whole)
        elif isinstance(self._remote, Silent):
            chain.settle(Result.UNKNOWN, self._remote.why)
        elif self._remote is None:
            chain.settle(Result.NONE)
        else:
            return False
        return True

    def _whole(self, block: Block) -> bool:
        with contextlib.suppress(ReconcilerError, OSError):  # a damaged listing is none
            return all(self._cache.has(md5) for md5 in content(block))
        return False

    def _ask(self, chains: Sequence[_Chain]) -> None:
        """Settle the stage at which each of the chains stands by what the remote has."""
        assert self._remote is not None
        assert not isinstance(self._remote, Silent)
        for chain in chains[_ASKED:]:
            chain.settle(Result.UNKNOWN, f"the remote is asked about {_ASKED} models at most")
        asked = chains[:_ASKED]
        md5s = {md5 for chain in asked for block in chain.blocks for md5 in content(block)}
        try:
            found = self._remote.look({chain.key for chain in asked}, md5s)
        except ReconcilerError as error:
            self._remote = Silent(error.message)
            for chain in asked:
                chain.settle(Result.UNKNOWN, error.message)
            return
        for chain in asked:
            self._settle(chain, found)

    def _settle(self, chain: _Chain, found: Found) -> None:
        def there(md5: str) -> bool:
            return md5 in found.present or self._whole({"outs": [{"md5": md5}]})

        for block in (*chain.blocks, *found.entries.get(chain.key, ())):
            if all(map(there, content(block))):
                chain.take(Result.REMOTE, block)
                return
        chain.settle(Result.NONE)


def _by_key(blocks: Iterable[Block]) -> dict[str, tuple[Block, ...]]:
    found: dict[str, tuple[Block, ...]] = {}
    for block in blocks:
        if run_cache.sound(block):
            key = run_key(block)
            found[key] = (*found.get(key, ()), block)
    return found
