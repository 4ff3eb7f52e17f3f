"""Targets by the name that specs give them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters.targets.directory import DirectoryTarget
from reconciler.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.ports.targets import Target, Verify

KNOWN = {DirectoryTarget.name: DirectoryTarget}


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
            f"unknown target {name!r}", reason="UnknownTarget", hint=f"known: {', '.join(KNOWN)}"
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


def refused(name: str, keys: Mapping[str, object]) -> tuple[str, ...]:
    """Return the keys of a `deployment` section that the target called `name` cannot honour."""
    common = {"target", "on_violation", "keep"}
    honours = KNOWN[name].honours if name in KNOWN else frozenset()
    return tuple(k for k, v in keys.items() if v is not None and k not in common | honours)
