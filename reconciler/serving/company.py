"""Company: whether a version answers a row among others as it does to it alone, to the last bit.

Some models add up in another order then, or come to an exponential another way at the end of a run;
which answer a client gets is no matter of how many others ask in the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconciler.bundle.predictor import Predictions, Predictor, Tensors
from reconciler.serving.loaded import Loaded

#: By so many rows it is seen, by fewer where they take longer than this together.
_ROWS, _FEWEST, _ROWS_S = 512, 32, 0.015
#: In runs of so many rows each, and so many runs of each size at most.
_SIZES, _RUNS = (64, 31, 16, 13, 8, 7, 5, 4, 3, 2), 32


def bears(loaded: Loaded) -> bool:
    """Return whether a version may be asked several requests' rows at once; it takes 20 to 50 ms.

    It may be called in any thread.
    """
    predictor = loaded.predictor
    if any(tensor.words for tensor in predictor.tensors.values()):
        return False  # a row is as wide as its text is long
    count = int(_ROWS_S / max(loaded.one_s, _ROWS_S / _ROWS))
    try:
        plain = [one for one in map(predictor.plain, loaded.examples.rows) if one is not None]
        rows = _mixed(plain, max(count, _FEWEST)) if plain else []
        alone = [_bits(predictor.answer(one)) for one in rows]
        return bool(rows) and all(_alike(predictor, rows, alone, size) for size in _SIZES)
    except Exception:  # noqa: BLE001  a runtime raises classes without a base; it answers alone
        return False


def _mixed(rows: Sequence[Tensors], count: int) -> list[Tensors]:
    """Return so many rows, drawn with a seed: each value is that of a row, or between two rows'.

    Some models answer one row in a hundred otherwise at another place: a few would not tell.
    """
    draw = np.random.default_rng(0)
    mixed = {}
    for name in rows[0]:
        known = np.concatenate([row[name] for row in rows])
        size = (count, known.shape[1])
        mixed[name] = np.take_along_axis(known, draw.integers(len(rows), size=size), axis=0)
        if known.dtype.kind == "f":
            other = np.take_along_axis(known, draw.integers(len(rows), size=size), axis=0)
            share = draw.uniform(-1, 1, size).clip(0)  # half of them stay what they are
            between = mixed[name] + share * (other - mixed[name])
            mixed[name] = between.astype(np.float32).astype(known.dtype)
    return [{name: some[n : n + 1] for name, some in mixed.items()} for n in range(count)]


def _alike(
    predictor: Predictor, rows: Sequence[Tensors], alone: Sequence[list[bytes]], size: int
) -> bool:
    return all(
        list(map(_bits, predictor.answer_each(rows[start : start + size])))
        == alone[start : start + size]
        for start in range(0, len(rows), size)[:_RUNS]
    )


def _bits(answer: Predictions) -> list[bytes]:
    return [part.tobytes() for part in (answer.values, answer.probabilities) if part is not None]
