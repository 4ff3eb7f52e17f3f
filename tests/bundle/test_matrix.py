"""A matrix of numbers becomes the very tensors that its columns would."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reconciler.bundle import encoding, matrix
from reconciler.bundle.signature import Column, Input, Signature, Tensor, Type
from reconciler.errors import UsageError

Array = npt.NDArray[Any]

_SHAPES = st.tuples(st.integers(0, 4), st.just(3))
_ODD = [0.0, 1.0, 2.5, -7.0, float("nan"), float("inf"), 2.0**60, 1e300]


def signature(*types: Type, rounded: bool = True, nullable: bool = False) -> Signature:
    """One tensor of all features, last first, so that places matter."""
    inputs = tuple(
        Input(name=f"f{n}", type=kind, nullable=nullable, null="NaN" if nullable else None)
        for n, kind in enumerate(types)
    )
    columns = tuple(
        Column(name=i.name, input=i.name, rounded=rounded and i.type == "number")
        for i in reversed(inputs)
    )
    return Signature(
        model="m", task="regression", form="onnx", precision="float32", inputs=inputs,
        tensors=(Tensor(name="numbers", dtype="float64", columns=columns),), target="y",
    )  # fmt: skip


def outcome(make: Any) -> dict[str, Any] | str:
    try:
        tensors: dict[str, Array] = make()
    except UsageError as error:
        return error.message
    return {name: values.tobytes() for name, values in tensors.items()}


def same(sign: Signature, values: Array) -> None:
    encoder = matrix.encoder(sign)
    assert encoder is not None
    columns = {item.name: values[:, n] for n, item in enumerate(sign.inputs)}
    assert outcome(lambda: encoder(values)) == outcome(lambda: encoding.encode(sign, columns))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8", "u8", ">f4"])
@settings(max_examples=20)
@given(data=st.data(), rounded=st.booleans(), nullable=st.booleans())
def test_numbers_of_every_width_are_rounded_and_refused_alike(
    dtype: str, data: st.DataObject, rounded: bool, nullable: bool
) -> None:
    values = data.draw(arrays(np.dtype(dtype), _SHAPES))
    same(signature("number", "number", "number", rounded=rounded, nullable=nullable), values)


@settings(max_examples=30)
@given(values=arrays(np.float64, _SHAPES, elements=st.sampled_from(_ODD)))
def test_integers_and_booleans_stay_what_they_are(values: Array) -> None:
    same(signature("number", "integer", "boolean"), values)
    same(signature("number", "integer", "boolean", nullable=True), values)


def test_many_numbers_are_as_good_as_few() -> None:
    values = np.random.default_rng(0).normal(size=(5000, 3))
    same(signature("number", "number", "number"), values)
    values[4000, 1] = np.inf
    same(signature("number", "number", "number"), values)


def test_there_is_no_matrix_of_texts() -> None:
    assert matrix.encoder(signature("number", "category")) is None
    assert matrix.encoder(signature("number", "datetime")) is None


def test_a_matrix_of_another_width_is_refused() -> None:
    encoder = matrix.encoder(signature("number", "number"))
    assert encoder is not None
    with pytest.raises(UsageError, match=r"shape \[1, 3\], wanted \[rows, 2\]"):
        encoder(np.zeros((1, 3)))
