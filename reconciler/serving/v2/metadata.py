"""What the protocol tells of a server and its models, in JSON's own types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler import __version__
from reconciler.bundle.predictor import label_array
from reconciler.bundle.signature import PREDICTION, PROBABILITIES, Input, Signature
from reconciler.serving.v2.outputs import datatype

if TYPE_CHECKING:
    from reconciler.serving.house import House, Standing
    from reconciler.serving.loaded import Loaded

EXTENSIONS = ("binary_tensor_data", "model_repository(index)")
_PLATFORMS: Mapping[str, str] = {"onnx": "onnx_onnxv1", "native": "sklearn_skops"}
#: The datatype that a feature is listed with; see `inputs.TAKEN` for the others that it takes.
_DATATYPES: Mapping[str, str] = {
    "number": "FP64",
    "integer": "INT64",
    "boolean": "BOOL",
    "category": "BYTES",
    "text": "BYTES",
    "datetime": "BYTES",
}


def server() -> dict[str, Any]:
    """Return what the server says of itself."""
    return {"name": "reconciler", "version": __version__, "extensions": list(EXTENSIONS)}


def model(standing: Standing, version: str | None = None) -> dict[str, Any]:
    """Return what there is to know of a model.

    Args:
        standing: What answers for it.
        version: The version that is meant; None: the champion.

    Raises:
        Refused: 404: the version is not served.
    """
    loaded = standing.champion if version is None else standing.version(version)
    sign = loaded.signature
    return {
        "name": standing.route.model,
        "versions": [one.version for one in (standing.champion, standing.challenger) if one],
        "platform": _PLATFORMS[sign.form],
        "inputs": [_input(item) for item in sign.inputs],
        "outputs": outputs(sign),
        "parameters": _parameters(loaded),
    }


def outputs(sign: Signature) -> list[dict[str, Any]]:
    """Return what a model answers."""
    kind = "FP64" if sign.classes is None else datatype(label_array(sign.classes))
    listed: list[dict[str, Any]] = [{"name": PREDICTION, "datatype": kind, "shape": [-1]}]
    if sign.probabilities and sign.classes is not None:
        shape = [-1, len(sign.classes)]
        named = {"classes": list(sign.classes)}
        listed.append(
            {"name": PROBABILITIES, "datatype": "FP64", "shape": shape, "parameters": named}
        )
    return listed


def _input(item: Input) -> dict[str, Any]:
    parameters: dict[str, Any] = {"type": item.type, "nullable": item.nullable}
    if item.allowed is not None:
        parameters["allowed"] = list(item.allowed)
    listed = {"name": item.name, "datatype": _DATATYPES[item.type], "shape": [-1]}
    return {**listed, "parameters": parameters}


def _parameters(loaded: Loaded) -> dict[str, Any]:
    """Return what the protocol has no words for; of two versions, that of the one that is meant."""
    sign = loaded.signature
    found = {"version": loaded.version, "digest": loaded.digest, "task": sign.task}
    of_labels = {"classes": list(sign.classes or ()), "positive": sign.positive}
    shown = {**found, "target": sign.target, "matrix": loaded.predictor.takes_matrix}
    return {**shown, **of_labels} if sign.classes is not None else shown


def index(house: House, *, ready: bool = False) -> list[dict[str, str]]:
    """Return every version that is served or wanted, by model; `ready`: only those that answer."""
    listed = []
    for name, found in house.status()["models"].items():
        for kind in ("champion", "challenger"):
            if found[kind] is not None:
                listed.append(_indexed(name, found[kind]["version"], "READY", ""))
        if found["failed"] is not None:
            failed = found["failed"]
            listed.append(_indexed(name, failed["version"], "UNAVAILABLE", failed["reason"]))
        elif found["state"] == "loading":
            listed.append({"name": name, "state": "LOADING", "reason": ""})
    for name, why in house.lacking().items():
        listed.append({"name": name, "state": "UNAVAILABLE", "reason": why})
    return [item for item in listed if item["state"] == "READY" or not ready]


def _indexed(name: str, version: int, state: str, reason: str) -> dict[str, str]:
    return {"name": name, "version": str(version), "state": state, "reason": reason}
