"""Writing: an answer as the protocol's message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.serving.grpc.open_inference_pb2 import (
    InferTensorContents,
    ModelInferResponse,
    ModelMetadataResponse,
)
from reconciler.serving.grpc.reading import FIELDS
from reconciler.serving.v2.binary import to_bytes
from reconciler.serving.v2.outputs import Output


def response(
    model: str, version: str, asked: str, outputs: Iterable[Output], *, raw: bool
) -> ModelInferResponse:
    """Return the answer.

    Args:
        model: The model that has answered.
        version: Its version.
        asked: The id of the request.
        outputs: What it answers.
        raw: Whether as raw contents, else typed: the way in which the rows came.
    """
    made = ModelInferResponse(model_name=model, model_version=version, id=asked)
    for output in outputs:
        tensor = made.outputs.add(
            name=output.name, datatype=output.datatype, shape=output.values.shape
        )
        if raw:
            made.raw_output_contents.append(to_bytes(output.datatype, output.values))
        else:
            _fill(tensor.contents, output)
    return made


def model_metadata(value: Mapping[str, Any]) -> ModelMetadataResponse:
    """Return what there is to know of a model, as far as the message has fields for it.

    Args:
        value: As `v2.metadata.model` returns it.
    """
    fields = ("name", "versions", "platform")
    made = ModelMetadataResponse(**{field: value[field] for field in fields})
    for kind in ("inputs", "outputs"):
        for item in value[kind]:
            tensor = {field: item[field] for field in ("name", "datatype", "shape")}
            getattr(made, kind).add(**tensor)
    return made


def _fill(contents: InferTensorContents, output: Output) -> None:
    values = output.values.ravel().tolist()
    if output.datatype == "BYTES":
        values = [str(value).encode() for value in values]
    getattr(contents, FIELDS[output.datatype]).extend(values)
