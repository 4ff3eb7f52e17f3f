"""Woven logs: the lines of several programs in one, each with the name of its program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from reconciler.cli.daemon_log import now
from reconciler.cli.options import LogFormat
from reconciler.cli.telling import as_json, line
from reconciler.controller.events import Happened
from reconciler.controller.outbox import Outbox
from reconciler.controller.telling import told

#: Of the program itself.
OWN = "up"
_WIDTH = 6


class Woven:
    """Writes lines whole and in turn; a context manager around the work.

    Any thread may give it lines, and none waits: what cannot be written is lost.

    Args:
        form: Lines for people, with the program's name before each, or JSON objects with the key
            `program`.
        file: The file descriptor; 1 is standard output.
    """

    def __init__(self, form: LogFormat, file: int = 1) -> None:
        self._json = form is LogFormat.JSON
        self._file = file
        self._box: Outbox[bytes] = Outbox(self._write, "log")

    def __enter__(self) -> Woven:
        self._box.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._box.__exit__()

    def hears(self, program: str) -> Callable[[bytes], None]:
        """Return what takes the lines of one program, without their ends."""
        named = self._object if self._json else self._named
        return lambda text: self._box.put(named(program, text))

    def tell(self, reason: str, message: str, *, good: bool = True) -> None:
        """Have a line of the program's own written."""
        event = told(Happened(reason, message, good), now())
        text = as_json(event) if self._json else line(event)
        self.hears(OWN)(text.encode())

    @staticmethod
    def _named(program: str, text: bytes) -> bytes:
        return f"{program:<{_WIDTH}} | ".encode() + text + b"\n"

    @staticmethod
    def _object(program: str, text: bytes) -> bytes:
        start = f'{{"program": "{program}", '.encode()
        if text.startswith(b"{") and text.endswith(b"}"):
            return start + text[1:] + b"\n"
        said = json.dumps({"message": text.decode(errors="replace")}).encode()
        return start + said[1:] + b"\n"

    def _write(self, batch: Sequence[bytes], _lost: int) -> None:
        left = b"".join(batch)
        with suppress(OSError):  # a log that cannot be written ends nothing
            while left:
                left = left[os.write(self._file, left) :]
