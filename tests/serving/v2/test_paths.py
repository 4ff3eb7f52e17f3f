"""Health, metadata and the index, as the protocol's clients ask for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.serving.table import Route
from tests.serving.bundles import made
from tests.serving.v2.conftest import Place, Worker


def test_a_server_says_what_it_is_and_how_it_is(worker: Worker) -> None:
    told = worker.get("/v2").json()
    assert (told["name"], told["version"]) == ("reconciler", __version__)
    assert "binary_tensor_data" in told["extensions"]
    assert worker.get("/v2/health/live").json() == {"live": True}
    assert worker.get("/v2/health/ready").json() == {"ready": True}


def test_a_server_that_has_loaded_nothing_yet_lives_and_is_not_ready(worker: Worker) -> None:
    worker.house.ready = False
    assert worker.get("/v2/health/live").status == 200
    reply = worker.get("/v2/health/ready")
    assert (reply.status, reply.json()) == (503, {"ready": False})


@pytest.mark.parametrize("path", ["/v2/models/m", "/v2/models/m/versions/1"])
def test_a_model_says_what_it_takes_and_answers(worker: Worker, path: str) -> None:
    told = worker.get(path).json()
    assert (told["name"], told["versions"], told["platform"]) == ("m", ["1"], "onnx_onnxv1")
    assert told["inputs"] == [
        {"name": "a", "datatype": "FP64", "shape": [-1],
         "parameters": {"type": "number", "nullable": False}},
        {"name": "b", "datatype": "FP64", "shape": [-1],
         "parameters": {"type": "number", "nullable": True}},
    ]  # fmt: skip
    assert told["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]


def test_a_model_is_ready_or_not_known(worker: Worker) -> None:
    assert worker.get("/v2/models/m/ready").json() == {"name": "m", "ready": True}
    assert worker.get("/v2/models/m/versions/1/ready").status == 200
    assert worker.get("/v2/models/m/versions/2/ready").status == 404
    reply = worker.get("/v2/models/other/ready")
    assert (reply.status, reply.json()["reason"]) == (404, "NoSuchModel")


def test_the_index_lists_what_answers_and_what_could_not_be_loaded(
    place: Place, tmp_path: Path
) -> None:
    broken = made(tmp_path / "2", version=2)
    (tmp_path / "2" / "model.onnx").write_bytes(b"damaged")
    worker = place(Route("m", made(tmp_path / "1"), broken, 10), Route("n", broken))
    listed = worker.post("/v2/repository/index", {}).json()
    found = [(item["name"], item.get("version"), item["state"]) for item in listed]
    assert found == [("m", "1", "READY"), ("m", "2", "UNAVAILABLE"), ("n", "2", "UNAVAILABLE")]
    assert [item["reason"] for item in listed[1:]] == ["BundleCorrupt", "BundleCorrupt"]
    ready = worker.post("/v2/repository/index", {"ready": True}).json()
    assert [item["name"] for item in ready] == ["m"]


def test_who_asks_for_what_cannot_be_served_is_told_which_and_why_but_no_path_of_ours(
    place: Place, tmp_path: Path
) -> None:
    broken = made(tmp_path / "2", version=2)
    (tmp_path / "2" / "model.onnx").write_bytes(b"damaged")
    worker = place(Route("m", made(tmp_path / "1"), broken, 10), Route("n", broken))
    rows = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 1]}]}
    for reply in (
        worker.get("/v2/models/n/ready"),
        worker.get("/v2/models/n"),
        worker.post("/v2/models/n/infer", rows),
        worker.post("/predict/n", {"a": 1.0, "b": 1.0}),
    ):
        said = "n cannot be served: version 2: BundleCorrupt (try again in a moment)"
        assert (reply.status, reply.json()) == (503, {"error": said, "reason": "NotReady"})
    assert worker.get("/v2/models/n/ready").status == 503


def test_loading_and_unloading_are_what_releases_do(worker: Worker) -> None:
    for verb in ("load", "unload"):
        reply = worker.post(f"/v2/repository/models/m/{verb}", b"")
        assert (reply.status, reply.json()["reason"]) == (403, "GitDecides")


def test_what_is_asked_wrongly_is_told_so(worker: Worker) -> None:
    assert worker.get("/v2/models/m/infer").status == 405
    assert worker.post("/v2/repository/index", b"{").status == 400
    assert worker.post("/v2/repository/index", {"ready": 1}).status == 400
