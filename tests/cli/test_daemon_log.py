"""The daemon's log: one line per event, whatever stands in it and wherever it goes."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.daemon_log import DaemonLog
from reconciler.cli.options import LogFormat
from reconciler.controller.events import (
    Decided,
    Event,
    Happened,
    Moved,
    Queued,
    Served,
    StageEnded,
    StageStarted,
    Trained,
    Warned,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=()))  # lone surrogates and controls, too
optional = st.none() | texts
seconds = st.floats()
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Queued, texts),
    st.builds(StageStarted, texts, texts),
    st.builds(StageEnded, texts, texts, cached=st.booleans(), seconds=seconds),
    st.builds(Trained, texts, seconds),
    st.builds(Decided, texts, texts, texts, st.booleans(), optional, optional, st.none()),
    st.builds(Warned, texts, texts),
    st.builds(Served, texts, texts, texts, texts),
    st.builds(Moved, texts, texts, texts, texts, texts),
    st.builds(Happened, texts, texts, st.booleans(), optional, st.none() | seconds),
)


def logged(form: LogFormat, *events: Event) -> list[str]:
    """Return the lines that a log gets, each without its end."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as out:
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(out.read()))
        reader.start()
        with DaemonLog(form, write, lambda: NOON) as log:
            for event in events:
                log(event)
        os.close(write)
        reader.join()
    text = found[0].decode("utf-8")
    assert text.endswith("\n") or not events
    return text.split("\n")[:-1]


def objects(*events: Event) -> list[dict[str, Any]]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return [json.loads(x, parse_constant=refuse) for x in logged(LogFormat.JSON, *events)]


def test_a_line_for_people_has_time_model_what_and_why() -> None:
    assert logged(
        LogFormat.TEXT,
        Happened("Started", "follows main of /srv/models"),
        Queued("wine"),
        StageStarted("wine", "train"),
        StageEnded("wine", "train", cached=False, seconds=3.14159),
        StageEnded("wine", "evaluate", cached=True, seconds=0.0),
        Decided("wine", "Rejected", "rmse 3 > 2", good=False),
        Moved("wine", "Synced", "Degraded", "BytesChanged", "a byte differs"),
    ) == [
        "2026-03-01T12:00:00Z Started: follows main of /srv/models",
        "2026-03-01T12:00:00Z wine: waits for a free slot",
        "2026-03-01T12:00:00Z wine: train …",
        "2026-03-01T12:00:00Z wine: train done in 3.1 s",
        "2026-03-01T12:00:00Z wine: evaluate from the cache",
        "2026-03-01T12:00:00Z warning wine: Rejected: rmse 3 > 2",
        "2026-03-01T12:00:00Z warning wine: Synced, Degraded: BytesChanged: a byte differs",
    ]


def test_a_line_for_programs_has_every_fact_by_name() -> None:
    released = Decided("wine", "Released", "released: r2 0.9", True, "c0ffee", "f1", 3)
    moved = Moved("wine", "Synced", "Missing", "NotServed", "nothing is served")
    ended = StageEnded("wine", "train", cached=False, seconds=3.14159)
    synced = Happened("Synced", "main is at c0ffee", revision="c0ffee", seconds=0.25)
    assert objects(released, moved, ended, synced) == [
        {
            "ts": "2026-03-01T12:00:00.123Z", "level": "info", "event": "Decided",
            "model": "wine", "reason": "Released", "message": "released: r2 0.9",
            "revision": "c0ffee", "fingerprint": "f1", "version": 3,
        },
        {
            "ts": "2026-03-01T12:00:00.123Z", "level": "warning", "event": "Moved",
            "model": "wine", "reason": "NotServed", "message": "nothing is served",
            "sync": "Synced", "health": "Missing",
        },
        {
            "ts": "2026-03-01T12:00:00.123Z", "level": "info", "event": "StageEnded",
            "model": "wine", "message": "train done in 3.1 s", "stage": "train",
            "cached": False, "seconds": 3.142,
        },
        {
            "ts": "2026-03-01T12:00:00.123Z", "level": "info", "event": "Happened",
            "reason": "Synced", "message": "main is at c0ffee", "revision": "c0ffee",
            "seconds": 0.25,
        },
    ]  # fmt: skip


@given(st.lists(EVENTS, max_size=5))
def test_every_event_is_one_json_object_on_one_line(events: list[Event]) -> None:
    found = objects(*events)
    assert len(found) == len(events)
    for event, line in zip(events, found, strict=True):
        assert line["event"] == type(event).__name__
        assert line.get("model", "") == getattr(event, "model", "")
        assert line.get("reason", "") == getattr(event, "reason", "")
        if isinstance(event, Decided | Warned | Served | Moved | Happened):
            assert line["message"] == event.message
        if isinstance(event, Trained):
            told = line["seconds"]
            assert told is None or math.isclose(told, event.seconds, abs_tol=0.001)


@given(st.lists(EVENTS, max_size=5))
def test_no_event_breaks_a_line_for_people_or_steers_a_terminal(events: list[Event]) -> None:
    lines = logged(LogFormat.TEXT, *events)
    assert len(lines) == len(events)
    assert all(line.isprintable() for line in lines)


def test_what_steers_a_terminal_is_shown() -> None:
    (line,) = logged(LogFormat.TEXT, Warned("wine", "one\ntwo\x1b[31m"))
    assert line.endswith(r"wine: one\ntwo\x1b[31m")


def test_lines_of_many_threads_do_not_mix() -> None:
    def tell(log: DaemonLog, thread: int) -> None:
        for number in range(200):
            log(Warned(f"m{thread}", f"{number} " + "x" * 300))

    read, write = os.pipe()
    with os.fdopen(read, "rb") as out:
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(out.read()))
        reader.start()
        with DaemonLog(LogFormat.JSON, write) as log:
            threads = [threading.Thread(target=tell, args=(log, n)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        os.close(write)
        reader.join()
    lines = [json.loads(line) for line in found[0].splitlines()]
    assert len(lines) == 800
    for n in range(4):
        own = [line["message"].split()[0] for line in lines if line["model"] == f"m{n}"]
        assert own == [str(number) for number in range(200)]


def test_a_log_whose_reader_is_gone_stops_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    with DaemonLog(LogFormat.TEXT, write) as log:
        for number in range(50):
            log(Warned("wine", str(number)))
    os.close(write)


def test_a_log_that_nobody_reads_holds_up_nothing() -> None:
    read, write = os.pipe()
    began = time.monotonic()
    with DaemonLog(LogFormat.TEXT, write) as log:
        for _ in range(3000):
            log(Warned("wine", "x" * 100))
    assert time.monotonic() - began < 4
    os.close(read)
    while any(thread.name == "log" for thread in threading.enumerate()):
        time.sleep(0.001)
    os.close(write)


FULL = """
import os, resource, signal, sys, time
from reconciler.cli.daemon_log import DaemonLog
from reconciler.cli.options import LogFormat
from reconciler.controller.events import Warned
path = sys.argv[1]
file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
with DaemonLog(LogFormat.JSON, file) as log:
    log(Warned("wine", "first"))
    while not os.stat(path).st_size:
        time.sleep(0.001)
    full = os.stat(path).st_size + 10
    room(full)
    log(Warned("wine", "lost"))
    while os.stat(path).st_size < full:
        time.sleep(0.001)
    log(Warned("wine", "lost"))
    log(Warned("wine", "lost"))
    time.sleep(0.2)
    room(resource.RLIM_INFINITY)
    log(Warned("wine", "last"))
"""


def test_a_log_on_a_full_disk_says_afterwards_how_many_lines_were_lost(tmp_path: Path) -> None:
    path = tmp_path / "log"
    subprocess.run([sys.executable, "-c", FULL, str(path)], check=True, timeout=60)
    first, torn, lost, last = path.read_text().splitlines()
    assert json.loads(first)["message"] == "first"
    assert len(torn) == 10, "the disk was full within a line"
    assert json.loads(lost)["lost"] == 3
    assert json.loads(last)["message"] == "last"


def test_no_colours_are_written() -> None:
    lines = logged(LogFormat.TEXT, Decided("wine", "Failed", "it broke", good=False))
    assert not re.search("\x1b", "".join(lines))
