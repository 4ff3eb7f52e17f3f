"""`token`: a secret is printed once, and alone; everything else is told without it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from reconciler.adapters.tokens import TokenFile, digest
from reconciler.cli import token as verb
from reconciler.cli.options import Plain, TokenScope
from reconciler.errors import UsageError

Out = pytest.CaptureFixture[str]


def test_the_secret_stands_alone_on_standard_output_and_nowhere_else(
    tmp_path: Path, capsys: Out
) -> None:
    path = tmp_path / "t.json"
    assert verb.create("shop", TokenScope.PREDICT, "90d", 5.0, path) == 0
    said = capsys.readouterr()
    secret = said.out.strip()
    assert said.out == f"{secret}\n"
    assert secret not in said.err
    assert [kept.sha256 for kept in TokenFile(path).read()] == [digest(secret.encode())]
    for output in Plain:
        assert verb.list_(path, output) == 0
    listed = capsys.readouterr().out
    assert secret not in listed
    assert "shop  predict" in listed
    assert "5/s" in listed


def test_who_has_made_no_token_for_the_daemon_is_told_that_it_needs_one(
    tmp_path: Path, capsys: Out
) -> None:
    path = tmp_path / "t.json"
    verb.create("shop", TokenScope.PREDICT, None, None, path)
    assert "--scope admin" in capsys.readouterr().err
    verb.create("ops", TokenScope.ADMIN, None, None, path)
    verb.create("other", TokenScope.PREDICT, None, None, path)
    assert "--scope admin" not in capsys.readouterr().err


def test_a_list_for_programs_says_what_has_expired(
    tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.json"
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    verb.create("old", TokenScope.ADMIN, "1h", None, path)
    monkeypatch.setattr(time, "time", lambda: 1_003_600.0)
    verb.create("new", TokenScope.ADMIN, None, None, path)
    capsys.readouterr()
    verb.list_(path, Plain.JSON)
    found = json.loads(capsys.readouterr().out)
    assert [(item["name"], item["expired"]) for item in found] == [("old", True), ("new", False)]
    assert found[0]["expires"] == "1970-01-12T14:46:40Z"


def test_a_revoked_token_is_gone(tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "t.json"
    verb.create("a", TokenScope.PREDICT, None, None, path)
    assert verb.revoke("a", path) == 0
    capsys.readouterr()
    verb.list_(path, Plain.TEXT)
    assert "There are no tokens" in capsys.readouterr().out


@pytest.mark.parametrize(("expires", "rate"), [("soon", None), ("0d", None), (None, 0.0),
                                               (None, -1.0), (None, float("inf"))])  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_written(
    tmp_path: Path, expires: str | None, rate: float | None
) -> None:
    with pytest.raises(UsageError):
        verb.create("a", TokenScope.PREDICT, expires, rate, tmp_path / "t.json")
    assert not (tmp_path / "t.json").exists()
