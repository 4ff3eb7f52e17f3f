"""Stages: what dvc.yaml declares for one model, resolved without DVC where that is plain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from reconciler.core.compilation import PARAMS

_PLACE = re.compile(r"\$\{([^{}]*)\}")
_OVER_MODELS = re.compile(r"\$\{\s*models\s*\}")
_KEYS = frozenset(
    {"cmd", "deps", "params", "outs", "metrics", "plots", "desc", "meta", "always_changed"}
)
_OUTS = ("outs", "metrics", "plots")
_STRANGE = frozenset({"persist", "remote"})


class UnclearError(ValueError):
    """dvc.yaml says something in a way that only DVC itself can follow."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one model."""

    name: str
    """As DVC calls it, such as `train@housing`."""
    cmd: object
    """A command, or a list of them."""
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]
    """The tracked keys by file; none: the whole file is tracked."""
    outs: tuple[str, ...]
    uncached: frozenset[str] = frozenset()
    """Those of `outs` that DVC leaves to git (`cache: false`)."""
    always_changed: bool = False
    """Whether it runs although nothing that it reads has changed."""


def per_model(pipeline: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the stages that exist once per model, in the order of dvc.yaml."""
    return tuple(name for name, body in _stages(pipeline).items() if _over_models(body))


def others(pipeline: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the stages that are not per model, in the order of dvc.yaml."""
    return tuple(name for name, body in _stages(pipeline).items() if not _over_models(body))


def resolve(
    pipeline: Mapping[str, Any], params: Mapping[str, Any], model: str
) -> tuple[Stage, ...]:
    """Return the stages of one model, in the order of dvc.yaml.

    Args:
        pipeline: dvc.yaml.
        params: params.yaml; `models` holds at least this model's entry.
        model: A key of its `models`.

    Raises:
        UnclearError: Something in dvc.yaml needs DVC to be understood.
    """
    if "vars" in pipeline:
        raise UnclearError("dvc.yaml has `vars:`")
    scope = {**params, "key": model, "item": params["models"][model]}
    bodies = _stages(pipeline)
    return tuple(_stage(name, bodies[name]["do"], scope, model) for name in per_model(pipeline))


def _stages(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    found = pipeline.get("stages")
    return dict(found) if isinstance(found, Mapping) else {}


def _over_models(body: object) -> bool:
    if not isinstance(body, Mapping) or not isinstance(body.get("do"), Mapping):
        return False
    return bool(_OVER_MODELS.fullmatch(str(body.get("foreach"))))


def _stage(name: str, body: Mapping[str, Any], scope: Mapping[str, Any], model: str) -> Stage:
    if unknown := body.keys() - _KEYS:
        raise UnclearError(f"stage {name} has `{min(unknown)}:`")
    outs = [_out(item, scope) for kind in _OUTS for item in _list(body.get(kind))]
    cmd = body.get("cmd")
    return Stage(
        name=f"{name}@{model}",
        cmd=[_filled(c, scope) for c in cmd] if isinstance(cmd, list) else _filled(cmd, scope),
        deps=tuple(_path(item, scope) for item in _list(body.get("deps"))),
        params=_params(_list(body.get("params")), scope),
        outs=tuple(path for path, _ in outs),
        uncached=frozenset(path for path, cached in outs if not cached),
        always_changed=bool(body.get("always_changed")) or not (outs or body.get("deps")),
    )


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _out(item: object, scope: Mapping[str, Any]) -> tuple[str, bool]:
    if not isinstance(item, Mapping):
        return _path(item, scope), True
    if len(item) != 1:
        raise UnclearError("an output with several names")
    name, flags = next(iter(item.items()))
    flags = flags if isinstance(flags, Mapping) else {}
    if strange := flags.keys() & _STRANGE:
        raise UnclearError(f"output {name} has `{min(strange)}:`")
    cached = flags.get("cache", True) is True
    return _path(name, scope), cached


def _params(items: Sequence[Any], scope: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for item in items:
        named = item if isinstance(item, Mapping) else {PARAMS: [item]}
        for file, keys in named.items():
            path = _path(file, scope)
            if path in found and not (found[path] and keys):
                raise UnclearError(f"{path} is tracked whole and by key")
            found[path] = (*found.get(path, ()), *(_filled(key, scope) for key in _list(keys)))
    return found


def _path(value: object, scope: Mapping[str, Any]) -> str:
    text = _filled(value, scope)
    path = PurePosixPath(text)
    if "://" in text or path.is_absolute() or ".." in path.parts or not path.parts:
        raise UnclearError(f"{text} is outside of the repository")
    return str(path)


def _filled(value: object, scope: Mapping[str, Any]) -> str:
    if not isinstance(value, str) or "\\${" in value:
        raise UnclearError(f"{value!r:.80}")
    return _PLACE.sub(lambda match: _found(match[1].strip(), scope), value)


def _found(name: str, scope: Mapping[str, Any]) -> str:
    value: object = scope
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnclearError(f"${{{name}}}")
    return str(value)
