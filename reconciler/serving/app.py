"""The application: the paths of predictions by hand, all others through Starlette."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from reconciler.errors import ReconcilerError
from reconciler.serving import browsing
from reconciler.serving.front import Front
from reconciler.serving.http import Receive, Scope, Send, refusal
from reconciler.serving.predicting import predict
from reconciler.serving.refusal import Refused, no_such_model
from reconciler.serving.shop import Shop
from reconciler.serving.v2 import paths
from reconciler.serving.v2.infer import PREFIX, SUFFIX, infer

Handler = Callable[[Shop, str, Scope, Receive, Send], Awaitable[None]]

_PREDICT = "/predict/"
_PATH = re.compile(rb"/[A-Za-z0-9/._~-]+")
#: What Prometheus calls its own text.
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class App:
    """Serves one worker's house over HTTP."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        told: dict[Any, Any] = {ReconcilerError: _refused, HTTPException: _missed}
        # a whole `Starlette` would answer bugs itself, in plain text
        self._rest = ExceptionMiddleware(Router(routes=routes(shop)), handlers=told)
        self._front = Front(self._answer, shop.limits.body, shop.door, shop.meter, shop.journal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        await self._front(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one that was let in, or raise why not."""
        path: str = scope.get("path", "")
        handle, name = _by_hand(path) if scope.get("method") == "POST" else (None, "")
        if handle is None:
            scope["app"] = self._rest  # has the router raise what it cannot find
            await self._rest(scope, receive, send)
            return
        await handle(self._shop, name, scope, receive, send)


def _by_hand(path: str) -> tuple[Handler | None, str]:
    """Return who answers the requests that are in a hurry, and what for."""
    if path.startswith(_PREDICT):
        return predict, path[len(_PREDICT) :]
    if path.startswith(PREFIX) and path.endswith(SUFFIX):
        return infer, path[len(PREFIX) : -len(SUFFIX)]
    return None, ""


def hurried(target: bytes) -> bool:
    """Return whether POSTs to a target are answered by hand, and the target is a path alone."""
    asks = target.startswith(b"/predict/") or target.endswith(b"/infer")
    return asks and _PATH.fullmatch(target) is not None


def routes(shop: Shop) -> list[Route]:
    """Return the paths that are not in a hurry."""

    async def status(_: Request) -> Response:
        return JSONResponse(await shop.summed("status"))

    async def metrics(_: Request) -> Response:
        return Response(await shop.summed("metrics"), media_type=_METRICS)

    async def reload(request: Request) -> Response:
        model = request.path_params["model"]
        found = await shop.reload(model, request.query_params.get("unless"))
        if found is None:
            raise no_such_model(model)
        return JSONResponse(found, 200 if found["done"] else 202)

    async def nowhere(_: Request) -> Response:
        raise HTTPException(404)  # a POST comes here by no other way

    return [
        Route("/status", status),
        Route("/metrics", metrics),
        Route("/admin/reload/{model}", reload, methods=["POST"]),
        Route("/predict/{model}", nowhere, methods=["POST"]),
        Route("/predict/{model}/versions/{version}", nowhere, methods=["POST"]),
        *browsing.routes(shop),
        *paths.routes(shop),
    ]


async def _refused(_: Request, error: Exception) -> Response:
    """Tell what a handler has refused."""
    assert isinstance(error, ReconcilerError)
    status, content, headers = refusal(error)
    response = Response(content, status)
    response.raw_headers = [*headers, (b"content-length", b"%d" % len(content))]
    return response


async def _missed(request: Request, error: Exception) -> Response:
    """Tell that there is nothing at a path, or not by this method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        wanted = (error.headers or {}).get("Allow", "another method")
        message = f"{request.method:.20} is not answered here; wanted {wanted}"
        reason = "MethodNotAllowed"
    else:
        message, reason = f"there is nothing at {request.url.path!r:.200}", "NoSuchPath"
    allowed = tuple((k.lower().encode(), v.encode()) for k, v in (error.headers or {}).items())
    return await _refused(
        request, Refused(error.status_code, message, reason=reason, headers=allowed)
    )
