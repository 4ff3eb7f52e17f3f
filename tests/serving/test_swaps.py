"""Versions come and go under load, and no request notices."""

from __future__ import annotations

import time
from pathlib import Path

from tests.serving.running import Clients, serving
from tests.serving.shelf import Shelf


def test_releases_and_rollbacks_under_load_fail_no_request_and_mix_no_answer(
    tmp_path: Path,
) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    with serving(shelf.root) as server:
        server.until(1)
        with Clients(server.port, shelf.factors) as clients:
            for number in range(2, 8):
                shelf.release(shelf.version(number, 1.0 + number))
                server.until(number)
            shelf.back(5)
            server.until(5)
            before = clients.count
            time.sleep(0.2)
        assert clients.failed == []
        assert clients.wrong == []
        assert clients.count > before
        assert {str(n) for n in range(1, 8)} >= set().union(*(a.versions for a in clients.seen))
    assert server.child.returncode == 0
