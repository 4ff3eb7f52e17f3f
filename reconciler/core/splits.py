"""Splits: a row's side follows from its own content, so it keeps it as the table grows.

A rule is pinned once, when a table is prepared. Later it answers for any table that has the same
columns: which of these rows had the model never seen?
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from reconciler.errors import SpecError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.spec.model import Split

Mask = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

_TOP = 2**64 - 1
_CHUNK_ROWS = 65_536  # bounds the memory of a wide table's encoded rows
_PERSON = b"reconciler-split"


@dataclass(frozen=True, slots=True)
class Rule:
    """A split with everything decided that depended on the table it was made for."""

    method: str
    """random, stratified, time or group."""
    test: float
    """Share of the rows on the test side, in (0, 1)."""
    seed: int = 0
    columns: tuple[tuple[str, str], ...] = ()
    """Name and kind of each hashed column, sorted by name; time: the one column compared."""
    stratum: str | None = None
    """stratified: the column of the classes."""
    thresholds: tuple[tuple[str, int], ...] = ()
    """stratified: hashes below it are held out, by class; a class not named takes `test`."""
    together: tuple[int, ...] = ()
    """stratified: hashes of equal rows of several classes; they all stay in training."""
    cutoff: float | str | None = None
    """time: later rows are held out; an ISO time for datetimes."""

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain values; `from_json` reads them back."""
        return {
            "method": self.method,
            "test": self.test,
            "seed": self.seed,
            "columns": [{"name": name, "kind": kind} for name, kind in self.columns],
            "stratum": self.stratum,
            "thresholds": {label: f"{value:016x}" for label, value in self.thresholds},
            "together": [f"{value:016x}" for value in self.together],
            "cutoff": self.cutoff,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rule:
        """Return the rule that `to_json` wrote.

        Raises:
            KeyError, ValueError: It is none.
        """
        return cls(
            method=data["method"],
            test=data["test"],
            seed=data["seed"],
            columns=tuple((item["name"], item["kind"]) for item in data["columns"]),
            stratum=data["stratum"],
            thresholds=tuple((k, int(v, 16)) for k, v in data["thresholds"].items()),
            together=tuple(int(value, 16) for value in data["together"]),
            cutoff=data["cutoff"],
        )


def pin(split: Split, features: Sequence[str], target: str, frame: pl.DataFrame) -> Rule:
    """Return the rule that `split` means for this table.

    Args:
        split: As the spec declares it.
        features: Columns that identify a row where the split names no key. The target is not
            among them, so that equal rows with different labels stay on one side.
        target: Its values are the classes of a stratified split.
        frame: The prepared table; must hold all these columns.

    Raises:
        SpecError: The split column cannot be ordered.
        TerminalError: `SplitColumnMissing`: rows have no time or no group.
    """
    if split.method in ("time", "group"):
        return _by_column(split, frame)
    names = sorted(split.key or features)
    columns = tuple((name, _kind(frame[name])) for name in names)
    rule = Rule(method=split.method, test=split.test, seed=split.seed, columns=columns)
    return _stratified(rule, target, frame) if split.method == "stratified" else rule


def held_out(rule: Rule, frame: pl.DataFrame) -> Mask:
    """Return which rows of `frame` are on the test side, shape (rows,).

    A row without a time is not held out.

    Raises:
        TerminalError: `SplitMismatch`: a column that the rule looks at is not there, or holds
            another kind of value than it did.
    """
    _check(rule, frame)
    if rule.method == "time":
        return _later(rule, frame[rule.columns[0][0]])
    hashes = row_hashes(frame, rule.columns, rule.seed)
    if rule.stratum is None:
        return hashes < np.uint64(_share(rule.test))
    thresholds = dict(rule.thresholds)
    labels = frame[rule.stratum].cast(pl.String)
    values = {v: thresholds.get(v or "", _share(rule.test)) for v in labels.unique().to_list()}
    limits = labels.replace_strict(values, return_dtype=pl.UInt64).to_numpy()
    held: Mask = hashes < limits
    return held & ~np.isin(hashes, np.array(rule.together, dtype=np.uint64))


def row_hashes(frame: pl.DataFrame, columns: Sequence[tuple[str, str]], seed: int) -> Hashes:
    """Return a hash of the values in `columns` for every row, shape (rows,), uniform over 64 bits.

    It depends on nothing but these values and the seed. Numbers count as float32 where they are
    fractions, so the rounding of a prepared table does not move a row.
    """
    salt = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()
    chunks = [
        _chunk_hashes(frame[start : start + _CHUNK_ROWS], columns, salt)
        for start in range(0, frame.height, _CHUNK_ROWS)
    ]
    return np.concatenate(chunks) if chunks else np.empty(0, dtype=np.uint64)


def _chunk_hashes(frame: pl.DataFrame, columns: Sequence[tuple[str, str]], salt: bytes) -> Hashes:
    encoded = np.column_stack([_encoded(frame[name], kind) for name, kind in columns])
    rows, width = encoded.astype("<u8").tobytes(), encoded.shape[1] * 8
    digests = b"".join(
        hashlib.blake2b(
            rows[start : start + width], digest_size=8, salt=salt, person=_PERSON
        ).digest()
        for start in range(0, len(rows), width)
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _encoded(column: pl.Series, kind: str) -> Hashes:
    """Return eight bytes per value; equal values give equal bytes, also as another number type."""
    match kind:
        case "text":
            return _text_codes(column)
        case "datetime":
            times = column.cast(pl.Datetime("us")).cast(pl.Int64).fill_null(-(2**63))
            return times.to_numpy().astype("<i8").view("<u8").astype(np.uint64)
        case _:
            numbers = column.cast(pl.Float64)
            if column.dtype.is_float():
                numbers = numbers.cast(pl.Float32).cast(pl.Float64)
            values = numbers.to_numpy().astype("<f8") + 0.0  # -0.0 becomes 0.0
            return np.where(np.isnan(values), np.nan, values).view("<u8").astype(np.uint64)


def _text_codes(column: pl.Series) -> Hashes:
    texts = column.cast(pl.String)
    distinct = texts.unique().drop_nulls()
    digests = b"".join(
        hashlib.blake2b(text.encode(), digest_size=8).digest() for text in distinct.to_list()
    )
    codes = np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    keys = pl.DataFrame({"text": distinct, "code": pl.Series(codes, dtype=pl.UInt64)})
    coded = pl.DataFrame({"text": texts}).join(keys, on="text", how="left", maintain_order="left")
    return coded["code"].fill_null(0).to_numpy()  # 0: no text


def _kind(column: pl.Series) -> str:
    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype.is_temporal():
        return "datetime"
    return "number" if column.dtype.is_numeric() else "text"


def _check(rule: Rule, frame: pl.DataFrame) -> None:
    kinds = {name: _kind(frame[name]) for name in frame.columns}
    wrong = [
        f"{name} ({kinds.get(name, 'missing')}, was {kind})"
        for name, kind in rule.columns
        if kinds.get(name) != kind
    ]
    if rule.stratum is not None and rule.stratum not in kinds:
        wrong.append(f"{rule.stratum} (missing)")
    if wrong:
        message = f"the split rests on columns that this table does not have: {', '.join(wrong)}"
        raise TerminalError(message, reason="SplitMismatch")


def _share(test: float) -> int:
    return min(int(test * 2.0**64), _TOP)


def _stratified(rule: Rule, target: str, frame: pl.DataFrame) -> Rule:
    hashes = row_hashes(frame, rule.columns, rule.seed)
    labels = frame[target].cast(pl.String)
    classes, members = labels.unique().sort().to_list(), labels.rank("dense").to_numpy()
    thresholds: list[tuple[str, int]] = []
    held = np.zeros(len(hashes), dtype=bool)
    for index, label in enumerate(classes, start=1):
        member = members == index
        limit = _limit(hashes[member], rule.test)
        thresholds.append((label, limit))
        held |= member & (hashes < np.uint64(limit))
    # Equal rows of two classes may lie between the thresholds of both: keep them together.
    straddling = np.intersect1d(hashes[held], hashes[~held])
    return Rule(
        method=rule.method,
        test=rule.test,
        seed=rule.seed,
        columns=rule.columns,
        stratum=target,
        thresholds=tuple(thresholds),
        together=tuple(straddling.tolist()),
    )


def _limit(hashes: Hashes, test: float) -> int:
    """Return the hash below which the share `test` of a class lies: at least one row of two."""
    count = max(round(len(hashes) * test), 1) if len(hashes) > 1 else 0
    count = min(count, len(hashes) - 1)
    return 0 if count <= 0 else min(int(np.sort(hashes)[count - 1]) + 1, _TOP)


def _by_column(split: Split, frame: pl.DataFrame) -> Rule:
    assert split.column is not None
    column = frame[split.column]
    if empty := column.null_count():
        what = "time" if split.method == "time" else "group"
        message = f"{empty:,} of {len(column):,} rows have no {what} in {split.column}"
        hint = f"fill {split.column}, or split by another column"
        raise TerminalError(message, reason="SplitColumnMissing", hint=hint)
    return Rule(
        method=split.method,
        test=split.test,
        seed=split.seed,
        columns=((split.column, _kind(column)),),
        cutoff=_cutoff(column, split.test) if split.method == "time" else None,
    )


def _cutoff(column: pl.Series, test: float) -> float | str:
    """Return the time whose later rows come closest to the share `test` of all rows."""
    if _kind(column) not in ("number", "datetime"):
        message = f"data.split: {column.name} holds texts, not times or numbers"
        hint = f"declare columns: {{{column.name}: {{type: datetime}}}}, or another column"
        raise SpecError(message, reason="SplitColumn", hint=hint)
    times = column.sort()
    wanted = len(times) - round(len(times) * test)
    last = times[min(max(wanted, 1), len(times)) - 1]
    before = times.filter(times < last)
    options = [last] if before.is_empty() else [before[-1], last]
    later = {option: int((times > option).sum()) for option in options}
    usable = [option for option in options if later[option]] or options
    best = min(usable, key=lambda option: abs(later[option] - len(times) * test))
    return best.isoformat() if isinstance(best, datetime) else float(best)


def _later(rule: Rule, column: pl.Series) -> Mask:
    cutoff: Any = rule.cutoff
    if isinstance(cutoff, str):
        cutoff = pl.Series([datetime.fromisoformat(cutoff)], dtype=pl.Datetime("us"))
        column = column.cast(pl.Datetime("us"))
    later: Mask = (column > cutoff).fill_null(value=False).to_numpy()
    return later
