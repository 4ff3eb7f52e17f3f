"""The application: the paths of predictions by hand, all others through Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.errors import ReconcilerError
from reconciler.serving.http import Gone, Receive, Scope, Send, refuse, told
from reconciler.serving.predicting import predict
from reconciler.serving.refusal import Refused
from reconciler.serving.shop import Shop
from reconciler.serving.v2 import paths
from reconciler.serving.v2.infer import PREFIX, SUFFIX, infer

Handler = Callable[[Shop, str, Scope, Receive, Send], Awaitable[None]]

_PREDICT = "/predict/"


class App:
    """Serves one worker's house over HTTP."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._rest = Starlette(routes=routes(shop), exception_handlers={ReconcilerError: _refused})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        path: str = scope.get("path", "")
        handle, name = _by_hand(path) if scope.get("method") == "POST" else (None, "")
        if handle is None:
            await self._rest(scope, receive, send)
            return
        try:
            await handle(self._shop, name, scope, receive, send)
        except ReconcilerError as error:
            await refuse(send, error)
        except Gone:
            return


def _by_hand(path: str) -> tuple[Handler | None, str]:
    """Return who answers the requests that are in a hurry, and what for."""
    if path.startswith(_PREDICT):
        return predict, path[len(_PREDICT) :]
    if path.startswith(PREFIX) and path.endswith(SUFFIX):
        return infer, path[len(PREFIX) : -len(SUFFIX)]
    return None, ""


def routes(shop: Shop) -> list[Route]:
    """Return the paths that are not in a hurry."""

    async def status(_: Request) -> Response:
        return JSONResponse(await shop.summed("status"))

    return [Route("/status", status), *paths.routes(shop)]


async def _refused(_: Request, error: Exception) -> Response:
    """Tell what a handler has refused."""
    assert isinstance(error, ReconcilerError)
    status = error.status if isinstance(error, Refused) else 400
    return JSONResponse({"error": told(error), "reason": error.reason}, status)
