"""Asks a server through KServe's client and prints what it was told: `FOLDER URL`.

FOLDER holds the package `kserve` as it is published, without the fifty that its servers need. The
client itself is loaded from it; left out is `kserve/__init__.py`, which imports those servers, and
an empty module stands for pandas, which only turns answers into tables.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def client_of(folder: Path) -> tuple[Any, Any]:
    """Return KServe's modules `inference_client` and `protocol.infer_type`."""
    package, pandas = ModuleType("kserve"), ModuleType("pandas")
    package.__path__ = [str(folder / "kserve")]
    pandas.DataFrame = object  # type: ignore[attr-defined]  # named in annotations
    sys.path.insert(0, str(folder))
    sys.modules |= {"kserve": package, "pandas": pandas}
    from kserve import inference_client
    from kserve.protocol import infer_type

    return inference_client, infer_type


async def ask(folder: Path, url: str) -> dict[str, Any]:
    """Return what there is to tell."""
    rest, types = client_of(folder)
    told: dict[str, Any] = {}
    config = rest.RESTConfig(protocol="v2", timeout=5, retries=0)
    async with rest.InferenceRESTClient(config) as client:
        told["live"] = await client.is_server_live(url)
        told["ready"] = await client.is_server_ready(url)
        told["models"] = [await client.is_model_ready(url, name) for name in ("flower", "tree")]
        for binary in (True, False):
            for wanted in (True, False):
                request = _request(types, binary, wanted)
                answer = await client.infer(url, request, model_name="flower")
                told[f"{binary} {wanted}"] = [answer.id, *_values(answer)]
        try:
            await client.infer(url, {"inputs": []}, model_name="flower")
        except Exception as error:  # noqa: BLE001  what it raises is what is asked about
            told["refused"] = str(error)
    return told


def _request(types: Any, binary: bool, wanted: bool) -> Any:
    matrix = np.array([[1.5, 0.25], [4.5, 1.5]], np.float32)
    given = types.InferInput("input", list(matrix.shape), "FP32")
    given.set_data_from_numpy(matrix, binary_data=binary)
    names = ("prediction", "probabilities")
    outputs = [types.RequestedOutput(name, {"binary_data": wanted}) for name in names]
    return types.InferRequest("flower", [given], request_id="seven", request_outputs=outputs)


def _values(answer: Any) -> list[Any]:
    found = [output.as_numpy().tolist() for output in answer.outputs]
    return [[v.decode() if isinstance(v, bytes) else v for v in values] for values in found]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(Path(sys.argv[1]), sys.argv[2]))))
