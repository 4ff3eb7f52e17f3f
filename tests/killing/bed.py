"""The bed: small repositories, made once, each standing just before something happens.

Trainings are real once; afterwards stages copy what these have left, so that a run takes a second.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Project, new, spec

#: One hyperparameter tells the versions apart; all of them have an r2 of about 0.58.
ALPHAS = (1, 2, 3)
FOLDERS = {"prepare": "data/prepared", "train": "models", "evaluate": "reports"}

_STUB = """\
#!/bin/sh
# usage: stub STAGE MODEL: leaves what a real training of the same alpha has left
set -e
alpha=$(sed -n 's/.*"alpha": \\([0-9]*\\).*/\\1/p' "specs/$2.yaml")
case $1 in prepare) to=data/prepared;; train) to=models;; evaluate) to=reports;; esac
echo "start $1 $2 $alpha $RECONCILER_GROUP" >> "$KILLING_STAGES"
sleep "${KILLING_PAUSE:-0}"
mkdir -p "$to/$2"
cp -r "$KILLING_OUTPUTS/$to/v$alpha/." "$to/$2/"
echo "end $1 $2 $alpha $RECONCILER_GROUP" >> "$KILLING_STAGES"
"""


class Bed:
    """Makes scenes below a folder that processes may share.

    Args:
        base: Where everything is kept; what is there already is used.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.outputs = base / "outputs"
        self.stub = base / "stub"
        base.mkdir(parents=True, exist_ok=True)

    def scene(self, name: str) -> Path:
        """Return the folder of a scene: the repository in `repo`, its home beside it."""
        place = self.base / "scenes" / name
        if not place.exists():
            with self._alone():
                self._make(name)
        return place

    def copy(self, name: str, place: Path) -> Project:
        """Return a copy of a scene's repository in a new folder."""
        source = self.scene(name)
        subprocess.run(["cp", "-a", source, place], check=True)
        project = self.at(place)
        project.git("status")  # git takes the times of the copies into its index
        (place / "stages.log").write_bytes(b"")
        (place / "tmp").mkdir()
        return project

    def at(self, place: Path) -> Project:
        """Return the repository in a folder of the bed."""
        project = Project(place / "repo", place / "home")
        project.env |= {
            "KILLING_OUTPUTS": str(self.outputs),
            "KILLING_STUB": str(self.stub),
            "KILLING_STAGES": str(place / "stages.log"),
            "TMPDIR": str(place / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return project

    def trained(self) -> Path:
        """Return what real trainings have left, by stage and alpha."""
        if not self.outputs.exists():
            with self._alone():
                if not self.outputs.exists():  # or another process was faster
                    self._train()
        return self.outputs

    def _make(self, name: str) -> None:
        place = self.base / "scenes" / name
        if place.exists():  # another process was faster
            return
        aside = self.base / "making" / name
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(exist_ok=True)
        before, change = SCENES[name]
        if before is None:
            self._begin(aside)
        else:
            self._make(before)
            self.copy(before, aside)
            self.at(aside).reconciler("apply", check=False)
        change(self.at(aside))
        shutil.rmtree(aside / "tmp", ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        aside.rename(place)

    def _begin(self, place: Path) -> None:
        if not self.outputs.exists():
            self._train()
        self.stub.write_text(_STUB)
        place.mkdir()
        (place / "home").mkdir()
        (place / "tmp").mkdir()
        project = self.at(place)
        new(project)
        pipeline = (project.root / "dvc.yaml").read_text()
        for stage in FOLDERS:
            pipeline = pipeline.replace(
                f"reconciler-stage {stage} ${{key}}", f'sh "$KILLING_STUB" {stage} ${{key}}'
            )
        project.write("dvc.yaml", pipeline)

    def _train(self) -> None:
        """Train each version once, for real."""
        aside = self.base / "training"
        shutil.rmtree(aside, ignore_errors=True)
        (aside / "home").mkdir(parents=True)
        project = Project(aside / "repo", aside / "home")
        new(project)
        for alpha in ALPHAS:
            project.write(f"specs/v{alpha}.yaml", declared(f"v{alpha}", alpha))
        project.reconciler("compile")
        project.reconciler("repro", "--jobs", "2")
        kept = aside / "outputs"
        for folder in FOLDERS.values():
            (kept / folder).parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(project.root / folder, kept / folder)
        kept.rename(self.outputs)
        shutil.rmtree(aside)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.base / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def declared(name: str, alpha: int, least_r2: float = 0.2) -> str:
    """Return a spec of which two versions are kept in its target."""
    return spec(
        name,
        hyperparameters={"alpha": alpha},
        acceptance=f"[{{metric: r2, min: {least_r2}}}]",
        deployment={"keep": 1},
    )


def _commit(project: Project, message: str) -> None:
    project.reconciler("compile")
    project.commit(message)


def _first(project: Project) -> None:
    """Two models are declared; one of them will not pass its gate."""
    project.write("specs/ada.yaml", declared("ada", 1))
    project.write("specs/bob.yaml", declared("bob", 3, least_r2=0.9))
    _commit(project, "Declare two models")


def _shared(project: Project) -> None:
    """The same, and what is trained is to be pushed to a DVC remote before it is on record."""
    project.call("dvc", "remote", "add", "--default", "store", "../remote")
    (project.root.parent / "remote").mkdir()
    _first(project)


def _second(project: Project) -> None:
    """One model has a champion and is declared anew; the other is to be judged again."""
    project.write("specs/ada.yaml", declared("ada", 2))
    project.write("specs/bob.yaml", declared("bob", 3, least_r2=0.1))
    _commit(project, "Another alpha, and a lower bar")


def _retired(project: Project) -> None:
    """One model is to be withdrawn, and what is served of the other is damaged."""
    (project.root / "specs/bob.yaml").unlink()
    _commit(project, "Retire bob")
    served = project.root / "releases/ada/current/manifest.json"
    served.chmod(0o644)
    served.write_bytes(b"damaged")


def _steered(project: Project) -> None:
    """A person has rolled one model back; the other is declared anew."""
    project.reconciler("rollback", "ada")
    project.write("specs/bob.yaml", declared("bob", 1, least_r2=0.1))
    _commit(project, "Another alpha for bob")


#: By name: the scene that an `apply` has brought to rest before, and what happens then.
SCENES: dict[str, tuple[str | None, Callable[[Project], None]]] = {
    "first": (None, _first),
    "shared": (None, _shared),
    "second": ("first", _second),
    "retired": ("second", _retired),
    "steered": ("second", _steered),
}
