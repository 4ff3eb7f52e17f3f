"""Reading: the bytes of a request for predictions, and the inference that they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from reconciler.serving.grpc.open_inference_pb2 import InferTensorContents, ModelInferRequest
from reconciler.serving.v2.binary import from_bytes
from reconciler.serving.v2.datatypes import NUMPY, wrong
from reconciler.serving.v2.request import Inference, Wanted
from reconciler.serving.v2.tensors import Given, head

#: The field of typed contents that holds each datatype; all others come as raw contents only.
FIELDS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
#: Fields of one request: in memory an empty one is forty times its size on the wire.
_MOST_FIELDS = 10_000
#: Requests of fewer bytes cannot have so many that it matters.
_SMALL = 64 << 10


def parse(content: bytes) -> ModelInferRequest:
    """Return the request that was sent.

    Raises:
        UsageError: `BadInput`: it is no message, or one of too many parts.
    """
    if len(content) > _SMALL and _has_many(content):
        raise wrong(f"the request has more than {_MOST_FIELDS} inputs, outputs and contents")
    try:
        request: ModelInferRequest = ModelInferRequest.FromString(content)
    except DecodeError as error:
        raise wrong("the request is no ModelInferRequest") from error
    return request


def _has_many(content: bytes) -> bool:
    """Return whether a message has too many fields; one that is cut off or odd has not."""
    at, fields = 0, 0
    try:
        while at < len(content):
            tag, at = _varint(content, at)
            if tag & 7 != 2:  # all fields that we know have a length
                return False
            size, at = _varint(content, at)
            at += size
            fields += 1
            if fields > _MOST_FIELDS:
                return True
    except IndexError:
        pass
    return False


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def inference(request: ModelInferRequest) -> Inference:
    """Return what is asked for.

    Raises:
        UsageError: `BadInput` with the input that is wrong.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        found = f"{len(raw)} raw contents for {len(request.inputs)} inputs"
        raise wrong(f"{found}, wanted one each, or none")
    if not request.inputs:
        raise wrong("there are no inputs, wanted at least one")
    inputs = tuple(_input(item, raw[n] if raw else None) for n, item in enumerate(request.inputs))
    outputs = tuple(_output(item) for item in request.outputs)
    return Inference(request.id or None, inputs, outputs or None, binary=bool(raw))


def _input(item: ModelInferRequest.InferInputTensor, raw: bytes | None) -> Given:
    if "shared_memory_region" in item.parameters:
        raise wrong("shared memory is not offered: send the data itself")
    name, datatype, shape = head(
        {"name": item.name, "datatype": item.datatype, "shape": list(item.shape)}
    )
    if raw is None:
        return Given(name, datatype, shape, _typed(name, datatype, prod(shape), item.contents))
    if item.HasField("contents"):
        raise wrong(f"input {name!r:.80}: contents and raw contents, wanted one of them")
    return from_bytes(name, datatype, shape, memoryview(raw))


def _typed(name: str, datatype: str, count: int, contents: InferTensorContents) -> Any:
    """Return the elements of typed contents, `count` of them."""
    field = FIELDS.get(datatype)
    if field is None:
        raise wrong(f"input {name!r:.80}: {datatype} is taken as raw contents only")
    other = [found.name for found, _ in contents.ListFields() if found.name != field]
    if other:
        raise wrong(f"input {name!r:.80}: {other[0]} for {datatype}, wanted {field}")
    values: Sequence[Any] = getattr(contents, field)
    if len(values) != count:
        raise wrong(f"input {name!r:.80}: {len(values)} elements, its shape says {count}")
    return _texts(name, values) if datatype == "BYTES" else _numbers(name, datatype, values)


def _texts(name: str, values: Sequence[bytes]) -> list[str]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        raise wrong(f"input {name!r:.80}: an element of BYTES is not UTF-8") from error


def _numbers(name: str, datatype: str, values: Sequence[Any]) -> Any:
    try:
        return np.fromiter(values, NUMPY[datatype], len(values))
    except OverflowError as error:
        raise wrong(f"input {name!r:.80}: an element is beyond {datatype}") from error


def _output(item: ModelInferRequest.InferRequestedOutputTensor) -> Wanted:
    if "classification" in item.parameters:
        message = "classification is not offered, ask for probabilities"
        raise wrong(f"output {item.name!r:.80}: {message}")
    if "shared_memory_region" in item.parameters:
        raise wrong("shared memory is not offered: the answer holds the data itself")
    return Wanted(item.name, binary=True)
