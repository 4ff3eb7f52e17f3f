"""Reading: from the bytes of specs and params.yaml to models, or to everything wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.spec import wording, yaml
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.checks import fleet, whole
from reconciler.spec.checks.paths import LINK
from reconciler.spec.checks.scope import Scope
from reconciler.spec.defaults import with_defaults
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params
from reconciler.spec.problems import Finding, Keys, Problem, dotted

#: Bytes of a spec; a long one has 10 kB.
SPEC_LIMIT = 256_000
_Schema = TypeVar("_Schema", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Read:
    """What one spec holds."""

    spec: ModelSpec | None
    """None when there is an error among the problems."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ParamsRead:
    """What params.yaml holds."""

    params: Params | None
    """None when there is an error among the problems."""
    problems: tuple[Problem, ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    """The file as plain values, the user's own keys included."""


def read_params(text: bytes, path: str = "params.yaml") -> ParamsRead:
    """Return the fleet's settings, or everything that is wrong with them."""
    try:
        document = yaml.load(text, path)
    except yaml.YamlError as error:
        return ParamsRead(None, (error.problem,))
    data = {} if document.data is None else document.data
    params, found = _validated(Params, data)
    found += fleet.check(data if isinstance(data, dict) else {})
    problems = _located(found, document)
    return ParamsRead(None if _fatal(problems) else params, problems, data)


def read_spec(text: bytes, path: str, params: Params, catalogue: Catalogue) -> Read:
    """Return one spec with the fleet's defaults under it, or everything that is wrong with it.

    Args:
        text: The file's content.
        path: Its path in the repository; the model is called like the file.
        params: Defaults, allow-list and targets.
        catalogue: The estimators there are.
    """
    return _read(text, path, params, catalogue, None)


def read_fleet(
    files: Mapping[str, bytes],
    params: Params,
    catalogue: Catalogue,
    modes: Mapping[str, str] | None = None,
    known: Mapping[str, Any] | None = None,
) -> tuple[dict[str, ModelSpec], tuple[Problem, ...]]:
    """Return the valid specs by name, and every problem of every file, by path and line.

    Args:
        files: The content of each spec, by path.
        params: Defaults, allow-list and targets.
        catalogue: The estimators there are.
        modes: Git mode of every file of the tree, by path, `120000` for a link. When given, the
            files that a spec names must be there, and not behind a link.
        known: By path, what `written` gave for the same bytes, settings and catalogue; such a
            spec is checked again, and not parsed again.
    """
    specs: dict[str, ModelSpec] = {}
    problems: list[Problem] = []
    twins = _twins(files)
    for path, text in sorted(files.items()):
        read = _recalled((known or {}).get(path), path, params, catalogue, modes)
        read = read or _read(text, path, params, catalogue, modes)
        found = [*read.problems, *([twins[path]] if path in twins else [])]
        problems += found
        if read.spec is not None and not _fatal(found):
            specs[read.spec.name] = read.spec
    return specs, tuple(sorted(problems))


def resolved(spec: ModelSpec) -> dict[str, Any]:
    """Return the whole spec with every default, as plain JSON values."""
    return spec.model_dump(mode="json", by_alias=True)


def written(spec: ModelSpec) -> dict[str, Any]:
    """Return what a spec and the fleet's defaults say, and nothing that they leave unsaid."""
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _recalled(
    plain: Any,
    path: str,
    params: Params,
    catalogue: Catalogue,
    modes: Mapping[str, str] | None,
) -> Read | None:
    """Return a spec that was read before; None when it must be read for its problems' places."""
    if plain is None or (modes is not None and modes.get(path) == LINK):
        return None
    try:
        spec = ModelSpec.model_validate(plain)
    except ValidationError:
        return None
    scope = Scope(PurePosixPath(path).stem, params, catalogue, modes)
    return None if any(whole.check(spec, plain, scope)) else Read(spec, ())


def _read(
    text: bytes,
    path: str,
    params: Params,
    catalogue: Catalogue,
    modes: Mapping[str, str] | None,
) -> Read:
    if modes is not None and modes.get(path) == LINK:
        message = "a spec must be a file of its own, this is a symbolic link"
        return Read(None, (Problem(path, 1, 1, "", message, "commit the content"),))
    try:
        document = yaml.load(text, path, SPEC_LIMIT)
    except yaml.YamlError as error:
        return Read(None, (error.problem,))
    data = with_defaults(document.data, params.defaults)
    spec, found = _validated(ModelSpec, data)
    scope = Scope(PurePosixPath(path).stem, params, catalogue, modes)
    refused = {one.keys for one in found}
    found += (f for f in whole.check(spec, data, scope) if not _known(f.keys, refused))
    problems = _located((_sourced(one, document, data) for one in found), document)
    return Read(None if _fatal(problems) else spec, problems)


def _known(keys: Keys, refused: Collection[Keys]) -> bool:
    """Return whether the schema has a complaint at `keys` or below, which explains this one."""
    return any(one[: len(keys)] == keys for one in refused)


def _validated(schema: type[_Schema], data: Any) -> tuple[_Schema | None, list[Finding]]:
    if not isinstance(data, dict):
        return None, [Finding((), "the file is empty" if data is None else "wanted a mapping")]
    try:
        return schema.model_validate(data), []
    except ValidationError as error:
        return None, list(wording.findings(error, data, schema))


def _located(found: Iterable[Finding], document: yaml.Document) -> tuple[Problem, ...]:
    return tuple(sorted({_problem(one, document) for one in found}))


def _problem(one: Finding, document: yaml.Document) -> Problem:
    at = document.key_position(one.keys) if one.at_key else document.position(one.keys)
    return Problem(document.path, *at, dotted(one.keys), one.message, one.hint, one.severity)


def _sourced(one: Finding, document: yaml.Document, merged: Any) -> Finding:
    """Return the finding, with its source where the value is not written in the spec."""
    if not _holds(merged, one.keys) or _holds(document.data, one.keys):
        return one
    return replace(one, hint="; ".join(filter(None, (one.hint, "from defaults: in params.yaml"))))


def _holds(data: Any, keys: Keys) -> bool:
    for key in keys:
        if not wording.holds(data, key):
            return False
        data = data[key]
    return True


def _fatal(problems: Iterable[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _twins(files: Iterable[str]) -> dict[str, Problem]:
    """Return the complaint about each file that differs from another in case alone, by path.

    The one in lower case stays good: one wrong file spoils no other.
    """
    alike: dict[str, list[str]] = {}
    for path in sorted(files):
        alike.setdefault(path.lower(), []).append(path)
    return {
        path: Problem(
            path, 1, 1, "", f"{next(p for p in group if p != path)} differs from it in case alone",
            "keep the one in lower case",
        )
        for low, group in alike.items() if len(group) > 1
        for path in group if path != low
    }  # fmt: skip
