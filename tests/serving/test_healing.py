"""A served bundle that is damaged on disk: noticed, told, restored, and never answered from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.adapters.server_client import ServerClient
from reconciler.adapters.targets.local import LocalTarget
from reconciler.ports.targets import Served
from tests.serving.running import Running, ask, serving
from tests.serving.shelf import Shelf

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    made = Shelf(tmp_path_factory.mktemp("healing") / "repo")
    made.release(made.version(1, 2.0))
    return made


@pytest.fixture(scope="module")
def running(shelf: Shelf) -> Iterator[Running]:
    with serving(shelf.root, "--interval", "0.2") as server:
        server.until(1)
        yield server


def model(shelf: Shelf) -> Path:
    (found,) = (shelf.root / ".reconciler" / "bundles").glob("*/model.onnx")
    return found


def flip(file: Path) -> bytes:
    before = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    return before


def wait(claim: Callable[[], object], log: list[str]) -> None:
    end = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < end, "".join(log)
        time.sleep(0.02)


def told(running: Running, word: str) -> int:
    return sum(f" {word}: " in line for line in running.log)


def answers(running: Running) -> bool:
    code, found = ask(running.port, "POST", "/predict/m", {"a": 3.0, "b": 1.0})
    return code == 200 and found["predictions"][0]["prediction"] == 7.0


def test_a_flipped_byte_is_noticed_and_restored_and_both_are_told_once(
    shelf: Shelf, running: Running
) -> None:
    file = model(shelf)
    before = flip(file)
    wait(lambda: told(running, "BundleRestored"), running.log)
    assert file.read_bytes() == before
    assert told(running, "BundleDamaged") == 1
    assert answers(running)
    served = running.status()["models"]["m"]
    assert (served["state"], served["healed"], served["damaged"]) == ("ready", 1, "")


def test_what_the_cache_lacks_is_refused_at_the_next_load_and_answered_from_memory(
    shelf: Shelf, running: Running
) -> None:
    healed = running.status()["models"]["m"].get("healed", 0)
    shelf.cache.rename(shelf.cache.with_name("away"))
    file = model(shelf)
    before = flip(file)
    wait(lambda: running.status()["models"]["m"]["state"] == "failed", running.log)
    code, served = ask(running.port, "POST", "/admin/reload/m")
    assert (code, served["state"]) == (200, "failed")
    assert served["champion"]["version"] == 1
    assert "model.onnx" in served["damaged"]
    assert answers(running)

    shelf.cache.with_name("away").rename(shelf.cache)
    wait(lambda: running.status()["models"]["m"]["state"] == "ready", running.log)
    assert file.read_bytes() == before
    assert running.status()["models"]["m"]["healed"] == healed + 1
    assert answers(running)


def test_a_model_is_loaded_anew_on_request_and_one_that_there_is_not_is_not(
    running: Running,
) -> None:
    code, served = ask(running.port, "POST", "/admin/reload/m")
    assert (code, served["done"], served["state"]) == (200, True, "ready")
    digest = served["champion"]["digest"]
    code, served = ask(running.port, "POST", f"/admin/reload/m?unless={digest}")
    assert (code, served["done"]) == (200, True)
    code, said = ask(running.port, "POST", "/admin/reload/nothing")
    assert (code, said["reason"]) == (404, "NoSuchModel")
    assert ask(running.port, "GET", "/admin/reload/m")[0] == 405


def test_a_request_to_load_waits_for_what_has_just_been_released(
    shelf: Shelf, running: Running
) -> None:
    version = shelf.version(2, 5.0)
    shelf.release(version)
    assert version.bundle is not None
    code, served = ask(running.port, "POST", f"/admin/reload/m?unless={version.bundle.md5}")
    assert (code, served["champion"]["version"]) == (200, 2)
    assert served["champion"]["digest"] == version.bundle.md5


def test_a_server_far_away_that_is_late_is_told_of_a_release_and_need_not_wait_for_its_timer(
    tmp_path: Path,
) -> None:
    shelf = Shelf(tmp_path / "host")
    shelf.share(tmp_path / "store")
    shelf.cache = tmp_path / "store" / "files" / "md5"
    shelf.release(shelf.version(1, 2.0))
    (tmp_path / "here").mkdir()
    options = ("--repo", f"file://{shelf.root}", "--state", "state", "--poll", "3600")
    with serving(tmp_path / "here", *options) as server:
        server.until(1)
        second = shelf.version(2, 3.0)
        assert second.bundle is not None
        wanted = second.bundle.md5
        shelf.release(second)
        local = LocalTarget(ServerClient([f"http://127.0.0.1:{server.port}"]))
        assert local.observe("m", wanted).digest != wanted
        local.mend("m", wanted)
        wait(lambda: local.observe("m", wanted) == Served(wanted, intact=True), server.log)
