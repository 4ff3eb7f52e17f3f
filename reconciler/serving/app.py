"""The application: the paths of predictions by hand, all others through Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.errors import ReconcilerError
from reconciler.serving.http import Gone, Receive, Scope, Send, refuse
from reconciler.serving.predicting import predict
from reconciler.serving.shop import Shop

Handler = Callable[[Shop, str, Scope, Receive, Send], Awaitable[None]]

_PREDICT = "/predict/"


class App:
    """Serves one worker's house over HTTP."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._rest = Starlette(routes=routes(shop))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        path: str = scope.get("path", "")
        if not (path.startswith(_PREDICT) and scope["method"] == "POST"):
            await self._rest(scope, receive, send)
            return
        try:
            await predict(self._shop, path[len(_PREDICT) :], scope, receive, send)
        except ReconcilerError as error:
            await refuse(send, error)
        except Gone:
            return


def routes(shop: Shop) -> list[Route]:
    """Return the paths that are not in a hurry."""

    async def status(_: Request) -> Response:
        return JSONResponse(await shop.summed("status"))

    return [Route("/status", status)]
