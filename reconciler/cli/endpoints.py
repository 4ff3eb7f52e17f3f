"""Endpoints: the inference servers that settings name, opened once, so that looks are shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.adapters.targets import LOCAL, open_followed, open_servers

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.adapters.targets.local import Golden
    from reconciler.ports.servers import Tended
    from reconciler.ports.targets import Followed


class Endpoints:
    """What is known of servers outlasts one commit; no server is asked until somebody looks.

    Args:
        golden: Where golden examples come from.
        state: The folder with what is ours, where servers say that they run.
        secret: By which the server beside us knows us; None: there is none.
    """

    def __init__(self, golden: Golden, state: Path, secret: str | None = None) -> None:
        self._golden, self._state, self._secret = golden, state, secret
        self._opened: dict[str, tuple[Tended, dict[str, Followed]]] = {}

    def servers(self, settings: Mapping[str, Mapping[str, Any]]) -> Tended:
        """Return the servers that settings name, given as what they say of each target.

        Raises:
            SpecError: The settings cannot be followed.
        """
        return self._open(settings)[0]

    def followed(self, settings: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Followed]:
        """Return every target whose servers follow the records, by the name that specs give it.

        Raises:
            SpecError: The settings cannot be followed.
        """
        return self._open(settings)[1]

    def _open(
        self, settings: Mapping[str, Mapping[str, Any]]
    ) -> tuple[Tended, dict[str, Followed]]:
        own = settings.get(LOCAL, {})
        if (known := self._opened.get(repr(own))) is None:
            servers = open_servers(own, self._state, self._secret)
            known = self._opened[repr(own)] = servers, open_followed(servers, self._golden)
        return known
