"""`--grpc-port`: whose port it is, and what is said where there is none to be had."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton

from reconciler.cli import grpc_port as asked
from reconciler.errors import ReconcilerError, UsageError
from reconciler.serving.grpc.port import held, hold, place
from tests.serving.crews import until
from tests.serving.running import serving
from tests.serving.shelf import Shelf

ROWS = np.array([[1.0, 0.5]])


def test_two_servers_never_share_a_port() -> None:
    with hold("127.0.0.1", 0) as port:
        with pytest.raises(ReconcilerError, match="is taken by") as caught:
            hold("127.0.0.1", port.getsockname()[1])
        assert caught.value.reason == "PortTaken"


def test_a_port_on_which_somebody_listens_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        with pytest.raises(ReconcilerError) as caught:
            hold("127.0.0.1", other.getsockname()[1])
        assert caught.value.reason == "PortTaken"


def test_a_port_that_is_held_is_passed_on_by_its_number() -> None:
    with hold("127.0.0.1", 0) as port:
        again = held(port.fileno())
        assert place(again) == place(port)
        again.detach()


def test_without_grpc_installed_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asked, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="gRPC is not installed here") as caught:
        asked.grpc_port("127.0.0.1", 0)
    assert caught.value.hint == "pip install 'reconciler[grpc]'"
    assert asked.grpc_port("127.0.0.1", None) is None


@pytest.mark.slow
def test_a_release_is_answered_over_grpc_and_no_call_fails_meanwhile(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    with serving(shelf.root, "--grpc-port", "0", "--workers", "2") as server:
        server.until(1)
        found = re.search(r"on (\S+) over gRPC", "".join(server.log))
        assert found is not None
        rows = triton.InferInput("x", [1, 2], "FP64")
        rows.set_data_from_numpy(ROWS)
        with triton.InferenceServerClient(found[1]) as client:

            def answered() -> str:
                answer = client.infer("m", [rows])
                version: str = answer.get_response().model_version
                factor = shelf.factors[int(version)]
                assert answer.as_numpy("prediction").tolist() == [factor + 0.5]
                return version

            assert answered() == "1"
            shelf.release(shelf.version(2, 3.0))
            until(lambda: answered() == "2")
    assert server.child.returncode == 0
