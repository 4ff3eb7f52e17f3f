"""Tokens are kept whole, for their owner alone, and without their secrets."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from reconciler.adapters.tokens import MOST, Right, Token, TokenFile, digest, secret
from reconciler.errors import TerminalError, UsageError


def token(name: str, scope: Right = Right.PREDICT, **rest: float) -> Token:
    return Token(name, scope, digest(name.encode()), 0, "2026-01-01T00:00:00Z", **rest)


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def test_what_was_added_is_read_back_each_at_a_place_of_its_own(file: TokenFile) -> None:
    assert file.read() == ()
    assert file.mark() is None
    file.add(token("a", expires_s=5.0, rate=2.0))
    file.add(token("b", Right.ADMIN))
    a, b = file.read()
    assert (a.name, a.scope, a.expires_s, a.rate, a.place) == ("a", Right.PREDICT, 5.0, 2.0, 0)
    assert (b.name, b.scope, b.expires_s, b.rate, b.place) == ("b", Right.ADMIN, None, None, 1)
    file.remove("a")
    file.add(token("c"))
    assert {found.name: found.place for found in file.read()} == {"b": 1, "c": 0}


def test_the_file_is_its_owners_alone_and_holds_no_secret(file: TokenFile) -> None:
    made = secret()
    file.add(Token("a", Right.ADMIN, digest(made.encode()), 0, ""))
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert made.removeprefix("rec_") not in file.path.read_text()
    assert len(made) == len("rec_") + 43  # 256 bits, six to a letter
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_change_is_seen_by_its_mark(file: TokenFile) -> None:
    file.add(token("a"))
    before = file.mark()
    assert before == file.mark()
    file.remove("a")
    assert before != file.mark()


@pytest.mark.parametrize("name", ["", "A", "../x", "-x", "a b", "x" * 64, "ä"])
def test_a_name_that_is_none_is_refused(file: TokenFile, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a token's name"):
        file.add(token(name))
    assert not file.path.exists()


def test_a_name_that_is_taken_or_unknown_is_refused(file: TokenFile) -> None:
    file.add(token("a"))
    with pytest.raises(UsageError, match="there is a token a already"):
        file.add(token("a", Right.ADMIN))
    with pytest.raises(UsageError, match="no token 'b'; known: a"):
        file.remove("b")
    assert [found.scope for found in file.read()] == [Right.PREDICT]


def test_many_who_add_at_the_same_time_lose_none(file: TokenFile) -> None:
    adding = [threading.Thread(target=file.add, args=(token(f"t{n}"),)) for n in range(20)]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join(10)
    found = file.read()
    assert {item.name for item in found} == {f"t{n}" for n in range(20)}
    assert {item.place for item in found} == set(range(20))


def test_more_than_have_a_place_are_refused(file: TokenFile) -> None:
    plain = [
        {"name": f"t{n}", "scope": "predict", "sha256": "0" * 64, "place": n} for n in range(MOST)
    ]
    file.path.write_text(json.dumps({"version": 1, "tokens": plain}))
    with pytest.raises(UsageError, match="holds 1024 tokens"):
        file.add(token("more"))


GOOD = {"name": "a", "scope": "predict", "sha256": "0" * 64, "place": 0}


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "null", "\x00", "[" * 100_000, '{"version": 2, "tokens": []}',
        json.dumps({"version": 1, "tokens": [None]}),
        *(
            json.dumps({"version": 1, "tokens": [{**GOOD, **wrong}]})
            for wrong in ({"name": "A"}, {"name": 1}, {"scope": "all"}, {"sha256": "x"},
                          {"place": -1}, {"place": MOST}, {"place": None}, {"rate": 0},
                          {"rate": "x"}, {"expires_s": "x"})
        ),
        " " * (2 << 20),
    ],
)  # fmt: skip
def test_what_is_no_file_of_tokens_is_refused(file: TokenFile, content: str) -> None:
    file.path.write_text(content)
    with pytest.raises(TerminalError, match="is no file of tokens") as raised:
        file.read()
    assert raised.value.reason == "TokensCorrupt"


def test_a_file_that_everybody_may_write_is_refused(file: TokenFile) -> None:
    file.add(token("a"))
    file.path.chmod(0o666)
    with pytest.raises(TerminalError, match="everybody may write"):
        file.read()
