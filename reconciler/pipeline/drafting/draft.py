"""The draft: everything that a first spec says about a table, and why it says so."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from reconciler.errors import ReconcilerError, SpecError, TerminalError
from reconciler.pipeline.drafting.baseline import Baselines, baselines
from reconciler.pipeline.drafting.choosing import Ask, Choice, choose
from reconciler.pipeline.drafting.positive import positive
from reconciler.pipeline.drafting.sampling import CELLS, sample
from reconciler.pipeline.drafting.sniffing import sniff
from reconciler.pipeline.drafting.survey import Facts, spellings, survey
from reconciler.pipeline.leakage import Finding
from reconciler.pipeline.prepare import Prepared, prepare
from reconciler.pipeline.reading import Table, read
from reconciler.spec.checks.data import SUFFIXES, suffix
from reconciler.spec.model import DataSpec

_TEXT = ("csv", "tsv")
_PASSES = 6
_ROWS = 10


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written, and what was found."""

    name: str
    data: Mapping[str, Any]
    """The section `data`, as plain values."""
    facts: Mapping[str, Facts]
    """By column."""
    target: Choice
    ignored: Mapping[str, str]
    """Columns that are no features, each with the reason."""
    notes: Mapping[str, str]
    """Further reasons, by key."""
    prepared: Prepared
    baselines: Baselines
    rows: int
    """Rows that were looked at."""
    total: int | None
    """About how many there are; None: all were looked at."""


def draft(name: str, root: Path, source: str, target: str | None, ask: Ask | None) -> Draft:
    """Return a first spec for the table at `source`.

    Args:
        name: The model's name.
        root: The folder that `source` starts from.
        source: The table, as `data.source` names it.
        target: The column to predict; None: it is guessed, or asked for.
        ask: Asks a person; None: nobody is there.

    Raises:
        UsageError: There is no such column, or the target cannot be told.
        SpecError, TerminalError: The table cannot be used at all.
    """
    with tempfile.TemporaryDirectory(prefix="reconciler-") as aside:
        table, data, notes, total = _read(root, source, Path(aside))
    facts, data = _surveyed(table, data)
    _check_size(source, table)
    choice = choose(facts, target, ask)
    known = {one.name: one for one in facts}
    data = {**data, "target": choice.name, **_columns(known, choice.name)}
    ignored = _useless(known, choice.name)
    prepared_, data, ignored = _prepared(table, data, ignored, known[choice.name], notes)
    reached = baselines(name, DataSpec.model_validate(data), prepared_, whole=total is None)
    return Draft(
        name=name,
        data=data,
        facts=known,
        target=choice,
        ignored=ignored,
        notes=notes,
        prepared=prepared_,
        baselines=reached,
        rows=table.frame.height,
        total=total,
    )


def _check_size(source: str, table: Table) -> None:
    if table.frame.width < 2:
        message = f"{source} has one column: there is nothing to learn it from"
        raise TerminalError(message, reason="NoFeatures", hint="is there another separator?")
    if table.frame.height < _ROWS:
        rows = f"{table.frame.height} row{'s' if table.frame.height > 1 else ''}"
        message = f"{source} has {rows}: too few to learn from some and be tested on others"
        raise TerminalError(message, reason="TooFewRows", hint=f"bring at least {_ROWS}")


def _read(
    root: Path, source: str, aside: Path
) -> tuple[Table, dict[str, Any], dict[str, str], int | None]:
    """Return the table or a sample of it, how it is written and why, and the rows of the whole."""
    data: dict[str, Any] = {"source": source}
    if source.startswith("sklearn:"):
        return read(root, _section(data)), data, {}, None
    kind = SUFFIXES.get(suffix(source), "")
    if not kind or not (root / source).exists():
        read(root, _section(data))  # says what is wrong with it
    place = sample(root, source, kind, aside)
    notes: dict[str, str] = {}
    if kind in _TEXT and (place.root / source).is_file():
        found = sniff(place.root / source, kind)
        data |= {"reader": dict(found.settings)} if found.settings else {}
        notes |= found.notes
    table = _table(place.root, data, notes) if kind in _TEXT else read(place.root, _section(data))
    step = -(-table.frame.height * table.frame.width // CELLS)
    if step < 2:
        return table, data, notes, place.rows
    few = Table(table.frame.gather_every(step), table.typed)
    return few, data, notes, place.rows or table.frame.height


def _section(data: Mapping[str, Any]) -> DataSpec:
    return DataSpec.model_validate({"target": "?", **data})


def _table(root: Path, data: dict[str, Any], notes: dict[str, str]) -> Table:
    """Return a text table; quotes are taken for letters where that alone gives every line a row."""
    literal = {**data, "reader": {**data.get("reader", {}), "quote": None}}
    try:
        table = read(root, _section(data))
    except TerminalError as error:
        if "quote" not in error.hint:
            raise
        other = read(root, _section(literal))
    else:
        path = root / str(data["source"])
        if not path.is_file() or b'"' not in path.read_bytes():
            return table
        try:
            other = read(root, _section(literal))
        except ReconcilerError:
            return table
        if other.frame.columns != table.frame.columns or other.frame.height <= table.frame.height:
            return table
    data["reader"] = literal["reader"]
    notes["quote"] = "quotes are not balanced: they are letters here"
    return other


def _surveyed(table: Table, data: dict[str, Any]) -> tuple[tuple[Facts, ...], dict[str, Any]]:
    """Return the facts of every column; what columns spell alike stands in the reader."""
    facts = survey(table)
    common = spellings(facts) if not table.typed else ()
    if not common:
        return facts, data
    reader = {**data.get("reader", {}), "nulls": ["", *common]}
    return survey(table, ("", *common)), {**data, "reader": reader}


def _columns(known: Mapping[str, Facts], target: str) -> dict[str, Any]:
    """Return the contracts without which the table could not be used."""
    found = {n: dict(f.settings) for n, f in known.items() if f.settings and not f.useless}
    if known[target].values.null_count():
        found[target] = {**found.get(target, {}), "nullable": True}
    large = any(f.large and not f.useless for f in known.values())
    return {
        **({"columns": found} if found else {}),
        **({"precision": "float64"} if large else {}),
    }


def _useless(known: Mapping[str, Facts], target: str) -> dict[str, str]:
    found = {}
    for name, one in known.items():
        if name != target and one.useless:
            found[name] = one.useless
        elif name != target and one.groups:
            found[name] = f"an id? {one.values.n_unique():,} values, each in several rows"
    return found


def _prepared(
    table: Table,
    data: dict[str, Any],
    ignored: dict[str, str],
    target: Facts,
    notes: dict[str, str],
) -> tuple[Prepared, dict[str, Any], dict[str, str]]:
    """Return the prepared table, with ids, constants and leaks left out one round after another."""
    if all(name in ignored or name == target.name for name in table.frame.columns):
        told = "; ".join(f"{name}: {why}" for name, why in list(ignored.items())[:5])
        raise TerminalError(f"no column is left to learn from ({told})", reason="NoFeatures")
    data = {**data, "split": {"method": "stratified"}}
    kept: tuple[Prepared, dict[str, Any], dict[str, str]] | None = None
    for _ in range(_PASSES):
        listed = {**data, **({"ignore": list(ignored)} if ignored else {})}
        try:
            found = prepare(table, DataSpec.model_validate(listed))
        except (SpecError, TerminalError) as error:
            other = _other_split(error, data["split"], table, target.name)
            if other is None and kept is None:
                raise
            if other is None:  # what is left without the last columns cannot be split
                break
            data = {**data, "split": other}
            continue
        kept = (found, listed, ignored)
        features = {cast.column.name for cast in found.features}
        more = {n: why for n, why in _doubtful(found.warnings).items() if n in features}
        if not more or len(more) == len(features):
            break
        ignored = {**ignored, **more}
    assert kept is not None  # each other split is tried once, and there are more passes
    found, listed, ignored = kept
    if found.target.task == "binary":
        listed["positive"], notes["positive"] = positive(found.target, target.values)
        found = prepare(table, DataSpec.model_validate(listed))
    return found, listed, ignored


def _other_split(
    error: SpecError | TerminalError, split: dict[str, Any], table: Table, target: str
) -> dict[str, Any] | None:
    """Return the split to try after `error`; None: there is no other."""
    if error.reason == "WrongSplit":  # numbers have no classes
        return {"method": "random"}
    own = (c.name for c in table.frame.iter_columns() if c.name != target and _identifies(c))
    key = next(own, None)
    if error.reason not in ("SplitEmpty", "ClassOnlyInTest") or "key" in split or key is None:
        return None
    return {**split, "key": key}


def _identifies(column: pl.Series) -> bool:
    """Return whether every row has a value of its own."""
    return not column.dtype.is_nested() and column.n_unique() == len(column)


def _doubtful(warnings: tuple[Finding, ...]) -> dict[str, str]:
    """Return the columns that a finding is about, with what it says of them."""
    found: dict[str, str] = {}
    for one in warnings:
        if one.reason not in ("ConstantColumn", "IdColumn", "Leakage"):
            continue
        for name in one.columns:
            found.setdefault(name, _reason(one))
    return found


def _reason(one: Finding) -> str:
    match one.reason:
        case "ConstantColumn":
            return "the same value in every row"
        case "IdColumn":
            return "an id? a value of its own in every row, or nearly"
        case _:
            said = re.sub(r" in 1?\d\d(\.\d+)? % of the rows", "", one.message.partition(": ")[0])
            return f"{said}: known beforehand?"
