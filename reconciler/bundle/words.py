"""Words of a text: split here, by the same code, for training and for serving.

ONNX's tokeniser knows neither Python's lower case nor its idea of a word, so it is exact for
English at best. A text therefore enters model.onnx as its words; counting and weighing them is
the graph's part.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

#: scikit-learn's default: words of two letters, digits or underscores at least.
PATTERN = r"(?u)\b\w\w+\b"
#: What fills the rows of texts that have fewer words than others; never a word.
PADDING = ""

_words = re.compile(PATTERN).findall


def split(texts: Sequence[str]) -> npt.NDArray[Any]:
    """Return the words of each text in lower case, shape (texts, most words), at least one wide."""
    rows = [_words(text.lower()) for text in texts]
    width = max(map(len, rows), default=0) or 1
    table = np.full((len(rows), width), PADDING, dtype=object)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table
