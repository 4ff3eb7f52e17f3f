"""The protocol's paths but for inference: health, metadata, and the repository's index."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.serving.refusal import Refused
from reconciler.serving.shop import Shop
from reconciler.serving.v2 import metadata
from reconciler.serving.v2.datatypes import wrong

_MODEL = "/v2/models/{model}"
_VERSION = _MODEL + "/versions/{version}"
_ONE = "/v2/repository/models/{model}"


def routes(shop: Shop) -> list[Route]:
    """Return the paths; what they refuse, they raise."""
    paths = Paths(shop)
    return [
        Route("/v2", paths.server),
        Route("/v2/health/live", paths.live),
        Route("/v2/health/ready", paths.ready),
        Route(_MODEL, paths.model),
        Route(_VERSION, paths.model),
        Route(_MODEL + "/ready", paths.model_ready),
        Route(_VERSION + "/ready", paths.model_ready),
        Route(_MODEL + "/infer", paths.post_only),
        Route(_VERSION + "/infer", paths.post_only),
        Route("/v2/repository/index", paths.index, methods=["POST"]),
        Route(_ONE + "/load", paths.refuse, methods=["POST"]),
        Route(_ONE + "/unload", paths.refuse, methods=["POST"]),
    ]


class Paths:
    """Answers them."""

    def __init__(self, shop: Shop) -> None:
        self._house = shop.house

    async def server(self, _: Request) -> Response:
        """Tell what this server is."""
        return JSONResponse(metadata.server())

    async def live(self, _: Request) -> Response:
        """Tell that it answers."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """Tell whether every model was loaded that can be."""
        ready = self._house.ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def model(self, request: Request) -> Response:
        """Tell what a model takes and answers."""
        standing = self._house.standing(request.path_params["model"])
        return JSONResponse(metadata.model(standing, request.path_params.get("version")))

    async def model_ready(self, request: Request) -> Response:
        """Tell that a model answers, or raise why it does not."""
        name, version = request.path_params["model"], request.path_params.get("version")
        standing = self._house.standing(name)
        if version is not None:
            standing.version(version)
        return JSONResponse({"name": name, "ready": True})

    async def post_only(self, _: Request) -> Response:
        """Refuse what asks for an inference without sending anything."""
        message, allowed = "inference is asked for by POST", ((b"allow", b"POST"),)
        raise Refused(405, message, reason="MethodNotAllowed", headers=allowed)

    async def index(self, request: Request) -> Response:
        """Tell which versions there are."""
        content = await request.body()
        try:
            value = orjson.loads(content) if content else {}
        except orjson.JSONDecodeError as error:
            raise wrong(f"the request is not JSON: {error}") from error
        ready = value.get("ready", False) if isinstance(value, dict) else None
        if not isinstance(ready, bool):
            raise wrong('wanted an object such as {"ready": true}')
        return JSONResponse(metadata.index(self._house, ready=ready))

    async def refuse(self, request: Request) -> Response:
        """Refuse to load or unload by hand."""
        message = f"{request.path_params['model']:.80} is loaded and unloaded by what is released"
        raise Refused(
            403, message, reason="GitDecides", hint="change its spec, or `reconciler rollback` it"
        )
