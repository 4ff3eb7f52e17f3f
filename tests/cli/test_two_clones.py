"""Two clones and a bare repository: what one has trained and pushed, the other never trains."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, spec
from tests.remotes import KINDS, Place

pytestmark = pytest.mark.slow


def table(rows: int = 400) -> str:
    body = "".join(f"{i % 97},{i % 31},{i % 97 + 2 * (i % 31) + i % 3}\n" for i in range(rows))
    return f"a,b,y\n{body}"


def repository(folder: Path, place: Place) -> Project:
    """Return a repository whose data lies on the remote, one model declared, nothing trained."""
    made = person(folder, "a")
    made.root.mkdir()
    made.git("init", "-q", "-b", "main")
    made.call("dvc", "init", "-q")
    for path in ("dvc.yaml", ".gitignore", ".dvcignore"):
        made.write(path, (ROOT / path).read_bytes())
    made.write("params.yaml", "apiVersion: reconciler/v1\ndefaults: {}\nmodels: {}\n")
    shared = options({"url": place.url, **place.shared})
    made.write(".dvc/config", f"[core]\n    remote = store\n{shared}")
    identify(made, place)
    made.write("data/x.csv", table())
    made.call("dvc", "add", "-q", "data/x.csv")
    made.call("dvc", "push", "-q")
    made.write("specs/m.yaml", spec("m", source="data/x.csv", target="y"))
    made.reconciler("compile")
    made.commit("Declare m")
    return made


def person(folder: Path, name: str) -> Project:
    home = folder / f"home-{name}"
    home.mkdir()
    return Project(folder / name, home)


def identify(project: Project, place: Place) -> None:
    """Put down what this person has of their own to reach the remote."""
    project.write(".dvc/config.local", options(place.own))


def options(found: Mapping[str, str]) -> str:
    lines = "".join(f"    {key} = {value}\n" for key, value in found.items())
    return f"['remote \"store\"']\n{lines}"


def clone(folder: Path, name: str) -> Project:
    made = person(folder, name)
    made.root.mkdir()
    made.git("clone", "-q", str(folder / "bare.git"), ".")
    return made


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind == "directory" else pytest.mark.soak) for kind in KINDS],
)
def test_what_one_clone_has_trained_and_pushed_another_never_trains(
    kind: str, tmp_path: Path
) -> None:
    """Each person identifies themselves in another way."""
    (tmp_path / "server").mkdir()
    bare = str(tmp_path / "bare.git")
    with KINDS[kind](tmp_path / "server") as place:
        ada = repository(tmp_path, place)
        assert "train done in" in ada.reconciler("apply").stdout
        ada.git("init", "-q", "--bare", "-b", "main", bare)
        ada.git("push", "-q", bare, "main")

        ben = clone(tmp_path, "without-records")
        for path, content in place.home.items():
            ben.write(f"../home-without-records/{path}", content)
        assert trained(ben, ben.reconciler("apply").stdout) == []
        assert ben.champion("m")["bundle"] == ada.champion("m")["bundle"]
        assert served(ben) == served(ada)

        ada.git("push", "-q", bare, "deployed")
        cyd = clone(tmp_path, "with-records")
        cyd.env |= place.environment
        if not place.environment:
            identify(cyd, place)
        cyd.reconciler("apply")
        assert not (cyd.root / ".reconciler" / "logs").exists()
        assert cyd.git("rev-parse", "origin/deployed") == ada.git("rev-parse", "deployed")
        assert served(cyd) == served(ada)

        dan = person(tmp_path, "without-a-clone")
        dan.root.mkdir()
        dan.write("../home-without-a-clone/config/dvc/config", options(place.own))
        dan.call("dvc", "get", "-q", bare, "m", "--rev", "deployed", "-o", "bundle")
        assert files(dan.root / "bundle") == served(ada)
        for secret in place.own.values():
            assert secret not in ada.git("log", "-p", "deployed", "--")


def trained(project: Project, said: str) -> list[str]:
    """Return the stages that ran, all others having come from the cache, and been told of."""
    log = (project.root / ".reconciler" / "logs" / "m.log").read_text()
    assert {"m: prepare", "m: train", "m: evaluate"} == set(re.findall(r"m: [petv]\w+", said))
    return re.findall(r"Running stage '(\w+)@", log)


def served(project: Project) -> dict[str, bytes]:
    return files(project.root / "releases" / "m" / "current")


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
