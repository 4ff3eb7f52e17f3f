"""`events` lists what happened lately, also while something else happens."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.adapters.status import StatusStore
from reconciler.core.told import Level, Told
from tests.conftest import BIN, Project, Specify

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def declared(project: Project, specify: Specify) -> Project:
    for name in ("wine", "iris"):
        project.write(f"specs/{name}.yaml", specify(name))
    project.commit()
    return project


@pytest.fixture
def store(declared: Project) -> StatusStore:
    return StatusStore(declared.root / ".reconciler" / "status.db")


def event(model: str, number: int, message: str = "released: r2 0.9") -> Told:
    at = NOON + timedelta(seconds=number)
    return Told(at, Level.INFO, "Decided", model, "Released", message, {"version": number})


def test_events_of_one_model_or_of_all_are_listed_newest_last(
    declared: Project, store: StatusStore
) -> None:
    moved = {"sync": "Synced", "health": "Degraded"}
    store.add_events([event("wine", 1), event("iris", 2), event("wine", 3, "two\nlines")])
    store.add_events([Told(NOON, Level.WARNING, "Moved", "wine", "BytesChanged", "a byte", moved)])

    said = declared.reconciler("events", "wine").stdout.splitlines()

    assert said[0].split() == ["WHEN", "LEVEL", "MODEL", "EVENT", "WHAT"]
    assert [line.split(maxsplit=4) for line in said[2:]] == [
        ["2026-03-01T12:00:01Z", "info", "wine", "Released", "released: r2 0.9"],
        ["2026-03-01T12:00:03Z", "info", "wine", "Released", r"two\nlines"],
        ["2026-03-01T12:00:00Z", "warning", "wine", "BytesChanged", "Synced, Degraded: a byte"],
    ]
    last = declared.reconciler("events", "-n", "2").stdout
    assert "iris" not in last
    assert last.count("wine") == 2

    found = json.loads(declared.reconciler("events", "-n", "3", "--output", "json").stdout)
    assert [row["model"] for row in found] == ["iris", "wine", "wine"]
    assert found[0] == {
        "ts": "2026-03-01T12:00:02.000Z", "level": "info", "event": "Decided", "model": "iris",
        "reason": "Released", "message": "released: r2 0.9", "version": 2,
    }  # fmt: skip


def test_where_nothing_happened_yet_it_says_so_and_writes_nothing(declared: Project) -> None:
    assert "Nothing has happened lately" in declared.reconciler("events").stdout
    assert "to wine lately" in declared.reconciler("events", "wine").stdout
    assert json.loads(declared.reconciler("events", "-o", "json").stdout) == []
    assert not (declared.root / ".reconciler" / "status.db").exists()


def test_a_name_that_no_model_has_is_refused(declared: Project) -> None:
    done = declared.reconciler("events", "wien", check=False)
    assert done.returncode == 2
    assert "nearest: wine" in done.stderr


def test_what_happened_to_a_model_that_is_gone_is_still_listed(
    declared: Project, store: StatusStore
) -> None:
    store.add_events([event("port", 1)])
    assert "port" in declared.reconciler("events", "port").stdout


def test_follow_goes_on_with_what_happens(declared: Project, store: StatusStore) -> None:
    store.add_events([event("wine", 1)])
    command = (str(BIN / "reconciler"), "events", "wine", "--follow", "-o", "json")
    with subprocess.Popen(
        command, cwd=declared.root, env=declared.env, stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["version"] == 1
        store.add_events([event("iris", 2), event("wine", 3)])
        began = time.monotonic()
        assert json.loads(following.stdout.readline())["version"] == 3
        assert time.monotonic() - began < 5
        following.stdout.close()
        store.add_events([event("wine", 4)])
        assert following.wait(timeout=10) == 0, "it ends when nobody reads it"


@pytest.mark.slow
def test_apply_keeps_what_it_did(declared: Project) -> None:
    declared.reconciler("compile")
    declared.commit()
    declared.reconciler("apply", "wine")
    found = json.loads(declared.reconciler("events", "wine", "-o", "json").stdout)
    kinds = [row["event"] for row in found]
    assert kinds == [*["StageEnded"] * 3, "Trained", "Decided", "Served"]
    assert [row["reason"] for row in found[-2:]] == ["Released", "RolledOut"]
    assert found[-2]["version"] == 1
    assert found[-2]["revision"] == declared.git("rev-parse", "HEAD")
    assert {row["stage"] for row in found[:3]} == {"prepare", "train", "evaluate"}
    assert all(row["seconds"] >= 0 for row in found[:4])
    assert declared.git("status", "--porcelain") == ""
