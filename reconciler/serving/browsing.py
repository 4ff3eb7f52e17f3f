"""`/openapi.json` and `/docs`: what can be asked, for programs and for people; needs no network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.serving.openapi import Document
from reconciler.serving.shop import Shop

_PAGES = resources.files("reconciler.serving") / "pages"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_FILES = {
    "/docs": ("docs.html", "text/html"),
    "/docs/docs.css": ("docs.css", "text/css"),
    "/docs/docs.js": ("docs.js", "text/javascript"),
    "/docs/logo.svg": ("logo.svg", "image/svg+xml"),
}


def routes(shop: Shop) -> list[Route]:
    """Return the paths of the document and of the page, to which the address alone leads."""
    document = Document(shop.house, shop.limits)

    async def openapi(_: Request) -> Response:
        return Response(document.content(), headers=_HEADERS, media_type="application/json")

    async def first(_: Request) -> Response:
        return Response(status_code=307, headers={**_HEADERS, "location": "docs"})

    files = [Route(path, _file(name, media)) for path, (name, media) in _FILES.items()]
    return [Route("/", first), Route("/openapi.json", openapi), *files]


def _file(name: str, media: str) -> Callable[[Request], Awaitable[Response]]:
    async def give(_: Request) -> Response:
        return Response((_PAGES / name).read_bytes(), headers=_HEADERS, media_type=media)

    return give
