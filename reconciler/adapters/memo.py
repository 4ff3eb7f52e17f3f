"""A memo: one JSON value in one file that may be lost, damaged or not writable at any time."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_SUM_LENGTH = 8


class Memo:
    """Remembers one value between runs.

    Processes that share it read a whole value of one of them, never parts of two.

    Args:
        path: Its file. A memo whose folder does not exist remembers nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any] | None:
        """Return what is remembered; None: nothing is, or it cannot be trusted."""
        try:
            data = self._path.read_bytes()
            if data[:_SUM_LENGTH] != _sum(data[_SUM_LENGTH:]):
                return None
            value = json.loads(data[_SUM_LENGTH:])
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def keep(self, value: dict[str, Any]) -> None:
        """Remember a value instead of the one before; where that fails, neither is promised."""
        body = json.dumps(value, separators=(",", ":")).encode()
        with contextlib.suppress(OSError):
            self._replace(_sum(body) + body)

    def _replace(self, data: bytes) -> None:
        # One name, so that a kill leaves no more than one file. Two writers may meet in it: the
        # sum tells a value that is not whole.
        aside = self._path.with_name(f".{self._path.name}.new")
        try:
            aside.write_bytes(data)
            aside.replace(self._path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def _sum(data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data)
