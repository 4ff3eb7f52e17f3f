"""DVC in slots: the user's run-cache is shared, the user's tree and `.git` stay as they are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from reconciler.adapters import dvc_config
from reconciler.adapters.cache import Cache
from reconciler.adapters.dvc import Bounds, Reproduced, repro
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.git import Git
from reconciler.adapters.slots import SlotPool
from reconciler.errors import ReconcilerError, SpecError, TerminalError, TransientError, UsageError

STAGES = ("prepare", "train")

PIPELINE = """\
stages:
  prepare:
    foreach: ${models}
    do:
      cmd: sh run.sh prepare ${key}
      deps: [run.sh, "${item.data}"]
      outs: ["data/prepared/${key}"]
  train:
    foreach: ${models}
    do:
      cmd: sh run.sh train ${key}
      deps: ["data/prepared/${key}"]
      params: ["models.${key}.digest"]
      outs: ["models/${key}"]
"""

# Each run leaves a line in $TRACE, outside of any slot.
SCRIPT = """\
set -e
echo "$1 $2" >> "$TRACE"
if [ "$1" = prepare ]; then
  mkdir -p data/prepared/$2 && cat data/x.csv > data/prepared/$2/table
else
  mkdir -p models/$2 && cp data/prepared/$2/table models/$2/model
fi
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "repo"
    root.mkdir()
    shell(root, "git", "init", "-q", "-b", "main")
    dvc(root, "init", "-q")
    (root / ".gitignore").write_text("/models/\n/data/prepared/\n/.reconciler/\n")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "run.sh").write_text(SCRIPT)
    (root / "data").mkdir()
    (root / "data" / "x.csv").write_text("a,b\n1,2\n")
    lines = {name: {"data": "data/x.csv", "digest": "1"} for name in ("m", "n")}
    (root / "params.yaml").write_text(json.dumps({"models": lines}))
    dvc(root, "add", "-q", "data/x.csv")
    commit(root)
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACE", str(tmp_path / "trace"))
    shutil.copytree(template, tmp_path / "repo", symlinks=True)
    return tmp_path / "repo"


def shell(where: Path, *command: str) -> str:
    env = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def dvc(where: Path, *arguments: str) -> str:
    return shell(where, sys.executable, "-m", "dvc", *arguments)


def commit(root: Path) -> None:
    shell(root, "git", "add", "-A")
    shell(root, "git", "-c", "user.name=u", "-c", "user.email=u@e", "commit", "-qm", "c")


def pool(root: Path, size: int = 2) -> SlotPool:
    return SlotPool(root / ".reconciler" / "slots", size, root)


def train(
    root: Path,
    model: str = "m",
    digest: str = "1",
    told: list[tuple[str, str]] | None = None,
    **options: object,
) -> Reproduced:
    git = Git.open(root)
    paths = [path for path in git.tree("HEAD") if path != "params.yaml"]
    line = {"data": "data/x.csv", "digest": digest}
    params = json.dumps({"models": {model: line}}).encode()
    with pool(root).lease(model) as slot:
        slot.fill(git, "HEAD", paths, {"params.yaml": params})
        return repro(
            slot,
            model,
            STAGES,
            root / ".reconciler" / "logs" / f"{model}.log",
            lambda stage, state, _: told.append((stage, state)) if told is not None else None,
            **options,  # type: ignore[arg-type]
        )


def set_remote(root: Path, url: str) -> None:
    text = f"[core]\nremote = origin\n['remote \"origin\"']\nurl = {url}\n"
    (root / ".dvc" / "config.local").write_text(text)


def data_md5(root: Path) -> str:
    return (root / "data" / "x.csv.dvc").read_text().split("md5: ")[1].split()[0]


def runs(root: Path) -> list[str]:
    trace = root.parent / "trace"
    return trace.read_text().splitlines() if trace.exists() else []


def test_a_slot_trains_one_model_and_tells_how_far_it_is(root: Path) -> None:
    told: list[tuple[str, str]] = []
    done = train(root, told=told)
    assert told == [
        ("prepare", "running"),
        ("prepare", "ran"),
        ("train", "running"),
        ("train", "ran"),
    ]
    assert done.ran == STAGES
    assert set(done.seconds) == set(STAGES)
    assert set(done.lock) == {"prepare@m", "train@m"}
    bundle = done.lock["train@m"]["outs"][0]["md5"]
    cache = Cache(dvc_config.cache_dir(root))
    assert cache.files(bundle)["model"].read_text() == "a,b\n1,2\n"
    log = (root / ".reconciler" / "logs" / "m.log").read_text()
    assert "sh run.sh train m" in log


def test_the_user_and_the_slots_share_what_was_computed_both_ways(root: Path) -> None:
    told: list[tuple[str, str]] = []
    train(root, "m")
    dvc(root, "repro")
    assert runs(root) == ["prepare m", "train m", "prepare n", "train n"]
    done = train(root, "n", told=told)
    assert told == [("prepare", "cached"), ("train", "cached")]
    assert done.ran == ()
    assert len(runs(root)) == 4
    lock = (root / "dvc.lock").read_text()
    assert done.lock["train@n"]["outs"][0]["md5"] in lock


def test_the_users_tree_and_git_folder_stay_as_they_are(root: Path) -> None:
    (root / "run.sh").write_text("exit 1\n")  # not committed: it plays no part
    (root / "note.txt").write_text("not added")
    hook = root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    before = listing(root)
    train(root)
    assert listing(root) == before
    assert shell(root, "git", "status", "--porcelain") == "M run.sh\n?? note.txt"


def listing(root: Path) -> dict[str, str]:
    ours = (".reconciler", ".dvc/cache", ".git/objects")
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not (name := str(path.relative_to(root))).startswith(ours)
    }


def test_only_what_changed_runs_again(root: Path) -> None:
    train(root)
    assert train(root, digest="2").ran == ("train",)
    assert train(root).ran == ()
    assert runs(root) == ["prepare m", "train m", "train m"]


def test_two_models_train_side_by_side(root: Path) -> None:
    meet = 'touch "$TRACE.$2"; while [ "$(ls "$TRACE".? | wc -l)" -lt 2 ]; do sleep 0.05; done'
    (root / "run.sh").write_text(SCRIPT.replace("set -e", meet))
    commit(root)
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda model: train(root, model, bounds=Bounds(20.0)), ("m", "n")))
    assert all(one.ran == STAGES for one in done)


def test_data_that_is_a_folder_arrives_whole(root: Path) -> None:
    dvc(root, "remove", "data/x.csv.dvc")
    (root / "data" / "x.csv").unlink()
    folder = root / "data" / "x.csv"
    (folder / "deep").mkdir(parents=True)
    (folder / "one").write_text("1")
    (folder / "deep" / "two").write_text("2")
    dvc(root, "add", "-q", "data/x.csv")
    (root / "run.sh").write_text(
        SCRIPT.replace("cat data/x.csv", "cat data/x.csv/*/two data/x.csv/one")
    )
    commit(root)
    bundle = train(root).lock["train@m"]["outs"][0]["md5"]
    assert Cache(dvc_config.cache_dir(root)).files(bundle)["model"].read_text() == "21"


def test_data_that_an_older_dvc_has_added_arrives(root: Path) -> None:
    pointer = root / "data" / "x.csv.dvc"
    pointer.write_text(pointer.read_text().replace("  hash: md5\n", ""))
    commit(root)
    cache = root / ".dvc" / "cache"
    (name,) = (cache / "files" / "md5").rglob("*/*")
    (cache / name.parent.name).mkdir()
    name.rename(cache / name.parent.name / name.name)
    assert train(root).ran == STAGES


def test_data_that_is_nowhere_is_named_with_the_next_step(root: Path) -> None:
    shutil.rmtree(root / ".dvc" / "cache")
    with pytest.raises(TerminalError, match=r"data/x\.csv: .*dvc push") as caught:
        train(root)
    assert caught.value.reason == "DataMissing"


def test_data_comes_from_the_remote_when_the_cache_lacks_it(root: Path) -> None:
    set_remote(root, "../../remote")
    Remote(root).push(data_md5(root))
    shutil.rmtree(root / ".dvc" / "cache")
    assert train(root).ran == STAGES


def test_results_go_to_the_remote_and_come_back_without_training(root: Path) -> None:
    set_remote(root, "../../remote")
    done = train(root)
    remote = Remote(root)
    assert remote.configured
    cache = Cache(dvc_config.cache_dir(root), remote.fetch)
    outs = [block["outs"][0]["md5"] for block in done.lock.values()]
    remote.push(data_md5(root), *outs)
    shutil.rmtree(root / ".dvc" / "cache")
    cache.materialise(outs[1], root.parent / "bundle")
    assert (root.parent / "bundle" / "model").read_text() == "a,b\n1,2\n"
    assert train(root, lock=done.lock) == Reproduced(done.lock, (), {})
    assert runs(root) == ["prepare m", "train m"]


def test_a_lock_that_no_longer_holds_is_no_obstacle(root: Path) -> None:
    done = train(root)
    assert train(root, digest="2", lock=done.lock).ran == ("train",)


def test_a_remote_that_cannot_be_reached_waits_for_time(root: Path) -> None:
    (root.parent / "file").write_text("no folder")
    set_remote(root, str(root.parent / "file" / "x"))
    with pytest.raises(TransientError) as caught:
        Remote(root).push(data_md5(root))
    assert caught.value.reason == "RemoteFailed"


@pytest.mark.parametrize(
    ("script", "kind", "reason"),
    [
        ("echo 'error: BadData: column x is empty' >&2; exit 1", TerminalError, "BadData"),
        ("true", TerminalError, "OutputMissing"),
    ],
)
def test_a_failed_stage_says_why(
    root: Path, script: str, kind: type[ReconcilerError], reason: str
) -> None:
    (root / "run.sh").write_text(script)
    commit(root)
    with pytest.raises(kind) as caught:
        train(root)
    assert caught.value.reason == reason


def test_a_pipeline_that_is_wrong_waits_for_a_commit(root: Path) -> None:
    (root / "dvc.yaml").write_text(PIPELINE.replace("outs:", "ouches:"))
    commit(root)
    with pytest.raises(SpecError, match=r"dvc\.yaml.*ouches") as caught:
        train(root)
    assert caught.value.reason == "InvalidPipeline"


@pytest.mark.parametrize("content", ["outs: 3", "- a", "outs: [", ""])
def test_a_pointer_that_is_wrong_waits_for_a_commit(root: Path, content: str) -> None:
    (root / "data" / "x.csv.dvc").write_text(content)
    commit(root)
    with pytest.raises(SpecError, match=r"data/x\.csv\.dvc") as caught:
        train(root)
    assert caught.value.reason == "InvalidPointer"


def test_a_pointer_cannot_write_outside_of_the_slot(root: Path) -> None:
    pointer = root / "data" / "x.csv.dvc"
    pointer.write_text(pointer.read_text().replace("path: x.csv", "path: ../../../../../stolen"))
    commit(root)
    with pytest.raises(SpecError) as caught:
        train(root)
    assert caught.value.reason == "PathEscapes"
    assert not list(root.parent.rglob("stolen"))


ENDLESS = 'echo $$ > "$TRACE.pid"; trap "" TERM; sleep 60 & wait; sleep 60'


def test_a_run_that_takes_too_long_is_ended_with_all_it_started(root: Path) -> None:
    (root / "run.sh").write_text(ENDLESS)
    commit(root)
    with pytest.raises(TerminalError, match=r"prepare@m did not end within 4 s") as caught:
        train(root, bounds=Bounds(4.0))
    assert caught.value.reason == "Timeout"
    assert ended(root)


def test_a_cancelled_run_ends_with_all_it_started(root: Path) -> None:
    (root / "run.sh").write_text(ENDLESS)
    commit(root)
    cancel = threading.Event()

    def when_it_runs() -> None:
        started(root)
        cancel.set()

    threading.Thread(target=when_it_runs, daemon=True).start()
    with pytest.raises(TransientError) as caught:
        train(root, cancel=cancel)
    assert caught.value.reason == "Cancelled"
    assert ended(root)


def test_after_a_cancelled_run_the_slot_is_clean_and_the_next_repeats_only_what_was_cut(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.adapters.dvc.GRACE_S", 0.2)
    endless = ENDLESS.replace("wait", "setsid sleep 60 & wait")
    until = f'elif [ -s "$TRACE.endless" ]; then\n{endless}\nelse\n'
    (root / "run.sh").write_text(SCRIPT.replace("else\n", until))
    (root.parent / "trace.endless").write_text("yes")
    commit(root)
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        cut = threads.submit(train, root, cancel=cancel)
        started(root)
        cancel.set()
        assert isinstance(cut.exception(), TransientError)
    assert ended(root)
    assert pool(root).leases() == {}
    assert not list((root / ".reconciler" / "slots").glob("*/group.json"))
    (root.parent / "trace.endless").write_text("")
    assert train(root).ran == ("train",)
    assert runs(root) == ["prepare m", "train m", "train m"]


# Holds so many MB of memory, for so many seconds.
HUNGRY = f"""\
echo $$ > "$TRACE.pid"
{sys.executable} -c "import time; held = b'x' * ($MB * 1000000); time.sleep($HOLD)"
"""


def test_a_run_that_takes_too_much_memory_is_ended_with_all_it_started(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MB", "300")
    monkeypatch.setenv("HOLD", "60")
    (root / "run.sh").write_text(HUNGRY + SCRIPT)
    commit(root)
    with pytest.raises(
        TerminalError, match=r"prepare@m took \d+ MB of memory, and 150 MB"
    ) as caught:
        train(root, bounds=Bounds(memory=150_000_000))
    assert caught.value.reason == "OutOfMemory"
    assert "--memory" in caught.value.hint
    assert ended(root)


def test_a_run_that_stays_within_its_memory_is_left_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MB", "20")
    monkeypatch.setenv("HOLD", "1.2")
    (root / "run.sh").write_text(HUNGRY + SCRIPT)
    commit(root)
    assert train(root, bounds=Bounds(memory=300_000_000)).ran == STAGES


def test_a_stage_that_the_system_killed_is_told_as_want_of_memory(root: Path) -> None:
    (root / "run.sh").write_text("kill -9 $$")
    commit(root)
    with pytest.raises(TransientError, match="most likely by the system because memory ran out"):
        train(root)


def test_a_run_that_waits_for_a_silent_remote_can_be_cancelled(root: Path) -> None:
    shutil.rmtree(root / ".dvc" / "cache")
    cancel = threading.Event()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        set_remote(root, f"ssh://ann@127.0.0.1:{server.getsockname()[1]}/store")
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(train, root, cancel=cancel)
            connection, _ = server.accept()
            began = time.monotonic()
            cancel.set()
            error = waiting.exception()
            connection.close()
    assert isinstance(error, TransientError)
    assert error.reason == "Stopped"
    assert time.monotonic() - began < 4


@pytest.mark.slow
def test_the_next_lease_ends_what_a_killed_run_left(root: Path) -> None:
    (root / "run.sh").write_text(ENDLESS)
    commit(root)
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]);"
        "from test_dvc import train; from pathlib import Path; train(Path(sys.argv[1]))"
    )
    argv = [sys.executable, "-c", script, str(root), str(Path(__file__).parent)]
    victim = subprocess.Popen(argv)
    pid = started(root)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert alive(pid)
    locks = list((root / ".reconciler" / "slots").glob("*/tree/.dvc/tmp"))
    (locks[0] / "rwlock").write_text("{ torn")
    (root / "run.sh").write_text(SCRIPT)
    commit(root)
    assert train(root).ran == STAGES
    assert ended(root)


def started(root: Path) -> int:
    path = Path(f"{root.parent / 'trace'}.pid")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError("the stage never started")


def ended(root: Path) -> bool:
    pid = started(root)
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_repository_without_dvc_says_how_to_begin(tmp_path: Path) -> None:
    shell(tmp_path, "git", "init", "-q")
    with pytest.raises(UsageError, match="reconciler init") as caught, pool(tmp_path).lease():
        pass
    assert caught.value.reason == "NoDvc"
