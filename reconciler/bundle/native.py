"""The native form: a scikit-learn pipeline in a skops archive, read without trusting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.bundle.trusted import TRUSTED
from reconciler.errors import TerminalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    from reconciler.bundle.signature import Signature


def frame(signature: Signature, tensors: Mapping[str, npt.NDArray[Any]]) -> pl.DataFrame:
    """Return the table that a scikit-learn pipeline sees: the tensors' columns side by side."""
    import polars as pl

    series = []
    for tensor in signature.tensors:
        values = tensors[tensor.name]
        dtype = pl.String if tensor.dtype == "string" else pl.Float64
        for index, column in enumerate(tensor.columns):
            series.append(pl.Series(column.name, np.ascontiguousarray(values[:, index]), dtype))
    return pl.DataFrame(series)


def untrusted(source: Path | bytes) -> tuple[str, ...]:
    """Return the types in a skops archive that are on no reviewed list, sorted."""
    import skops.io

    if isinstance(source, bytes):
        found = skops.io.get_untrusted_types(data=source)
    else:
        found = skops.io.get_untrusted_types(file=source)
    return tuple(sorted(set(found) - set(TRUSTED)))


def load(path: Path) -> Any:
    """Return the scikit-learn pipeline in a skops archive.

    Raises:
        TerminalError: `UntrustedType` when it asks for a type that was not reviewed;
            `BundleCorrupt` when it is not such an archive.
    """
    import skops.io

    refused: tuple[str, ...] = ()
    try:
        refused = untrusted(path)
        if not refused:
            return skops.io.load(path, trusted=list(TRUSTED))
    except Exception as error:  # a forged archive makes skops raise whatever it stumbles over
        message = f"{path} is not a skops archive: {type(error).__name__}: {error}"
        raise TerminalError(message, reason="BundleCorrupt") from error
    raise TerminalError(
        f"{path} asks for types that are not trusted: {', '.join(refused)}",
        reason="UntrustedType",
        hint="only scikit-learn's own reviewed types are loaded from a bundle",
    )
