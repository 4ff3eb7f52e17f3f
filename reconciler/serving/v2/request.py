"""Requests: the body of an inference request, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from reconciler.serving.v2.binary import Tail, from_tail
from reconciler.serving.v2.datatypes import shown, wrong
from reconciler.serving.v2.tensors import Given, from_json

_OBJECTS = frozenset({dict})
#: Lists and objects of one request: in memory an empty one is thirty times its size in JSON.
_MOST_PARTS = 500_000
_NOTHING: Mapping[str, Any] = {}


class Wanted(NamedTuple):
    """One output that is asked for."""

    name: str
    binary: bool


class Inference(NamedTuple):
    """One inference request."""

    id: str | None
    """None: the client gave none."""
    inputs: tuple[Given, ...]
    outputs: tuple[Wanted, ...] | None
    """None: all of them."""
    binary: bool
    """Whether outputs that nobody named are answered in binary."""

    @property
    def rows(self) -> int:
        """How many rows it asks about; the inputs may still differ about that."""
        return self.inputs[0].shape[0]


def parse(body: bytes, header_length: bytes | None) -> Inference:
    """Return the request that `body` is.

    Args:
        body: JSON, and behind it the binary data of its inputs.
        header_length: What `Inference-Header-Content-Length` says: how many bytes the JSON has.
            None: all of them.

    Raises:
        UsageError: `BadJson`, or `BadInput` with the input that is wrong.
    """
    size = len(body) if header_length is None else _length(header_length, len(body))
    value = _object(body if size == len(body) else body[:size])
    tail = Tail(memoryview(body)[size:])
    inputs = tuple([_input(item, tail) for item in _objects(value, "inputs")])
    if not inputs:
        raise wrong("inputs is empty, wanted at least one")
    if tail.left:
        raise wrong(f"{tail.left} bytes of binary data belong to no input")
    binary = _flag(_parameters(value), "binary_data_output", default=False)
    listed = None if value.get("outputs") is None else _objects(value, "outputs")
    outputs = tuple(_output(item, default=binary) for item in listed) if listed else None
    return Inference(_id(value), inputs, outputs, binary)


def _length(header_length: bytes, most: int) -> int:
    if not header_length.isdigit() or len(header_length) > 18:
        found = header_length.decode("latin-1")
        raise wrong(f"Inference-Header-Content-Length is {shown(found)}, wanted a number of bytes")
    length = int(header_length)
    if length > most:
        raise wrong(f"Inference-Header-Content-Length is {length}, and the body has {most} bytes")
    if not length:
        raise wrong("raw requests without JSON are not taken: send the name, shape and datatype")
    return length


def _object(content: bytes) -> dict[str, Any]:
    if len(content) > _MOST_PARTS and _parts(content) > _MOST_PARTS:
        raise wrong(f"the request has more than {_MOST_PARTS} lists and objects")
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise wrong(f"the request is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise wrong("the request is not a JSON object")
    return value


def _parts(content: bytes) -> int:
    return content.count(b"[") + content.count(b"{")


def _objects(value: Mapping[str, Any], key: str) -> Sequence[dict[str, Any]]:
    found = value.get(key)
    if type(found) is not list or not _OBJECTS.issuperset(map(type, found)):
        raise wrong(f"{key} is {'missing' if found is None else shown(found)}, wanted objects")
    return found


def _id(value: Mapping[str, Any]) -> str | None:
    found = value.get("id")
    if found is not None and not isinstance(found, str):
        raise wrong(f"id is {shown(found)}, wanted a text")
    return found or None


def _parameters(item: Mapping[str, Any]) -> Mapping[str, Any]:
    found = item.get("parameters")
    if found is None:
        return _NOTHING
    if not isinstance(found, dict):
        raise wrong(f"parameters is {shown(found)}, wanted an object")
    if "shared_memory_region" in found:
        raise wrong("shared memory is not offered: send the data itself")
    return found


def _flag(parameters: Mapping[str, Any], key: str, *, default: bool) -> bool:
    found = parameters.get(key, default)
    if not isinstance(found, bool):
        raise wrong(f"{key} is {shown(found)}, wanted true or false")
    return found


def _input(item: dict[str, Any], tail: Tail) -> Given:
    size = _parameters(item).get("binary_data_size") if "parameters" in item else None
    return from_json(item) if size is None else from_tail(item, size, tail)


def _output(item: dict[str, Any], *, default: bool) -> Wanted:
    name, parameters = item.get("name"), _parameters(item)
    if not isinstance(name, str):
        raise wrong(f"an output has the name {shown(name)}, wanted a text")
    if parameters.get("classification"):
        raise wrong(f"output {shown(name)}: classification is not offered, ask for probabilities")
    return Wanted(name, _flag(parameters, "binary_data", default=default))
