"""The journal: a line about some of the requests, and about all that failed, for the access log.

It holds neither bodies nor secrets. What a client has sent stands in it shortened, and as JSON,
which escapes what would end a line or steer a terminal.
"""

from __future__ import annotations

import math
import random
import time
from typing import Any

from reconciler.serving.http import Scope, header
from reconciler.serving.meter import ASKED

#: Lines between two tellings, about requests that failed and about all; the rest is counted.
_MOST_FAILED, _MOST = 50, 10_000
_LONGEST = 200
_NEVER = 1 << 62


class Journal:
    """Keeps lines until they are told; used by the loop's thread alone.

    Args:
        share: Of the requests that were answered, how many are told, 0 to 1. None: nothing is
            told, failures neither.
    """

    def __init__(self, share: float | None = None) -> None:
        self._share = share
        self._gap = self._next()
        self._lines: list[dict[str, Any]] = []
        self._failed = 0
        self._lost = 0

    def due(self) -> bool:
        """Count a request that was answered, and return whether it is to be told."""
        self._gap -= 1
        if self._gap:
            return False
        self._gap = self._next()
        return True

    def note(
        self, scope: Scope, status: int, seconds: float, bearer: str = "", reason: str = ""
    ) -> None:
        """Keep a line about a request.

        Args:
            scope: Of the request.
            status: Of the answer.
            seconds: From its first line to the end of the answer.
            bearer: The name of its token; nothing without one.
            reason: Why it failed, in one word; nothing where it did not.
        """
        if self._share is None:
            return
        self._failed += bool(reason)
        if (self._failed > _MOST_FAILED and reason) or len(self._lines) >= _MOST:
            self._lost += 1
            return
        client, given = scope.get("client"), header(scope, b"x-request-id")
        model, version, rows = ASKED.get() or ("", "", 0)
        line = {
            "ts": time.time(),
            "status": status,
            "reason": reason,
            "method": scope["method"],
            "path": scope["path"][:_LONGEST],
            "ms": round(seconds * 1000, 3),
            "model": model,
            "version": version,
            "rows": rows,
            "client": client[0] if client else "",
            "token": bearer,
            "id": given.decode("latin-1")[:_LONGEST] if given else "",
        }
        self._lines.append({key: value for key, value in line.items() if value not in ("", 0)})

    def drain(self) -> dict[str, Any] | None:
        """Return the lines since the last time, and how many were too many; None: there is none."""
        if not self._lines:
            return None
        told = {"lines": self._lines, "lost": self._lost}
        self._lines, self._failed, self._lost = [], 0, 0
        return told

    def _next(self) -> int:
        """Return how many requests on the next one is told: drawn, so that no pattern hides."""
        if not self._share:
            return _NEVER
        if self._share >= 1:
            return 1
        return int(math.log(1.0 - random.random()) / math.log(1.0 - self._share)) + 1  # noqa: S311
