"""Points inside of git: its system calls that change a file, counted and cut by ptrace.

    python git_points.py NAME COMMAND…

runs the command as it is, traced. NAME ending in `>` writes every point to the trace; a whole
name kills at that point. Linux on x86-64 only: elsewhere the command runs untraced.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from collections import Counter

sys.path.insert(0, os.path.dirname(__file__))
from sitecustomize import (  # type: ignore[import-not-found]
    DAEMON,
    HOW,
    TRACE,
    kill,
    named,
)

_TRACEME, _PEEKUSER, _SYSCALL, _DETACH, _SETOPTIONS = 0, 3, 24, 17, 0x4200
_SYSGOOD = 1
_NUMBER, _ARGUMENTS = 120, (112, 104, 96, 56)  # where struct user has orig_rax and rdi, rsi, …
_CALLS = {
    1: "write", 2: "open", 257: "open", 82: "rename", 264: "rename", 316: "rename",
    86: "link", 265: "link", 87: "remove", 263: "remove", 83: "mkdir", 258: "mkdir",
    77: "truncate", 74: "fsync", 75: "fsync",
}  # fmt: skip
_AT_FIRST = {2: 0, 257: 1, 82: 1, 264: 3, 316: 3, 86: 1, 265: 3, 87: 0, 263: 1, 83: 0, 258: 1}
_FLAGS = {2: 1, 257: 2}

_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_ptrace.restype = ctypes.c_long


def main(name: str, argv: list[str]) -> int:
    """Run a command and return its exit status, or end as it was ended."""
    if platform.machine() != "x86_64":
        os.execvp(argv[0], argv)
    child = os.fork()
    if child == 0:
        _ptrace(_TRACEME, 0, None, None)
        os.execvp(argv[0], argv)
    os.waitpid(child, 0)
    _ptrace(_SETOPTIONS, child, None, _SYSGOOD)
    return _follow(child, name)


def _follow(child: int, name: str) -> int:
    trace = os.open(os.environ[TRACE], os.O_WRONLY | os.O_APPEND)
    met: Counter[str] = Counter()
    entering, passed = True, 0
    while True:
        _ptrace(_SYSCALL, child, None, passed)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
        if os.WIFSIGNALED(status):
            os.kill(os.getpid(), os.WTERMSIG(status))
        passed = os.WSTOPSIG(status)
        if passed != signal.SIGTRAP | 0x80:
            passed = 0 if passed == signal.SIGTRAP else passed
            continue
        passed = 0
        if entering and (what := _point(child)) is not None:
            met[what] += 1
            point = f"{what}#{met[what]}"
            if name.endswith(">"):
                os.write(trace, f"{name}{point}\n".encode())
            elif name.endswith(f">{point}"):
                os.write(trace, f"{name}\n".encode())
                _cut(child)
        entering = not entering


def _cut(child: int) -> None:
    how = os.environ[HOW]
    if how == "alone":
        _ptrace(_DETACH, child, None, None)  # git goes on, as it would
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    kill(how, int(os.environ[DAEMON]))
    if how == "alone":
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status))


def _point(child: int) -> str | None:
    """Return what a system call is about to change; None: nothing."""
    number = _ptrace(_PEEKUSER, child, _NUMBER, None)
    if number not in _CALLS:
        return None
    arguments = [_ptrace(_PEEKUSER, child, at, None) for at in _ARGUMENTS]
    if number in _FLAGS and not arguments[_FLAGS[number]] & os.O_CREAT:
        return None
    where = _AT_FIRST.get(number)
    path = _open_file(child, arguments[0]) if where is None else _text(child, arguments[where])
    if path is None:
        return None
    return f"{_CALLS[number]}|{named(path)}"


def _open_file(child: int, descriptor: int) -> str | None:
    try:
        path = os.readlink(f"/proc/{child}/fd/{descriptor}")
    except OSError:
        return None
    return _short(path) if path.startswith("/") and not path.startswith("/dev/") else None


def _text(child: int, address: int) -> str:
    with open(f"/proc/{child}/mem", "rb", 0) as memory:
        memory.seek(address)
        return _short(os.fsdecode(memory.read(4096).partition(b"\0")[0]))


def _short(path: str) -> str:
    return "/".join(path.split("/")[-3:])


if __name__ == "__main__":
    os._exit(main(sys.argv[1], sys.argv[2:]))
