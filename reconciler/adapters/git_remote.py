"""A git remote: what its refs are, what to bring from there, what to move there.

Git itself does it, with the credentials that git finds, and never by asking. Every call has an
end: the remote may be away, hang, or vanish half-way. What git says of it is told without secrets.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters import git_output, process
from reconciler.adapters.git_environment import OPTIONS, environment
from reconciler.adapters.secrets import scrubbed, without_secrets
from reconciler.adapters.stopping import Stop
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
_PUSH = ("--porcelain", "--no-verify", "--no-follow-tags", "--no-recurse-submodules", "--no-signed")
_FETCH = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-prune",
          "--no-auto-maintenance")  # fmt: skip
# How a server words that a ref was moved while the push was under way.
_FASTER = ("[rejected]", "failed to update ref", "cannot lock ref", "failed to lock")
_LONGEST = 600
_MOST = 500  # refs in one push: the system bounds the length of a command
# What git says whatever the cause.
_NO_NEWS = ("To ", "Please make sure you have the correct access", "and the repository exists.")
_ACCESS = ("Authentication failed", "could not read Username", "could not read Password",
           "Permission denied (", "terminal prompts disabled", "Host key verification")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """How long calls may take, in seconds."""

    ask_s: float = 30.0
    push_s: float = 60.0
    fetch_s: float = 600.0
    tidy_s: float = 120.0
    """How long git may take to pack what is here."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A ref that was not moved."""

    words: str
    """The remote's own, or git's."""
    outrun: bool
    """Whether somebody else has moved it; otherwise the remote does not let us."""


#: Of a ref that stands where it is to go: somebody has made the very same commit.
_THERE = Refused("it stands there already", outrun=True)


@dataclass(frozen=True)
class GitRemote:
    """The repository at a URL, and the bare one of ours by way of which it is asked."""

    folder: Path
    """Git folder of ours: objects come to it and go from it."""
    url: str
    limits: Limits = Limits()
    stop: Stop = field(default_factory=Stop)
    """Ends what is under way, and all that follows."""

    @property
    def name(self) -> str:
        """The URL as it may be shown."""
        return without_secrets(self.url)

    def refs(self, *patterns: str) -> dict[str, str]:
        """Return the ids that the remote's refs point to, by full name, in one question.

        Args:
            patterns: Full names; `*` stands for anything.

        Raises:
            TransientError: `RemoteUnreachable`.
        """
        argv = ("ls-remote", "--quiet", "--refs", "--", self.url, *patterns)
        said = self._call(*argv, limit_s=self.limits.ask_s)
        pairs = (line.split("\t") for line in os.fsdecode(said.stdout).splitlines())
        return {ref: oid for oid, ref in pairs}

    def fetch(self, *refspecs: str) -> None:
        """Bring refs, and what they name, here: all of them or none.

        Raises:
            TransientError: `RemoteUnreachable`; or nothing can be written here.
        """
        self._call("fetch", *_FETCH, "--", self.url, *refspecs, limit_s=self.limits.fetch_s)

    def push(
        self, moves: Mapping[str, str | None], expected: Mapping[str, str | None] | None = None
    ) -> dict[str, Refused]:
        """Move refs of the remote, each by itself, and return those that did not move.

        Args:
            moves: Where to, by ref; None: it is deleted.
            expected: Where each must stand now, None: nowhere. Without it a ref moves only to
                what goes on from where it stands.

        Raises:
            TransientError: `RemoteUnreachable`; some may have moved all the same.
        """
        refused: dict[str, Refused] = {}
        refs = list(moves)
        for some in (refs[n : n + _MOST] for n in range(0, len(refs), _MOST)):
            leases = {ref: expected[ref] for ref in some} if expected is not None else {}
            refused |= self._push({ref: moves[ref] for ref in some}, leases)
        return refused

    def tidy(self) -> None:
        """Have git pack the folder's objects where there are many loose ones."""
        self._call("gc", "--auto", "--quiet", limit_s=self.limits.tidy_s)

    def refusal(self, ref: str, words: str) -> TransientError:
        """Return the error for a ref that the remote does not let us move."""
        return TransientError(
            f"{self.name} does not let us move {ref}: {words}",
            reason="RemoteRefused",
            hint=f"allow who pushes here to create, move and delete {ref}",
        )

    def _push(
        self, moves: Mapping[str, str | None], expected: Mapping[str, str | None]
    ) -> dict[str, Refused]:
        leases = [f"--force-with-lease={ref}:{oid or ''}" for ref, oid in expected.items()]
        specs = [f"{oid or ''}:{ref}" for ref, oid in moves.items()]
        argv = ("push", *_PUSH, *leases, "--", self.url, *specs)
        done = self._call(*argv, limit_s=self.limits.push_s, check=False)
        lines = [line.split("\t") for line in os.fsdecode(done.stdout).splitlines()]
        told = {parts[1].rpartition(":")[2]: parts for parts in lines if len(parts) == 3}
        if done.code and not any(flag == "!" for flag, *_ in told.values()):
            raise self._failed("push", done.code, done.stderr)
        if cut := next((p[2] for p in told.values() if p[2].startswith("[remote failure]")), None):
            raise self._unreachable("push", cut)
        heard = self._words(done.stderr)
        refused = {r: self._refused(p[2], heard) for r, p in told.items() if p[0] == "!"}
        return refused | {r: _THERE for r, p in told.items() if p[0] == "="}

    def _refused(self, summary: str, heard: str) -> Refused:
        outrun = any(word in summary for word in _FASTER)
        words = scrubbed(summary, self.url)
        return Refused(words if outrun or not heard else f"{words}: {heard}", outrun)

    def _call(self, *arguments: str, limit_s: float, check: bool = True) -> process.Completed:
        argv = ("git", *OPTIONS, "-c", "gc.autoDetach=false", *arguments)
        try:
            with self.stop.calling():
                done = process.call(argv, self.folder, self._environment, limit_s, self.stop.event)
        except TransientError as error:
            raise self._unreachable(arguments[0], error.message) from None
        if check and done.code != 0:
            raise self._failed(arguments[0], done.code, done.stderr)
        return done

    def _failed(self, command: str, code: int, stderr: bytes) -> TransientError:
        words = self._words(stderr)
        error = git_output.failure(command, self.folder, code, words.encode())
        refused = any(word in words for word in _ACCESS)
        if error.reason in ("DiskFull", "Locked", "NotWritable") and not refused:
            assert isinstance(error, TransientError)
            return error
        hint = "" if refused else error.hint
        return self._unreachable(command, words or f"exit status {code}", hint)

    def _unreachable(self, command: str, words: str, hint: str = "") -> TransientError:
        if any(word in words for word in _ACCESS):
            hint = "git must get in without asking: a credential helper, an ssh key, GIT_ASKPASS"
        message = f"git {command} {self.name}: {scrubbed(words, self.url)}"
        return TransientError(message, reason="RemoteUnreachable", hint=hint)

    def _words(self, stderr: bytes) -> str:
        lines = (line.strip() for line in stderr.decode(errors="replace").splitlines())
        told = "; ".join(line for line in lines if line and not line.startswith(_NO_NEWS))
        return scrubbed(told, self.url)[:_LONGEST]

    @cached_property
    def _environment(self) -> dict[str, str]:
        """Return what git runs with; what would ask a person is off unless the user chose it."""
        env = environment() | {"GIT_DIR": str(self.folder)}
        if not self._setting("core.askPass", env):
            env.setdefault("GIT_ASKPASS", "")
        if "GIT_SSH" not in env and not self._setting("core.sshCommand", env):
            env.setdefault("GIT_SSH_COMMAND", _SSH)
        return env

    def _setting(self, key: str, env: Mapping[str, str]) -> bool:
        return process.run(("git", "config", "--get", key), self.folder, env).code == 0


def location(url: str, here: Path) -> str:
    """Return a URL as it holds in every folder: a path becomes absolute."""
    path = here / Path(url).expanduser()
    return str(path.resolve()) if "://" not in url and path.exists() else url


def refspec(refs: Sequence[str]) -> tuple[str, ...]:
    """Return what makes refs here equal to those of the same names there, whatever they were."""
    return tuple(f"+{ref}:{ref}" for ref in refs)
