"""What goes by the door is counted and told: how it ended, and never what was in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.tokens import Right, Token, TokenFile, digest
from reconciler.serving.access import Door, Rules
from reconciler.serving.front import Front
from reconciler.serving.journal import Journal
from reconciler.serving.limits import Limits
from reconciler.serving.meter import BOUNDS, Meter
from tests.serving.shops import FLOWER, Bench, open_bench

BODY = json.dumps(FLOWER)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench(Limits(body=1000), journal=Journal(1.0)) as made:
        yield made


def counted(bench: Bench) -> dict[str, Any]:
    found = bench.meter.drain()
    assert found is not None
    return found


def told(bench: Bench) -> list[dict[str, Any]]:
    found = bench.app._shop.journal.drain()
    assert found is not None
    assert found["lost"] == 0
    return list(found["lines"])


def test_answers_are_counted_by_model_and_version(bench: Bench) -> None:
    for _ in range(3):
        assert bench.post("/predict/flower", BODY).status_code == 200
    ((model, version, requests, rows, seconds, errors, buckets),) = counted(bench)["series"]
    assert (model, version, requests, rows, errors) == ("flower", "2", 3, 3, {})
    assert sum(buckets) == 3
    assert len(buckets) == len(BOUNDS) + 1 <= 12
    assert 0 < seconds < 1
    assert bench.meter.drain() is None  # told once


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/predict/flower", "[]", 400),
        ("/predict/nobody", BODY, 404),
        ("/v2/models/flower/infer", "{}", 400),
        ("/predict/flower", " " * 1001, 413),
    ],
)
def test_a_refusal_has_the_id_that_was_sent(
    bench: Bench, path: str, sent: str, status: int
) -> None:
    answer = bench.post(path, sent, {"x-request-id": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "mine")
    for bad in ("two words", "x" * 129, ""):
        assert "x-request-id" not in bench.post(path, sent, {"x-request-id": bad}).headers


def test_names_that_clients_make_up_are_counted_nowhere(bench: Bench) -> None:
    for n in range(50):
        assert bench.post(f"/predict/made-up-{n}", BODY).status_code == 404
        bench.ask("GET", f"/made-up-{n}")
        bench.ask("GET", f"/v2/models/made-up-{n}")
    found = counted(bench)
    assert found["series"] == []
    assert sum(found["refused"].values()) == 150
    assert not [reason for reason in found["refused"] if "made" in reason]


def test_each_refusal_is_counted_by_its_reason(bench: Bench) -> None:
    bench.post("/predict/flower", "{")
    bench.post("/predict/flower", "x" * 1001)
    bench.ask("GET", "/predict/flower")
    bench.ask("GET", "/nowhere")
    found = counted(bench)["refused"]
    wanted = {"BadJson": 1, "TooLarge": 1, "MethodNotAllowed": 1, "NoSuchPath": 1}
    assert found == wanted


def test_a_line_of_the_log_says_who_asked_what_and_how_it_ended(bench: Bench) -> None:
    bench.post("/predict/flower?token=hush", BODY, {"x-request-id": "r1"})
    bench.post("/predict/flower", json.dumps({"petal length": "long"}))
    good, bad = told(bench)
    assert good.items() >= {
        "method": "POST", "path": "/predict/flower", "status": 200, "model": "flower",
        "version": "2", "rows": 1, "client": "127.0.0.1", "id": "r1",
    }.items()  # fmt: skip
    assert (bad["status"], bad["reason"]) == (400, "BadInput")
    assert "long" not in str(bad)
    assert "hush" not in str(good)


def test_a_line_never_shows_a_secret_and_is_bounded(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "t.json")
    file.add(Token("shop", Right.PREDICT, digest(b"hush-hush"), 0, ""))
    with open_bench(door=Door(Rules(), file), journal=Journal(1.0)) as bench:
        shown = {"authorization": "Bearer hush-hush", "x-request-id": "y" * 5000}
        assert bench.post("/predict/flower", BODY, shown).status_code == 200
        bench.post("/predict/" + "z" * 5000, BODY, shown)
        bench.post("/predict/flower", BODY, {"authorization": "Bearer hush-no"})
        bench.ask("GET", "/status", headers=shown)
        lines = told(bench)
        assert [line.get("token") for line in lines] == ["shop", "shop", None, "shop"]
        assert "hush" not in str(lines)
        assert max(len(str(line)) for line in lines) < 800


def test_all_that_fails_is_logged_and_a_share_of_the_rest() -> None:
    with open_bench(journal=Journal(0.0)) as bench:
        bench.post("/predict/flower", BODY)
        bench.post("/predict/flower", "{")
        assert [line["reason"] for line in told(bench)] == ["BadJson"]
    journal = Journal(0.01)
    share = sum(journal.due() for _ in range(100_000)) / 100_000
    assert 0.007 < share < 0.013


def test_a_log_that_is_off_holds_nothing() -> None:
    with open_bench() as bench:
        bench.post("/predict/flower", "{")
        assert bench.app._shop.journal.drain() is None


def test_more_failures_than_anybody_reads_are_counted_and_hide_no_answer() -> None:
    with open_bench(journal=Journal(1.0)) as bench:
        for _ in range(60):
            bench.post("/predict/flower", "{")
        bench.post("/predict/flower", BODY)
        for lost in (10, 0):
            found = bench.app._shop.journal.drain()
            assert found is not None
            assert found["lost"] == lost
            assert found["lines"][-1]["status"] == 200
            bench.post("/predict/flower", BODY)


def test_what_the_door_refuses_is_told_as_json_and_read_no_further(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "t.json")
    file.add(Token("few", Right.PREDICT, digest(b"x"), 0, ""))
    with open_bench(door=Door(Rules(), file)) as bench:

        async def never() -> AsyncIterator[bytes]:
            raise AssertionError("the body was read")
            yield b""

        answer = bench.ask("POST", "/predict/flower", content=never())
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="reconciler"'
        assert answer.json()["reason"] == "Unauthorized"
        few = {"authorization": "Bearer x"}
        for path in ("/status", "/metrics"):
            assert bench.ask("GET", path).status_code == 401
            assert bench.ask("GET", path, headers=few).status_code == 403
        assert bench.ask("GET", "/v2/health/live").status_code == 200
        assert bench.post("/predict/flower", BODY, few).status_code == 200
        assert bench.ask("GET", "/v2/models/flower", headers=few).status_code == 200


@pytest.mark.parametrize("path", ["/v2/repository/index", "/status", "/predict/flower",
                                  "/v2/models/flower/infer", "/nowhere"])  # fmt: skip
def test_no_path_reads_more_than_a_body_may_have(bench: Bench, path: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            assert sent < 50, "it goes on reading"
            yield b"x" * 100

    answer = bench.ask(
        "POST", path, content=endless(), headers={"content-type": "application/json"}
    )
    assert answer.status_code in {404, 405, 413}
    length = {"content-length": "1001", "content-type": "application/json"}
    assert bench.ask("POST", path, content=b"", headers=length).status_code in {404, 405, 413}


def test_a_bug_is_told_as_json_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("secret of the house")

    meter, sent = Meter(), list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "headers": [],
        "client": None,
    }
    asyncio.run(Front(broken, 10, meter=meter)(scope, receive, send))
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["reason"] == "Bug"
    assert "secret of the house" not in str(sent)
    assert "secret of the house" in caplog.text  # the log has it, with its traceback
    found = meter.drain()
    assert found is not None
    assert found["refused"] == {"Bug": 1}


@pytest.mark.parametrize("path", ["/predict/flower", "/v2/repository/index"])
def test_a_client_that_leaves_before_its_body_was_whole_is_no_bug(bench: Bench, path: str) -> None:
    parts: list[Any] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    json_ = [(b"content-type", b"application/json")]
    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": path, "headers": json_, "client": None,
        "query_string": b"", "root_path": "",
    }  # fmt: skip
    asyncio.run(bench.app(scope, receive, send))
    assert sent == []
    assert counted(bench)["refused"] == {"Gone": 1}


def test_a_bug_behind_any_path_is_told_as_json(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.app._shop.house, "status", None)
    answer = bench.ask("POST", "/v2/repository/index", json={})
    assert (answer.status_code, answer.json()["reason"]) == (500, "Bug")
    assert counted(bench)["refused"] == {"Bug": 1}
