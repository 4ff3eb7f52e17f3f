"""What a server says over HTTP, turned into what its port tells; what is odd raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.latency import LATENCY_BUCKETS
from reconciler.core.tally import Tally
from reconciler.ports.servers import (
    Answering,
    Counted,
    Prediction,
    Report,
    Serves,
    State,
    Trying,
    Unloaded,
)

_BUCKETS = len(LATENCY_BUCKETS) + 1


def report(endpoint: str, plain: Mapping[str, Any]) -> Report:
    """Return what `GET /status` of an endpoint says.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: That is not how our servers speak.
    """
    return Report(
        endpoint=endpoint,
        server=str(plain.get("server", "")),
        commit=plain["commit"],
        ready=bool(plain["ready"]),
        behind=str(plain.get("behind", "")),
        models={name: _serves(model) for name, model in plain["models"].items()},
        boots={
            boot: {
                name: {digest: _counted(tally) for digest, tally in digests.items()}
                for name, digests in models.items()
            }
            for boot, models in plain.get("boots", {}).items()
        },
    )


def prediction(plain: Mapping[str, Any]) -> Prediction:
    """Return what `POST /predict/<name>` says; it raises as `report` does."""
    answers = plain["predictions"]
    likely = [answer.get("probabilities") for answer in answers]
    whole = all(isinstance(item, dict) for item in likely)
    return Prediction(
        version=str(plain["version"]),
        values=tuple(answer["prediction"] for answer in answers),
        probabilities=tuple(tuple(item.values()) for item in likely) if whole else None,
    )


def _serves(plain: Mapping[str, Any]) -> Serves:
    champion, challenger, failed = plain["champion"], plain["challenger"], plain.get("failed")
    return Serves(
        state=State(plain["state"]),
        champion=None if champion is None else _answering(champion),
        challenger=None if challenger is None else _trying(challenger),
        failed=None if failed is None else _unloaded(failed),
        detail=str(plain.get("detail", "")),
        healed=int(plain.get("healed", 0)),
        damaged=str(plain.get("damaged", "")),
    )


def _answering(plain: Mapping[str, Any]) -> Answering:
    return Answering(int(plain["version"]), str(plain["digest"]))


def _trying(plain: Mapping[str, Any]) -> Trying:
    return Trying(
        int(plain["version"]),
        str(plain["digest"]),
        int(plain["weight"]),
        bool(plain.get("mirrored", False)),
        bool(plain.get("tripped", False)),
        str(plain.get("since", "")),
    )


def _unloaded(plain: Mapping[str, Any]) -> Unloaded:
    version, digest = plain.get("version"), plain.get("digest")
    return Unloaded(
        0 if version is None else int(version),
        None if digest is None else str(digest),
        str(plain["reason"]),
        str(plain["message"]),
        str(plain.get("since", "")),
    )


def _counted(plain: Mapping[str, Any]) -> Counted:
    latency = tuple(int(count) for count in plain["latency"])
    if len(latency) != _BUCKETS:
        raise ValueError(f"{len(latency)} buckets of latency instead of {_BUCKETS}")
    tally = Tally(
        requests=int(plain["requests"]),
        errors=int(plain["errors"]),
        latency=latency,
        compared=int(plain.get("compared", 0)),
        disagreed=int(plain.get("disagreed", 0)),
    )
    return Counted(str(plain.get("since", "")), tally)
