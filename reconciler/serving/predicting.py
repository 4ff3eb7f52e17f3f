"""`POST /predict/<name>`: rows as JSON objects in, predictions out."""

from __future__ import annotations

from typing import Any

import orjson

from reconciler.bundle.predictor import Predictions
from reconciler.errors import UsageError
from reconciler.serving.answering import Answered, Ask
from reconciler.serving.http import JSON, Receive, Scope, Send, answer, body, header
from reconciler.serving.loaded import Loaded
from reconciler.serving.shop import Shop

Row = dict[str, Any]


async def predict(shop: Shop, model: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request; see `app` for what is done with what it raises."""
    rows = _rows(await body(scope, receive, shop.limits.body))
    given = header(scope, b"x-request-id")
    asked = given.decode("latin-1") if given else shop.ids.next()
    key = header(scope, b"x-request-key")
    ask = Ask(
        model,
        None,
        key.decode("latin-1") if key else asked,
        len(rows),
        probe=header(scope, b"x-reconciler-probe") is not None,
    )

    def work(loaded: Loaded) -> Predictions:
        if len(rows) == 1:
            return loaded.predictor.predict_one(rows[0])
        names = [item.name for item in loaded.signature.inputs]
        return loaded.predictor.predict({n: [row.get(n) for row in rows] for n in names})

    answered = await shop.answering.answer(ask, work)
    content = orjson.dumps(_shown(model, asked, answered), option=orjson.OPT_SERIALIZE_NUMPY)
    await answer(send, 200, content, [JSON])


def _rows(content: bytes) -> list[Row]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"the body is not JSON: {error}", reason="BadJson") from error
    rows = value if isinstance(value, list) else [value]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError("wanted one object with the fields of a row, or a list", reason="BadInput")
    return rows


def _shown(model: str, asked: str, answered: Answered) -> dict[str, Any]:
    predictions = answered.predictions
    values = predictions.values.tolist()
    shown: list[dict[str, Any]]
    if predictions.probabilities is None or predictions.classes is None:
        shown = [{"prediction": value} for value in values]
    else:
        names = [str(name) for name in predictions.classes]
        shown = [
            {"prediction": value, "probabilities": dict(zip(names, row, strict=True))}
            for value, row in zip(values, predictions.probabilities.tolist(), strict=True)
        ]
    return {"model": model, "version": answered.loaded.version, "id": asked, "predictions": shown}
