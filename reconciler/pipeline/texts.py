"""TF-IDF in ONNX, exactly: words come in, counts and weights are the graph's, in double."""

from __future__ import annotations

from typing import Any

import numpy as np

from reconciler.bundle import words
from reconciler.pipeline.emitter import DOUBLE, Emitter, Inconvertible
from reconciler.pipeline.preprocessing import WORDS


def answers_features(operator: Any) -> None:
    """State that a vectoriser answers a double for each term of its vocabulary."""
    from skl2onnx.common.data_types import DoubleTensorType

    operator.outputs[0].type = DoubleTensorType([None, len(operator.raw_operator.vocabulary_)])


def tfidf(scope: Any, operator: Any, container: Any) -> None:
    """Convert a TF-IDF vectoriser whose input is the words of a text.

    Raises:
        Inconvertible: It splits texts in a way of its own, or its input is not words.
    """
    emitter = Emitter(scope, operator, container)
    model = emitter.model
    source = operator.inputs[0]
    if not source.raw_name.startswith(WORDS) or _own_words(model):
        raise Inconvertible("the text is split in a way of its own")
    counts = emitter.cast(_counts(emitter, source.full_name), DOUBLE)
    zero = emitter.doubles(0.0)
    if model.binary:
        counts = emitter.cast(emitter.op("Greater", [counts, zero]), DOUBLE)
    if model.sublinear_tf:
        one = emitter.doubles(1.0)
        logarithms = emitter.op("Log", [emitter.op("Max", [counts, one])])
        present = emitter.op("Greater", [counts, zero])
        counts = emitter.op("Where", [present, emitter.op("Add", [logarithms, one]), zero])
    if model.use_idf:
        counts = emitter.op("Mul", [counts, emitter.constant(np.asarray(model.idf_, np.float64))])
    emitter.answer(_normalised(emitter, counts))


def _own_words(model: Any) -> bool:
    """Return whether a vectoriser finds other words than `words.split` does."""
    custom = (model.strip_accents, model.preprocessor, model.tokenizer)
    plain = model.analyzer == "word" and model.token_pattern == words.PATTERN and model.lowercase
    stopped = model.stop_words is not None and model.ngram_range != (1, 1)
    return not plain or stopped or any(item is not None for item in custom)


def _counts(emitter: Emitter, source: str) -> str:
    """Write the count of every term of the vocabulary, shape (rows, terms), float32."""
    vocabulary = emitter.model.vocabulary_
    terms = sorted(vocabulary, key=lambda term: (term.count(" "), vocabulary[term]))
    pool = [word for term in terms for word in term.split(" ")]
    longest = emitter.model.ngram_range[1]
    starts, total = [], 0
    for length in range(1, longest + 1):
        starts.append(total)
        total += length * sum(term.count(" ") == length - 1 for term in terms)
    return emitter.op(
        "TfIdfVectorizer",
        [source],
        mode="TF",
        min_gram_length=emitter.model.ngram_range[0],
        max_gram_length=longest,
        max_skip_count=0,
        ngram_counts=starts,
        ngram_indexes=[int(vocabulary[term]) for term in terms],
        pool_strings=[word.encode() for word in pool],
    )


def _normalised(emitter: Emitter, counts: str) -> str:
    if emitter.model.norm is None:
        return counts
    if emitter.model.norm != "l2":
        raise Inconvertible(f"the norm {emitter.model.norm}")
    axis = emitter.integers(1)
    length = emitter.op("Sqrt", [emitter.op("ReduceSumSquare", [counts, axis], keepdims=1)])
    empty = emitter.op("Equal", [length, emitter.doubles(0.0)])
    return emitter.op("Div", [counts, emitter.op("Where", [empty, emitter.doubles(1.0), length])])
