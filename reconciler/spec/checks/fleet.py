"""Checks of params.yaml: defaults that specs can have, prefixes that hold, targets that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.spec.checks import servers
from reconciler.spec.checks.deployment import TARGETS, unknown
from reconciler.spec.model import Spec
from reconciler.spec.params import Params
from reconciler.spec.problems import Finding, Keys, nearest
from reconciler.spec.wording import inner, known_keys

_PREFIX = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\.?", re.ASCII)


def check(data: Mapping[Any, Any]) -> Iterator[Finding]:
    """Give what is wrong with params.yaml beyond its schema, and keys that look mistyped."""
    known = known_keys(Params, ())
    for key in data:
        if key not in known and (hint := nearest(str(key), known, 1, 0.85)):
            message = "this key is not the reconciler's, and is ignored"
            yield Finding((key,), message, hint, "warning", at_key=True)
    if isinstance(defaults := data.get("defaults"), dict):
        yield from _defaults(defaults, Spec, ("defaults",))
    if isinstance(allow := data.get("allow"), list):
        yield from _allow(allow)
    if isinstance(targets := data.get("targets"), dict):
        yield from _targets(targets)
    if isinstance(windows := data.get("freeze"), list) and windows:
        from reconciler.spec.checks import freeze  # cron and zones, where there are windows alone

        yield from freeze.check(windows, ("freeze",))


def _allow(allow: list[Any]) -> Iterator[Finding]:
    for index, prefix in enumerate(allow):
        if isinstance(prefix, str) and not (_PREFIX.fullmatch(prefix) and "." in prefix):
            # Without the dot `sklearn` would also let `sklearn_evil` in.
            message = f"found {prefix[:80]!r}, wanted a package with a dot behind it"
            yield Finding(("allow", index), message, "such as sklearn. or lightgbm.")


def _defaults(defaults: Mapping[Any, Any], schema: type[Any], at: Keys) -> Iterator[Finding]:
    known = known_keys(schema, ())
    for key, value in defaults.items():
        if key not in known:
            hint = nearest(str(key), known, 1) or f"known are {', '.join(known)}"
            yield Finding((*at, key), "specs have no such key", hint, at_key=True)
        elif isinstance(value, dict) and (below := inner(schema, key)) is not None:
            yield from _defaults(value, below, (*at, key))


def _targets(targets: Mapping[Any, Any]) -> Iterator[Finding]:
    for name, settings in targets.items():
        if name not in TARGETS:
            yield Finding(("targets", name), *unknown(str(name)), at_key=True)
        elif isinstance(settings, dict):
            known, _ = TARGETS[name]
            for key in settings.keys() - known:
                hint = f"known are {', '.join(sorted(known))}"
                yield Finding(("targets", name, key), "there is no such setting", hint, at_key=True)
            if name == "local":
                yield from servers.check(settings, ("targets", name))
