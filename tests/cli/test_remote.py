"""With a remote, what is on record can be had anywhere; data that DVC tracks is data like any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Project, new, spec

pytestmark = pytest.mark.slow


def table(rows: int = 400) -> str:
    body = "".join(f"{i % 97},{i % 31},{i % 97 + 2 * (i % 31) + i % 3}\n" for i in range(rows))
    return f"a,b,y\n{body}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository with a remote, and a model on data that DVC tracks; to be copied."""
    folder = tmp_path_factory.mktemp("remote")
    (folder / "home").mkdir()
    made = Project(folder / "repo", folder / "home")
    new(made)
    made.call("dvc", "remote", "add", "-d", "store", str(folder / "store"))
    made.write("data/x.csv", table())
    made.call("dvc", "add", "-q", "data/x.csv")
    made.call("dvc", "push", "-q")
    rules = "[{metric: r2, min: 0.5}]"
    made.write("specs/m.yaml", spec("m", source="data/x.csv", target="y", acceptance=rules))
    made.reconciler("compile")
    made.commit("Declare m")
    made.reconciler("apply")
    return made


@pytest.fixture
def shared(model: Project, tmp_path: Path) -> Project:
    """Return a copy of the repository and its remote, which the settings of this copy name."""
    shutil.copytree(model.root.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    copy = Project(tmp_path / "repo", tmp_path / "home")
    copy.call("dvc", "remote", "modify", "--local", "store", "url", str(tmp_path / "store"))
    return copy


def test_data_tracked_by_dvc_is_reconciled_and_new_data_retrains(shared: Project) -> None:
    assert "data/x.csv" not in shared.git("ls-files").split("\n")
    first = shared.champion("m")
    assert shared.plan()["m"]["kind"] == "unchanged"
    shared.write("data/x.csv", table(440))
    shared.call("dvc", "add", "-q", "data/x.csv")
    shared.commit("More data")
    assert shared.plan()["m"]["kind"] == "retrain"
    shared.reconciler("apply")
    second = shared.champion("m")
    assert (first["number"], second["number"]) == (1, 2)
    assert first["prepared"] != second["prepared"]


def test_the_bundle_in_production_can_be_had_from_a_bare_clone_and_the_remote_alone(
    shared: Project, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.git"
    shared.git("clone", "-q", "--bare", str(shared.root), str(bare))
    served = files(shared.root / "releases" / "m" / "current")
    shutil.rmtree(shared.root / ".dvc" / "cache")
    elsewhere = Project(tmp_path / "elsewhere", tmp_path / "another-home")
    elsewhere.root.mkdir()
    elsewhere.call("dvc", "get", "-q", str(bare), "m", "--rev", "deployed", "-o", "bundle")
    assert files(elsewhere.root / "bundle") == served
    assert "model.onnx" in served


def test_a_clone_without_a_cache_serves_and_judges_and_trains_nothing(
    shared: Project, tmp_path: Path
) -> None:
    clone = Project(tmp_path / "clone", tmp_path / "another-home")
    shared.git("clone", "-q", str(shared.root), str(clone.root))
    clone.git("fetch", "-q", "origin", "deployed:deployed")
    before = clone.git("rev-parse", "deployed")
    clone.reconciler("apply")
    assert clone.git("rev-parse", "deployed") == before
    served = files(shared.root / "releases" / "m" / "current")
    assert files(clone.root / "releases" / "m" / "current") == served
    clone.edit("specs/m.yaml", "min: 0.5", "min: 0.6")
    clone.commit("Ask for more")
    clone.reconciler("apply")
    assert clone.champion("m")["verdict"]["evidence"][0]["threshold"] == {"min": 0.6}
    assert not list((clone.root / ".reconciler" / "logs").glob("*.log"))


def test_a_clone_without_a_cache_shows_the_report_with_its_pictures(
    shared: Project, tmp_path: Path
) -> None:
    clone = Project(tmp_path / "clone", tmp_path / "another-home")
    shared.git("clone", "-q", str(shared.root), str(clone.root))
    said = clone.reconciler("report", "m", "--html", str(tmp_path / "m.html"))
    assert "4 pictures" in said.stderr
    assert (tmp_path / "m.html").read_text().count("<svg ") == 4
    there = shared.reconciler("report", "m", "--html", str(tmp_path / "there.html"))
    assert "4 pictures" in there.stderr
    assert (tmp_path / "m.html").read_bytes() == (tmp_path / "there.html").read_bytes()


def test_nothing_is_put_on_record_while_the_remote_is_away_and_all_is_once_it_is_back(
    shared: Project, tmp_path: Path
) -> None:
    (tmp_path / "store").rename(tmp_path / "away")
    (tmp_path / "store").write_text("no folder")
    shared.edit("specs/m.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": 2.0}')
    shared.commit("More shrinkage")
    before = shared.git("rev-parse", "deployed")
    done = shared.reconciler("apply", check=False)
    assert done.returncode == 1
    assert f"the DVC remote 'store' ({tmp_path / 'store'}) failed" in done.stdout
    assert "happy to help" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert shared.git("rev-parse", "deployed") == before
    (tmp_path / "store").unlink()
    (tmp_path / "away").rename(tmp_path / "store")
    shared.reconciler("apply")
    assert shared.champion("m")["number"] == 2
    shutil.rmtree(shared.root / ".dvc" / "cache")
    shared.call("dvc", "get", "-q", ".", "m", "--rev", "deployed", "-o", str(tmp_path / "bundle"))
    assert files(tmp_path / "bundle") == files(shared.root / "releases" / "m" / "current")


def files(folder: Path) -> dict[str, bytes]:
    """Return the contents of a folder by path."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_remote_that_is_set_up_later_gets_what_was_recorded_before(
    shared: Project, tmp_path: Path
) -> None:
    later = tmp_path / "later"
    shared.call("dvc", "remote", "add", "-d", "later", "ssh://127.0.0.1:9/nowhere")
    failed = shared.reconciler("apply", check=False)
    assert failed.returncode == 1
    assert "later" in failed.stdout
    shared.call("dvc", "remote", "modify", "later", "url", str(later))
    assert "pushed 1 kept version" in shared.reconciler("apply").stdout
    assert str(later) in shared.git("show", "deployed:.dvc/config")
    shared.call("dvc", "get", "-q", str(shared.root), "m", "--rev", "deployed", "-o", "got")
    shutil.rmtree(shared.root / ".dvc" / "cache")
    shutil.rmtree(shared.root / "got")
    shared.call("dvc", "get", "-q", str(shared.root), "m", "--rev", "deployed", "-o", "got")
    assert (shared.root / "got" / "manifest.json").exists()
    assert "pushed" not in shared.reconciler("apply").stdout
