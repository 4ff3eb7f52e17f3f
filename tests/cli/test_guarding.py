"""Who may reach a server: what its options and its tokens say, before it starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.tokens import Right, Token, TokenFile, digest
from reconciler.cli.guarding import Access, Guard, access
from reconciler.controller.events import Event, Happened
from reconciler.errors import TerminalError, UsageError
from reconciler.serving.settings import Settings


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])
def listen(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.bind((request.param, 0))
        yield made


def local(listen: socket.socket) -> bool:
    return str(listen.getsockname()[0]) == "127.0.0.1"


def grant(path: Path) -> None:
    TokenFile(path).add(Token("a", Right.PREDICT, digest(b"a"), 0, ""))


def applied(guard: Guard) -> Settings:
    return guard.applied(Settings(3, 4, 5, 6, 7.0))


def test_without_a_token_others_cannot_reach_a_server(
    listen: socket.socket, tmp_path: Path
) -> None:
    path = tmp_path / "t.json"
    if local(listen):
        guard = Guard(Access(), "127.0.0.1", listen, path)
        assert not applied(guard).required
        return
    with pytest.raises(UsageError, match="can be reached from other machines") as raised:
        Guard(Access(), "0.0.0.0", listen, path)
    assert "reconciler token create" in raised.value.hint
    assert "--allow-anonymous" in raised.value.hint
    settings = applied(Guard(Access(anonymous=True), "0.0.0.0", listen, path))
    assert (settings.required, settings.anonymous) == (True, True)
    grant(path)
    assert applied(Guard(Access(), "0.0.0.0", listen, path)).required


def test_a_local_server_goes_by_local_names_and_those_that_were_given(
    listen: socket.socket, tmp_path: Path
) -> None:
    grant(tmp_path / "t.json")
    named = Guard(Access(hosts=("Models.Example",)), "myself", listen, tmp_path / "t.json")
    wanted = ("localhost", "127.0.0.1", "::1", "myself", "models.example")
    assert applied(named).hosts == wanted
    plain = Guard(Access(), "127.0.0.1", listen, tmp_path / "t.json")
    assert (applied(plain).hosts is None) is not local(listen)


def test_a_file_of_tokens_that_cannot_be_read_starts_no_server(
    listen: socket.socket, tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(TerminalError, match="is no file of tokens"):
        Guard(Access(tokens=tmp_path / "t.json"), "127.0.0.1", listen, tmp_path / "none.json")


def test_changes_of_the_tokens_are_told_once(listen: socket.socket, tmp_path: Path) -> None:
    path, told = tmp_path / "t.json", list[Event]()
    guard = Guard(Access(anonymous=True), "127.0.0.1", listen, path)
    guard.look(told.append)
    assert told == []
    grant(path)
    guard.look(told.append)
    guard.look(told.append)
    assert told == [Happened("TokensChanged", "1 token holds")]
    assert applied(guard).required
    path.write_text("{")
    guard.look(told.append)
    guard.look(told.append)
    assert [event.reason for event in told if isinstance(event, Happened)] == [
        "TokensChanged", "TokensCorrupt",
    ]  # fmt: skip


def test_whoever_lets_others_read_along_is_told(listen: socket.socket, tmp_path: Path) -> None:
    told: list[Event] = []
    Guard(Access(anonymous=True), "x", listen, tmp_path / "t.json").warn(told.append)
    assert bool(told) is not local(listen)


@pytest.mark.parametrize("log", ["2", "-0.1", "some", "nan", ""])
def test_a_share_of_the_log_that_is_none_is_refused(log: str) -> None:
    with pytest.raises(UsageError, match="wanted a share from 0 to 1, or off"):
        access(log=log)


def test_options_of_tls_go_together() -> None:
    with pytest.raises(UsageError, match="both --tls-cert and --tls-key"):
        access(tls=(Path("a"), None, None))
    with pytest.raises(UsageError, match="both"):
        access(tls=(None, None, Path("ca")))
    assert access(log="0.5").share == 0.5
    assert access(log="off").share is None
