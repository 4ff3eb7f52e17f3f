"""Bad input, as the whole program meets it: a clear error, the others go on, nothing is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Project, new, spec

pytestmark = pytest.mark.slow

SECRET = "x,target\nclassified,1\n"
ROW = dict.fromkeys(["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"], 0.01)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository with the released models `good` and `other`; only to be copied."""
    folder = tmp_path_factory.mktemp("bad-input")
    (folder / "home").mkdir()
    made = Project(folder / "repo", folder / "home")
    new(made)
    made.write("specs/good.yaml", spec("good"))
    made.write("data/other.csv", table())
    made.write(
        "specs/other.yaml",
        spec("other", source="data/other.csv", target="y", acceptance="[{metric: r2, min: 0.5}]"),
    )
    made.reconciler("compile")
    made.commit("Declare good and other")
    made.reconciler("apply")
    return made


@pytest.fixture
def released(model: Project, tmp_path: Path) -> Project:
    """Return a copy of the repository with the released models."""
    shutil.copytree(model.root, tmp_path / "repo", symlinks=True)
    shutil.copytree(model.root.parent / "home", tmp_path / "home")
    return Project(tmp_path / "repo", tmp_path / "home")


def table(target: str = "y") -> str:
    rows = "".join(f"{i % 17},{i % 5},{i % 17 + 2 * (i % 5) + i % 3}\n" for i in range(120))
    return f"a,b,{target}\n{rows}"


def run(project: Project, *argv: str) -> tuple[int, str]:
    """Run a verb and return its exit code and all that it says, which is never a traceback."""
    done = project.reconciler(*argv, check=False)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "InternalError" not in said
    return done.returncode, said


def served(project: Project, name: str) -> dict[str, bytes]:
    """Return what is in production by file."""
    folder = project.root / "releases" / name / "current"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def trainings(project: Project) -> list[Path]:
    return list((project.root / ".reconciler" / "logs").glob("*.log"))


def forget_trainings(project: Project) -> None:
    for log in trainings(project):
        log.unlink()


def damage(file: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file's bytes in place, read-only or not."""
    file.chmod(0o644)
    file.write_bytes(change(file.read_bytes()))


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


OUTSIDE = "outs:\n- {md5: 00000000000000000000000000000000, path: ../../outside/secret.csv}\n"
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no-data": ({"source": "data/gone.csv"}, "data/gone.csv is not in the repository"),
    "link": ({"source": "data/link.csv"}, "data/link.csv is a symbolic link"),
    "below-a-link": ({"source": "folder/secret.csv"}, "folder"),
    "sibling": ({"source": "../repo-evil/secret.csv"}, ".."),
    "dvc-outside": ({"source": "data/outside.csv"}, "data/outside.csv"),
    "target": ({"deployment": {"target": "moon"}}, "there is no target 'moon'"),
    "rollout": ({"deployment": {"rollout": {"strategy": "canary"}}}, "rollout"),
    "estimator": ({"estimator": "os.system"}, "os.system"),
    "parameter": ({"hyperparameters": {"alhpa": 1}}, "alpha"),
    "no-rule": ({"acceptance": "[]"}, "acceptance"),
    "direction": ({"acceptance": "[{metric: rmse, min: 3}]"}, "rmse"),
}
BROKEN = {
    "renamed": (spec("another"), "the file is called renamed.yaml"),
    "no-yaml": ("spec: [\n", "specs/no-yaml.yaml:"),
    "alias": ("a: &a [x]\nb: *a\n", "specs/alias.yaml:"),
}


def test_bad_specs_are_refused_each_by_its_name_and_the_others_stay_as_they_are(
    released: Project, tmp_path: Path
) -> None:
    for evil in ("repo-evil", "outside"):
        (tmp_path / evil).mkdir()
        (tmp_path / evil / "secret.csv").write_text(SECRET)
    (released.root / "data" / "link.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (released.root / "folder").symlink_to(tmp_path / "outside")
    released.write("data/outside.csv.dvc", OUTSIDE)
    bad = {name: (spec(name, **body), says) for name, (body, says) in BAD.items()} | BROKEN
    for name, (text, _) in bad.items():
        released.write(f"specs/{name}.yaml", text)
    released.commit("Declare what cannot be")
    before = released.champion("good"), served(released, "good")
    forget_trainings(released)
    code, said = run(released, "plan")
    assert code == 0
    assert f"{len(bad)} blocked" in said
    code, said = run(released, "apply")
    assert code == 1
    assert f"{len(bad)} of {len(bad) + 2} are not as declared" in said
    told = dict(part.split(": ", 1) for part in said.split("✗ ")[1:])
    assert {name: says in told[name] for name, (_, says) in bad.items()} == dict.fromkeys(bad, True)
    assert "classified" not in said
    assert trainings(released) == []
    assert (released.champion("good"), served(released, "good")) == before


def test_a_spec_that_is_invalid_for_a_while_keeps_its_champion(released: Project) -> None:
    before = released.champion("good"), served(released, "good")
    forget_trainings(released)
    released.edit("specs/good.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": "x"}')
    released.commit("Break the spec")
    assert run(released, "apply")[0] == 1
    assert released.status()["good"]["sync"] == "OutOfSync"
    assert (released.champion("good"), served(released, "good")) == before
    released.git("revert", "--no-edit", "HEAD")
    assert run(released, "apply")[0] == 0
    assert (released.champion("good"), served(released, "good")) == before
    assert trainings(released) == []


def test_a_table_that_loses_its_target_stalls_its_model_and_the_champion_keeps_serving(
    released: Project,
) -> None:
    before = released.champion("other"), served(released, "other")
    released.write("data/other.csv", table(target="z"))
    released.commit("Rename the target")
    code, said = run(released, "apply")
    assert code == 1
    assert "y" in said.partition("✗ other:")[2]
    status = released.status()["other"]
    truths = {item["type"]: item["status"] for item in status["conditions"]}
    assert truths["Stalled"] == "True"
    assert [v["outcome"] for v in status["record"]["versions"]] == ["failed"]
    assert (released.champion("other"), served(released, "other")) == before
    assert run(released, "apply")[0] == 1
    assert len(released.status()["other"]["record"]["versions"]) == 1


@pytest.mark.parametrize("text", ["champion: [\n", "\x00"])
def test_a_corrupt_record_is_reported_never_overwritten_and_stops_no_other_model(
    released: Project, text: str
) -> None:
    before = served(released, "good")
    release_by_hand(released, "good.yaml", text)
    released.edit("specs/other.yaml", "min: 0.5", "min: 0.51")
    released.edit("specs/good.yaml", "min: 0.2", "min: 0.21")
    released.commit("Change both models")
    assert run(released, "plan")[0] == 0
    code, said = run(released, "apply")
    assert code == 1
    assert "✗ good: RecordCorrupt:" in said
    assert "1 of 2 is not as declared" in said
    evidence = released.champion("other")["verdict"]["evidence"]
    assert [item["threshold"] for item in evidence] == [{"min": 0.51}]
    assert released.call("git", "show", "deployed:good.yaml").stdout == text
    assert served(released, "good") == before
    status = released.status()["good"]
    assert status["quarantined"]
    assert status["sync"] != "Synced"
    code, said = run(released, "predict", "good", "--data", str(rows(released)))
    assert code != 0
    assert "cannot be read" in said


def release_by_hand(project: Project, path: str, text: str) -> None:
    """Commit a file on `deployed` as somebody with git might."""
    env = {**project.env, "GIT_INDEX_FILE": str(project.root / ".git" / "by-hand")}
    who = ["git", "-c", "user.name=Eve", "-c", "user.email=eve@example.org"]

    def git(*argv: str) -> str:
        done = subprocess.run(
            [*who, *argv],
            cwd=project.root,
            env=env,
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    oid = git("hash-object", "-w", "--stdin")
    git("read-tree", "deployed")
    git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
    commit = git("commit-tree", git("write-tree"), "-p", "deployed", "-m", "By hand")
    git("update-ref", "refs/heads/deployed", commit)


@pytest.mark.parametrize("file", ["model.onnx", "manifest.json"])
def test_damage_to_what_is_served_is_healed_by_the_next_apply_without_training(
    released: Project, file: str
) -> None:
    before = served(released, "good"), served(released, "other")
    forget_trainings(released)
    for name, change in (("good", flipped), ("other", truncated)):
        damage(released.root / "releases" / name / "current" / file, change)
    code, text = run(released, "apply")
    assert code == 0
    for name in ("good", "other"):
        assert f"! {name}: healed: what is served is damaged" in text
        assert "Healed" in run(released, "events", name)[1]
    assert (served(released, "good"), served(released, "other")) == before
    assert {state["health"] for state in released.status().values()} == {"Healthy"}
    assert trainings(released) == []


@pytest.mark.parametrize("change", [flipped, truncated])
def test_a_damaged_bundle_is_never_loaded_and_comes_back_from_the_cache(
    released: Project, change: Callable[[bytes], bytes]
) -> None:
    data = str(rows(released))
    _, before = run(released, "predict", "good", "--data", data)
    (bundle,) = (
        folder
        for folder in (released.root / ".reconciler" / "bundles").iterdir()
        if folder.name in released.champion("good")["bundle"]["md5"]
    )
    damage(bundle / "model.onnx", change)
    assert run(released, "predict", "good", "--data", data) == (0, before)


def test_a_bundle_damaged_in_every_place_is_trained_again_to_the_same_bytes(
    released: Project,
) -> None:
    before = served(released, "good")
    model = released.root / "releases" / "good" / "current" / "model.onnx"
    content = model.read_bytes()
    places = (released.root / ".reconciler", released.root / ".dvc" / "cache", model.parent)
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    copies = [file for file in files if file.read_bytes() == content]
    assert len(copies) >= 3
    for file in copies:
        damage(file, flipped)
    assert run(released, "apply")[0] == 0
    assert served(released, "good") == before


def rows(project: Project) -> Path:
    """Write one row that `good` can answer."""
    return project.write("rows.json", json.dumps([ROW]))


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["plan"], 0, "Nothing to do"),
        (["apply"], 0, "as declared"),
        (["plan", "--detailed-exitcode"], 0, "Nothing to do"),
        (["plan", "nobody"], 2, "nearest: good"),
        (["apply", "nobody"], 2, "nearest: good"),
        (["status", "nobody"], 2, "nearest: good"),
        (["plan", "--rev", "nowhere"], 2, "nowhere"),
        (["predict", "nobody", "--data", "rows.csv"], 2, "no released version"),
        (["predict", "good", "--data", "nowhere.csv"], 2, "nowhere.csv"),
        (["predict", "good", "--data", "empty.csv"], 2, "empty.csv"),
        (["predict", "good", "--data", "wrong.csv"], 2, "age"),
        (["predict", "good", "--data", "wrong.json"], 2, "wrong.json"),
        (["predict", "good", "--data", "wrong.parquet"], 2, "wrong.parquet"),
        (["conquer"], 2, "conquer"),
        (["apply", "--jobs", "0"], 2, "jobs"),
        (["apply", "--memory", "4"], 2, "is no size"),
    ],
)
def test_the_exit_code_tells_done_from_wrong_usage(
    model: Project, argv: list[str], code: int, says: str
) -> None:
    model.write("empty.csv", "")
    model.write("wrong.csv", "age\nold\n")
    model.write("wrong.json", "{")
    model.write("wrong.parquet", "PAR1")
    found, said = run(model, *argv)
    assert (found, says in said) == (code, True), said


def test_a_change_to_come_is_exit_code_2_of_a_detailed_plan(released: Project) -> None:
    released.edit("specs/good.yaml", "min: 0.2", "min: 0.21")
    released.commit("Ask for more")
    assert run(released, "plan", "--detailed-exitcode")[0] == 2


def test_a_folder_outside_any_repository_and_a_repository_without_a_commit_are_told_so(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, tmp_path)
    project.env["GIT_CEILING_DIRECTORIES"] = str(tmp_path.parent)
    for verb in ("plan", "apply", "status", "validate", "compile"):
        code, said = run(project, verb)
        assert (verb, code) == (verb, 2), said
        assert "git" in said
    project.git("init", "-q")
    for verb in ("plan", "apply"):
        code, said = run(project, verb)
        assert (verb, code) == (verb, 2), said
        assert "commit" in said
