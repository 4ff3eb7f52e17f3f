"""`POST /v2/models/<name>[/versions/<version>]/infer`: tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.bundle.predictor import Predictions
from reconciler.serving.answering import Ask
from reconciler.serving.http import Receive, Scope, Send, answer, body
from reconciler.serving.loaded import Loaded
from reconciler.serving.refusal import Refused
from reconciler.serving.shop import Shop
from reconciler.serving.v2.inputs import predict
from reconciler.serving.v2.outputs import chosen
from reconciler.serving.v2.request import parse
from reconciler.serving.v2.response import HEADER_LENGTH, response

PREFIX, SUFFIX, _VERSIONS = "/v2/models/", "/infer", "/versions/"
_PLAIN = (b"identity", b"")


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
    _check_encoding(headers)
    content = await body(scope, receive, shop.limits.body, shop.limits.seconds)
    asked = parse(content, headers.get(HEADER_LENGTH))
    if asked.rows > shop.limits.rows:
        raise _too_many(asked.rows, shop.limits.rows)
    number = asked.id or headers.get(b"x-request-id", b"").decode("latin-1") or shop.ids.next()
    key = headers.get(b"x-request-key", b"").decode("latin-1")
    ask = Ask(
        model,
        version if versioned else None,
        key or number,
        asked.rows,
        probe=b"x-reconciler-probe" in headers,
    )

    def work(loaded: Loaded) -> Predictions:
        return predict(loaded.predictor, asked.inputs)

    answered = await shop.answering.answer(ask, work)
    outputs = chosen(answered.predictions, asked.outputs, binary=asked.binary)
    await answer(send, 200, *response(model, answered.loaded.version, number, outputs))


def _check_encoding(headers: Mapping[bytes, bytes]) -> None:
    found = headers.get(b"content-encoding")
    if found is not None and found.strip().lower() not in _PLAIN:
        message = f"content encoding {found.decode('latin-1')!r:.40}, wanted none"
        raise Refused(415, message, reason="UnknownEncoding")


def _too_many(rows: int, most: int) -> Refused:
    return Refused(
        413, f"{rows} rows in one request, at most {most} are taken", reason="TooManyRows"
    )
