"""Lines: how supervisor and worker talk, one JSON value a line over a pair of sockets."""

from __future__ import annotations

from typing import Any

import orjson

#: A table of ten thousand models is a few megabytes.
LONGEST = 64 << 20

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """Return a message as a line."""
    return orjson.dumps(message) + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of a line; ValueError when it is none."""
    return dict(orjson.loads(line))
