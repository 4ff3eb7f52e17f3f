"""Failures of a DVC remote: what DVC says, told as what is wrong and what to do about it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.adapters import dvc_config
from reconciler.adapters.pointers import without_password
from reconciler.errors import ReconcilerError, TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Seconds for which a remote that failed is not asked again: a fleet waits once, not per model.
PAUSE_S = 30.0


class Outage:
    """Remembers for a while that a remote failed."""

    def __init__(self) -> None:
        self._error: ReconcilerError | None = None
        self._until = 0.0

    def check(self) -> None:
        """Raise the failure again if it is recent."""
        if self._error is not None and time.monotonic() < self._until:
            raise self._error

    def noted(self, error: ReconcilerError) -> ReconcilerError:
        """Remember a failure of the remote, and return it."""
        if error.reason.startswith("Remote"):
            self._error, self._until = error, time.monotonic() + PAUSE_S
        return error


@dataclass(frozen=True, slots=True)
class _Cause:
    """A way in which remotes fail, recognised by what is said."""

    pattern: re.Pattern[str]
    reason: str
    sentence: str
    hint: str


_OWN = "`dvc remote modify --local {name} …` (`keyfile`, `user`, `access_key_id`, `profile`)"
_CAUSES = (
    _Cause(
        re.compile(r"no answer within"),
        "RemoteSilent",
        "does not answer",
        "check the network and `dvc remote list`; the next apply goes on from here",
    ),
    _Cause(
        re.compile(
            r"[Pp]ermission denied for user|[Aa]uthentication|[Ff]orbidden|Access ?Denied"
            r"|\b40[13]\b|credentials|InvalidAccessKeyId|Signature|ExpiredToken|passphrase"
        ),
        "RemoteRefused",
        "does not let us in",
        f"put what identifies you down with {_OWN}, or in the environment; nobody is asked here",
    ),
    _Cause(
        re.compile(
            r"[Cc]onnect|resolve|not known|No route|unreachable|timed? ?out|[Tt]imeout"
            r"|Broken pipe"
        ),
        "RemoteUnreachable",
        "cannot be reached",
        "check the network and `dvc remote list`; the next apply goes on from here",
    ),
    _Cause(
        re.compile(r"No space left|quota|QuotaExceeded"),
        "RemoteFull",
        "is full",
        "make room there; the next apply goes on from here",
    ),
    _Cause(re.compile(""), "RemoteFailed", "failed", "try `dvc push` by hand"),
)

_FAILED = re.compile(r"the remote '(?P<name>[^']+)' failed: (?P<why>.+)")
_MOVED = re.compile(r"failed to transfer '[^']*'(?: - )?(?P<why>.*)")
_EXTRA = re.compile(
    r"requires '?dvc-(\w+)|No module named 'dvc_(\w+)'"
    r"|filesystem for '(\w+)': .*missing dependencies"
)
_QUERY = re.compile(r"(?<=\w)\?[^\s\"']+")
_NOISE = re.compile(r"^(?:ERROR: )?(?:unexpected error - )?|(?:configuration error - )")


def failure(lines: Sequence[str], root: Path, default: str | None = None) -> ReconcilerError | None:
    """Return why the remote failed; None where what DVC has printed does not say that it did.

    Args:
        lines: What DVC has printed.
        root: The folder with the settings it ran by.
        default: The remote that must have failed, whatever is said; None: perhaps none has.
    """
    moved = [match["why"] for line in lines if (match := _MOVED.search(line)) and match["why"]]
    for line in reversed(lines):
        if match := _FAILED.search(line):
            return _failure(match["name"], moved[-1] if moved else match["why"], root)
    if default is None:
        return None
    said = [line for line in lines if line.startswith("ERROR: ")] or [*lines[-1:]] or ["?"]
    return _failure(default, moved[-1] if moved else said[0], root)


def _failure(name: str, said: str, root: Path) -> ReconcilerError:
    why = _QUERY.sub("", _NOISE.sub("", said))
    url = without_password(dvc_config.remotes(root).options.get(name, {}).get("url", ""))
    who = f"the DVC remote '{name}' ({url})"
    if match := _EXTRA.search(why):
        extra = next(group for group in match.groups() if group)
        own = extra in _EXTRAS
        return TerminalError(
            f"{who} needs a package that is not installed here: dvc-{extra}",
            reason="ExtraMissing",
            hint=f"pip install 'reconciler[{extra}]'" if own else f"pip install dvc-{extra}",
        )
    if "cloud versioned" in why:
        return TerminalError(
            f"{who} keeps files by path and version, where no release can be found by its content",
            reason="RemoteUnsupported",
            hint="make another one the default, without `version_aware` and `worktree`",
        )
    cause = next(c for c in _CAUSES if c.pattern.search(why))
    return TransientError(
        f"{who} {cause.sentence}: {why}", reason=cause.reason, hint=cause.hint.format(name=name)
    )


_EXTRAS = frozenset({"s3", "ssh"})
