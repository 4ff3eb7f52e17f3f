"""Writing a draft down: the spec that is found in a table, with the reasons in comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.annotated import Line, aligned, value
from reconciler.core.blocks import scalar
from reconciler.pipeline.drafting.baseline import estimator
from reconciler.pipeline.drafting.draft import Draft
from reconciler.pipeline.drafting.survey import Facts
from reconciler.pipeline.drafting.thresholds import hardly, proposals, reached

#: Columns up to which each has a line of its own.
_LISTED = 60
_HEAD = """\
# yaml-language-server: $schema=model.schema.json
# A first draft by `reconciler new` from {what}.
# It validates and trains as it stands. What needs a decision of yours is marked CHECK.
apiVersion: reconciler/v1
kind: Model
metadata:
  name: {name}
spec:
"""


def text(draft: Draft) -> str:
    """Return the spec as it is to be written."""
    head = _HEAD.format(what=size(draft), name=scalar(draft.name)).replace(
        " rows, of", " rows,\n# of"
    )
    return head + aligned([*_data(draft), *_training(draft), *_acceptance(draft)])


def size(draft: Draft) -> str:
    """Return how large the table is, and how much of it was looked at."""
    table = f"{draft.data['source']}, {len(draft.facts):,} columns"
    if draft.total is None:
        return f"{table}, {draft.rows:,} rows"
    return f"{table}, about {draft.total:,} rows, of which {draft.rows:,} were looked at"


def _data(draft: Draft) -> Iterator[Line]:
    data = draft.data
    yield Line("  data:")
    yield Line(f"    source: {value(data['source'])}")
    yield from _reader(data.get("reader", {}), draft.notes)
    if "precision" in data:
        yield Line("    precision: float64", "some numbers are beyond the range of float32")
    yield Line(f"    target: {value(data['target'])}", _target(draft))
    if "positive" in data:
        yield Line(f"    positive: {value(data['positive'])}", draft.notes["positive"])
    yield from _ignored(draft)
    yield from _columns(draft)
    yield from _split(draft)


def _reader(reader: Mapping[str, Any], notes: Mapping[str, str]) -> Iterator[Line]:
    if not reader:
        return
    yield Line("    reader:")
    for key, setting in reader.items():
        why = "what is missing is spelled like this" if key == "nulls" else notes.get(key, "")
        yield Line(f"      {key}: {value(setting)}", why)


def _target(draft: Draft) -> str:
    facts, found = draft.facts[draft.target.name], draft.prepared.target
    asked = f"CHECK: {draft.target.reason}; " if draft.target.reason else ""
    if found.classes is None:
        return f"{asked}{facts.note}"
    shares = facts.values.value_counts(sort=True, name="times", normalize=True)
    listed = [f"{label!s:.20} {share:.1%}" for label, share in shares.drop_nulls().rows()[:4]]
    more = f" and {len(found.classes) - 4} more" if len(found.classes) > 4 else ""
    numbers = found.type == "integer" and len(found.classes) > 2
    doubt = " (CHECK: or a number? declare it: {type: number})" if numbers else ""
    return f"{asked}{', '.join(listed)}{more}{doubt}"


def _ignored(draft: Draft) -> Iterator[Line]:
    if not draft.ignored:
        return
    yield Line("    ignore:", "CHECK: no features, for these reasons")
    for name, why in draft.ignored.items():
        yield Line(f"      - {value(name)}", why)


def _columns(draft: Draft) -> Iterator[Line]:
    declared = draft.data.get("columns", {})
    features = [f for f in draft.facts.values() if _is_feature(f, draft)]
    pinned = draft.total is None and len(features) <= _LISTED
    listed = features if pinned else [f for f in features if f.name in declared]
    own = declared.get(draft.target.name)
    if listed or own:
        yield Line("    columns:", "the contract: data that breaks it releases nothing")
    if own:
        why = "rows without an answer are left out" if own.get("nullable") else ""
        yield Line(f"      {scalar(draft.target.name)}: {value(own)}", why)
    for one in listed:
        settings = {"type": one.type, **one.settings} if pinned else declared[one.name]
        yield Line(f"      {scalar(one.name)}: {value(settings)}", one.note)
    if not pinned:
        yield Line(
            "    ", f"{len(features) - len(listed):,} more columns: their types are inferred"
        )


def _is_feature(one: Facts, draft: Draft) -> bool:
    return one.name != draft.target.name and one.name not in draft.ignored


def _split(draft: Draft) -> Iterator[Line]:
    method = draft.prepared.rule.method
    why = "each class is tested" if method == "stratified" else "a row keeps its side for good"
    if "key" in draft.data["split"]:
        why = "CHECK: few rows differ in their features: told apart by the key"
    yield Line(f"    split: {value({**draft.data['split'], 'test': 0.2})}", why)
    for name, why in _other_splits(draft):
        kind = "time" if draft.facts[name].type == "datetime" else "group"
        yield Line("    ", f"CHECK: {why}")
        yield Line("    ", f"split: {value({'method': kind, 'column': name, 'test': 0.2})}")


def _other_splits(draft: Draft) -> Iterator[tuple[str, str]]:
    for one in draft.facts.values():
        if one.groups:
            yield one.name, f"rows of one {one.name} may be alike; test on others?"
        elif one.type == "datetime" and not one.useless:
            present = one.values.drop_nulls()
            order = ", and rows are in its order" if present.is_sorted() else ""
            yield one.name, f"{one.name} is a time{order}; test on what came last?"


def _training(draft: Draft) -> Iterator[Line]:
    found = draft.baselines
    path, settings = estimator(draft.prepared.target.task, found.chosen)
    yield Line("  training:")
    yield Line(f"    estimator: {path}")
    if settings:
        yield Line(f"    hyperparameters: {value(settings)}")


def _acceptance(draft: Draft) -> Iterator[Line]:
    found = draft.baselines
    rows = int(draft.prepared.held.sum())
    yield Line("  acceptance:", "all of it must hold before a version is released")
    yield Line("    ", f"{found.metric} on {rows:,} test rows: {reached(found, found.metric)}")
    for one in proposals(found):
        yield Line(f"    - {value(one.rule)}", one.why)
    compared = {"regression": "rmse"}.get(draft.prepared.target.task, "log_loss")
    yield Line(
        f"    - {value({'metric': compared, 'compare': 'champion'})}",
        "no worse than the version in production",
    )
    if hardly(found):
        return
    if name := _slicing(draft):
        bound = {"metric": found.metric, "min": proposals(found)[0].rule["min"], "slice": name}
        yield Line("    ", f"- {value(bound)}")


def _slicing(draft: Draft) -> str:
    """Return a column with few values, in each of which a model might be judged; empty for none."""
    able = (
        one.name
        for one in draft.facts.values()
        if _is_feature(one, draft) and one.type == "category" and 1 < one.values.n_unique() <= 12
    )
    return next(able, "")
