"""The port to the inference servers: what each says of what it serves, and how that fares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from reconciler.core.tally import Tally

#: Reasons of what goes wrong with a server: it does not answer, not now, not that, or not to us
#: who have no token for it.
DOWN, BUSY, REFUSED, DENIED = "ServerDown", "Busy", "Refused", "TokenWanted"
#: It keeps us out whatever we ask and show, or we do not trust it; another program is there.
BARRED, FOREIGN = "ServerRefuses", "NotOurs"


class State(StrEnum):
    """How far a server has come with what a record wants of it."""

    READY = "ready"
    LOADING = "loading"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answering:
    """A version that answers."""

    version: int
    digest: str
    """Of its bundle."""


@dataclass(frozen=True, slots=True)
class Trying:
    """A challenger that a server has loaded."""

    version: int
    digest: str
    weight: int
    """Per cent of the requests that it is to answer."""
    mirrored: bool = False
    """Whether both versions are asked, and how often they agree is counted."""
    tripped: bool = False
    """Whether the server sends it no traffic any more: it has failed too often."""
    since: str = ""
    """Of the rollout's step that it serves, as the record says it."""


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A version that the record wants served and that could not be loaded."""

    version: int
    digest: str | None
    """None where not even that could be told."""
    reason: str
    message: str
    since: str = ""
    """Of the rollout's step that wanted it, as the record says it; empty: it is the champion."""


@dataclass(frozen=True, slots=True)
class Serves:
    """How one server serves one model."""

    state: State
    champion: Answering | None
    """What answers, whatever the record says; None: nothing does."""
    challenger: Trying | None = None
    """None: the server has none loaded."""
    failed: Unloaded | None = None
    """None: nothing failed to load."""
    detail: str = ""
    healed: int = 0
    """How often its bundle was restored."""
    damaged: str = ""
    """What is wrong with its bundle on disk; empty: nothing is."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one version has done at one worker since a rollout's step began."""

    since: str
    """When that step began, as the record says it; empty: no rollout was on."""
    tally: Tally


@dataclass(frozen=True, slots=True)
class Report:
    """What one endpoint said."""

    endpoint: str
    """Such as `http://127.0.0.1:8080`."""
    away: str = ""
    """Why nothing is known of it, as a sentence; empty: it has answered."""
    server: str = ""
    """Its id, which outlives its processes; endpoints with the same are one server."""
    commit: str | None = None
    """Of the branch of records, which all its workers serve; None: they do not serve one yet."""
    ready: bool = False
    """Whether it has gone through all that the records want of it."""
    models: Mapping[str, Serves] = field(default_factory=dict)
    boots: Mapping[str, Mapping[str, Mapping[str, Counted]]] = field(default_factory=dict)
    """What was counted by each boot: by its id, then model, then digest of a bundle.

    A boot is one run of one worker; its id never comes back. Those that have ended stay listed
    for as long as their server runs.
    """
    why: str = DOWN
    """Where nothing is known of it, the reason: one of those above."""
    behind: str = ""
    """Why it does not follow the records at the moment, as a sentence; empty: it does."""


class Servers(Protocol):
    """The servers that params.yaml names. Any thread may ask."""

    def look(self) -> tuple[Report, ...]:
        """Return what each endpoint says, in the order of their names; none where none is named.

        Nothing is raised: of one that cannot be reached, or whose answer makes no sense, the
        report says why.
        """
        ...


#: The fields of a row, as clients send them.
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a server answers to rows."""

    version: str
    """The number of the version that has answered."""
    values: tuple[Any, ...]
    """Numbers or labels, one per row."""
    probabilities: tuple[Sequence[float], ...] | None
    """By row, of the classes in the signature's order; None where the model has none."""


class Tended(Servers, Protocol):
    """Servers that are asked to see that all is well, and to load what is not."""

    def reload(self, endpoint: str, model: str, unless: str | None = None) -> None:
        """Have a server read the records now and load a model anew, and wait for that a while.

        Args:
            endpoint: Where it is.
            model: What is loaded.
            unless: Nothing is loaded where the bundle of this digest answers already.

        Raises:
            TransientError: `DOWN`, `BUSY`, `REFUSED`, `DENIED`, `BARRED` or `FOREIGN`.
        """
        ...

    def predict(self, endpoint: str, model: str, rows: Sequence[Row]) -> Prediction:
        """Return what a server answers to rows; that counts in no statistic of its.

        Raises:
            TransientError: `DOWN`, `BUSY`, `REFUSED`, `DENIED`, `BARRED` or `FOREIGN`.
        """
        ...
