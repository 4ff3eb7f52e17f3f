"""Responses: the body of an answer, and the headers that say how it is to be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from reconciler.serving.http import JSON, Header
from reconciler.serving.v2.binary import to_bytes
from reconciler.serving.v2.outputs import Output

_BINARY: Header = (b"content-type", b"application/octet-stream")
HEADER_LENGTH = b"inference-header-content-length"


def response(
    model: str, version: str, asked: str, outputs: Sequence[Output]
) -> tuple[bytes, list[Header]]:
    """Return the body, and what its headers say of it.

    Args:
        model: The model that has answered.
        version: Its version.
        asked: The id of the request.
        outputs: What it answers; those in binary come behind the JSON in this order.
    """
    tail: list[bytes] = []
    shown = [_shown(output, tail) for output in outputs]
    value = {"model_name": model, "model_version": version, "id": asked, "outputs": shown}
    content = orjson.dumps(value)
    if not tail:
        return content, [JSON]
    header = (HEADER_LENGTH, b"%d" % len(content))
    return b"".join((content, *tail)), [_BINARY, header]


def _shown(output: Output, tail: list[bytes]) -> dict[str, Any]:
    name, datatype, values, binary = output
    shown: dict[str, Any] = {"name": name, "datatype": datatype, "shape": values.shape}
    if binary:
        tail.append(to_bytes(datatype, values))
        shown["parameters"] = {"binary_data_size": len(tail[-1])}
    else:
        shown["data"] = values.ravel().tolist()
    return shown
