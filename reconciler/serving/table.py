"""The table: which versions answer for which model, as the records say it at one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A version that is to be served."""

    version: int
    digest: str
    """Of its bundle; versions with equal digests answer alike."""
    folder: str
    """Where its bundle is on this machine."""


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers for one model."""

    model: str
    champion: Entry
    challenger: Entry | None = None
    weight: int = 0
    """Per cent of the requests that the challenger answers."""
    mirrored: bool = False
    """Whether both are asked, and how often they agree is counted; one of them answers."""
    since: str = ""
    """When the challenger came to this weight: a breaker that has tripped is closed by another."""


@dataclass(frozen=True, slots=True)
class Table:
    """Every route at one commit."""

    commit: str | None
    """Of the branch of records; None: nothing was ever released."""
    routes: Mapping[str, Route] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    """Models that are released and have no route, for their bundles are not to be had: why, as
    clients are told."""
    whole: bool = True
    """Whether it has all that can be had; False: a server begins, and some is on its way."""

    def plain(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        return {
            "commit": self.commit,
            "routes": {name: asdict(route) for name, route in self.routes.items()},
            "lacking": dict(self.lacking),
            "whole": self.whole,
        }


def from_plain(value: Mapping[str, Any]) -> Table:
    """Return the table of which `plain` was made."""
    routes = {name: _route(route) for name, route in value["routes"].items()}
    return Table(value["commit"], routes, value["lacking"], value["whole"])


def _route(value: Mapping[str, Any]) -> Route:
    challenger = value["challenger"]
    entries = {
        "champion": Entry(**value["champion"]),
        "challenger": None if challenger is None else Entry(**challenger),
    }
    return Route(**{**value, **entries})
