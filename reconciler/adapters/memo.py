"""A memo: one JSON value in one file that may be lost, damaged or not writable at any time."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
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
        with tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False) as aside:
            try:
                aside.write(data)
                aside.flush()
                os.replace(aside.name, self._path)  # noqa: PTH105  the name is a text
            except BaseException:
                os.unlink(aside.name)  # noqa: PTH108
                raise


def _sum(data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data)
