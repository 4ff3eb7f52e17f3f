"""Inference servers over HTTP: what they say of themselves, and the little that is asked of them.

All of it is bounded in time, for a server that hangs must hold up nobody.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from reconciler.adapters import server_failures, server_report
from reconciler.adapters.addresses import Neighbour
from reconciler.adapters.trust import UNKNOWN, Pinned, anybody
from reconciler.errors import TransientError
from reconciler.ports.servers import FOREIGN, REFUSED, Prediction, Report, Row

_CONNECT_S = 0.4
_ANSWER_S = 2.0
#: A server has verified a bundle and loaded it within this, or tells that it is not done.
_RELOAD_S = 8.0
_MOST_BYTES = 256 << 20
_SIDE_BY_SIDE = 16
#: One look serves all who ask within this, or within so many times what it took, at most for so
#: long: one that is away must not be taken for away when it is back.
_FRESH_S, _FRESH_TIMES, _STALE_S = 0.5, 10.0, 3.0


class ServerClient:
    """The servers at some endpoints; see `ports.servers.Tended`. One look is shared by many.

    Args:
        endpoints: Such as `http://127.0.0.1:8080`; or what returns them, at each look.
        token: Sent to each; None: they ask for none.
        known: Returns the server here that an endpoint means, which is asked where it says that
            it answers; None: somebody else is meant.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        endpoints: Sequence[str] | Callable[[], Sequence[str]],
        token: str | None = None,
        known: Callable[[str], Neighbour | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoints = endpoints if callable(endpoints) else lambda: endpoints
        self._token, self._known = token, known
        self._clock = clock
        self._pins: dict[Path, Pinned] = {}
        self._lock = threading.Lock()
        self._reports: tuple[Report, ...] = ()
        self._until = float("-inf")

    def look(self) -> tuple[Report, ...]:
        """Return what each endpoint says, as of a moment ago at most."""
        with self._lock:  # whoever comes while somebody looks gets what that one sees
            began = self._clock()
            if began >= self._until:
                self._reports = self._asked()
                took = self._clock() - began
                self._until = self._clock() + min(max(_FRESH_S, _FRESH_TIMES * took), _STALE_S)
            return self._reports

    def reload(self, endpoint: str, model: str, unless: str | None = None) -> None:
        """Have a server read the records now and load a model anew; see `Tended`."""
        query = "" if unless is None else f"?unless={quote(unless, safe='')}"
        path = f"/admin/reload/{quote(model, safe='')}{query}"
        try:
            self._call(endpoint, "POST", path, None, {}, _RELOAD_S)
        finally:
            with self._lock:
                self._until = float("-inf")

    def predict(self, endpoint: str, model: str, rows: Sequence[Row]) -> Prediction:
        """Return what a server answers to rows; it counts in no statistic; see `Tended`."""
        headers = {"Content-Type": "application/json", "X-Reconciler-Probe": "1"}
        path = f"/predict/{quote(model, safe='')}"
        try:
            body = json.dumps([_plain(row) for row in rows]).encode()
            return server_report.prediction(
                self._call(endpoint, "POST", path, body, headers, _ANSWER_S)
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransientError(
                f"{endpoint}: its predictions make no sense", reason=REFUSED
            ) from error

    def _connected(self, known: Neighbour) -> http.client.HTTPConnection:
        """Return an open connection to who is meant, whom nothing was sent yet."""
        parts, file = urlsplit(known.address), known.certificate
        if parts.scheme != "https":
            plain = http.client.HTTPConnection(parts.netloc, timeout=_CONNECT_S)
            plain.connect()
            return plain
        pinned = None if file is None else self._pins.setdefault(file, Pinned(file))
        context = anybody() if pinned is None else pinned.context()
        line = http.client.HTTPSConnection(parts.netloc, timeout=_CONNECT_S, context=context)
        try:
            line.connect()
            if pinned is not None:
                pinned.check(line.sock.getpeercert(binary_form=True))
        except ssl.SSLCertVerificationError as error:
            line.close()
            if pinned is not None and error.verify_code in UNKNOWN:
                raise pinned.mistaken() from error
            raise
        except BaseException:
            line.close()
            raise
        return line

    def _asked(self) -> tuple[Report, ...]:
        endpoints = self._endpoints()
        if len(endpoints) <= 1:
            return tuple(self._report(endpoint) for endpoint in endpoints)
        with ThreadPoolExecutor(min(len(endpoints), _SIDE_BY_SIDE)) as pool:
            return tuple(pool.map(self._report, endpoints))

    def _report(self, endpoint: str) -> Report:
        try:
            plain = self._call(endpoint, "GET", "/status", None, {}, _ANSWER_S)
            return server_report.report(endpoint, plain)
        except TransientError as error:
            return Report(endpoint, away=error.message, why=error.reason)
        except (ValueError, KeyError, TypeError, AttributeError):
            return Report(endpoint, away=server_failures.foreign(endpoint), why=FOREIGN)

    def _call(
        self,
        endpoint: str,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        within_s: float,
    ) -> Any:
        """Return the JSON of an answer.

        Raises:
            TransientError: `ServerDown`: there is none within the time; or another reason of
                `ports.servers`.
            ValueError: It is no JSON.
        """
        known = self._known(endpoint) or Neighbour(endpoint)
        token = known.secret or self._token
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self._connected(known)
            connection.sock.settimeout(within_s)
            sent = {**shown, **headers, "Connection": "close"}
            below = urlsplit(known.address).path.rstrip("/")
            connection.request(method, below + path, body, sent)
            answer = connection.getresponse()
            content = answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise server_failures.unheard(endpoint, error) from error
        finally:
            if connection is not None:
                connection.close()
        if answer.status not in (200, 202):
            raise server_failures.refused(endpoint, answer.status, content, shown=bool(shown))
        return orjson.loads(content)


def _plain(row: Row) -> dict[str, Any]:
    """Return a row as JSON can have it: it knows no NaN, which stands for null."""
    return {name: None if value != value else value for name, value in row.items()}
