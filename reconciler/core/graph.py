"""The graph: a dvc.yaml of the user's own, taken apart into what each stage reads and writes."""

from __future__ import annotations

import itertools
import posixpath
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.compilation import PARAMS, PIPELINE
from reconciler.core.templates import UnfilledError, at, filled, merged, word
from reconciler.errors import SpecError
from reconciler.spec import yaml
from reconciler.spec.problems import nearest

_HINT = "`dvc status` says how DVC reads it"
#: Keys that decide nothing of what a stage writes.
_WORDS = ("desc", "meta")
#: Files of parameters whose values can be told apart; of others, every byte counts.
READABLE = (".yaml", ".yml", ".json", ".toml")

#: Gives the plain data of a file of parameters; None: there is no such file.
Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as DVC runs it, every template filled in; paths start from the repository's top."""

    name: str
    """As `dvc repro` takes it: `train`, or `train@large` of a group."""
    body: Mapping[str, Any]
    """All that dvc.yaml says of it, with values in place of templates."""
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    """What it writes: outputs, metrics and plots."""
    params: tuple[tuple[str, tuple[str, ...]], ...]
    """File to the keys that the stage tracks of it; no keys: all of the file."""

    @property
    def files(self) -> tuple[str, ...]:
        """All that it reads as a whole: dependencies, and parameter files without keys."""
        whole = (path for path, keys in self.params if not keys or not path.endswith(READABLE))
        return tuple(dict.fromkeys((*self.deps, *whole)))

    @property
    def frozen(self) -> bool:
        """Whether DVC takes its outputs as they stand in dvc.lock."""
        return bool(self.body.get("frozen"))


def stages(pipeline: Mapping[str, Any], read: Read = lambda _: None) -> dict[str, Stage]:
    """Return every stage of a dvc.yaml by name.

    Args:
        pipeline: dvc.yaml at the top of the repository, as plain values.
        read: Reads parameter files; without it, templates have no values.

    Raises:
        SpecError: `InvalidPipeline`: it is not of the form that DVC asks for.
    """
    entries = pipeline.get("stages")
    if not isinstance(entries, Mapping):
        raise _wrong("there are no stages in it")
    values = _with_vars({}, [PARAMS, *_listed(pipeline.get("vars"))], "", read)
    found = {}
    for entry, body in entries.items():
        if not isinstance(body, Mapping):
            raise _wrong(f"stage {entry} is no mapping")
        try:
            for stage in _expanded(str(entry), body, values, read):
                found[stage.name] = stage
        except UnfilledError as error:
            raise _wrong(f"stage {entry}: there is no value for ${{{error}}}") from error
    return found


def closure(
    known: Mapping[str, Stage], wanted: Iterable[str], paths: Iterable[str]
) -> tuple[Stage, ...]:
    """Return the wanted stages, those that write `paths`, and all that come before them.

    Returns:
        By name, in the order in which they may run.

    Raises:
        SpecError: `StageMissing`, or `InvalidPipeline` where stages wait for each other.
    """
    done: dict[str, Stage] = {}
    roots = [stage_of(known, name) for name in wanted]
    roots += [stage for path in paths for stage in writers(known.values(), path)]
    for stage in roots:
        _visit(stage, known, done, ())
    return tuple(done.values())


def writers(among: Iterable[Stage], path: str) -> tuple[Stage, ...]:
    """Return the stages that write a path, something in it, or a folder around it."""
    return tuple(s for s in among if any(overlaps(out, path) for out in s.outs))


def overlaps(one: str, other: str) -> bool:
    """Return whether one path is the other, or lies in it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def stage_of(known: Mapping[str, Stage], name: str) -> Stage:
    """Return the stage called `name`.

    Raises:
        SpecError: `StageMissing`, with the nearest names.
    """
    if name in known:
        return known[name]
    group = [one for one in known if one.startswith(f"{name}@")]
    hint = f"it is a group: name {', '.join(group[:3])}" if group else nearest(name, known)
    hint = hint or f"there is {', '.join(list(known)[:8]) or 'none'}"
    raise SpecError(f"{PIPELINE} has no stage {name!r:.80}", reason="StageMissing", hint=hint)


def not_written(
    key: str, path: str, asked: Iterable[Stage], known: Mapping[str, Stage]
) -> SpecError:
    """Return the error that none of the stages that were asked writes the file of a key."""
    named = list(asked)
    names = ", ".join(stage.name for stage in named)
    message = f"{PIPELINE}: training.{key} {path} is not written by the stages {names}"
    if others := writers(known.values(), path):
        listed = ", ".join(stage.name for stage in others)
        return SpecError(message, reason="NotWritten", hint=f"{listed} does: name it too")
    outs = [out for stage in named for out in stage.outs]
    hint = nearest(path, outs, 1) or f"they write {', '.join(outs[:8]) or 'nothing'}"
    return SpecError(message, reason="NotWritten", hint=hint)


def parsed(text: bytes, path: str) -> Any:
    """Return a file of parameters as plain values: YAML, JSON or TOML.

    Raises:
        SpecError: It is none of these.
    """
    if not path.endswith(".toml"):
        return yaml.load(text, path).data  # JSON is YAML
    try:
        return tomllib.loads(text.decode("utf-8"))
    except ValueError as error:
        raise SpecError(f"{path} is not TOML: {error}", reason="InvalidParams") from error


def _visit(
    stage: Stage, known: Mapping[str, Stage], done: dict[str, Stage], above: tuple[str, ...]
) -> None:
    if stage.name in done:
        return
    if stage.name in above:
        raise _wrong(f"the stages {' → '.join((*above, stage.name))} wait for each other")
    for path in () if stage.frozen else stage.files:
        for before in writers(known.values(), path):
            if before.name != stage.name:
                _visit(before, known, done, (*above, stage.name))
    done[stage.name] = stage


def _expanded(
    entry: str, body: Mapping[str, Any], values: Mapping[str, Any], read: Read
) -> Iterator[Stage]:
    """Give the one stage of an entry, or all of a group."""
    if "foreach" in body:
        items = filled(body["foreach"], values)
        template = body.get("do")
        if not isinstance(items, list | dict) or not isinstance(template, Mapping):
            raise _wrong(f"stage {entry}: foreach needs a list or mapping, and `do:`")
        for key, own in _items(items):
            yield _stage(f"{entry}@{key}", template, {**values, **own}, read)
    elif "matrix" in body:
        axes = filled(body["matrix"], values)
        template = {k: v for k, v in body.items() if k != "matrix"}
        if not isinstance(axes, Mapping) or not all(isinstance(a, list) for a in axes.values()):
            raise _wrong(f"stage {entry}: matrix needs lists")
        for key, own in _cells(axes):
            yield _stage(f"{entry}@{key}", template, {**values, **own}, read)
    else:
        yield _stage(entry, body, values, read)


def _items(items: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(items, Mapping):
        for key, item in items.items():
            yield word(key), {"item": item, "key": word(key)}
        return
    nested = any(isinstance(item, list | dict) for item in items)
    for index, item in enumerate(items):
        yield (str(index) if nested else word(item)), {"item": item}


def _cells(axes: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for cell in itertools.product(*(enumerate(axis) for axis in axes.values())):
        named = [
            f"{axis}{index}" if isinstance(value, list | dict) else word(value)
            for axis, (index, value) in zip(axes, cell, strict=True)
        ]
        item = {axis: value for axis, (_, value) in zip(axes, cell, strict=True)}
        yield "-".join(named), {"item": item, "key": "-".join(named)}


def _stage(name: str, template: Mapping[str, Any], values: Mapping[str, Any], read: Read) -> Stage:
    folder = str(filled(template.get("wdir") or ".", values))
    if own := _listed(template.get("vars")):
        values = _with_vars(values, own, folder, read)
    kept = {k: v for k, v in template.items() if k not in ("vars", *_WORDS)}
    body = filled(kept, values)
    outs = (path for key in ("outs", "metrics", "plots") for path in _names(body.get(key)))
    return Stage(
        name=name,
        body=body,
        deps=tuple(_path(folder, path) for path in _names(body.get("deps"))),
        outs=tuple(_path(folder, path) for path in outs),
        params=tuple(_params(body.get("params"), folder)),
    )


def _params(listed: Any, folder: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    default = [one for one in _listed(listed) if isinstance(one, str)]
    if default:
        yield _path(folder, PARAMS), tuple(default)
    for one in _listed(listed):
        if isinstance(one, Mapping):
            for path, keys in one.items():
                yield _path(folder, str(path)), tuple(str(key) for key in _listed(keys))


def tracked(stage: Stage, read: Read) -> dict[str, Any]:
    """Return the parameters that a stage tracks by key: `file:key` to value.

    A file that counts as a whole is among the stage's `files` instead. A key that is not there is
    left out, for DVC to complain about.
    """
    found = {}
    for path, keys in stage.params:
        data = read(path) if path.endswith(READABLE) else None
        for key in keys:
            try:
                found[f"{path}:{key}"] = at(data, key)
            except UnfilledError:
                continue
    return found


def _with_vars(
    values: Mapping[str, Any], listed: Collection[Any], folder: str, read: Read
) -> dict[str, Any]:
    """Return values with those of `vars:` on top: files, `file:key,key`, or mappings."""
    found = dict(values)
    for one in listed:
        if isinstance(one, Mapping):
            found = merged(found, one)
            continue
        path, _, keys = str(one).partition(":")
        data = read(_path(folder, path))
        if isinstance(data, Mapping):
            chosen = keys.split(",") if keys else list(data)
            found = merged(found, {key: data[key] for key in chosen if key in data})
    return found


def _path(folder: str, path: str) -> str:
    """Return a path from the repository's top; an address or absolute path stays as it is."""
    if "://" in path or path.startswith("/"):
        return path
    return posixpath.normpath(posixpath.join(folder, path))


def _names(listed: Any) -> list[str]:
    """Return the paths of a list whose items may carry settings: `- path: {cache: false}`."""
    flat = (tuple(one) if isinstance(one, Mapping) else (one,) for one in _listed(listed))
    return [str(path) for paths in flat for path in paths]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _wrong(message: str) -> SpecError:
    return SpecError(f"{PIPELINE}: {message}", reason="InvalidPipeline", hint=_HINT)
