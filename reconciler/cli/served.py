"""What is served of models that are settled, told without importing what parses or draws."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters.layout import production_path
from reconciler.core.target_plan import Seen, plan_target
from reconciler.errors import ReconcilerError, TerminalError

if TYPE_CHECKING:
    from reconciler.cli.wiring import Site
    from reconciler.controller.recall import Recalled
    from reconciler.ports.targets import Followed, Target

#: Models of which what is served is looked at, every byte; where there are more, name them.
LOOKED_AT = 50
UNSERVED = "nothing is served from here yet: apply would also publish what is released"

_MD5 = re.compile(rb'^- md5: "([0-9a-f]{32}\.dir)"$', re.MULTILINE)


def astray(site: Site, known: Recalled, models: Collection[str]) -> set[str]:
    """Return the settled models of which something else is served than is on record.

    Args:
        site: The repository.
        known: The models that are settled.
        models: Those that are asked about; none: all.
    """
    asked = [name for name in models or known.models if name in known.models]
    if not 0 < len(asked) <= LOOKED_AT:
        return set()
    followed = _followed(site, known, asked)
    targets = _published(site, known)
    champions = _champions(site, known, asked)
    there = {name for name in asked if known.models[name].target in followed}
    found = {name for name in there if not _follows(followed, name, champions.get(name))}
    if targets and not _unused(targets):
        here = [name for name in asked if name not in there]
        found |= {name for name in here if not _served(targets, name, champions.get(name))}
    return found


def unserved(site: Site, known: Recalled, models: Collection[str]) -> tuple[str, ...]:
    """Return a note where nothing was ever published from here and something is released."""
    released = [name for name in models if known.models[name].champion]
    followed = _followed(site, known, released)
    here = any(known.models[name].target not in followed for name in released)
    if len(models) > LOOKED_AT or not here:
        return ()
    targets = _published(site, known)
    return (UNSERVED,) if targets and _unused(targets) else ()


def _published(site: Site, known: Recalled) -> list[Target]:
    try:
        return list(site.targets(known.targets, _check).values())
    except ReconcilerError:  # whoever looks closer says so
        return []


def _followed(site: Site, known: Recalled, models: Collection[str]) -> Mapping[str, Followed]:
    """Return the targets of servers, where any of the models is served there."""
    from reconciler.adapters.targets import LOCAL

    if all(known.models[name].target != LOCAL for name in models):
        return {}
    try:
        return site.endpoints.followed(known.targets)
    except ReconcilerError:
        return {}


def _unused(targets: list[Target]) -> bool:
    return all(target.unused() for target in targets)


def _champions(site: Site, known: Recalled, models: list[str]) -> dict[str, str]:
    """Return the digest of the bundle in production, by model, as DVC's pointers say it."""
    ids = site.git.ids([f"{known.deployed}:{production_path(name)}" for name in models])
    blobs = site.git.blobs([oid for oid in ids if oid])
    texts = ((name, blobs[oid]) for name, oid in zip(models, ids, strict=True) if oid)
    return {name: match[1].decode() for name, text in texts if (match := _MD5.search(text))}


def _served(targets: list[Target], name: str, champion: str | None) -> bool:
    """Return whether one target serves the champion and the others nothing."""
    try:
        found = [served for target in targets if (served := target.observe(name)) is not None]
    except ReconcilerError:
        return False
    if champion is None:
        return not found
    seen = [Seen(served.digest, served.intact) for served in found]
    return len(seen) == 1 and plan_target(champion, seen[0]).action is None


def _follows(followed: Mapping[str, Followed], name: str, champion: str | None) -> bool:
    """Return whether all servers answer with the champion, as they should."""
    if champion is None:
        return True
    served = next(iter(followed.values())).observe(name, champion)
    seen = Seen(served.digest, served.intact, served.detail, served.fault)
    return plan_target(champion, seen).reason == "Settled"


def _check(folder: Path) -> None:
    """Refuse a bundle of which a byte is not as its manifest says; what is odd is refused, too.

    Raises:
        TerminalError: It is to be looked at closer.
    """
    try:
        files = json.loads((folder / "manifest.json").read_bytes())["files"]
        found = {
            path.name: _sha256(path)
            for path in folder.iterdir()
            if path != folder / "manifest.json"
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TerminalError(f"{folder} cannot be read", reason="BundleCorrupt") from error
    if not isinstance(files, Mapping) or dict(files) != found:
        raise TerminalError(f"{folder} is not as its manifest says", reason="BundleCorrupt")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
