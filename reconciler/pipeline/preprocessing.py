"""Preprocessing: the tensors of a table, and the scikit-learn steps from them to numbers.

All features become two tensors at most: `numbers` (numbers, integers, booleans, parts of dates)
and `texts` (categories, then texts). One packed tensor costs a session far less than one for
each feature, and the same layout serves the native form.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reconciler.bundle.signature import NO_TEXT, Column, Input, Tensor

if TYPE_CHECKING:
    import polars as pl

    from reconciler.spec.model import Preprocessing

#: What datetime features become, unless the spec says otherwise.
DATE_PARTS = ("year", "month", "day", "weekday", "hour")
#: How the names of tensors of words begin.
WORDS = "words."
_NUMERIC = frozenset({"number", "integer", "boolean", "datetime"})


@dataclass(frozen=True, slots=True)
class Recipe:
    """How features become numbers; `spelled` reads it from a spec, `automatic` chooses it."""

    impute: str | None = "median"
    scale: str | None = "standard"
    encode: str = "onehot"
    min_frequency: int = 1
    max_features: int | None = 20_000
    ngrams: tuple[int, int] = (1, 1)
    sublinear: bool = False
    parts: tuple[str, ...] = DATE_PARTS
    drop: tuple[str, ...] = ()


def automatic(estimator: Any) -> Recipe:
    """Return the recipe that suits `estimator`; see `suited`."""
    kind = type(estimator)
    return suited(kind.__module__, kind.__name__)


def suited(module: str, name: str) -> Recipe:
    """Return the recipe that suits the estimators of a class, given where it is from.

    Trees ask only for an order, so their numbers are not scaled; histogram gradient boosting
    finds the best side for a missing number by itself, so nothing is imputed for it.
    """
    if not module.startswith(("sklearn.tree", "sklearn.ensemble")):
        return Recipe()
    if name.startswith("HistGradientBoosting"):
        return Recipe(impute=None, scale=None)
    trees = ("RandomForest", "ExtraTree", "GradientBoosting", "DecisionTree")
    return Recipe(scale=None) if name.startswith(trees) else Recipe()


def spelled(settings: Preprocessing) -> Recipe:
    """Return the recipe that a spec spells out."""
    numbers, text = settings.numbers, settings.text
    return Recipe(
        impute=None if numbers.impute == "none" else numbers.impute,
        scale=None if numbers.scale == "none" else numbers.scale,
        encode=settings.categories.encode,
        min_frequency=settings.categories.min_frequency,
        max_features=text.max_features,
        ngrams=(text.ngrams[0], text.ngrams[-1]),
        sublinear=text.sublinear,
        parts=tuple(settings.dates.parts),
        drop=tuple(settings.drop),
    )


def packed(inputs: tuple[Input, ...], recipe: Recipe, *, rounded: bool) -> tuple[Tensor, ...]:
    """Return the two packed tensors for `inputs`; one that would be empty is left out.

    Args:
        inputs: The features that the model uses, in the order of the table.
        recipe: Says which parts a datetime becomes.
        rounded: Whether numbers are rounded to float32.
    """
    names = {item.name for item in inputs}
    numbers = [
        _column(item, rounded=rounded)
        for kind in ("number", "integer", "boolean")  # the rounded ones side by side
        for item in inputs
        if item.type == kind
    ]
    numbers += [
        _date_column(item.name, part, names)
        for item in inputs
        if item.type == "datetime"
        for part in recipe.parts
    ]
    texts = [_column(item) for kind in ("category", "text") for item in inputs if item.type == kind]
    both = (
        Tensor(name="numbers", dtype="float64", columns=tuple(numbers)),
        Tensor(name="texts", dtype="string", columns=tuple(texts)),
    )
    return tuple(tensor for tensor in both if tensor.columns)


def plain(inputs: tuple[Input, ...], *, rounded: bool) -> tuple[Tensor, ...]:
    """Return the layout without preprocessing: one packed tensor if all of `inputs` are numeric.

    A datetime is its seconds since 1970.
    """
    alone = separate(inputs, rounded=rounded)
    if any(tensor.dtype == "string" for tensor in alone):
        return alone
    columns = tuple(column for tensor in alone for column in tensor.columns)
    return (Tensor(name="numbers", dtype="float64", columns=columns),)


def separate(inputs: tuple[Input, ...], *, rounded: bool) -> tuple[Tensor, ...]:
    """Return one tensor for each of `inputs`, for estimators that pick columns by name."""
    return tuple(
        Tensor(
            name=item.name,
            dtype="float64" if item.type in _NUMERIC else "string",
            columns=(_column(item, rounded=rounded),),
        )
        for item in inputs
    )


def as_words(tensors: tuple[Tensor, ...], inputs: tuple[Input, ...]) -> tuple[Tensor, ...]:
    """Return a layout in which every text has a tensor of words, after the other columns."""
    texts = {item.name for item in inputs if item.type == "text"}
    others = (
        t.model_copy(update={"columns": tuple(c for c in t.columns if c.input not in texts)})
        for t in tensors
    )
    alone = tuple(
        Tensor(name=WORDS + c.name, dtype="string", columns=(c,), words=True)
        for t in tensors
        for c in t.columns
        if c.input in texts
    )
    return (*(tensor for tensor in others if tensor.columns), *alone)


def _column(item: Input, *, rounded: bool = False) -> Column:
    return Column(
        name=item.name,
        input=item.name,
        part="epoch" if item.type == "datetime" else None,
        rounded=rounded and item.type == "number",
    )


def _date_column(name: str, part: Any, taken: set[str]) -> Column:
    label = f"{name}.{part}"
    while label in taken:  # a feature of the table has that very name
        label += "_"
    return Column(name=label, input=name, part=part)


def steps(
    recipe: Recipe,
    inputs: tuple[Input, ...],
    tensors: tuple[Tensor, ...],
    table: pl.DataFrame,
    *,
    sparse: bool,
) -> list[tuple[str, Any]]:
    """Return the named steps that come before the estimator in its pipeline.

    Args:
        recipe: How features become numbers.
        inputs: The features.
        tensors: Their packed layout.
        table: The training rows in that layout; the categories are taken from it.
        sparse: Whether the estimator takes sparse matrices.
    """
    kinds = {item.name: item.type for item in inputs}
    columns = [column for tensor in tensors for column in tensor.columns]
    groups: dict[str, list[int]] = {}
    for index, column in enumerate(columns):
        groups.setdefault(_GROUPS[kinds[column.input]], []).append(index)
    nullable = any(item.nullable for item in inputs if item.type in _NUMERIC)
    filled = recipe if nullable else replace(recipe, impute=None)
    if list(groups) == ["numbers"]:
        return _number_steps(filled)
    from sklearn.compose import ColumnTransformer

    transformers: list[tuple[str, Any, Any]] = []
    for name, indices in groups.items():
        match name:
            case "numbers":
                transformers.append((name, _chain(_number_steps(filled)), indices))
            case "flags":
                transformers.append((name, _chain(_flag_steps(filled)), indices))
            case "categories":
                encoder = _encoder(recipe, [table.to_series(i) for i in indices], sparse=sparse)
                transformers.append((name, encoder, indices))
            case _:
                transformers += [(f"text{i}", _vectorizer(recipe), i) for i in indices]
    threshold = 0.3 if sparse else 0.0
    return [("columns", ColumnTransformer(transformers, sparse_threshold=threshold))]


_GROUPS = {
    "number": "numbers",
    "integer": "numbers",
    "datetime": "numbers",
    "boolean": "flags",
    "category": "categories",
    "text": "texts",
}


def _chain(steps: list[tuple[str, Any]]) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline(steps) if steps else "passthrough"


def _number_steps(recipe: Recipe) -> list[tuple[str, Any]]:
    from sklearn import preprocessing

    scalers = {
        "standard": preprocessing.StandardScaler,
        "minmax": preprocessing.MinMaxScaler,
        "robust": preprocessing.RobustScaler,
    }
    chain: list[tuple[str, Any]] = []
    if recipe.impute:
        chain.append(("impute", _imputer(recipe.impute)))
    if recipe.scale:
        chain.append(("scale", scalers[recipe.scale]()))
    return chain


def _flag_steps(recipe: Recipe) -> list[tuple[str, Any]]:
    return [("impute", _imputer("most_frequent"))] if recipe.impute else []


def _imputer(strategy: str) -> Any:
    from sklearn.impute import SimpleImputer

    if strategy == "zero":
        return SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return SimpleImputer(strategy=strategy, keep_empty_features=True)


def _encoder(recipe: Recipe, columns: list[pl.Series], *, sparse: bool) -> Any:
    """Return an encoder of the categories that are frequent enough; others are all unknown."""
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    levels = [_levels(column, recipe.min_frequency) for column in columns]
    if recipe.encode == "ordinal":
        return OrdinalEncoder(
            categories=levels, handle_unknown="use_encoded_value", unknown_value=-1
        )
    return OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=sparse)


def _levels(column: pl.Series, min_frequency: int) -> Any:
    import numpy as np

    counts = Counter(column.to_list())
    kept = sorted(level for level, count in counts.items() if count >= min_frequency)
    return np.array(kept or [max(counts, key=lambda v: (counts[v], v), default=NO_TEXT)], object)


def _vectorizer(recipe: Recipe) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        max_features=recipe.max_features,
        ngram_range=recipe.ngrams,
        sublinear_tf=recipe.sublinear,
    )
