"""`POST /predict/<name>`: rows as JSON objects in, predictions out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson

from reconciler.bundle.predictor import Predictions, Tensors
from reconciler.errors import UsageError
from reconciler.serving import rows as reading
from reconciler.serving.answering import Answered, Ask
from reconciler.serving.fields import BadRows
from reconciler.serving.http import ID, JSON, NUMBER, Receive, Scope, Send, answer, body
from reconciler.serving.loaded import Loaded
from reconciler.serving.refusal import Refused
from reconciler.serving.rows import Row
from reconciler.serving.shop import Shop

_VERSIONS = "/versions/"
_MEDIA = re.compile(rb"\s*application/(json|[\w.-]+\+json)\s*(;.*)?", re.IGNORECASE)
#: Bodies of more bytes, and answers of more rows, are read and written apart from the loop.
_LARGE, _MANY = 1 << 18, 512


async def predict(shop: Shop, path: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request.

    Args:
        shop: What answers.
        path: `<name>` or `<name>/versions/<version>`.
        scope: The request; `receive` and `send` as in the ASGI specification.

    Raises:
        ReconcilerError: Why there is no answer; see `app` for what is made of it.
    """
    headers = dict(scope["headers"])
    _check_media(headers.get(b"content-type", b"application/json"))
    content = await body(scope, receive, shop.limits.body, shop.limits.seconds)
    rows = await _read(content, shop.limits.rows)
    asked = _id(headers.get(NUMBER)) or shop.ids.next()
    key = headers.get(b"x-request-key")
    model, version = _split(path)
    ask = Ask(
        model,
        version,
        key.decode("latin-1") if key else asked,
        len(rows),
        partial(_encoded, row=rows[0]) if len(rows) == 1 else None,
        probe=b"x-reconciler-probe" in headers and shop.door.trusts(headers.get(b"authorization")),
    )
    answered = await shop.answering.answer(ask, lambda loaded: ask_version(loaded, rows))
    if len(rows) > _MANY:
        content = await asyncio.to_thread(_shown, model, asked, answered)
    else:
        content = _shown(model, asked, answered)
    told = (b"x-model-version", answered.loaded.version.encode())
    await answer(send, 200, content, [JSON, told, (NUMBER, asked.encode())])


def _encoded(loaded: Loaded, row: Row) -> Tensors | None:
    """Return a row as tensors where it has as many fields as there are: none is unknown."""
    return loaded.predictor.plain(row) if len(row) == loaded.fields.count else None


def ask_version(loaded: Loaded, rows: Sequence[Row]) -> Predictions:
    """Return what a version answers to rows; BadRows, with every problem, where it does not."""
    fields = loaded.fields
    tensors = _encoded(loaded, rows[0]) if len(rows) == 1 else None
    if tensors is not None:
        return loaded.predictor.answer(tensors)
    columns = fields.columns(rows)
    try:
        return loaded.predictor.predict(columns)
    except UsageError as error:
        problems = fields.problems(rows)
        if not problems:
            raise
        raise BadRows(problems) from error


def _check_media(given: bytes) -> None:
    if given != JSON[1] and _MEDIA.fullmatch(given) is None:
        said = given[:60].decode("latin-1")
        raise Refused(
            415,
            f"the content type is {said}; wanted application/json",
            reason="NotJson",
            hint="curl --json, or -H 'content-type: application/json'",
        )


async def _read(content: bytes, most: int) -> list[Row]:
    if len(content) > _LARGE:
        return await asyncio.to_thread(reading.read, content, most)
    return reading.read(content, most)


def _id(given: bytes | None) -> str | None:
    return given.decode() if given is not None and ID.fullmatch(given) else None


def _split(path: str) -> tuple[str, str | None]:
    model, found, version = path.partition(_VERSIONS)
    return model, version if found else None


def _shown(model: str, asked: str, answered: Answered) -> bytes:
    predictions = answered.predictions
    values = predictions.values.tolist()
    shown: list[dict[str, Any]]
    if predictions.probabilities is None or predictions.classes is None:
        shown = [{"prediction": value} for value in values]
    else:
        names = answered.loaded.fields.classes
        shown = [
            {"prediction": value, "probabilities": dict(zip(names, row, strict=True))}
            for value, row in zip(values, predictions.probabilities.tolist(), strict=True)
        ]
    version = answered.loaded.version
    return orjson.dumps({"model": model, "version": version, "id": asked, "predictions": shown})
