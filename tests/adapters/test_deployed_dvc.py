"""The branch of records as DVC sees it: `dvc get … --rev deployed` gives what is in production."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.dvc_config import Remotes
from reconciler.adapters.git import Git
from reconciler.adapters.layout import version_path
from reconciler.core.record import Outcome, Pointer, Record, Version, empty, promote, with_version

FIRST = version_path("wine", 1)
VERSIONS = Path(FIRST).parent

pytestmark = pytest.mark.slow

ENV = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "true",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


class World:
    """A repository with a DVC remote in a folder, and one release of two versions in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.repo, self.remote = base / "repo", base / "remote"
        self.repo.mkdir()
        self.env = {**ENV, "HOME": str(base), "DVC_SITE_CACHE_DIR": str(base / "site")}
        for argv in (
            ["git", "init", "-q", "-b", "main"],
            ["dvc", "init", "-q"],
            ["dvc", "remote", "add", "-q", "-d", "store", str(self.remote)],
        ):
            self.run(argv, self.repo)
        record = empty("wine")
        for number in (1, 2):
            record = with_version(record, self.version(number))
        self.record = promote(promote(record, 1, "r1"), 2, "r2")
        self.run(["dvc", "push", "-q"], self.repo)
        self.run(["git", "commit", "-q", "-a", "-m", "Begin"], self.repo)
        self.store = DeployedStore(
            Git.open(self.repo),
            remotes=lambda: Remotes("store", {"store": {"url": str(self.remote)}}),
        )
        self.store.change("wine", lambda _: self.record)

    def version(self, number: int) -> Version:
        made = self.repo / f"made{number}"
        for path in ("bundle/model.onnx", "bundle/a/b.json", "prepared/x.parquet", "report/x.svg"):
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(f"{path} of version {number}")
        (made / "predictions.parquet").write_text(f"predictions of version {number}")
        found = {name: self.added(made / name) for name in ("bundle", "prepared", "report")}
        return Version(
            number=number,
            outcome=Outcome.REJECTED,
            fingerprint=f"f{number}",
            revision=f"r{number}",
            created=datetime(2026, 3, 1, tzinfo=UTC),
            predictions=self.added(made / "predictions.parquet"),
            **found,
        )

    def added(self, path: Path) -> Pointer:
        self.run(["dvc", "add", "-q", str(path)], self.repo)
        (out,) = YAML(typ="safe").load(path.with_name(path.name + ".dvc").read_text())["outs"]
        return Pointer(md5=out["md5"], size=out["size"], nfiles=out.get("nfiles"))

    def run(self, argv: list[str], cwd: Path) -> str:
        done = subprocess.run(
            argv, cwd=cwd, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def get(self, repo: Path, path: str, name: str) -> Path:
        out = self.base / "got" / name
        out.parent.mkdir(exist_ok=True)
        self.run(["dvc", "get", str(repo), path, "--rev", "deployed", "-o", str(out)], self.base)
        return out


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".dvc" not in path.name and path.name != ".gitignore"
    }


def test_dvc_get_gives_the_bundle_in_production(world: World) -> None:
    assert files(world.get(world.repo, "wine", "here")) == files(world.repo / "made2" / "bundle")


def test_dvc_get_works_from_a_bare_clone_with_an_empty_cache(world: World) -> None:
    bare = world.base / "bare.git"
    world.run(["git", "clone", "-q", "--bare", str(world.repo), str(bare)], world.base)
    hidden = world.repo / ".dvc" / "cache"
    hidden.rename(world.base / "hidden")
    try:
        got = world.get(bare, "wine", "from-bare")
    finally:
        (world.base / "hidden").rename(hidden)

    assert files(got) == files(world.repo / "made2" / "bundle")


def test_dvc_get_works_from_a_clone_with_a_cache_of_its_own(world: World) -> None:
    clone = world.base / "clone"
    world.run(["git", "clone", "-q", str(world.repo), str(clone)], world.base)
    world.run(["git", "branch", "-q", "deployed", "origin/deployed"], clone)

    assert files(world.get(clone, "wine", "own")) == files(world.repo / "made2" / "bundle")


def test_every_kept_version_can_be_got_as_a_whole_or_in_part(world: World) -> None:
    got = world.get(world.repo, FIRST, "one")
    part = world.get(world.repo, f"{FIRST}/predictions.parquet", "part.parquet")

    assert files(got) == files(world.repo / "made1")
    assert part.read_text() == "predictions of version 1"


def test_a_checkout_of_the_branch_can_pull_everything(world: World) -> None:
    checkout = world.base / "checkout"
    world.run(["git", "clone", "-q", "-b", "deployed", str(world.repo), str(checkout)], world.base)

    world.run(["dvc", "pull", "-q"], checkout)
    assert files(checkout / "wine") == files(world.repo / "made2" / "bundle")
    assert not (checkout / FIRST).exists()

    world.run(["dvc", "pull", "-q"], checkout / VERSIONS)
    for number in (1, 2):
        made = world.repo / f"made{number}"
        assert files(checkout / VERSIONS / str(number)) == files(made)
    for folder in (checkout, checkout / VERSIONS):
        assert world.run(["dvc", "status"], folder).strip() == "Data and pipelines are up to date."


def test_every_kept_version_can_be_got_from_a_bare_clone_with_an_empty_cache(
    world: World,
) -> None:
    bare = world.base / "bare-versions.git"
    world.run(["git", "clone", "-q", "--bare", str(world.repo), str(bare)], world.base)
    hidden = world.repo / ".dvc" / "cache"
    hidden.rename(world.base / "hidden")
    try:
        got = world.get(bare, FIRST, "one-from-bare")
    finally:
        (world.base / "hidden").rename(hidden)

    assert files(got) == files(world.repo / "made1")


def test_dvc_get_follows_a_roll_back(world: World) -> None:
    def back(record: Record | None) -> Record:
        assert record is not None
        return promote(record, 1, "r3")

    world.store.change("wine", back)
    got = world.get(world.repo, "wine", "back")
    world.store.change("wine", lambda _: world.record)

    assert files(got) == files(world.repo / "made1" / "bundle")
    shutil.rmtree(got)
