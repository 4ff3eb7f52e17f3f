"""HTTP for comments: bounded in time and pages, and a token goes to one host only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler.errors import ReconcilerError, TerminalError, TransientError, UsageError

_TIMEOUT_S = 30.0
_TRIES = 3
_PAGES = 50
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Api:
    """One API below a base address.

    Args:
        base: Its address, `https://…` but on this machine itself.
        headers: What every request carries, the token included; they appear in no message.
        needs: The rights that are asked for, told when they are missing.

    Raises:
        UsageError: The token would travel in the clear.
    """

    def __init__(self, base: str, headers: Mapping[str, str], needs: str) -> None:
        import requests
        from urllib3.util import Retry

        parts = urlsplit(base)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise UsageError(f"{base} is not https: a token would be sent in the clear")
        self._base = base.rstrip("/")
        self._needs = needs
        self._session = requests.Session()
        # as `auth`, because requests would put what a .netrc says in place of a bare header
        self._session.auth = lambda request: _with(request, headers)
        again = Retry(
            total=_TRIES, backoff_factor=0.3, status_forcelist=(429, 502, 503, 504),
            allowed_methods=frozenset({"GET", "PUT", "PATCH"}),  # a POST may have been heard
        )  # fmt: skip
        self._session.mount(self._base, requests.adapters.HTTPAdapter(max_retries=again))

    def get(self, path: str) -> Any:
        """Return what stands at `path`."""
        return self._call("GET", path)

    def pages(self, path: str) -> Iterator[Any]:
        """Yield the items of a list, page by page, up to 5,000."""
        for page in range(1, _PAGES + 1):
            items = self._call("GET", f"{path}?per_page=100&page={page}")
            yield from items
            if len(items) < 100:
                return

    def send(self, method: str, path: str, value: Mapping[str, Any]) -> None:
        """Send `value` to `path`."""
        self._call(method, path, json=value)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        import requests

        url = f"{self._base}/{path}"
        try:
            # no redirects: the token is for this host
            answer = self._session.request(
                method, url, timeout=_TIMEOUT_S, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            cause = type(error).__name__
            raise TransientError(f"{method} {url} failed: {cause}", reason="HostFailed") from error
        if answer.status_code // 100 != 2:
            raise self._refused(method, url, answer.status_code)
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise TerminalError(f"{url} answers no JSON", reason="HostFailed") from error

    def _refused(self, method: str, url: str, status: int) -> ReconcilerError:
        if status in (401, 403, 404):
            return TerminalError(
                f"{method} {url} is refused with status {status}",
                reason="Forbidden",
                hint=self._needs,
            )
        kind = TransientError if status >= 500 or status == 429 else TerminalError
        return kind(f"{method} {url} is answered with status {status}", reason="HostFailed")


def _with(request: Any, headers: Mapping[str, str]) -> Any:
    request.headers.update(headers)
    return request
