"""Slots: one holder each, exactly the files asked for, and nothing written without need."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import psutil
import pytest

from reconciler.adapters.git import Git
from reconciler.adapters.process import Group, Identity
from reconciler.adapters.slots import Slot, SlotPool
from reconciler.errors import SpecError, TransientError, UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    (root / ".dvc").mkdir(parents=True)
    shell(root, "git", "init", "-q", "-b", "main")
    write(root, "specs/a.yaml", "a")
    write(root, "data/big.csv", "x" * 1000)
    write(root, "run.sh", "run")
    commit(root)
    return root


def shell(where: Path, *command: str) -> str:
    env = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True, env=env)
    return done.stdout.strip()


def commit(root: Path) -> str:
    shell(root, "git", "add", "-A")
    shell(root, "git", "-c", "user.name=u", "-c", "user.email=u@e", "commit", "-qm", "c")
    return shell(root, "git", "rev-parse", "HEAD")


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def pool(root: Path, size: int = 1) -> SlotPool:
    return SlotPool(root / ".reconciler" / "slots", size, root)


def held(slot: Slot) -> dict[str, str]:
    return {
        name: path.read_text()
        for path in sorted(slot.root.rglob("*"))
        if path.is_file() and not (name := str(path.relative_to(slot.root))).startswith(".dvc/")
    }


def test_a_slot_holds_exactly_the_files_it_was_filled_with(root: Path) -> None:
    git = Git.open(root)
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", ["specs/a.yaml", "run.sh"], {"params.yaml": b"p", "specs/r": b"r"})
        assert held(slot) == {
            "params.yaml": "p",
            "run.sh": "run",
            "specs/a.yaml": "a",
            "specs/r": "r",
        }


def test_what_an_earlier_lease_left_is_gone(root: Path) -> None:
    git = Git.open(root)
    outside = root.parent / "outside"
    write(outside, "kept", "kept")
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", ["specs/a.yaml", "data/big.csv"], {"x/overlay": b"o"})
        write(slot.root, "models/a/model", "stale")
        write(slot.root, "data/deep/er", "stale")
        (slot.root / "specs" / "a.yaml").unlink()
        (slot.root / "specs").rmdir()
        (slot.root / "specs").symlink_to(outside)
        (slot.root / "link").symlink_to(outside)
        (slot.root / "run.sh").mkdir()
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", ["specs/a.yaml", "run.sh"], {})
        assert held(slot) == {"run.sh": "run", "specs/a.yaml": "a"}
        folders = {path.name for path in slot.root.iterdir() if path.is_dir()}
        assert folders == {".dvc", "specs"}
    assert (outside / "kept").read_text() == "kept"
    assert len(list(outside.iterdir())) == 1


def test_files_that_did_not_change_are_not_written_again(root: Path) -> None:
    git = Git.open(root)
    paths = ["data/big.csv", "specs/a.yaml", "run.sh"]
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", paths, {"params.yaml": b"p"})
        before = {name: (slot.root / name).stat().st_ino for name in held(slot)}
        write(slot.root, "run.sh", "changed by a stage")
    write(root, "specs/a.yaml", "b")
    commit(root)
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", paths, {"params.yaml": b"p"})
        assert held(slot)["specs/a.yaml"] == "b"
        assert held(slot)["run.sh"] == "run"
        for name in ("data/big.csv", "params.yaml"):
            assert (slot.root / name).stat().st_ino == before[name]


def test_a_change_of_attributes_writes_files_again(root: Path) -> None:
    git = Git.open(root)
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", ["specs/a.yaml"], {})
    write(root, "specs/a.yaml", "a\n")
    commit(root)
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", ["specs/a.yaml"], {})
    write(root, ".gitattributes", "*.yaml text eol=crlf\n")
    commit(root)
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", ["specs/a.yaml"], {})
        assert (slot.root / "specs" / "a.yaml").read_bytes() == b"a\r\n"


def test_a_fill_that_was_cut_short_is_completed_by_the_next(root: Path) -> None:
    git = Git.open(root)
    with pool(root).lease() as slot:
        slot.fill(git, "HEAD", ["specs/a.yaml"], {})
        with pytest.raises(UsageError):
            slot.fill(git, "HEAD", ["specs/a.yaml", "nowhere"], {})
        slot.fill(git, "HEAD", ["specs/a.yaml", "run.sh"], {})
        assert held(slot) == {"run.sh": "run", "specs/a.yaml": "a"}


def test_an_overlay_cannot_leave_the_slot_by_a_link(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "elsewhere").symlink_to(outside)
    commit(root)
    with pool(root).lease() as slot, pytest.raises(SpecError) as caught:
        slot.fill(Git.open(root), "HEAD", ["elsewhere"], {"elsewhere/x": b"x"})
    assert caught.value.reason == "PathEscapes"
    assert not list(outside.iterdir())


def test_the_slot_has_dvc_settings_of_its_own_whatever_the_revision_says(root: Path) -> None:
    write(root, ".dvc/config", "[core]\n    analytics = true\n['remote \"r\"']\n    url = ../far\n")
    commit(root)
    with pool(root).lease() as slot:
        slot.fill(Git.open(root), "HEAD", [".dvc/config", "run.sh"], {})
        text = (slot.root / ".dvc" / "config").read_text()
    assert "no_scm = true" in text
    assert "analytics = false" in text
    assert f"url = {root / 'far'}" in text


def test_every_slot_has_one_holder_at_a_time(root: Path) -> None:
    slots = pool(root, size=2)
    inside: list[Path] = []
    most = 0

    def work() -> None:
        nonlocal most
        with slots.lease(wait_s=30) as slot:
            assert slot.root not in inside
            inside.append(slot.root)
            most = max(most, len(inside))
            time.sleep(0.02)
            inside.remove(slot.root)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_who_waits_for_a_slot_can_be_told_to_stop(root: Path) -> None:
    stop = threading.Event()
    stop.set()
    slots = pool(root, size=1)
    with (
        slots.lease(),
        pytest.raises(TransientError, match="not needed") as caught,
        slots.lease(stop=stop),
    ):
        pass
    assert caught.value.reason == "Cancelled"


def test_a_slot_that_was_deleted_before_it_was_locked_is_nobodys(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = pool(root, size=1)
    taken: list[object] = []
    lock = fcntl.flock

    def late(file: IO[bytes], how: int) -> None:
        if not taken:
            taken.append(file)
            slots.discard(root / ".reconciler" / "slots" / "0")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with (
        slots.lease(),
        pytest.raises(TransientError, match="are taken"),
        pool(root).lease(wait_s=0.2),
    ):
        pass


# A tenant starts a child that ignores SIGTERM and cries when another child writes into its slot.
TENANT = """
import os, sys, time
from pathlib import Path
from reconciler.adapters.process import Group
from reconciler.adapters.slots import SlotPool
root, script = Path(sys.argv[1]), sys.argv[2]
while True:
    with SlotPool(root / ".reconciler" / "slots", 2, root).lease(wait_s=30) as slot:
        argv = [sys.executable, "-c", script, str(slot.root / "tenant"), str(root / "clash")]
        group = Group.start(argv, root, dict(os.environ), root / f"{os.getpid()}.log", slot.record)
        group.finish()
        slot.forget()
        with (root / "done").open("a") as done:
            done.write("x")
"""
CHILD = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
me, until = str(os.getpid()), time.monotonic() + 0.5
open(sys.argv[1], "w").write(me)
while time.monotonic() < until:
    if open(sys.argv[1]).read() != me:
        open(sys.argv[2], "w").write(me)
    time.sleep(0.005)
"""


@pytest.mark.slow
def test_no_two_ever_share_a_slot_whoever_is_killed(root: Path) -> None:
    tenant = [sys.executable, "-c", TENANT, str(root), CHILD]
    tenants = [subprocess.Popen(tenant) for _ in range(4)]
    done = root / "done"
    for kill in range(3):
        before = done.stat().st_size if done.exists() else 0
        deadline = time.monotonic() + 20
        while not (done.exists() and done.stat().st_size > before + 1):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        tenants[kill].kill()
        tenants[kill].wait()
        tenants.append(subprocess.Popen(tenant))
    for one in tenants:
        one.kill()
        one.wait()
    pool(root).end_orphans()
    assert not (root / "clash").exists()


def test_a_holder_in_another_process_is_waited_for_and_then_reported(root: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from reconciler.adapters.slots import SlotPool\n"
        "root = Path(sys.argv[1])\n"
        "with SlotPool(root / '.reconciler' / 'slots', 1, root).lease():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", script, str(root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(TransientError, match="taken") as caught, pool(root).lease(wait_s=0.1):
            pass
        assert caught.value.reason == "NoFreeSlot"
        other.kill()
    with pool(root).lease(wait_s=5):
        pass


def test_the_same_model_gets_the_same_slot(root: Path) -> None:
    slots = pool(root, size=4)
    places = set()
    for _ in range(3):
        with slots.lease("housing") as slot:
            places.add(slot.root)
    assert len(places) == 1


def test_a_lease_ends_the_orphan_it_finds_and_removes_its_locks(root: Path) -> None:
    with pool(root).lease() as slot:
        orphan = Group.start(["sleep", "60"], root, {}, root / "log", record=slot.record)
        write(slot.root, ".dvc/tmp/rwlock", "{ torn")
    with pool(root).lease() as slot:
        assert not (slot.root / ".dvc" / "tmp" / "rwlock").exists()
    assert orphan.finish() == -9


def test_an_orphan_in_a_slot_of_a_larger_pool_is_ended_too(root: Path) -> None:
    with pool(root, size=9).lease("some model") as slot:
        orphan = Group.start(["sleep", "60"], root, {}, root / "log", record=slot.record)
    assert pool(root, size=1).end_orphans() == 1
    assert orphan.finish() == -9
    assert pool(root, size=1).end_orphans() == 0


def test_a_run_that_somebody_holds_is_no_orphan(root: Path) -> None:
    with pool(root).lease() as slot:
        running = Group.start(["sleep", "60"], root, {}, root / "log", record=slot.record)
        assert pool(root).end_orphans() == 0
        assert psutil.pid_exists(running.identity.pid)
        running.terminate(1)
        slot.forget()


def test_a_stranger_with_the_recorded_id_is_left_alone(root: Path) -> None:
    stranger = Group.start(["sleep", "60"], root, {}, root / "log")
    with pool(root).lease() as slot:
        slot.record(Identity(stranger.identity.pid, 1.0, "a token that nobody carries"))
    with pool(root).lease():
        assert psutil.Process(stranger.identity.pid).status() != psutil.STATUS_ZOMBIE
    stranger.terminate(1)


def test_a_folder_that_cannot_be_made_waits_for_time(root: Path) -> None:
    (root / ".reconciler").write_text("a file")
    with pytest.raises(TransientError) as caught, pool(root).lease():
        pass
    assert caught.value.reason == "NotWritable"


def test_a_lease_says_for_whom_it_is_while_it_lasts(root: Path) -> None:
    slots = pool(root, 2)
    assert slots.leases() == {}
    with slots.lease("wine"), slots.lease("iris"):
        assert set(pool(root).leases()) == {"wine", "iris"}
    assert slots.leases() == {}


def test_files_of_the_tree_are_taken_as_they_stand_and_large_ones_are_linked(root: Path) -> None:
    write(root, "data/big.csv", "y" * (2 << 20))
    write(root, "data/deep/new.txt", "not committed")
    write(root, "data/__pycache__/x.pyc", "no input")
    (root / "data" / "link").symlink_to("../run.sh")
    with pool(root).lease() as slot:
        write(slot.root, "left.txt", "from before")
        slot.take(root, ["data", "run.sh", "gone.csv"], {"run.sh": b"other", "specs/a": b"a"})
        found = held(slot)
        assert found.pop("data/big.csv") == "y" * (2 << 20)
        assert found == {
            "data/deep/new.txt": "not committed",
            "data/link": "run",
            "run.sh": "other",
            "specs/a": "a",
        }
        assert (slot.root / "data" / "big.csv").samefile(root / "data" / "big.csv")
        slot.take(root, ["data/big.csv"], {}, linked=False)
        assert not (slot.root / "data" / "big.csv").samefile(root / "data" / "big.csv")
    assert (root / "run.sh").read_text() == "run"
