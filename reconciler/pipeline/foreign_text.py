"""Foreign texts: pipelines that take a list of texts, made to take a table with one column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reconciler.errors import TerminalError

if TYPE_CHECKING:
    from reconciler.bundle.signature import Input
    from reconciler.pipeline.foreign import Model
    from reconciler.pipeline.prepared import Prepared


def takes_texts(model: Model) -> bool:
    """Return whether a pipeline begins with what counts or weighs the words of a text."""
    return _vectorizer(model.estimator) is not None


def as_table(model: Model, data: Prepared) -> tuple[Model, Prepared]:
    """Return a model that takes a table of one text, and the rows with that text as such.

    Args:
        model: A pipeline that takes texts.
        data: Rows with one feature.

    Raises:
        TerminalError: `ModelRefusesRows`: the table has other columns than one text, or the two
            do not answer alike.
    """
    if len(data.inputs) != 1 or data.inputs[0].type not in ("category", "text"):
        listed = ", ".join(item.name for item in data.inputs)
        raise TerminalError(
            f"{model.said}, which takes one text; the table has {listed}",
            reason="ModelRefusesRows",
            hint="name the other columns under data.ignore",
        )
    texts = data.test[data.inputs[0].name].fill_null("").to_list()
    inner = _inside_a_table(model.estimator, texts)
    mine, theirs = (
        inner.predict(data.test.select(data.inputs[0].name)),
        model.estimator.predict(texts),
    )
    if not np.array_equal(mine, theirs):
        message = f"{model.said}; as a part of a table it answers differently"
        raise TerminalError(message, reason="ModelRefusesRows")
    return replace(model, estimator=inner), replace(data, inputs=_as_text(data.inputs))


def _inside_a_table(pipeline: Any, texts: Sequence[str]) -> Any:
    """Return the fitted pipeline with its first step as the only column of a transformer."""
    import polars as pl
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import Pipeline

    (name, vectorizer), *rest = pipeline.steps
    columns = ColumnTransformer([(name, CountVectorizer(analyzer="char"), 0)], sparse_threshold=1.0)
    columns.fit(pl.DataFrame({"text": [*texts, "a"]}))  # it only learns that there is one column
    columns.transformers = columns.transformers_ = [(name, vectorizer, 0)]
    del columns.feature_names_in_
    return Pipeline([("columns", columns), *rest])


def _vectorizer(estimator: Any) -> Any:
    steps = getattr(estimator, "steps", None)
    first = steps[0][1] if steps else None
    return first if hasattr(first, "build_analyzer") else None


def _as_text(inputs: Sequence[Input]) -> tuple[Input, ...]:
    return tuple(item.model_copy(update={"type": "text"}) for item in inputs)
