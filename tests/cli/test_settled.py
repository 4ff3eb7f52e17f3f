"""A fleet of which nothing has changed: recognised without a look, and looked at when it has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.adapters import runtime
from reconciler.adapters.deployed import Change
from reconciler.adapters.memo import Memo
from reconciler.cli import listing
from reconciler.cli.grounds import Grounds
from reconciler.cli.served import astray
from reconciler.cli.wiring import open_site
from reconciler.controller.leasing import Leasing
from reconciler.controller.memory import Memory, observed
from reconciler.core import record as records
from reconciler.core.candidates import question
from reconciler.core.plan import Desired
from reconciler.core.record import Hold, Outcome, Pointer, Record, Version
from tests.conftest import BIN, ROOT, Project, spec

NAMES = ("plain", "table", "tracked", "coded")
EVIDENCE = {"metric": "r2", "outcome": "passed", "message": "r2 is 0.5"}
PARAMS = """\
apiVersion: reconciler/v1
defaults: {}
runtime:
  numpy: "2"
models:
  coded: {data: specs/runtime.txt, code: code/m.py, digest: "0123456789abcdef"}
"""
POINTER = "outs:\n- md5: {}\n  size: 8\n  hash: md5\n  path: b.csv\n"

Lines = Callable[[], dict[str, list[str]]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of four released models, each of another kind, none looked at yet."""
    made = Project(tmp_path_factory.mktemp("fleet") / "repo", tmp_path_factory.mktemp("home"))
    made.root.mkdir()
    made.git("init", "-q", "-b", "main")
    made.write("dvc.yaml", (ROOT / "dvc.yaml").read_bytes())
    made.write(".dvc/config", "")
    made.write(".gitignore", "/.reconciler/\n")
    made.write("params.yaml", PARAMS)
    made.write("data/a.csv", "x,target\n1,2\n")
    made.write("data/b.csv.dvc", POINTER.format("a" * 32))
    made.write("code/m.py", "def build(): ...\n")
    made.write("code/util.py", "ONE = 1\n")
    made.write("specs/plain.yaml", spec("plain", hyperparameters={"alpha": 1.0}))
    made.write("specs/table.yaml", spec("table", source="data/a.csv"))
    made.write("specs/tracked.yaml", spec("tracked", source="data/b.csv"))
    coded = {"entrypoint": "code/m.py:build", "deps": ["code/util.py"], "task": "regression"}
    text = spec("coded", training=coded)
    made.write("specs/coded.yaml", text.replace('"estimator": "sklearn.linear_model.Ridge", ', ""))
    made.commit()
    site = open_site(made.root)
    site.workspace.prepare()
    models = site.fleet("HEAD").models
    site.store.commit({name: put(released(name, models[name])) for name in NAMES})
    return made.root


@pytest.fixture
def fleet(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of the template, in which the test stands."""
    root = tmp_path / "repo"
    shutil.copytree(template, root, symlinks=True)
    monkeypatch.chdir(root)
    return Project(root, tmp_path)


def put(record: Record) -> Change:
    """Return the change that puts `record` in the place of whatever there was."""
    return lambda _: record


def released(name: str, desired: object) -> Record:
    """Return a record of which the champion is what is declared."""
    assert isinstance(desired, Desired), desired
    version = Version(
        number=1,
        outcome=Outcome.RELEASED,
        fingerprint=desired.fingerprint,
        revision=desired.revision,
        created=datetime.now(UTC) - timedelta(days=3),
        bundle=Pointer(md5="0" * 32 + ".dir"),
        metrics={"r2": 0.5},
        verdict={"outcome": "passed", "message": "", "evidence": [EVIDENCE]},
    )
    record = records.promote(
        records.with_version(records.empty(name), version), 1, desired.revision
    )
    candidate = observed(record, Memory(), None, ()).at(version.bundle_digest)
    assert candidate is not None
    asked = question(desired.spec.spec.acceptance, candidate, candidate)
    return records.with_version(record, version.model_copy(update={"judged": asked}))


@pytest.fixture
def lines(fleet: Project, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return a look at the list of models: each line's words, by model."""

    def look() -> dict[str, list[str]]:
        listing.run()
        return {w[0]: w[1:] for line in capsys.readouterr().out.splitlines() if (w := line.split())}

    return look


def known() -> set[str]:
    """Return the models that need no look at HEAD."""
    site = open_site()
    return set(site.recall(site.git.resolve("HEAD")).models)


def test_what_was_settled_at_the_first_look_is_listed_without_another(
    fleet: Project, lines: Lines
) -> None:
    head = fleet.git("rev-parse", "HEAD")
    assert known() == set()
    first = lines()
    assert [first[name][0] for name in NAMES] == ["Synced"] * 4
    assert first["plain"][1:] == ["Unknown", "1", "3", "d", "ago", "r2", "0.5", head[:7]]
    assert known() == set(NAMES)
    assert lines() == first


@pytest.mark.parametrize(
    ("path", "old", "new", "name"),
    [
        ("specs/plain.yaml", '"alpha": 1.0', '"alpha": 2.0', "plain"),
        ("specs/plain.yaml", "min: 0.2", "min: 0.3", "plain"),
        ("data/a.csv", "1,2", "1,3", "table"),
        ("data/b.csv.dvc", "a" * 32, "b" * 32, "tracked"),
        ("code/m.py", "...", "return 1", "coded"),
        ("code/util.py", "ONE = 1", "ONE = 2", "coded"),
    ],
)
def test_what_a_model_rests_on_changes_and_that_model_alone_is_looked_at(
    fleet: Project, lines: Lines, path: str, old: str, new: str, name: str
) -> None:
    lines()
    fleet.edit(path, old, new)
    fleet.commit()
    assert known() == set(NAMES) - {name}
    after = lines()
    assert {n: line[0] for n, line in after.items() if n in NAMES} == {
        n: "OutOfSync" if n == name else "Synced" for n in NAMES
    }
    assert known() == set(NAMES) - {name}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("params.yaml", "defaults: {}", "defaults: {training: {seed: 7}}"),
        ("params.yaml", 'numpy: "2"', 'numpy: "2.1"'),
        ("dvc.yaml", "reconciler-stage train", "reconciler-stage  train"),
    ],
)
def test_what_every_model_rests_on_changes_and_each_is_looked_at(
    fleet: Project, lines: Lines, path: str, old: str, new: str
) -> None:
    lines()
    fleet.edit(path, old, new)
    fleet.commit()
    assert known() == set()
    assert [lines()[name][0] for name in NAMES] == ["OutOfSync"] * 4


def test_the_map_of_models_and_other_files_concern_no_model(fleet: Project, lines: Lines) -> None:
    lines()
    fleet.edit("params.yaml", "0123456789abcdef", "1123456789abcdef")
    fleet.write("README.md", "Hello\n")
    fleet.commit()
    assert known() == set(NAMES)


def test_a_record_that_changes_is_looked_at(fleet: Project, lines: Lines) -> None:
    lines()
    held = records.Hold(reason="Freeze", by="Ada", since=datetime.now(UTC))
    open_site().store.change("table", lambda r: records.with_hold(r, held) if r else r)
    assert known() == set(NAMES) - {"table"}
    open_site().store.change("plain", lambda r: records.retire(r, "r2") if r else r)
    assert known() == set(NAMES) - {"table", "plain"}
    assert lines()["plain"][0] == "OutOfSync"


def test_a_spec_that_goes_is_retired_and_one_that_comes_is_new(
    fleet: Project, lines: Lines
) -> None:
    lines()
    fleet.git("rm", "-q", "specs/plain.yaml")
    fleet.write("specs/fresh.yaml", spec("fresh"))
    fleet.commit()
    after = lines()
    assert (after["plain"][0], after["fresh"][0]) == ("OutOfSync", "OutOfSync")
    open_site().store.change("plain", lambda r: records.retire(r, "r2") if r else r)
    assert "plain" not in lines()
    assert known() == set(NAMES)
    assert "plain" not in lines()


def test_a_half_done_rename_brings_back_a_retired_model_that_needed_no_look(
    fleet: Project, lines: Lines
) -> None:
    fleet.git("rm", "-q", "specs/plain.yaml")
    fleet.commit()
    open_site().store.change("plain", lambda r: records.retire(r, "r2") if r else r)
    lines()
    assert "plain" in known()
    fleet.write("specs/renamed.yaml", spec("plain"))
    fleet.commit()
    assert lines()["plain"][0] == "OutOfSync"


@pytest.mark.parametrize("what", ["library", "program"])
def test_another_library_or_another_version_of_this_program_looks_at_each(
    fleet: Project, lines: Lines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    site_packages = tmp_path / "site"
    site_packages.mkdir()
    monkeypatch.syspath_prepend(str(site_packages))
    lines()
    assert known() == set(NAMES)
    if what == "library":
        (site_packages / "numpy-9.0.0.dist-info").mkdir()
    else:
        monkeypatch.setattr(runtime, "__version__", "99")
    assert known() == set()


def test_a_model_that_a_warning_is_about_is_looked_at_every_time(
    fleet: Project, lines: Lines
) -> None:
    rules = "{metric: r2, min: 0.2}, {metric: mae, compare: champion, margin: 0}"
    fleet.edit("specs/plain.yaml", "{metric: r2, min: 0.2}", rules)
    fleet.commit()
    site = open_site()
    site.store.commit({"plain": put(released("plain", site.fleet("HEAD").models["plain"]))})
    assert lines()["plain"][0] == "Synced"
    assert known() == set(NAMES) - {"plain"}


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "gone", "foreign"])
def test_a_damaged_memo_costs_a_look_and_nothing_else(
    fleet: Project, lines: Lines, damage: str
) -> None:
    before = lines()
    memo = fleet.root / ".reconciler" / "settled.json"
    data = memo.read_bytes()
    damaged = {"cut": data[:-9], "flipped": data.replace(b"r2 0.5", b"r2 0.9"), "emptied": b""}
    memo.unlink()
    if damage == "foreign":
        memo.mkdir()
    elif damage != "gone":
        memo.write_bytes(damaged[damage])
    assert known() == set()
    assert lines() == before


def test_several_that_look_at_once_leave_one_memo_whole(fleet: Project) -> None:
    argv = [str(BIN / "reconciler"), "status"]
    several = [
        subprocess.Popen(argv, cwd=fleet.root, env=fleet.env, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [one.wait(60) for one in several] == [0, 0, 0]
    kept = Memo(fleet.root / ".reconciler" / "settled.json").read()
    assert kept is not None
    assert set(kept["models"]) == set(NAMES)


def test_records_are_read_where_it_was_found_which_models_are_settled(
    fleet: Project, lines: Lines
) -> None:
    lines()
    site = open_site(fleet.root)
    head = site.git.resolve("HEAD")
    recalled = site.recall(head)
    hold = Hold(by="Ada", reason="holiday", since=datetime.now(UTC))
    site.store.commit(
        {"plain": lambda record: records.with_hold(record or records.empty("plain"), hold)}
    )
    assert site.others(head, recalled).snapshot.commit == recalled.deployed
    assert "plain" in site.others(head, site.recall(head)).snapshot.records


def test_a_daemon_whose_memo_was_lost_tells_nobody_that_the_rest_is_all(
    fleet: Project, lines: Lines
) -> None:
    lines()
    site = open_site(fleet.root)
    trainer = site.trainer(1, lambda _: None)
    grounds = Grounds(site, trainer, Leasing(), lambda _: None, everything=False)
    fleet.edit("specs/plain.yaml", "min: 0.2", "min: 0.1")
    view = grounds.at(fleet.commit())
    assert view.names() == {"plain"}
    (fleet.root / ".reconciler" / "settled.json").unlink()
    grounds.remember(view, {"plain": ("Settled", "as declared")})
    trainer.stop()
    assert lines().keys() >= set(NAMES)


def test_where_head_cannot_be_followed_nobody_can_tell_what_is_as_declared(
    fleet: Project, lines: Lines
) -> None:
    before = lines()
    fleet.write("params.yaml", "defaults: {")
    fleet.commit()
    found = lines()
    assert {found[name][0] for name in NAMES} == {"Unknown"}
    assert {name: found[name][1:] for name in NAMES} == {n: before[n][1:] for n in NAMES}
    said = fleet.status()["plain"]
    assert (said["sync"], said["reason"]) == ("Unknown", "InvalidParams")
    assert said["detail"].startswith("params.yaml:")


def test_a_read_only_workspace_is_no_error(fleet: Project, lines: Lines) -> None:
    before = lines()
    (fleet.root / ".reconciler" / "settled.json").unlink()
    (fleet.root / ".reconciler").chmod(0o555)
    try:
        assert lines() == before
    finally:
        (fleet.root / ".reconciler").chmod(0o755)


def test_a_list_and_a_plan_of_settled_models_import_nothing_that_parses_or_draws(
    fleet: Project,
) -> None:
    fleet.reconciler("status")
    code = (
        "import sys; from reconciler.cli import listing, plan;"
        "from reconciler.cli.request import Request;"
        "listing.run(); plan.run(Request(), plan.Plans.TEXT, None, detailed=True);"
        "heavy = {'pydantic', 'ruamel.yaml', 'rich', 'git', 'dvc', 'numpy', 'polars'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    out = fleet.call(sys.executable, "-c", code).stdout
    assert out.splitlines()[-1] == "[]"


def test_a_plan_from_memory_is_the_plan_of_a_look_down_to_its_id(fleet: Project) -> None:
    kept = fleet.root / ".reconciler" / "settled.json"
    looked = fleet.reconciler("plan", "--output", "json").stdout
    assert kept.exists()
    assert fleet.reconciler("plan", "--output", "json").stdout == looked
    assert "4 unchanged" in fleet.reconciler("plan").stdout
    one = fleet.reconciler("plan", "table", "-o", "json").stdout
    kept.unlink()
    assert fleet.reconciler("plan", "table", "-o", "json").stdout == one


def test_a_plan_looks_at_what_has_changed_alone(fleet: Project) -> None:
    fleet.reconciler("plan")
    fleet.edit("specs/plain.yaml", '"alpha": 1.0', '"alpha": 2.0')
    fleet.commit()
    rows = fleet.plan()
    assert {name: row["kind"] for name, row in rows.items()} == {
        name: "retrain" if name == "plain" else "unchanged" for name in NAMES
    }
    assert [change["field"] for change in rows["plain"]["changes"]] == [
        "spec.training.hyperparameters.alpha"
    ]
    assert "alpha" in fleet.reconciler("plan", "plain").stdout
    done = fleet.reconciler("plan", "nobody", check=False)
    assert (done.returncode, "there are: coded, plain, table" in done.stderr) == (2, True)


def test_a_plan_of_a_served_model_follows_the_pointer_and_sees_what_is_served(
    fleet: Project, lines: Lines
) -> None:
    bundle = fleet.root / "releases" / "plain" / "versions" / ("0" * 32 + ".dir")
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text('{"files": {}}')
    (bundle.parents[1] / "current").symlink_to(f"versions/{bundle.name}")
    lines()
    known = open_site().recall(fleet.git("rev-parse", "HEAD"))
    assert "plain" in known.models
    assert astray(open_site(), known, ["plain"]) == set()
    (bundle / "stray").write_text("")
    assert astray(open_site(), known, ["plain"]) == {"plain"}
