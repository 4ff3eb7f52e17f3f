"""Explaining: a spec as it is meant, valid or not, and where each of its values comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.controller.fleet import Fleet
from reconciler.core.compilation import spec_path
from reconciler.spec import yaml
from reconciler.spec.catalogue import Catalogue, Estimator
from reconciler.spec.checks.scope import of_plain
from reconciler.spec.defaults import with_defaults
from reconciler.spec.model import DeploymentSpec, PackagingSpec
from reconciler.spec.origins import Origin, Origins, Source, inferred, leaves
from reconciler.spec.problems import Keys, Problem
from reconciler.spec.reading import resolved

#: What the training sets itself on every estimator, and from where.
_SET = {"random_state": "seed", "n_jobs": "threads"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One spec with every default."""

    name: str
    resolved: Mapping[str, Any]
    """Plain values; of a spec that is not valid, as much as can be understood."""
    origins: Mapping[Keys, Origin]
    """Of every value in `resolved`."""
    estimator: Mapping[str, str]
    """The estimator's own defaults, as Python writes them, of what nobody has said."""
    task: str | None
    problems: tuple[Problem, ...]


def explained(
    name: str,
    text: bytes,
    fleet: Fleet,
    catalogue: Catalogue,
    settings: tuple[str, bytes] | None,
) -> Explained:
    """Return what a spec means, and who says so.

    Args:
        name: The model.
        text: Its spec.
        fleet: The revision that it is read in.
        catalogue: The estimators that are known.
        settings: Path and content of the file that holds `defaults:`; None: there is none.
    """
    path = spec_path(name)
    problems = tuple(one for one in fleet.problems if one.path == path)
    try:
        document = yaml.load(text, path)
    except yaml.YamlError:
        return Explained(name, {}, {}, {}, None, problems)
    merged = with_defaults(document.data, fleet.params.defaults)
    spec = fleet.spec(name)
    plain = _partly(merged) if spec is None else resolved(spec)
    place = yaml.load(settings[1], settings[0]) if settings else None
    known = of_plain(merged)
    whence = Origins(document, place, merged)
    origins = {keys: whence.of(keys) for keys, _ in leaves(plain)}
    plain, origins = _told(plain, origins)
    estimator = known.estimator(catalogue)
    return Explained(
        name=name,
        resolved=plain,
        origins=origins,
        estimator=_own(estimator, plain) if estimator else {},
        task=known.task(catalogue),
        problems=problems,
    )


def _partly(merged: Any) -> dict[str, Any]:
    """Return as much of a wrong spec as can be understood, and the rest as it is written."""
    if not isinstance(merged, dict):
        return {}
    known = of_plain(merged)
    body = merged.get("spec")
    body = body if isinstance(body, dict) else {}
    rules = body.get("acceptance")
    meant: dict[str, Any] = {
        "data": known.data.model_dump(mode="json") if known.data else {},
        "training": known.training.model_dump(mode="json") if known.training else {},
        "packaging": PackagingSpec().model_dump(mode="json"),
        "deployment": (known.deployment or DeploymentSpec()).model_dump(mode="json"),
    }
    if isinstance(rules, list):
        read = {at: rule.model_dump(mode="json") for at, rule in known.rules.items()}
        meant["acceptance"] = [_over(read.get(at, {}), rule) for at, rule in enumerate(rules)]
    listed = isinstance(rules, list)
    written = {k: v for k, v in body.items() if k != "acceptance" or not listed}
    return {**merged, "spec": _over(meant, written)}


def _over(below: Any, above: Any) -> Any:
    """Return two plain values as one; what stands above wins."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}


def _told(
    plain: dict[str, Any], origins: dict[Keys, Origin]
) -> tuple[dict[str, Any], dict[Keys, Origin]]:
    """Return both with what follows from the rest put in where nobody has said it."""
    body = plain.get("spec")
    data = body.get("data") if isinstance(body, dict) else None
    found = inferred(data) if isinstance(data, dict) else {}
    for keys, (value, why) in found.items():
        plain = _put(plain, keys, value)
        origins = {**origins, keys: Origin(Source.INFERRED, why)}
    return plain, origins


def _put(plain: Any, keys: Keys, value: Any) -> Any:
    if not keys:
        return value
    return {**plain, keys[0]: _put(plain[keys[0]], keys[1:], value)}


def _own(estimator: Estimator, plain: Mapping[str, Any]) -> dict[str, str]:
    """Return the estimator's defaults of what is not given, in its own order."""
    training = plain.get("spec", {}).get("training", {})
    given = training.get("hyperparameters") or {}
    found = {}
    for name, parameter in estimator.parameters.items():
        if name in given or parameter.required:
            continue
        ours = _SET.get(name)
        found[name] = str(training.get(ours, parameter.default)) if ours else parameter.default
    return found
