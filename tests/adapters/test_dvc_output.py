"""DVC's words: each way in which a run ends is told apart, whatever else was printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters.dvc_output import Progress, cause
from reconciler.errors import ReconcilerError, SpecError, TerminalError, TransientError

FAILED = "ERROR: failed to reproduce 'train@m': failed to run: run train m, exited with {}"

#: What DVC 3.67 prints, and what stage programs do.
CASES: list[tuple[str, int, type[ReconcilerError], str, str]] = [
    (
        "error: BadData: column x is empty\nhint: mend it\n" + FAILED.format(1),
        255,
        TerminalError,
        "BadData",
        "column x is empty (mend it)",
    ),
    ("error: Busy: later\n" + FAILED.format(75), 255, TransientError, "Busy", "later"),
    ("some trouble\n" + FAILED.format(3), 255, TerminalError, "StageFailed", "some trouble"),
    (
        "OSError: [Errno 28] No space left on device\n" + FAILED.format(1),
        255,
        TransientError,
        "DiskFull",
        "disk is full",
    ),
    (
        "ERROR: configuration error - config file error: extra keys not allowed",
        251,
        TerminalError,
        "InvalidDvcConfig",
        "mend DVC's settings",
    ),
    (FAILED.format(-9), 255, TransientError, "Killed", "signal 9"),
    (FAILED.format(137), 255, TransientError, "Killed", "signal 9"),
    (FAILED.format(-11), 255, TerminalError, "Crashed", "signal 11"),
    ("", -15, TransientError, "Killed", "signal 15"),
    ("", 1, TransientError, "StageFailed", "status 1"),
    ("Running stage 'train@m':\n> run tr", 255, TransientError, "StageFailed", "> run tr"),
    (
        "ERROR: failed to reproduce 'train@m': [Errno 30] Read-only file system: '/c'",
        255,
        TransientError,
        "NotWritable",
        "Read-only file system: '/c'",
    ),
    (
        "ERROR: Unable to acquire lock. Most likely another DVC process is running.",
        255,
        TransientError,
        "Locked",
        "acquire lock",
    ),
    (
        "ERROR: failed to reproduce 'prepare@m': Parameters 'models.m.digest' are missing from "
        "'params.yaml'.",
        255,
        SpecError,
        "InvalidPipeline",
        "models.m.digest",
    ),
    (
        "ERROR: Stage 'train@zzz' not found inside 'dvc.yaml' file",
        255,
        SpecError,
        "InvalidPipeline",
        "train@zzz",
    ),
    (
        "ERROR: failed to parse 'stages.prepare@m.cmd' in 'dvc.yaml': Could not find 'item.dat'",
        255,
        SpecError,
        "InvalidPipeline",
        "item.dat",
    ),
    (
        "'./dvc.yaml' is invalid.\n\nWhile parsing a flow node, in line 2, column 1",
        255,
        SpecError,
        "InvalidPipeline",
        "line 2",
    ),
    (
        "'./dvc.yaml' validation failed: 2 errors.\nextra keys not allowed, in stages -> ouches",
        255,
        SpecError,
        "InvalidPipeline",
        "ouches",
    ),
    (
        "ERROR: failed to reproduce 'data/x.csv.dvc': missing data 'source': data/x.csv",
        255,
        TerminalError,
        "DataMissing",
        "data/x.csv",
    ),
    (
        "ERROR: failed to reproduce 'prepare@m': [Errno 2] No such file or directory: 'x.csv'",
        255,
        TerminalError,
        "DataMissing",
        "x.csv",
    ),
]


@pytest.mark.parametrize(("text", "code", "kind", "reason", "message"), CASES)
def test_each_cause_has_its_own_consequence(
    text: str, code: int, kind: type[ReconcilerError], reason: str, message: str
) -> None:
    error = cause(text.splitlines(), code, Path("x.log"))
    assert type(error) is kind
    assert error.reason == reason
    assert message in str(error)


@settings(deadline=None)
@given(st.lists(st.text()), st.integers(-64, 255))
def test_whatever_is_printed_has_a_cause_with_a_reason(lines: list[str], code: int) -> None:
    error = cause(lines, code, Path("x.log"))
    assert isinstance(error, ReconcilerError)
    assert error.reason.isidentifier()
    assert error.message


def test_a_stage_ends_when_dvc_saves_its_result() -> None:
    progress = Progress()
    lines = (
        "'data/x.csv.dvc' didn't change, skipping",
        "Stage 'prepare@m' is cached - skipping run, checking out outputs",
        "Generating lock file 'dvc.lock'",
        "Running stage 'train@m':",
        "> run train m",
        "epoch 1",
        "Updating lock file 'dvc.lock'",
        "Stage 'evaluate@m' didn't change, skipping",
    )
    told = [event for now, line in enumerate(lines) for event in progress.feed(line, now)]
    assert told == [
        ("prepare@m", "cached", 0.0),
        ("train@m", "running", 0.0),
        ("train@m", "ran", 3.0),
        ("evaluate@m", "cached", 0.0),
    ]
    assert progress.seconds == {"train@m": 3.0}
    assert progress.end(99) == ()


def test_a_stage_that_runs_at_the_end_of_the_output_ends_with_it() -> None:
    progress = Progress()
    progress.feed("Running stage 'train@m':", 1.0)
    assert progress.running == "train@m"
    assert progress.end(5.0) == (("train@m", "ran", 4.0),)
