"""The text of `explain`: the resolved spec as YAML, with the origin of each value beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.controller.explaining import Explained
from reconciler.controller.fleet import Fleet
from reconciler.core.annotated import Line, aligned, value
from reconciler.core.blocks import scalar
from reconciler.core.fingerprint import Contents
from reconciler.core.plan import Desired
from reconciler.spec.checks.adoption import OF_DATA, OF_TRAINING
from reconciler.spec.origins import Source
from reconciler.spec.problems import Keys, dotted

_JUDGED = "a change is judged again, and trains nothing"
#: What says nothing of an adopted model.
_UNSAID = frozenset(
    ("spec", section, key)
    for section, keys in (("data", OF_DATA), ("training", OF_TRAINING))
    for key in keys
)
#: What says something only together with another key of a rule.
_NEEDS = {"margin": "compare", "confidence": "compare", "min_support": "slice"}
_OURS = {"random_state": "training.seed", "n_jobs": "training.threads"}


def render(about: Explained, fleet: Fleet, rests: Contents | str, revision: str) -> str:
    """Return the whole text: what decides the artifact, then the spec."""
    head = [f"# {about.name} at {revision}", *_decisive(about, fleet, rests)]
    return "".join(f"{line}\n" for line in head) + aligned(_lines(about))


def _decisive(about: Explained, fleet: Fleet, rests: Contents | str) -> Iterator[str]:
    wish = fleet.wish(about.name)
    if about.problems and not isinstance(wish, Desired):
        yield "# fingerprint: none, the spec is not valid"
        return
    if not isinstance(wish, Desired) or not isinstance(rests, Contents):
        yield f"# fingerprint: none, {rests}"
        return
    yield f"# fingerprint {wish.fingerprint}"
    yield "# It changes with what stands here, and a change of it trains:"
    yield from _read(about, rests)
    yield "#   sections  data, training (but timeout), packaging: see below"
    adoption = fleet.adoptions.get(about.name)
    theirs = [stage.name for stage in adoption.stages] if adoption else None
    yield f"#   stages    {', '.join(theirs or fleet.stages_of(about.name))}, as dvc.yaml has them"
    runtime = [f"{name} {version}" for name, version in sorted(fleet.params.runtime.items())]
    half = -(-len(runtime) // 2)
    yield f"#   runtime   {', '.join(runtime[:half])},"
    yield f"#             {', '.join(runtime[half:])}"


def _read(about: Explained, rests: Contents) -> Iterator[str]:
    """Give what the stages read: table and code, or all that a pipeline of the user's own does."""
    source = about.resolved["spec"]["data"]["source"]
    if source:
        yield f"#   data      {rests.data or 'comes with scikit-learn'} ({source})"
    word = "code" if source else "reads"
    yield from (f"#   {word:<9} {oid[:20]} ({path})" for path, oid in sorted(rests.code.items()))
    yield from (f"#   value     {value(v)} ({key})" for key, v in sorted(rests.params.items()))


def _lines(about: Explained) -> Iterator[Line]:
    for key, below in about.resolved.items():
        yield from _entry(about, (key,), below)


def _entry(about: Explained, keys: Keys, below: Any) -> Iterator[Line]:
    if keys in _UNSAID and _adopts(about):
        return  # the stages of an adopted model do that themselves
    indent = "  " * (len(keys) - 1)
    name = f"{indent}{scalar(str(keys[-1]))}:"
    if keys == ("spec", "acceptance") and isinstance(below, list):
        yield Line(name, _JUDGED)
        yield from (_rule(about, (*keys, at), rule) for at, rule in enumerate(below))
    elif keys == ("spec", "data", "columns") and isinstance(below, Mapping) and below:
        yield Line(name, "what is not stated is inferred, and pinned in the bundle")
        yield from (_flow(about, (*keys, column), item) for column, item in below.items())
    elif isinstance(below, Mapping) and below:
        yield Line(name, _section(keys))
        for key, item in below.items():
            yield from _entry(about, (*keys, key), item)
    else:
        yield Line(f"{name} {value(below)}", _origin(about, keys))
    if keys == ("spec", "training", "hyperparameters"):
        yield from _estimators_own(about)


def _adopts(about: Explained) -> bool:
    body = about.resolved.get("spec")
    training = body.get("training") if isinstance(body, Mapping) else None
    return isinstance(training, Mapping) and bool(training.get("stages"))


def _section(keys: Keys) -> str:
    return "a change trains nothing" if keys == ("spec", "deployment") else ""


def _rule(about: Explained, keys: Keys, rule: Any) -> Line:
    if not isinstance(rule, Mapping):
        return Line(f"    - {value(rule)}", _origin(about, keys))
    said = {k: v for k, v in rule.items() if v is not None and _says(rule, k)}
    return Line(f"    - {value(said)}", _of_several(about, keys, said))


def _says(rule: Mapping[str, Any], key: str) -> bool:
    return key not in _NEEDS or rule.get(_NEEDS[key]) is not None


def _flow(about: Explained, keys: Keys, item: Any) -> Line:
    indent = "  " * (len(keys) - 1)
    if not isinstance(item, Mapping):
        return Line(f"{indent}{scalar(str(keys[-1]))}: {value(item)}", _origin(about, keys))
    said = {k: v for k, v in item.items() if _source(about, (*keys, k)) is not Source.BUILT_IN}
    text = f"{indent}{scalar(str(keys[-1]))}: {value(said)}"
    return Line(text, _of_several(about, keys, said))


def _of_several(about: Explained, keys: Keys, said: Mapping[str, Any]) -> str:
    """Return where the parts of a value come from that stands on one line."""
    parts = {key: _origin(about, (*keys, key)) for key in said}
    written = list(dict.fromkeys(one for one in parts.values() if one != "default"))
    own = [key for key, one in parts.items() if one == "default"]
    return "; ".join([*written, *([f"default: {', '.join(own)}"] if own else [])])


def _estimators_own(about: Explained) -> Iterator[Line]:
    for name, default in about.estimator.items():
        why = f"set by {_OURS[name]}" if name in _OURS else "the estimator's own default"
        yield Line(f"      # {name}: {default}", why)


def _source(about: Explained, keys: Keys) -> Source:
    found = about.origins.get(keys)
    return found.source if found else Source.SPEC


def _origin(about: Explained, keys: Keys) -> str:
    wrong = [one.message for one in about.problems if one.key == dotted(keys)]
    if wrong:
        return f"WRONG: {wrong[0]}"
    found = about.origins.get(keys)
    said = str(found) if found else ""
    return f"{said}; {why}" if (why := _follows(about, keys)) else said


def _follows(about: Explained, keys: Keys) -> str:
    """Return what a value comes to, where it leaves that to others."""
    from reconciler.pipeline.preprocessing import suited

    training = about.resolved.get("spec", {}).get("training", {})
    path = str(training.get("estimator") or "")
    match keys:
        case ("spec", "training", "task") if training.get("task") is None and about.task:
            return f"{about.task}, by the estimator"
        case ("spec", "training", "preprocessing") if path and training.get(keys[2]) == "auto":
            module, _, name = path.rpartition(".")
            recipe = suited(module, name)
            return f"impute {recipe.impute or 'no'}, scale {recipe.scale or 'no'}, {recipe.encode}"
        case ("spec", "data", "positive") if _is_unsaid(about, keys):
            return "of two classes, the last" if about.task == "classification" else ""
        case _:
            return ""


def _is_unsaid(about: Explained, keys: Keys) -> bool:
    return _source(about, keys) is Source.BUILT_IN
