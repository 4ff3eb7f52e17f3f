"""A repository whose stages take no time, and the twin in which DVC itself runs them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.conftest import Project, new, spec

COMMANDS = {
    "prepare": "mkdir -p data/prepared/${key} && cat ${item.data} > data/prepared/${key}/rows",
    "train": "mkdir -p models/${key}/deep && cat specs/${key}.yaml > models/${key}/deep/model",
    "evaluate": (
        "mkdir -p reports/${key}/report && cd reports/${key} && echo 1 > predictions.parquet"
        " && echo {} > metrics.json && echo a > plot.csv && echo r > report/r"
    ),
}


def make(root: Path, home: Path) -> Project:
    """Make a repository with the models `b` and `a`, compiled and committed."""
    project = Project(root, home)
    new(project)
    pipeline = (root / "dvc.yaml").read_text()
    for stage, command in COMMANDS.items():
        pipeline = pipeline.replace(f"reconciler-stage {stage} ${{key}}", f"{command} && true")
    project.write("dvc.yaml", pipeline)
    project.write("data/rows.csv", "a,b\n1,2\n")
    for name in ("b", "a"):
        declare(project, name)
    project.reconciler("compile")
    project.commit()
    return project


def declare(project: Project, name: str) -> None:
    """Write the spec of one more model."""
    project.write(f"specs/{name}.yaml", spec(name, source="data/rows.csv", target="b"))


def retune(project: Project, name: str, value: float, old: str = "{}") -> str:
    """Change a model's hyperparameters, and return them as they are written now."""
    found = f'{{"alpha": {value}}}'
    project.edit(f"specs/{name}.yaml", f'"hyperparameters": {old}', f'"hyperparameters": {found}')
    return found


def copy(project: Project, root: Path) -> Project:
    """Return a copy of a repository, with a cache of its own."""
    shutil.rmtree(root, ignore_errors=True)
    # what a killed DVC left unfinished may go while it is copied
    unfinished = shutil.ignore_patterns("*.tmp")
    shutil.copytree(project.root, root, symlinks=True, ignore=unfinished)
    return Project(root, Path(project.env["HOME"]))


def twin(project: Project) -> Project:
    """Return a copy beside the repository."""
    return copy(project, project.root.with_name("twin"))


def outputs(project: Project) -> dict[str, bytes]:
    """Return every file of the outputs, and what DVC writes beside them."""
    folders = ("data", "models", "reports")
    found = [p for folder in folders for p in (project.root / folder).rglob("*") if p.is_file()]
    found += [project.root / name for name in ("dvc.lock", ".gitignore")]
    return {str(path.relative_to(project.root)): path.read_bytes() for path in found}


def same_as_dvc(project: Project, other: Project) -> None:
    """Run each its way, and check that nothing tells them apart and nothing is left to do."""
    other.call("dvc", "repro", "-q")
    project.reconciler("repro", "--jobs", "2")
    assert outputs(project) == outputs(other)
    at_rest(project)
    assert outputs(project) == outputs(other)


def at_rest(project: Project) -> None:
    """Check that DVC finds everything up to date, and that its `repro` runs nothing."""
    assert "up to date" in project.call("dvc", "status").stdout
    assert "Running stage" not in project.call("dvc", "repro").stdout


def stages_run(text: str) -> set[str]:
    """Return the stages that ran, from what `repro` has printed."""
    found = re.findall(r"^  (\w+): (\w+) …", text, re.MULTILINE)
    return {f"{stage}@{model}" for model, stage in found}
