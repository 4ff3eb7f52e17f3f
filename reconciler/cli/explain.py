"""`explain`: a spec with every default, where each comes from, and what decides the artifact."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

from reconciler.adapters.working_copy import working_copy
from reconciler.cli import explain_text
from reconciler.cli.options import Plain
from reconciler.cli.unknown import unknown
from reconciler.cli.wiring import Site, open_site
from reconciler.controller import contents
from reconciler.controller.explaining import Explained, explained
from reconciler.controller.fleet import Fleet
from reconciler.core.compilation import SPECS, spec_path
from reconciler.core.fingerprint import Contents
from reconciler.core.plan import Desired
from reconciler.errors import SpecError, UsageError


def run(model: str, rev: str, output: Plain, *, uncommitted: bool) -> int:
    """Return 0; 1 when the spec is not valid, and is explained as far as it goes."""
    site = open_site(rev=rev)
    uncommitted = uncommitted or _only_on_disk(site, model, rev)
    beside = "" if uncommitted or rev != "HEAD" else _differs(site, model)
    with _place(site, rev, uncommitted=uncommitted) as found:
        place, commit, name = found
        fleet = place.fleet(commit, only=model)
        text = fleet.files.get(spec_path(model))
        if text is None:
            raise unknown(model, _names(place, commit))
        about = explained(model, text, fleet, place.catalogue, _settings(place, fleet))
        rests = _contents(place, fleet, model)
    if output is Plain.JSON:
        plain = _plain(about, fleet, rests, name)
        sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False, default=str) + "\n")
    else:
        if beside:
            sys.stdout.write(f"# note: {beside}\n")
        sys.stdout.write(explain_text.render(about, fleet, rests, name))
    for problem in about.problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if any(one.severity == "error" for one in about.problems) else 0


def _differs(site: Site, model: str) -> str:
    path = spec_path(model)
    if site.git.uncommitted((path,)):
        return f"{path} has changes that are not committed; --uncommitted explains them"
    return ""


def _only_on_disk(site: Site, model: str, rev: str) -> bool:
    """Return whether a spec waits for its first commit."""
    if rev != "HEAD" or not site.on_disk(spec_path(model)):
        return False
    try:
        return spec_path(model) not in site.git.tree(rev)
    except UsageError:  # no commit yet
        return True


@contextmanager
def _place(site: Site, rev: str, *, uncommitted: bool) -> Iterator[tuple[Site, str, str]]:
    """Give the repository to read, the commit, and what to call it."""
    if uncommitted:
        with working_copy(site.git) as git:
            yield replace(site, git=git), git.capture(), "the working tree"
    else:
        commit = site.git.resolve(rev)
        yield site, commit, commit[:10]


def _names(site: Site, commit: str) -> set[str]:
    paths = (path for path in site.git.tree(commit) if path.startswith(f"{SPECS}/"))
    return {path[len(SPECS) + 1 : -5] for path in paths if path.endswith(".yaml")}


def _settings(site: Site, fleet: Fleet) -> tuple[str, bytes] | None:
    """Return the file of the fleet's settings, by path; None where there is none."""
    path = next((one for one in ("reconciler.yaml", "params.yaml") if one in fleet.tree), None)
    if path is None:
        return None
    oid = fleet.tree[path].oid
    return path, site.git.blobs([oid])[oid]


def _contents(site: Site, fleet: Fleet, model: str) -> Contents | str:
    """Return what the artifact rests on, or why that cannot be said."""
    spec, wish = fleet.spec(model), fleet.wish(model)
    if spec is None or not isinstance(wish, Desired):
        return getattr(wish, "message", "the spec is not valid")
    if model in fleet.adoptions:
        return fleet.adoptions[model].contents
    try:
        return contents.contents(site.git, fleet.tree, spec)
    except SpecError as error:
        return str(error)


def _plain(
    about: Explained, fleet: Fleet, rests: Contents | str, revision: str
) -> dict[str, object]:
    wish = fleet.wish(about.name)
    known = isinstance(rests, Contents)
    return {
        "model": about.name,
        "revision": revision,
        "spec": about.resolved,
        "origins": {
            ".".join(map(str, keys)): {"from": origin.source.value, "where": origin.where}
            for keys, origin in about.origins.items()
        },
        "estimator_defaults": dict(about.estimator),
        "fingerprint": wish.fingerprint if isinstance(wish, Desired) else None,
        "data": rests.data if isinstance(rests, Contents) else None,
        "code": dict(rests.code) if isinstance(rests, Contents) else {},
        "runtime": dict(fleet.params.runtime),
        "unknown": None if known else rests,
        "problems": [asdict(one) for one in about.problems],
    }
