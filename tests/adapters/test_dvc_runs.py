"""The run-cache on a remote: DVC's own entries, one run's at a time, and what they stand for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters import dvc as dvc_adapter
from reconciler.adapters.dvc import Reproduced
from reconciler.adapters.git import Git
from reconciler.errors import TransientError
from tests.adapters.test_dvc import (
    PIPELINE,
    SCRIPT,
    STAGES,
    commit,
    dvc,
    pool,
    root,
    set_remote,
    template,
)

__all__ = ["root", "template"]

pytestmark = pytest.mark.slow


def train(root: Path, model: str = "m", digest: str = "1", **options: Any) -> Reproduced:
    """Bring one model up to date in a slot, and push what it has left if it ran."""
    git = Git.open(root)
    paths = [path for path in git.tree("HEAD") if path not in ("params.yaml", "dvc.lock")]
    params = {"models": {model: {"data": "data/x.csv", "digest": digest}}}
    log = root / ".reconciler" / "logs" / f"{model}.log"
    with pool(root).lease(model) as slot:
        slot.fill(git, "HEAD", paths, {"params.yaml": json.dumps(params).encode()})
        done = dvc_adapter.repro(slot, model, STAGES, log, lambda *_: None, **options)
        if done.ran:
            dvc_adapter.push(slot, done.lock, log)
    return done


@pytest.fixture
def remote(root: Path) -> Path:
    """Return the folder of the repository's remote, which has the data and nothing else."""
    folder = root.parent / "remote"
    set_remote(root, str(folder))
    shutil.copytree(root / ".dvc" / "cache" / "files", folder / "files")
    return folder


def entries(folder: Path) -> dict[str, bytes]:
    found = (path for path in (folder / "runs").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def forget(root: Path) -> None:
    """Have the repository as a clone has it: without a cache, without slots."""
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(root / ".reconciler", ignore_errors=True)


def lose(remote: Path, md5: str) -> None:
    (remote / "files" / "md5" / md5[:2] / md5[2:]).unlink()


def test_the_entries_of_one_run_go_there_and_back_as_dvc_wrote_them_and_no_others(
    root: Path, remote: Path
) -> None:
    dvc(root, "repro", "-q", "train@n")
    others = entries(root / ".dvc" / "cache")
    done = train(root, "m")
    own = {k: v for k, v in entries(root / ".dvc" / "cache").items() if k not in others}
    assert len(own) == len(others) == len(STAGES)
    assert entries(remote) == own
    shutil.copytree(root / ".dvc" / "cache" / "runs", remote / "runs", dirs_exist_ok=True)
    forget(root)
    assert train(root, "m") == Reproduced(done.lock, (), {})
    assert entries(root / ".dvc" / "cache") == own


def test_what_a_killed_dvc_has_left_of_an_entry_stops_no_later_run(root: Path) -> None:
    done = train(root)
    keys = {path.parent for path in (root / ".dvc" / "cache" / "runs").glob("*/*/*")}
    assert len(keys) == len(STAGES)
    for key in keys:
        for entry in key.iterdir():
            entry.unlink()
    assert train(root).ran == done.ran  # from folders without an entry

    for key in keys:
        (key / ".PjYKd5kSLqPgQmWcZGcb9i.tmp").write_text("cmd: something els")
    assert train(root).ran == ()


def test_what_a_colleague_reproduced_and_pushed_with_dvc_alone_is_not_run_again(
    root: Path, remote: Path
) -> None:
    dvc(root, "repro", "-q", "train@m")
    dvc(root, "push", "-q", "--run-cache")
    forget(root)
    assert train(root).ran == ()


def test_a_block_of_dvc_lock_will_do_where_the_remote_has_no_run_cache(
    root: Path, remote: Path
) -> None:
    known = list(train(root).lock.values())
    forget(root)
    shutil.rmtree(remote / "runs")
    assert train(root, known=known).ran == ()


@pytest.mark.parametrize("part", ["folder", "file"])
def test_results_that_the_remote_has_lost_are_made_again(
    root: Path, remote: Path, part: str
) -> None:
    script = SCRIPT.replace("models/$2/model", "models/$2/model; echo >> models/$2/model")
    (root / "run.sh").write_text(script)
    commit(root)
    done = train(root)
    bundle = str(done.lock["train@m"]["outs"][0]["md5"])
    cache = root / ".dvc" / "cache" / "files" / "md5"
    (listed,) = json.loads((cache / bundle[:2] / bundle[2:]).read_text())
    forget(root)
    lose(remote, bundle if part == "folder" else listed["md5"])
    assert train(root, known=list(done.lock.values())).ran == ("train",)


def test_an_entry_of_another_run_counts_for_nothing(root: Path, remote: Path) -> None:
    train(root)
    forget(root)
    own = entries(remote)
    (one, content), (other, another) = entries(remote).items()
    (remote / one).write_bytes(another)
    (remote / other).write_bytes(content)
    assert train(root).ran == STAGES
    assert entries(root / ".dvc" / "cache") == own


def test_metrics_that_dvc_does_not_cache_come_back_too(root: Path, remote: Path) -> None:
    metrics = '      metrics: [{"score-${key}.json": {cache: false}}]\n'
    (root / "dvc.yaml").write_text(PIPELINE + metrics)
    (root / "run.sh").write_text(f"{SCRIPT}echo 1 > score-$2.json\n")
    commit(root)
    done = train(root)
    forget(root)
    assert train(root) == Reproduced(done.lock, (), {})


def test_what_is_not_to_be_pushed_stays_here(root: Path, remote: Path) -> None:
    bundle = 'outs: ["models/${key}"]'
    (root / "dvc.yaml").write_text(
        PIPELINE.replace(bundle, 'outs: [{"models/${key}": {push: false}}]')
    )
    commit(root)
    kept = train(root).lock["train@m"]["outs"][0]["md5"]
    assert not (remote / "files" / "md5" / kept[:2] / kept[2:]).exists()


def test_a_dvc_with_other_private_names_moves_its_run_cache_as_a_whole(
    root: Path, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = root.parent / "strange"
    strange.mkdir()
    (strange / "sitecustomize.py").write_text(
        "from reconciler.adapters import dvc_runs\n"
        "def lacking(): raise AttributeError\n"
        "dvc_runs._needed = lacking\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(strange))
    dvc(root, "repro", "-q", "train@n")
    done = train(root)
    assert len(entries(remote)) == 2 * len(STAGES)
    forget(root)
    assert train(root) == Reproduced(done.lock, (), {})


def test_a_remote_that_vanishes_while_a_model_is_trained_fails_the_run(
    root: Path, remote: Path
) -> None:
    (root / "run.sh").write_text(f"{SCRIPT}rm -rf {remote} && touch {remote}\n")
    commit(root)
    with pytest.raises(TransientError, match=r"the DVC remote 'origin' \(/.*\) failed: ") as caught:
        train(root)
    assert caught.value.reason == "RemoteFailed"


def test_a_remote_that_is_away_is_gone_without_where_it_is_not_needed(
    root: Path, remote: Path
) -> None:
    set_remote(root, "ssh://127.0.0.1/store\nport = 1")
    with pytest.raises(TransientError) as caught:
        train(root)
    assert caught.value.reason == "RemoteUnreachable"
    git = Git.open(root)
    with pool(root).lease("m") as slot:
        slot.fill(git, "HEAD", list(git.tree("HEAD")), {})
        log = root / "log"
        done = dvc_adapter.repro(slot, "m", STAGES, log, lambda *_: None, needs_remote=False)
    assert done.ran == STAGES
    assert log.read_text().count("Going on without the remote 'origin'") == 1
