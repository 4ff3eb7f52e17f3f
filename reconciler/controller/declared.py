"""What the working tree declares, for `repro`: a line per model, and whether it is in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from reconciler import __version__
from reconciler.adapters.tree_memory import TreeMemory
from reconciler.controller.working_tree import WorkingTree, line_of, params_of
from reconciler.core import compilation
from reconciler.core.blocks import flow, scalar, with_block
from reconciler.core.compilation import PARAMS, PIPELINE, RUNTIME_IMAGE, SETTINGS
from reconciler.core.digest import digest
from reconciler.core.lockfile import ForeignError
from reconciler.core.merging import model_lines
from reconciler.core.runtime import image
from reconciler.errors import SpecError
from reconciler.spec import yaml
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params
from reconciler.spec.reading import read_fleet


@dataclass(frozen=True, slots=True)
class Declared:
    """The files that decide what is to run, as they stand on disk."""

    pipeline: bytes
    rest: str
    """params.yaml without its `models:` map."""
    lines: Mapping[str, str]
    """The text of each model's line in that map."""
    specs: Mapping[str, bytes]
    """The text of each spec, by model."""
    wrong: Mapping[str, str]
    """Why a spec cannot be followed, by model."""
    adopted: tuple[str, ...] = ()
    """Models that rest on the user's own stages, or whose stages dvc.yaml does not have."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have stages of their own here, or would if their spec were right."""
        return (*self.lines, *(name for name in self.wrong if name not in self.lines))

    def params(self, model: str) -> bytes:
        """Return params.yaml with `models:` narrowed to one model, all else as it is written."""
        return with_block(self.rest, "models", f"models:\n{self.lines[model]}").encode()


def declared(tree: WorkingTree, catalogue: Catalogue, memory: TreeMemory) -> Declared:
    """Return what the working tree declares.

    Raises:
        SpecError: params.yaml is out of step with specs/, or a file cannot be followed.
    """
    specs = {PurePosixPath(path).stem: text for path, text in tree.specs().items()}
    pipeline = _text(tree, PIPELINE).encode()
    if tree.read(SETTINGS) is not None:  # then all of dvc.yaml is the user's own
        return Declared(pipeline, "", {}, specs, {}, tuple(specs))
    text = _text(tree, PARAMS)
    rest = with_block(text, "models", "")
    try:
        lines = model_lines(text)
    except ForeignError as error:
        raise _out_of_step(PARAMS, str(error)) from error
    params = params_of(rest.encode())
    wanted, wrong = _wanted(tree, specs, params, catalogue, memory, rest)
    names = {*specs, *lines} - set(wrong)
    stale = sorted(name for name in names if lines.get(name, "") != wanted.get(name))
    if stale or not params.runtime:
        raise _out_of_step(PARAMS, ", ".join(stale[:3]) or "it declares no runtime")
    if tree.read(RUNTIME_IMAGE) != image(params.runtime):
        raise _out_of_step(RUNTIME_IMAGE, "the runtime")
    adopted = tuple(name for name, line in wanted.items() if not line)
    return Declared(pipeline, rest, lines, specs, wrong, adopted)


def spec_of(found: Declared, model: str, catalogue: Catalogue) -> ModelSpec:
    """Return a model's spec with every default.

    Raises:
        SpecError: It is wrong.
    """
    path = compilation.spec_path(model)
    read, problems = read_fleet({path: found.specs[model]}, _params(found), catalogue)
    if model not in read:
        raise SpecError("; ".join(str(problem) for problem in problems))
    return read[model]


def plain(text: bytes, path: str) -> Mapping[str, Any]:
    """Return a YAML file as plain values; an empty mapping when it holds none.

    Raises:
        SpecError: It is not the YAML that is wanted.
    """
    data = yaml.load(text, path).data
    return data if isinstance(data, Mapping) else {}


def _params(found: Declared) -> Params:
    return params_of(found.rest.encode())


def _wanted(
    tree: WorkingTree,
    specs: Mapping[str, bytes],
    params: Params,
    catalogue: Catalogue,
    memory: TreeMemory,
    rest: str,
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the line that each valid spec wants, and why the others are not valid.

    An adopted model wants none: its line is empty.
    """
    kind = digest([__version__, catalogue.version, rest])
    keys = {name: f"{kind[:16]}/{compilation.blob_id(text)}" for name, text in specs.items()}
    known = {name: _known(tree, memory, name, keys[name]) for name in specs}
    wanted = {name: line for name, line in known.items() if line is not None}
    fresh = {compilation.spec_path(n): text for n, text in specs.items() if n not in wanted}
    read, problems = read_fleet(fresh, params, catalogue)
    wrong = {PurePosixPath(path).stem for path in fresh} - set(read)
    for name, spec in read.items():
        wanted[name] = ""
        if not spec.spec.training.adopts:
            entries = line_of(tree, spec, specs[name], params)
            wanted[name] = f"  {scalar(name)}: {flow(entries)}\n"
        deps = {dep: _dep(tree, dep) for dep in spec.spec.training.deps}
        memory.lines[name] = [keys[name], wanted[name], deps]
    return wanted, {name: _why(name, problems) for name in wrong}


def _known(tree: WorkingTree, memory: TreeMemory, name: str, key: str) -> str | None:
    """Return the line that was wanted before, when nothing that decides it has changed."""
    known = memory.lines.get(name)
    if known is None or known[0] != key:
        return None
    same = all(_dep(tree, dep) == oid for dep, oid in known[2].items())
    return str(known[1]) if same else None


def _dep(tree: WorkingTree, path: str) -> str:
    return compilation.blob_id(tree.read(path) or b"")


def _why(name: str, problems: tuple[object, ...]) -> str:
    path = compilation.spec_path(name)
    own = [str(p) for p in problems if getattr(p, "path", "") == path]
    return own[0] if own else f"{path} cannot be followed"


def _text(tree: WorkingTree, path: str) -> str:
    text = tree.read(path)
    if text is None:
        raise SpecError(
            f"there is no {path}", reason="NotCompiled", hint="run `reconciler compile`"
        )
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8", reason="InvalidYaml") from error


def _out_of_step(path: str, where: str) -> SpecError:
    return SpecError(
        f"{path} is out of step with specs/ ({where})",
        reason="NotCompiled",
        hint="run `reconciler compile`",
    )
