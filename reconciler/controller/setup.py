"""Setting up: what a repository lacks before its first spec, as steps that overwrite nothing."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from reconciler.adapters.git import Git
from reconciler.controller.working_tree import Compiled, WorkingTree
from reconciler.core import setup
from reconciler.core.compilation import PIPELINE, SPECS, ours, spec_path
from reconciler.core.setup import DVCIGNORE, GITIGNORE, IGNORED_BY_DVC, IGNORED_BY_GIT, Did, Step
from reconciler.errors import UsageError
from reconciler.spec import yaml
from reconciler.spec.schema import json_schema

#: What editors check specs by; specs name it in their first line.
SCHEMA = f"{SPECS}/model.schema.json"
DEMO = "diabetes"


def check_dvc(git: Git) -> None:
    """Return when a DVC at the top of the repository would be the only one.

    Raises:
        UsageError: A folder of the repository has one.
    """
    below = next((path for path in git.files() if path.endswith("/.dvc/config")), None)
    if below is not None:
        folder = below.removesuffix("/.dvc/config")
        raise UsageError(
            f"DVC is set up in {folder}/, and the reconciler needs it in {git.root}",
            reason="DvcInSubfolder",
            hint="run `dvc init` there if it may be in both; then this again",
        )


def ignoring(git: Git) -> Iterator[Step]:
    """Give the steps that keep what is generated out of git and DVC, and nothing of the user's."""
    tree, seen = WorkingTree(git.root), git.files()
    taken = setup.taken(IGNORED_BY_GIT, seen, _outputs(tree, seen))
    yield from setup.ignoring(GITIGNORE, tree.read(GITIGNORE), IGNORED_BY_GIT, taken)
    yield from setup.ignoring(DVCIGNORE, tree.read(DVCIGNORE), IGNORED_BY_DVC)


def specs(tree: WorkingTree, *, demo: bool) -> Iterator[Step]:
    """Give the schema for editors and, with `demo`, a spec that can be applied at once."""
    schema = (json.dumps(json_schema(), indent=2) + "\n").encode()
    yield _once(tree, SCHEMA, schema, f"it is not this version's: `reconciler schema > {SCHEMA}`")
    if demo:
        text = importlib.resources.files(__package__).joinpath("demo.yaml").read_bytes()
        yield _once(tree, spec_path(DEMO), text, "it is not the demo's")


def generated(tree: WorkingTree, result: Compiled) -> Iterator[Step]:
    """Give the steps to what `reconciler compile` writes; the user's own keys and stages stay."""
    for path, text in result.files.items():
        held = tree.read(path)
        if held is None:
            yield Step(Did.WROTE, path, content=text)
        elif held == text:
            yield Step(Did.KEPT, path)
        else:
            yield Step(Did.ADDED, path, _keys(held, text, path) or "what is new", text)
    pipeline = tree.read(PIPELINE)
    if pipeline is not None and not ours(_plain(pipeline, PIPELINE)):
        yield Step(Did.KEPT, PIPELINE, "its stages are your own")
    elif pipeline is not None:
        yield Step(Did.KEPT, PIPELINE)


def _once(tree: WorkingTree, path: str, content: bytes, differing: str) -> Step:
    """Return the step that writes a file where there is none."""
    held = tree.read(path)
    if held is None:
        return Step(Did.WROTE, path, content=content)
    return Step(Did.KEPT, path, "" if held == content else differing)


def _keys(held: bytes, text: bytes, path: str) -> str:
    """Return which top-level keys of a YAML file are new or have changed."""
    before, after = _plain(held, path), _plain(text, path)
    before, after = (one if isinstance(one, Mapping) else {} for one in (before, after))
    changed = [f"{key}:" for key in after if key not in before or before[key] != after[key]]
    return " and ".join(changed)


def _outputs(tree: WorkingTree, files: Mapping[str, str]) -> dict[str, str]:
    """Return what the user's own stages write, with the file that says so."""
    found: dict[str, str] = {}
    for path in files:
        if PurePosixPath(path).name != PIPELINE:
            continue
        pipeline = _plain(tree.read(path), path)
        if not (path == PIPELINE and ours(pipeline)):
            found |= dict.fromkeys(setup.outputs(pipeline, path), path)
    return found


def _plain(text: bytes | None, path: str) -> Any:
    try:
        return yaml.load(text or b"", path).data
    except yaml.YamlError:  # DVC may follow it nonetheless
        return None
