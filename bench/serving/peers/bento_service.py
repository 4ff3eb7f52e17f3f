"""BentoML: the same ONNX model behind a service that takes one row."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1)
class Breast:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name

    @bentoml.api
    def predict(self, row: list[float]) -> dict[str, object]:
        rows = np.asarray([row], np.float64)
        label, probabilities = self.session.run(None, {self.name: rows})
        return {"label": int(label[0]), "probabilities": probabilities[0].tolist()}
