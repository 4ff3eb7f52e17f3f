"""DVC's output: how far a run is and why one failed, read from the lines it prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from reconciler.errors import ReconcilerError, SpecError, TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

State = Literal["running", "ran", "cached"]

_RUNNING = re.compile(r"Running stage '([^']+)'")
_CACHED = re.compile(r"Stage '([^']+)' (?:is cached|didn't change)")
_SAVED = re.compile(r"(?:Generating|Updating) lock file ")
_ASKED = re.compile(r"Asking the remote '")
_ANSWERED = re.compile(r"The remote '[^']+' has answered")
_STAGE = re.compile(r"error: (?P<reason>[A-Z]\w*): (?P<message>.+)")
_HINT = re.compile(r"(?:hint|next): (.+)", re.IGNORECASE)
_DVC = re.compile(r"ERROR: .+|'[^']+' (?:validation failed|is invalid)\b.*")
_REPRODUCED = re.compile(r"ERROR: failed to reproduce '([^']+)'")
_EXIT = re.compile(r"exited with (-?\d+)")

_ROOM = (
    "train fewer models at a time with `--jobs`, bound each with `--memory`, or free some memory"
)

#: Exit status of a stage program whose error waits for time (sysexits' EX_TEMPFAIL).
TEMPORARY = 75


@dataclass(slots=True)
class Progress:
    """What a run of DVC has done so far; `feed` it the lines as they come."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage that ran, by stage name."""
    running: str | None = None
    """The stage that runs now; None between two of them."""
    _since: float = 0.0
    _away: float = 0.0
    _asked: list[float] = field(default_factory=list)
    """When each question to the remote began that has no answer yet."""

    def feed(self, line: str, now: float) -> tuple[tuple[str, State, float], ...]:
        """Return what the line tells: stage, what became of it, and its seconds.

        Args:
            line: A line of output.
            now: Seconds of a clock that never goes back.
        """
        if _ASKED.match(line):
            self._asked.append(now)
        elif _ANSWERED.match(line) and self._asked:
            began = self._asked.pop()
            self._away += 0.0 if self._asked else now - began
        if match := _RUNNING.match(line):
            ended = self.end(now)
            self.running, self._since = match[1], now
            return (*ended, (match[1], "running", 0.0))
        if match := _CACHED.match(line):
            return (*self.end(now), (match[1], "cached", 0.0))
        return self.end(now) if _SAVED.match(line) else ()

    def away(self, now: float) -> float:
        """Return the seconds spent on waiting for the remote, which are none of training."""
        return self._away + (now - self._asked[0] if self._asked else 0.0)

    def end(self, now: float) -> tuple[tuple[str, State, float], ...]:
        """Return the end of the stage that runs, if one does."""
        if self.running is None:
            return ()
        name, self.running = self.running, None
        self.seconds[name] = now - self._since
        return ((name, "ran", self.seconds[name]),)


def cause(lines: Sequence[str], code: int, log: Path) -> ReconcilerError:
    """Return why a run of DVC failed, as an error that says what the way forward waits for.

    Args:
        lines: The end of its output.
        code: Its exit status; negative: the signal that ended it.
        log: Where all of the output is, for people.
    """
    said = "\n".join(lines)
    found = _by_disk(said) or _by_stage(lines) or _by_signal(said, code, log) or _by_dvc(lines)
    if found is not None:
        return found
    own = [line.strip() for line in lines if line.strip() and not line.startswith("ERROR: failed")]
    stage = next((m[1] for line in reversed(lines) if (m := _REPRODUCED.match(line))), None)
    who = "it" if stage is None else f"stage {stage}"
    whole = any(_DVC.match(line) for line in lines)  # else it could not be written to its end
    kind = TerminalError if whole else TransientError
    return kind(
        f"{who} failed with status {_status(lines) or code}:"
        f" {own[-1] if own else 'it said nothing'}",
        reason="StageFailed",
        hint=f"the whole log: {log}",
    )


def _by_disk(said: str) -> ReconcilerError | None:
    if re.search(r"No space left on device|Disk quota exceeded|\[Errno 28\]", said):
        return TransientError("the disk is full", reason="DiskFull", hint="free some space")
    if closed := re.search(r"Read-only file system[^\n]*", said):
        hint = "check how the disk is mounted"
        return TransientError(closed[0], reason="NotWritable", hint=hint)
    return None


def _by_stage(lines: Sequence[str]) -> ReconcilerError | None:
    """Return the error that a stage program has stated itself."""
    at = next((n for n in reversed(range(len(lines))) if _STAGE.match(lines[n])), None)
    if at is None:
        return None
    match = _STAGE.match(lines[at])
    assert match is not None
    hints = (_HINT.match(line) for line in lines[at + 1 : at + 2])
    hint = next((found[1] for found in hints if found), "")
    kind = TransientError if _status(lines) == TEMPORARY else TerminalError
    return kind(match["message"], reason=match["reason"], hint=hint)


def _by_signal(said: str, code: int, log: Path) -> ReconcilerError | None:
    status = _status(said.splitlines())
    number = -code if code < 0 else -status if status < 0 else status - 128
    if number in (6, 7, 8, 11):
        return TerminalError(
            f"it crashed with signal {number}", reason="Crashed", hint=f"the log: {log}"
        )
    if number in (1, 2, 3, 9, 15):
        if number == 9:
            said = "it was killed by signal 9, most likely by the system because memory ran out"
            return TransientError(said, reason="Killed", hint=_ROOM)
        return TransientError(f"it was ended by signal {number}", reason="Killed")
    return None


def _by_dvc(lines: Sequence[str]) -> ReconcilerError | None:
    """Return the error that DVC states about itself, the pipeline or the data."""
    at = next((n for n in reversed(range(len(lines))) if _DVC.match(lines[n])), None)
    if at is None or _EXIT.search(lines[at]):
        return None
    message = " ".join(line.strip() for line in lines[at:] if line.strip())
    message = message.removeprefix("ERROR: ")
    for pattern, kind, reason, hint in _KNOWN:
        if re.search(pattern, message):
            return kind(message, reason=reason, hint=hint)
    return None


_KNOWN: tuple[tuple[str, type[ReconcilerError], str, str], ...] = (
    (
        "configuration error|config file error",
        TerminalError,
        "InvalidDvcConfig",
        "mend DVC's settings; `dvc config --list --show-origin` shows where they stand",
    ),
    (
        "[Uu]nable to acquire lock|LockError|is busy",
        TransientError,
        "Locked",
        "another DVC runs there; if none does, delete .dvc/tmp/rwlock",
    ),
    (
        "missing data 'source'|does not exist: |missing cache|failed to pull|Checkout failed"
        "|dependency .* does not exist|No such file or directory",
        TerminalError,
        "DataMissing",
        "run `dvc push` where the data is, then `dvc pull` here",
    ),
    (
        r"are missing from|validation failed|failed to parse|not found inside|Could not find"
        r"|does not exist in|is not valid|is invalid|corrupted|[Cc]ycl|outside of",
        SpecError,
        "InvalidPipeline",
        "mend dvc.yaml or params.yaml; `reconciler compile` writes the models' lines",
    ),
    (
        "output .* does not exist|missing output",
        TerminalError,
        "OutputMissing",
        "the stage must write every `outs:` that dvc.yaml names",
    ),
)


def _status(lines: Sequence[str]) -> int:
    """Return the exit status of the stage that failed, as DVC states it; 0: it does not."""
    found = [match for line in lines if (match := _EXIT.search(line)) and _DVC.match(line)]
    return int(found[-1][1]) if found else 0
