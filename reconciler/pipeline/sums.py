"""Sums: several numeric columns whose sum or difference is the target, row by row."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

_NEARLY_ALL = 0.999
_PROBE_ROWS = 64
_FIT_ROWS = 5_000
_MAX_PAIRED = 120
_MAX_FITTED = 400
_TRIMS = 4
_TOLERANCE = 1e-6  # float32 rounding of each term
_REPORTED = 3


def sums(features: pl.DataFrame, target: pl.Series) -> list[tuple[tuple[str, ...], str]]:
    """Return the columns that add up to the target in 99.9 % of the rows.

    Pairs are tried one by one, larger sets by least squares on rows that keep to the plane: its
    coefficients are then ±1 and 0. Every find is verified on the whole table.

    Args:
        features: Numeric columns; null where there is no value.
        target: The numbers to be predicted, as many rows.

    Returns:
        For each find its columns, and a sentence such as `a + b is c in 100 % of the rows`.
    """
    answers = target.cast(pl.Float64).to_numpy()
    table = features.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    complete = ~np.isnan(table).any(axis=1)
    found = [c for c in _pairs(table, answers) if _holds(table, answers, c)]
    if not found:
        wide = _fitted(table[complete], answers[complete])
        found = [wide] if len(wide) > 1 and _holds(table, answers, wide) else []
    return [_named(features.columns, target.name, table, answers, c) for c in found[:_REPORTED]]


Terms = tuple[tuple[int, int], ...]
"""Column and sign, +1 or -1, of each term."""


def _pairs(table: Floats, answers: Floats) -> list[Terms]:
    """Return the pairs that fit a few rows."""
    if not 1 < table.shape[1] <= _MAX_PAIRED:
        return []
    rows = np.linspace(0, len(table) - 1, min(_PROBE_ROWS, len(table))).astype(int)
    few, wanted = table[rows], answers[rows]
    candidates: list[Terms] = []
    for i, j in combinations(range(table.shape[1]), 2):
        for signs in ((1, 1), (1, -1), (-1, 1)):
            terms = ((i, signs[0]), (j, signs[1]))
            if _share(few, wanted, terms) > _NEARLY_ALL - 0.1:
                candidates.append(terms)
    return candidates


def _fitted(table: Floats, answers: Floats) -> Terms:
    """Return the terms of the plane on which nearly all rows lie; empty where there is none."""
    if not 2 < table.shape[1] <= _MAX_FITTED or len(table) < 2 * table.shape[1]:
        return ()
    step = -(-len(table) // _FIT_ROWS)
    table, answers = table[::step], answers[::step]
    scale = np.abs(table).max(axis=0)
    scale[scale == 0] = 1.0
    scaled, kept = table / scale, np.arange(len(table))
    for _ in range(_TRIMS):
        solution, *_rest = np.linalg.lstsq(scaled[kept], answers[kept], rcond=None)
        distance = np.abs(scaled @ solution - answers)
        kept = np.argsort(distance, kind="stable")[: max(int(len(table) * 0.9), table.shape[1] + 1)]
    coefficients = solution / scale
    near = np.round(coefficients)
    whole = np.isin(near, (-1.0, 0.0, 1.0)) & (np.abs(coefficients - near) < 1e-3)
    return tuple((int(i), int(near[i])) for i in np.flatnonzero(near)) if whole.all() else ()


def _holds(table: Floats, answers: Floats, terms: Terms) -> bool:
    return _share(table, answers, terms) >= _NEARLY_ALL


def _share(table: Floats, answers: Floats, terms: Terms) -> float:
    """Return the share of the rows, among all, in which the terms add up to the answer."""
    columns, signs = [i for i, _ in terms], np.array([s for _, s in terms], dtype=np.float64)
    parts = table[:, columns]
    room = _TOLERANCE * (np.abs(parts).sum(axis=1) + np.abs(answers)) + 1e-12
    return float((np.abs(parts @ signs - answers) <= room).mean())


def _named(
    names: list[str], target: str, table: Floats, answers: Floats, terms: Terms
) -> tuple[tuple[str, ...], str]:
    ordered = sorted(terms, key=lambda term: -term[1])
    words = names[ordered[0][0]] if ordered[0][1] > 0 else f"-{names[ordered[0][0]]}"
    for index, sign in ordered[1:]:
        words += f" {'+' if sign > 0 else '-'} {names[index]}"
    share = np.floor(_share(table, answers, terms) * 10_000) / 100
    columns = tuple(names[index] for index, _ in terms)
    return columns, f"{words} is {target} in {share:g} % of the rows"
