"""The working tree: specs as they stand on disk, for the verbs that come before a commit."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.controller import adoptable
from reconciler.core import compilation, models_map
from reconciler.core.blocks import flow, scalar, with_block
from reconciler.core.compilation import (
    PARAMS,
    PIPELINE,
    RUNTIME_IMAGE,
    SETTINGS,
    SPECS,
    settings_path,
)
from reconciler.core.runtime import image
from reconciler.errors import SpecError
from reconciler.spec import yaml
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params
from reconciler.spec.problems import Problem
from reconciler.spec.reading import read_fleet, read_params

_HEADER = b"""\
apiVersion: reconciler/v1

# Merged under every spec; a spec's own word wins.
defaults: {}
"""


class WorkingTree:
    """Files below one folder, by path with forward slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None when it does not exist.

        Raises:
            SpecError: It exists and cannot be read.
        """
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SpecError(f"{path}: {error.strerror}", reason="Unreadable") from error

    def settings(self) -> str:
        """Return the file of the fleet's settings: params.yaml, unless that is the user's own."""
        if self.read(SETTINGS) is not None:
            return SETTINGS
        return settings_path(self._plain(PARAMS), self._plain(PIPELINE))

    def _plain(self, path: str) -> object:
        """Return what a YAML file holds; None when there is no such file."""
        text = self.read(path)
        try:
            # the map grows with the fleet, and tells nothing of whose file it is
            return None if text is None else yaml.load(models_map.cut(text), path).data or {}
        except yaml.YamlError:  # DVC may follow it nonetheless
            return {}

    def specs(self) -> dict[str, bytes]:
        """Return every spec, by path."""
        found = sorted((self.root / SPECS).glob("*.yaml"))
        paths = [f"{SPECS}/{path.name}" for path in found]
        return {path: text for path in paths if (text := self.read(path)) is not None}


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the generated files must hold, and what is wrong with the specs."""

    files: Mapping[str, bytes]
    problems: tuple[Problem, ...]


def compiled(
    tree: WorkingTree, catalogue: Catalogue, here: Mapping[str, str], *, upgrade: bool
) -> Compiled:
    """Return the generated files in step with the specs on disk.

    A spec that is wrong keeps its line as it stands, so that one typo retrains nothing.

    Args:
        tree: The working tree.
        catalogue: The estimators that specs may name.
        here: The declaration of the installed libraries.
        upgrade: Declare these even where the settings declare others.

    Raises:
        SpecError: The settings cannot be followed.
    """
    settings = tree.settings()
    text = tree.read(settings) or _HEADER
    params = params_of(text, settings)
    declared = params.runtime
    runtime = dict(here if upgrade or not params.runtime else params.runtime)
    params = params.model_copy(update={"runtime": runtime})
    files = tree.specs()
    read, problems = read_fleet(files, params, catalogue)
    adopted = {name for name, spec in read.items() if spec.spec.training.adopts}
    kept = [name for name in _names(files) if name in params.models and name not in adopted]
    lines = {name: dict(params.models[name]) for name in kept}
    lines |= {
        name: line_of(tree, spec, files[compilation.spec_path(name)], params)
        for name, spec in read.items()
        if name not in adopted
    }
    written = _written(text, None if runtime == declared else runtime, lines, settings)
    generated = {settings: written, RUNTIME_IMAGE: image(runtime)}
    if tree.read(PIPELINE) is None:
        generated[PIPELINE] = pipeline()
    return Compiled(generated, (*problems, *adoptable.problems(tree.read, read)))


def pipeline() -> bytes:
    """Return the pipeline for a repository that has none; from then on it is the user's own."""
    return importlib.resources.files(__package__).joinpath("pipeline.yaml").read_bytes()


def checked(
    tree: WorkingTree,
    catalogue: Catalogue,
    chosen: tuple[str, ...],
    modes: Mapping[str, str] | None = None,
) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Return the specs that were checked and every problem found, also in params.yaml.

    Args:
        tree: The working tree.
        catalogue: The estimators that specs may name.
        chosen: Files to check, relative to the root; none: all of specs/.
        modes: Git mode of every file of the working tree, by path; None: what specs name is
            not looked for.
    """
    settings = tree.settings()
    read = read_params(tree.read(settings) or b"{}", settings)
    files = tree.specs()
    if chosen:
        files = {path: text for path in chosen if (text := tree.read(path)) is not None}
    if read.params is None:
        return tuple(files), read.problems
    specs, problems = read_fleet(files, read.params, catalogue, modes)
    return tuple(files), (*read.problems, *problems, *adoptable.problems(tree.read, specs))


def params_of(text: bytes, path: str = PARAMS) -> Params:
    """Return the fleet's settings.

    Raises:
        SpecError: They are wrong.
    """
    read = read_params(text, path)
    if read.params is None:
        raise SpecError("; ".join(str(p) for p in read.problems), reason="InvalidParams")
    return read.params


def _names(files: Mapping[str, bytes]) -> tuple[str, ...]:
    return tuple(Path(path).stem for path in files)


def line_of(tree: WorkingTree, spec: ModelSpec, text: bytes, params: Params) -> dict[str, str]:
    """Return the model's entry in the `models:` map, as `compile` writes it.

    Args:
        tree: The working tree.
        spec: The spec with every default.
        text: The same spec as it is written.
        params: The fleet's settings.
    """
    raw = yaml.load(text, compilation.spec_path(spec.name)).data
    deps = {dep: compilation.blob_id(tree.read(dep) or b"") for dep in spec.spec.training.deps}
    return compilation.line(spec, raw if isinstance(raw, Mapping) else {}, params, deps)


def _written(
    text: bytes,
    runtime: Mapping[str, str] | None,
    lines: Mapping[str, Mapping[str, str]],
    path: str,
) -> bytes:
    """Return the settings with these blocks; a runtime of None stands as it is written."""
    body = "".join(f"  {scalar(name)}: {flow(lines[name])}\n" for name in sorted(lines))
    result = text.decode()
    if runtime is not None:
        declared = "".join(f'  {name}: "{version}"\n' for name, version in sorted(runtime.items()))
        result = with_block(result, "runtime", f"runtime:\n{declared}")
    result = with_block(result, "models", f"models:\n{body}" if lines else "models: {}\n")
    written = result.encode()
    read = read_params(written, path).params
    if read is None or read.models != lines or read.runtime != (runtime or read.runtime):
        raise SpecError(
            f"{path}: `models:` and `runtime:` cannot be replaced as they are written",
            reason="InvalidParams",
            hint="write them in block style, the key at the start of a line",
        )
    return written
