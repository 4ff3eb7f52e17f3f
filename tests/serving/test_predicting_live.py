"""Rows over a real connection: in pieces, too many, too slow, too large; then the next request."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from tests.serving.running import ask, serving
from tests.serving.shelf import Shelf

ROW = {"a": 1.0, "b": 0.5}
LIMITS = ("--max-body", "1Ki", "--max-rows", "3", "--timeout", "1")


@pytest.mark.slow
def test_a_server_holds_its_limits_and_goes_on(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    with serving(shelf.root, *LIMITS) as server:
        server.until(1)

        def post(rows: object, path: str = "/predict/m") -> tuple[int, str]:
            status, found = ask(server.port, "POST", path, rows)
            return status, found.get("reason", "")

        assert post(ROW) == post([ROW, ROW]) == (200, "")
        assert post([ROW] * 4) == (413, "TooManyRows")
        assert post([{**ROW, "x": "y" * 1000}]) == (413, "TooLarge")
        assert post({**ROW, "a": "1"}) == (400, "BadInput")
        assert post(ROW, "/predict/n") == (404, "NoSuchModel")
        assert b" 200 " in in_pieces(server.port, json.dumps(ROW).encode(), pause_s=0.02)
        assert b" 408 " in in_pieces(server.port, b"{", pause_s=0.0)
        assert "/predict/m" in server.get("/openapi.json")["paths"]
        assert b"<!doctype html>" in server.get("/docs")
        assert post(ROW) == (200, "")
    assert not [line for line in server.log if "Traceback" in line or "Warning" in line]


def in_pieces(port: int, body: bytes, pause_s: float) -> bytes:
    """Send a body of which only the first bytes may come, and return the answer's first line."""
    head = (
        "POST /predict/m HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {max(len(body), 10)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(head.encode())
        for start in range(0, len(body), 4):
            time.sleep(pause_s)
            line.sendall(body[start : start + 4])
        return line.recv(1000).split(b"\r\n")[0]
