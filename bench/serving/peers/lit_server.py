"""LitServe: the same ONNX model behind an API that takes one row."""

from __future__ import annotations

import os
import sys

import litserve
import numpy as np
import onnxruntime


class Breast(litserve.LitAPI):
    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name

    def decode_request(self, request: dict[str, list[float]]) -> np.ndarray:
        return np.asarray([request["row"]], np.float64)

    def predict(self, rows: np.ndarray) -> list[np.ndarray]:
        return list(self.session.run(None, {self.name: rows}))

    def encode_response(self, answer: list[np.ndarray]) -> dict[str, object]:
        return {"label": int(answer[0][0]), "probabilities": answer[1][0].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Breast(), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False)
