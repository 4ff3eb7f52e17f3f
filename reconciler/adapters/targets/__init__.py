"""Targets by the name that specs give them: those that are published to, and those followed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters.targets.directory import DirectoryTarget
from reconciler.adapters.targets.local import LocalTarget
from reconciler.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.adapters.targets.local import Golden
    from reconciler.ports.servers import Tended
    from reconciler.ports.targets import Followed, Target, Verify

KNOWN = {DirectoryTarget.name: DirectoryTarget}
LOCAL = "local"
#: Where `reconciler serve` listens unless told otherwise.
ENDPOINT = "http://127.0.0.1:8080"
#: Says where it listens instead, for whoever is started beside it; settings that name servers win.
VARIABLE = "RECONCILER_ENDPOINT"
#: Names the file of the certificate that it shows, which is trusted there, and no other is.
CERTIFICATE = "RECONCILER_CERTIFICATE"


def open_target(
    name: str, settings: Mapping[str, object], base: Path, verify: Verify, keep: int = 10
) -> Target:
    """Return the target called `name`.

    Args:
        name: As a spec's `deployment.target` says it.
        settings: Its entry under `targets:` in params.yaml.
        base: The repository's root, from which relative directories start.
        verify: Raises when the bundle in a folder is not what its manifest says.
        keep: Versions that the target keeps per model.

    Raises:
        SpecError: `UnknownTarget`, with those that there are; `InvalidTarget` for settings it
            does not know.
    """
    if name not in KNOWN:
        raise SpecError(
            f"unknown target {name!r}",
            reason="UnknownTarget",
            hint=f"known: {', '.join((*KNOWN, LOCAL))}",
        )
    if unknown := sorted(settings.keys() - {"root"}):
        raise SpecError(
            f"targets.{name}: unknown key {unknown[0]!r}",
            reason="InvalidTarget",
            hint="known: root",
        )
    root = settings.get("root", "releases")
    if not isinstance(root, str) or not root or ".." in Path(root).parts:
        raise SpecError(f"targets.{name}.root: {root!r} is no directory", reason="InvalidTarget")
    return DirectoryTarget(base / root, verify, keep)


def open_servers(settings: Mapping[str, object], state: Path, secret: str | None = None) -> Tended:
    """Return the servers that `targets.local` of params.yaml names.

    Where it names none: the one that we were started beside, or else those on our state folder.

    Args:
        settings: What params.yaml says of them.
        state: The folder with what is ours.
        secret: By which the one that we were started beside knows us; no other is ever sent it.

    Raises:
        SpecError: `InvalidTarget` for settings it does not know.
    """
    from reconciler.adapters.addresses import Addresses, Neighbour
    from reconciler.adapters.server_client import ServerClient

    if unknown := sorted(settings.keys() - {"endpoints", "token_env"}):
        message = f"targets.{LOCAL}: unknown key {unknown[0]!r}"
        raise SpecError(message, reason="InvalidTarget", hint="known: endpoints, token_env")
    beside = os.environ.get(VARIABLE)
    endpoints = settings.get("endpoints", [beside or ENDPOINT])
    variable = settings.get("token_env")
    if not isinstance(endpoints, list | tuple) or not isinstance(variable, str | None):
        raise SpecError(f"targets.{LOCAL}: these settings make no sense", reason="InvalidTarget")
    token = os.environ.get(variable) if variable else None
    named = tuple(str(endpoint).rstrip("/") for endpoint in endpoints)
    found = "endpoints" not in settings and not beside
    addresses = Addresses(state, named)
    pinned = os.environ.get(CERTIFICATE)
    own = Neighbour(beside, Path(pinned) if pinned else None, secret) if beside else None

    def known(endpoint: str) -> Neighbour | None:
        return own if own and own.meant(endpoint) else addresses.neighbour(endpoint)

    return ServerClient(addresses if found else named, token or None, known)


def open_followed(servers: Tended, golden: Golden) -> dict[str, Followed]:
    """Return every target whose servers follow the records, by the name that specs give it."""
    return {LOCAL: LocalTarget(servers, golden)}


def refused(name: str, keys: Mapping[str, object]) -> tuple[str, ...]:
    """Return the keys of a `deployment` section that the target called `name` cannot honour."""
    common = {"target", "on_violation", "keep"}
    honours = {n: target.honours for n, target in KNOWN.items()}
    honours[LOCAL] = LocalTarget.honours
    return tuple(
        k
        for k, v in keys.items()
        if v is not None and k not in common | honours.get(name, frozenset())
    )
