"""The injected counter: kills a reconciler, on purpose, at one named point of its work.

This folder stands on PYTHONPATH of the reconciler and of all it starts, so Python imports this
module when it starts; the product knows nothing of it. Every change of a file, every process
that starts or ends, every commit of a database and every lock is a *point*, named by who does it,
what, and how often before: `reconciler|rename|.reconciler/export/*#2`. Points are written to a
trace; at the one that is asked for, SIGKILL is sent.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

TRACE, AT, HOW = "KILLING_TRACE", "KILLING_AT", "KILLING_HOW"
ROOT, DAEMON, INSIDE = "KILLING_ROOT", "KILLING_DAEMON", "KILLING_INSIDE"

#: Git commands that write; points inside of them are found by tracing their system calls.
WRITERS = ("update-ref", "fast-import", "mktree", "commit-tree", "update-index", "checkout-index")

_CHANCE = (
    (re.compile(r"[0-9a-f]{32,}|(?<![0-9a-z])[0-9a-f]{6,}(?![0-9a-z])"), "*"),
    (re.compile(r"(tmp|reconciler-)[a-z0-9_]{8}\b"), r"\1*"),
    (re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp"), ".*.tmp"),
    (re.compile(r"(objects|md5|runs)/[0-9a-f]{2}\b"), r"\1/*"),
    (re.compile(r"(tmp_(?:obj|pack|idx))_\w{6}"), r"\1_*"),
    (re.compile(r"^[a-z0-9_]{8}$"), "*"),
    (re.compile(r"(slots/|^)[0-9]+(?=/tree/)"), r"\1*"),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {
    "os.rename": "rename",
    "os.remove": "remove",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.link": "link",
    "os.symlink": "symlink",
    "os.truncate": "truncate",
    "os.chmod": "chmod",
}


def role(argv: list[str]) -> str | None:
    """Return who this process is; None: none of those that are counted."""
    words = [os.path.basename(word) for word in argv]
    if "reconciler.adapters.dvc_program" in words:
        command, *names = words[words.index("reconciler.adapters.dvc_program") + 1 :]
        model = next((name.partition("@")[2] for name in names if "@" in name), "")
        return f"dvc {command} {model}".strip()
    return "reconciler" if "reconciler" in words[:2] else None


def victims(daemon: int) -> list[int]:
    """Return every process that `daemon` has started, at any remove."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
    found = [daemon]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def kill(how: str, daemon: int) -> None:
    """Send SIGKILL: `alone` to the daemon, `all` to it and everything it started, or `self`."""
    own = os.getpid()
    if how == "all":
        while others := [pid for pid in victims(daemon) if pid != own and _runs(pid)]:
            for pid in others:
                _send(pid)
    _send(own if how == "self" else daemon)
    if how != "alone":
        _send(own)
    while own == daemon:  # until it arrives
        time.sleep(1)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _send(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def named(text: str) -> str:
    """Return a path or a command without what differs from run to run."""
    for pattern, word in _CHANCE:
        text = pattern.sub(word, text)
    return text


class Points:
    """Names points in the order in which they are met, and kills at one of them."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._met: Counter[str] = Counter()
        self._roots = tuple(os.environ[ROOT].split(os.pathsep))
        self._trace = os.open(os.environ[TRACE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._at = os.environ.get(AT)
        self.traces_git = os.environ.get(INSIDE) == "trace"
        if role == "reconciler":
            os.environ[DAEMON] = str(os.getpid())
        self._daemon = int(os.environ[DAEMON])

    def point(self, kind: str, what: object) -> str:
        """Meet a point, and return its name."""
        name = f"{self._role}|{kind}|{named(str(what))}"
        self._met[name] += 1
        name = f"{name}#{self._met[name]}"
        os.write(self._trace, f"{name}\n".encode())
        if name == self._at:
            kill(os.environ[HOW], self._daemon)
        return name

    def place(self, path: object) -> str | None:
        """Return a path as points name it; None where it is not of the repository."""
        if isinstance(path, int):
            try:
                path = os.readlink(f"/proc/self/fd/{path}")
            except OSError:
                return None
            if not str(path).startswith("/"):
                return None
        text = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
        root = next((r for r in self._roots if text.startswith(f"{r}/")), None)
        return None if root is None else text[len(root) + 1 :]

    def inside(self, spawned: str) -> str | None:
        """Return the point inside of a git command that is asked for; None: none of this one."""
        if self.traces_git:
            return f"{spawned}>"
        return self._at if self._at and self._at.startswith(f"{spawned}>") else None

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Meet the points that Python itself tells of, just before they happen."""
        if event == "open":
            path, _, flags = args
            if flags & _WRITING and path is not None and (place := self.place(path)):
                self.point("open", place)
        elif event in _CHANGES:
            at = 1 if event in ("os.rename", "os.link", "os.symlink") else 0
            if (place := self.place(args[at])) is not None:
                self.point(_CHANGES[event], place)
        elif event == "fcntl.flock" and (place := self.place(args[0])) is not None:
            self.point("lock", place)


def command(argv: Any) -> str:
    """Return a command line in a few words."""
    if isinstance(argv, str):
        return argv[:60]
    words = [os.path.basename(os.fsdecode(word)) for word in argv]
    if "gate" in words:
        words = words[words.index("gate") + 1 :]
    if words[0] == "git":
        rest = iter(words[1:])
        for word in rest:
            if word == "-c":
                next(rest)
            else:
                return f"git {word}"
    if "reconciler.adapters.dvc_program" in words:
        return f"dvc {' '.join(words[words.index('reconciler.adapters.dvc_program') + 1 :][:2])}"
    return " ".join(words[:4])


def count_processes(points: Points) -> None:
    """Meet a point before a process starts, after that, and when its end is known."""
    start, end = subprocess.Popen.__init__, subprocess.Popen._handle_exitstatus  # type: ignore[attr-defined]

    def started(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        self._named = command(args)
        name = points.point("spawn", self._named)
        writes = self._named.removeprefix("git ") in WRITERS
        if writes and (inside := points.inside(name)) is not None:
            tracer = os.path.join(os.path.dirname(__file__), "git_points.py")
            args = [sys.executable, "-S", "-E", tracer, inside, *args]
        start(self, args, *rest, **options)
        points.point("spawned", self._named)

    def ended(self: Any, *args: Any) -> Any:
        found = end(self, *args)
        points.point("ended", self._named)
        return found

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]
    subprocess.Popen._handle_exitstatus = ended  # type: ignore[attr-defined]


def count_writes(points: Points) -> None:
    """Meet a point before what is written reaches the file, and when half of it has."""
    import builtins

    plain = io.open

    class Counted(io.FileIO):
        def write(self, data: Any) -> int:
            place = points.place(self.fileno())
            if place is None:
                return super().write(data) or 0
            points.point("write", place)
            view = memoryview(data).cast("B")
            done = super().write(view[: len(view) // 2]) or 0 if len(view) > 1 else 0
            if done:
                points.point("half", place)
            return done + (super().write(view[done:]) or 0)

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None,
        errors: Any = None, newline: Any = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if "+" in mode or not set(mode) & set("wax"):
            return plain(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = Counted(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        buffered = io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline, buffering == 1)
        text.mode = mode  # type: ignore[misc]
        return text

    io.open = builtins.open = opened


def count_copies(points: Points) -> None:
    """Meet a point before a file is copied, and when half of it is."""
    plain = os.sendfile

    def sent(out_fd: int, in_fd: int, offset: int, count: int, *rest: Any) -> int:
        if (place := points.place(out_fd)) is not None:
            points.point("half" if offset else "write", place)
            if not offset:
                count = min(count, max(1, os.fstat(in_fd).st_size // 2))
        return plain(out_fd, in_fd, offset, count, *rest)

    os.sendfile = sent  # type: ignore[assignment]


def count_databases(points: Points) -> None:
    """Meet a point before a transaction begins, before it is committed, and after."""
    import sqlite3

    class Counted(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> Any:
            if (word := sql.split()[0].upper()) in ("BEGIN", "COMMIT"):
                self._meet(word.lower())
            return super().execute(sql, *rest)

        def __exit__(self, *why: Any) -> Any:
            self._meet("commit")
            found = super().__exit__(*why)
            self._meet("committed")
            return found

        def _meet(self, kind: str) -> None:
            if (place := points.place(self.path)) is not None:
                points.point(kind, place)

        path = ""

    plain = sqlite3.connect

    def connected(path: Any, *rest: Any, **options: Any) -> Any:
        options.setdefault("factory", Counted)
        made = plain(path, *rest, **options)
        if isinstance(made, Counted):
            made.path = os.fsdecode(path)
        return made

    sqlite3.connect = sqlite3.dbapi2.connect = connected  # type: ignore[assignment]


def install(who: str) -> None:
    """Count what this process does."""
    points = Points(who)
    count_processes(points)
    count_writes(points)
    count_copies(points)
    count_databases(points)
    sys.addaudithook(points.audit)


if TRACE in os.environ and (_role := role(sys.orig_argv)) is not None:
    install(_role)
