"""The fleet: every model that a revision declares, read from git objects without a checkout."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from reconciler import __version__
from reconciler.adapters.git import Git
from reconciler.controller import adopting
from reconciler.controller.adopting import Adoption
from reconciler.controller.contents import ContentIds, Tree
from reconciler.controller.working_tree import pipeline as packaged
from reconciler.core import compilation, models_map
from reconciler.core.compilation import PARAMS, PIPELINE, RUNTIME_IMAGE, SETTINGS, SPECS, ours
from reconciler.core.digest import digest
from reconciler.core.fingerprint import adopted as adopted_fingerprint
from reconciler.core.fingerprint import fingerprint
from reconciler.core.plan import Desired, Invalid
from reconciler.core.runtime import image
from reconciler.errors import SpecError, TransientError
from reconciler.spec import yaml
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.model import DeploymentSpec, ModelSpec
from reconciler.spec.params import Params
from reconciler.spec.problems import Problem
from reconciler.spec.reading import read_fleet, read_params, written


@dataclass(frozen=True, slots=True)
class Fleet:
    """What one revision declares."""

    revision: str
    tree: Tree
    params: Params
    pipeline: Mapping[str, Any]
    """The stages of models that are trained here: of dvc.yaml, or our own where it has none."""
    models: Mapping[str, Desired | Invalid]
    problems: tuple[Problem, ...]
    raw_params: Mapping[str, Any]
    """params.yaml as plain values; its `models:` map may be left out."""
    files: Mapping[str, bytes]
    """Every spec as it is written, by path."""
    renaming: Mapping[str, Invalid] = field(default_factory=dict)
    """Names that invalid specs give their models, where these differ from the files' names."""
    settings: str | None = None
    """Digest of what concerns every model; None where it cannot be told apart from the rest."""
    adoptions: Mapping[str, Adoption] = field(default_factory=dict)
    """The valid models that stages of the user's own train, by name."""
    foreign: Callable[[str], bool] = lambda _: False
    """Whether no commit up to this one has ever declared a model of that name."""

    def wish(self, name: str) -> Desired | Invalid | None:
        """Return what is declared of model `name`; None: nothing is.

        A model whose file was renamed, and whose spec was not yet, is still declared.
        """
        return self.models.get(name) or self.renaming.get(name)

    def elsewhere(self, name: str) -> bool:
        """Return whether a model is declared neither here nor in any commit up to this one."""
        return self.wish(name) is None and self.foreign(name)

    def spec(self, name: str) -> ModelSpec | None:
        """Return the spec of model `name`; None when it is not declared or not valid."""
        model = self.models.get(name)
        return model.spec if isinstance(model, Desired) else None

    def target(self, name: str) -> str | None:
        """Return where model `name` is served; None when it is not declared, or does not say.

        A spec that is not valid still says it: what was released stays where it is served.
        """
        if (spec := self.spec(name)) is not None:
            return spec.spec.deployment.target
        text = self.files.get(compilation.spec_path(name))
        return None if text is None else _target(text, self.params.defaults)

    def slice_of(self, name: str) -> tuple[tuple[str, ...], dict[str, bytes]]:
        """Return what a slot must hold to run the stages of one model and of no other.

        Returns:
            Paths of the revision, sorted, and files that differ from it: params.yaml with
            `models:` narrowed to this model, and the image of the runtime; for an adopted model,
            see `adopting.slice_of`.
        """
        spec = self.spec(name)
        assert spec is not None
        if name in self.adoptions:
            return adopting.slice_of(spec, self.adoptions[name], self.tree, self.params)
        narrowed = {**self.raw_params, "models": {name: self.line(name)}}
        overlays = {
            PARAMS: json.dumps(narrowed, indent=1, default=str).encode(),
            RUNTIME_IMAGE: image(self.params.runtime),
        }
        if SETTINGS in self.tree:  # then dvc.yaml is the user's own
            overlays[PIPELINE] = json.dumps(self.pipeline, indent=1).encode()
        return tuple(sorted(self._paths(spec) - set(overlays))), overlays

    def stages_of(self, name: str) -> tuple[str, ...]:
        """Return the stages that a slot is asked for, without the model's name."""
        spec, adopted = self.spec(name), name in self.adoptions
        if not adopted:
            return compilation.STAGES
        judged = spec is not None and spec.spec.data.test is not None
        return compilation.ADOPTING if judged else compilation.ADOPTING[:1]

    def locked(self, name: str) -> tuple[str, ...]:
        """Return all stages that make up one model, by their names in dvc.lock."""
        adoption = self.adoptions.get(name)
        theirs = () if adoption is None else tuple(stage.name for stage in adoption.stages)
        return (*theirs, *(f"{stage}@{name}" for stage in self.stages_of(name)))

    def line(self, name: str) -> dict[str, str]:
        """Return the model's line in params.yaml, as it must be."""
        spec = self.spec(name)
        assert spec is not None
        path = compilation.spec_path(name)
        return compilation.line(spec, _plain(self.files[path], path), self.params, self._deps(spec))

    def _deps(self, spec: ModelSpec) -> dict[str, str]:
        return {path: self.tree[path].oid for path in spec.spec.training.deps}

    def _paths(self, spec: ModelSpec) -> set[str]:
        wanted = {compilation.spec_path(spec.name), PIPELINE, ".dvc/config", ".dvcignore"}
        if code := compilation.code_path(spec):
            wanted |= {code, *spec.spec.training.deps}
        if data := compilation.data_path(spec):
            wanted |= {data, f"{data}.dvc"}
            wanted |= {path for path in self.tree if path.startswith(f"{data}/")}
        return wanted & set(self.tree)


class Memo(Protocol):
    """Remembers values by content id, between runs and for this version of the code."""

    def parsed(self, kind: str, keys: Sequence[str]) -> dict[str, object]:
        """Return what is remembered, by key."""
        ...

    def keep_parsed(self, kind: str, values: Mapping[str, object]) -> None:
        """Remember values by key; what another kind of the family kept goes."""
        ...


def load(
    git: Git,
    revision: str,
    catalogue: Catalogue,
    memo: Memo | None = None,
    only: str | None = None,
    skip: Container[str] = (),
) -> Fleet:
    """Return what `revision` declares; a spec that is wrong spoils none of the others.

    Args:
        git: The repository.
        revision: A full commit id.
        catalogue: The estimators that specs may name.
        memo: Remembers parsed specs, so that an unchanged one is recognised by its blob id.
        only: The one model that is of interest; None: all are.
        skip: Models that are of no interest; they are not among the fleet's.

    Raises:
        SpecError: params.yaml or dvc.yaml, on which every model rests, cannot be followed.
    """
    tree = git.tree(revision)
    specs = _specs(tree, only, skip)
    held = SETTINGS if SETTINGS in tree else PARAMS
    shared = {path: tree[path].oid for path in (SETTINGS, PARAMS, PIPELINE) if path in tree}
    blobs = git.blobs([*specs.values(), *shared.values()])
    texts = {path: blobs[oid] for path, oid in shared.items()}
    params, raw_params = _params(texts.get(held), held)
    pipeline = _pipeline(texts.get(PIPELINE), theirs=held == SETTINGS)
    told = raw_params.get("models", {}) == {}  # else the map's lines are among the settings
    settings = models_map.settings(*texts.values()) if told else None
    files = {path: blobs[oid] for path, oid in specs.items()}
    modes = {path: entry.mode for path, entry in tree.items()}
    kind = _kind(params, catalogue)
    recalled = _recalled(memo, kind, tuple(specs.values())) if memo else {}
    known = {path: recalled[oid] for path, oid in specs.items() if oid in recalled}
    read, problems = read_fleet(files, params, catalogue, modes, known)
    if memo:
        _remember(
            memo,
            kind,
            {oid: _stem(path) for path, oid in specs.items() if path not in known},
            read,
        )
    models: dict[str, Desired | Invalid] = _invalid(problems, files, read)
    own = {name: spec for name, spec in read.items() if not spec.spec.training.adopts}
    found = ContentIds(git, tree, own)
    adoptions: dict[str, Adoption] = {}
    theirs = adopting.Pipeline(git, tree, texts.get(PIPELINE) or b"")
    for name, spec in read.items():
        if name in own:
            models[name] = _desired(spec, params, found, pipeline, revision)
        else:
            models[name] = _adopted(spec, params, theirs, revision, adoptions)
    return Fleet(
        revision, tree, params, pipeline, models, problems, raw_params, files,
        _renaming(models, files), settings, adoptions, _foreign(git, revision),
    )  # fmt: skip


def _foreign(git: Git, revision: str) -> Callable[[str], bool]:
    """Return what tells a model that was never declared here from one whose spec is gone.

    The history is read when that is first asked. Where it is cut short, none counts as foreign.
    """
    once = cache(lambda: git.ever(revision, SPECS))

    def foreign(name: str) -> bool:
        paths = once()
        return paths is not None and compilation.spec_path(name) not in paths

    return foreign


def _specs(tree: Tree, only: str | None, skip: Container[str]) -> dict[str, str]:
    """Return the blob id of every spec that is of interest, by path; see `load`."""
    specs = {path: entry.oid for path, entry in tree.items() if _is_spec(path)}
    if only is not None:
        specs = {p: oid for p, oid in specs.items() if p == compilation.spec_path(only)}
    return {p: oid for p, oid in specs.items() if _stem(p) not in skip}


def _kind(params: Params, catalogue: Catalogue) -> str:
    """Return what else than its bytes decides what a spec says."""
    settings = params.model_dump(mode="json", include={"allow", "defaults", "targets"})
    return f"spec/{digest([__version__, catalogue.version, settings])[:16]}"


def _recalled(memo: Memo, kind: str, oids: Sequence[str]) -> dict[str, object]:
    try:
        return memo.parsed(kind, oids)
    except TransientError:  # a memory that cannot be asked costs time, and nothing else
        return {}


def _remember(
    memo: Memo, kind: str, fresh: Mapping[str, str], read: Mapping[str, ModelSpec]
) -> None:
    found = {oid: written(read[name]) for oid, name in fresh.items() if name in read}
    if found:
        with contextlib.suppress(TransientError):  # then they are parsed again
            memo.keep_parsed(kind, found)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".yaml")


def _is_spec(path: str) -> bool:
    folder, _, file = path.rpartition("/")
    return folder == SPECS and file.endswith(".yaml") and file != ".yaml"


def _params(text: bytes | None, path: str) -> tuple[Params, Mapping[str, Any]]:
    if text is None:
        raise SpecError(
            f"{path} is not in this commit",
            reason="ParamsMissing",
            hint="run `reconciler compile` and commit what it writes",
        )
    read = read_params(models_map.padded(text), path)
    if read.params is None:
        raise SpecError("; ".join(str(p) for p in read.problems), reason="InvalidParams")
    return read.params, read.data


def _pipeline(text: bytes | None, *, theirs: bool) -> Mapping[str, Any]:
    """Return the pipeline of models that are trained here.

    Args:
        text: dvc.yaml.
        theirs: It belongs to a pipeline of the user's own, which may be read by DVC alone.
    """
    if not theirs:
        return _plain(text, PIPELINE)
    try:
        found = _plain(text, PIPELINE)
    except SpecError:
        found = {}
    return found if ours(found) else _plain(packaged(), PIPELINE)


def _plain(text: bytes | None, path: str) -> Mapping[str, Any]:
    if text is None:
        raise SpecError(
            f"{path} is not in this commit",
            reason="PipelineMissing",
            hint="`reconciler compile` writes it where there is none; commit it",
        )
    data = yaml.load(text, path).data
    return data if isinstance(data, Mapping) else {}


def _invalid(
    problems: tuple[Problem, ...], files: Mapping[str, bytes], read: Mapping[str, ModelSpec]
) -> dict[str, Desired | Invalid]:
    """Return why each spec that could not be read is invalid: none of them is taken for gone."""
    models: dict[str, Desired | Invalid] = {}
    for path in files:
        name = _stem(path)
        if name in read:
            continue
        errors = [p for p in problems if p.path == path and p.severity == "error"]
        errors = errors or [p for p in problems if p.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        said = f"{errors[0]}{more}" if errors else f"{path} cannot be followed"
        models[name] = Invalid("InvalidSpec", said)
    return models


def _renaming(
    models: Mapping[str, Desired | Invalid], files: Mapping[str, bytes]
) -> dict[str, Invalid]:
    """Return the models that invalid specs name and no file is called after."""
    found = {}
    for path, text in files.items():
        model = models[_stem(path)]
        if isinstance(model, Invalid) and (also := _declared(text, path)) is not None:
            found[also] = model
    return {name: model for name, model in found.items() if name not in models}


def _declared(text: bytes, path: str) -> str | None:
    """Return the name that an invalid spec gives its model: a half-done rename retires nothing."""
    try:
        plain = _plain(text, path)
    except SpecError:
        return None
    metadata = plain.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else None


def _target(text: bytes, defaults: Mapping[str, Any]) -> str | None:
    try:
        section: Any = _plain(text, "").get("spec")
    except SpecError:
        return None
    for place in (section, defaults):
        deployment = place.get("deployment") if isinstance(place, Mapping) else None
        found = deployment.get("target") if isinstance(deployment, Mapping) else None
        if isinstance(found, str):
            return found
    return DeploymentSpec().target


def _adopted(
    spec: ModelSpec,
    params: Params,
    pipeline: adopting.Pipeline,
    revision: str,
    adoptions: dict[str, Adoption],
) -> Desired | Invalid:
    """Return what is declared of one adopted model, and keep in `adoptions` what trains it."""
    try:
        adoption = pipeline.adoption(spec)
    except SpecError as error:
        return Invalid(error.reason, f"{compilation.spec_path(spec.name)}: {error}")
    adoptions[spec.name] = adoption
    decided = adopted_fingerprint(spec, params, adoption.contents, adoption.stages)
    return Desired(spec, decided, revision)


def _desired(
    spec: ModelSpec,
    params: Params,
    contents: ContentIds,
    pipeline: Mapping[str, Any],
    revision: str,
) -> Desired | Invalid:
    try:
        found = contents.of(spec)
    except SpecError as error:
        return Invalid(error.reason, str(error))
    return Desired(spec, fingerprint(spec, params, found, pipeline), revision)
