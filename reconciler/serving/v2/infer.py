"""`POST /v2/models/<name>[/versions/<version>]/infer`: tensors in, tensors out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from reconciler.bundle.predictor import Predictions
from reconciler.serving.answering import Answered, Ask
from reconciler.serving.http import ID, NUMBER, Header, Receive, Scope, Send, answer, body
from reconciler.serving.loaded import Loaded
from reconciler.serving.refusal import Refused
from reconciler.serving.shop import Shop
from reconciler.serving.v2.inputs import plain, predict
from reconciler.serving.v2.outputs import chosen
from reconciler.serving.v2.request import Inference, parse
from reconciler.serving.v2.response import HEADER_LENGTH, response
from reconciler.serving.v2.unpacking import unpacked

PREFIX, SUFFIX, _VERSIONS = "/v2/models/", "/infer", "/versions/"
#: Bodies of more bytes, and answers of more rows, are read and written apart from the loop.
_LARGE, _MANY = 1 << 18, 4096


async def infer(shop: Shop, path: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request; see `app` for what is done with what it raises.

    Args:
        shop: What answers.
        path: What stands between `PREFIX` and `SUFFIX`: a model, or a model and a version.
        scope: Of ASGI, as are `receive` and `send`.
        receive: Gives the request's body.
        send: Takes the response.
    """
    model, versioned, version = path.partition(_VERSIONS)
    headers = dict(scope["headers"])
    content = await body(scope, receive, shop.limits.body, shop.limits.seconds)
    asked = await _read(content, headers, shop.limits.body)
    if asked.rows > shop.limits.rows:
        raise _too_many(asked.rows, shop.limits.rows)
    number = asked.id or _given(headers) or shop.ids.next()
    key = headers.get(b"x-request-key", b"").decode("latin-1")
    ask = Ask(
        model,
        version if versioned else None,
        key or number,
        asked.rows,
        (lambda loaded: plain(loaded.predictor, asked.inputs)) if asked.rows == 1 else None,
        probe=b"x-reconciler-probe" in headers and shop.door.trusts(headers.get(b"authorization")),
    )

    def work(loaded: Loaded) -> Predictions:
        return predict(loaded.predictor, asked.inputs)

    answered = await shop.answering.answer(ask, work)
    if asked.rows > _MANY:
        content, told = await asyncio.to_thread(_shown, model, number, asked, answered)
    else:
        content, told = _shown(model, number, asked, answered)
    await answer(send, 200, content, told)


async def _read(content: bytes, headers: Mapping[bytes, bytes], most: int) -> Inference:
    encoding, length = headers.get(b"content-encoding"), headers.get(HEADER_LENGTH)
    if encoding is not None:
        content = await asyncio.to_thread(unpacked, content, encoding, most)
    if len(content) > _LARGE:
        return await asyncio.to_thread(parse, content, length)
    return parse(content, length)


def _given(headers: Mapping[bytes, bytes]) -> str | None:
    given = headers.get(NUMBER)
    return given.decode() if given is not None and ID.fullmatch(given) else None


def _shown(
    model: str, number: str, asked: Inference, answered: Answered
) -> tuple[bytes, list[Header]]:
    outputs = chosen(answered.predictions, asked.outputs, binary=asked.binary)
    return response(model, answered.loaded.version, number, outputs)


def _too_many(rows: int, most: int) -> Refused:
    return Refused(
        413, f"{rows} rows in one request, at most {most} are taken", reason="TooManyRows"
    )
