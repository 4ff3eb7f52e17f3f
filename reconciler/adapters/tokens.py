"""Tokens: who may ask a server for what. Only hashes of the secrets are kept.

A secret is 256 random bits, so that its plain sha256 can be kept: there is nothing to guess.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from reconciler.errors import TerminalError, TransientError, UsageError

#: What every secret begins with, so that scanners of leaked secrets know it.
PREFIX = "rec_"
#: Tokens that one file may hold; each has a place of its own among them.
MOST = 1024
_FORMAT = 1
_LARGEST = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Right(StrEnum):
    """What a token lets its bearer ask for; `admin` includes `predict`."""

    PREDICT = "predict"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """One token as it is kept: everything but its secret."""

    name: str
    scope: Right
    sha256: str
    """Of the secret, 64 hexadecimal digits."""
    place: int
    """Its number among the tokens of a file, from 0: no other has it."""
    created: str
    """When, in ISO 8601."""
    expires_s: float | None = None
    """Seconds since 1970 after which it is worth nothing; None: it goes on."""
    rate: float | None = None
    """Requests per second that its bearer may send; None: what the server allows everybody."""

    def allows(self, right: Right) -> bool:
        """Return whether its bearer may ask for what needs `right`."""
        return self.scope is Right.ADMIN or self.scope is right

    def expired(self, now_s: float) -> bool:
        """Return whether it is worth nothing any more, at a time in seconds since 1970."""
        return self.expires_s is not None and now_s >= self.expires_s


def secret() -> str:
    """Return a new secret."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(text: bytes) -> str:
    """Return what is kept of a secret."""
    return sha256(text).hexdigest()


class TokenFile:
    """The tokens in one file, read and written whole.

    Args:
        path: The file; without it, there are no tokens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> tuple[int, ...] | None:
        """Return what changes whenever the file does; None while there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> tuple[Token, ...]:
        """Return every token.

        Raises:
            TransientError: The file cannot be read.
            TerminalError: It is not a file of tokens, or everybody may write it.
        """
        try:
            with self.path.open("rb") as file:
                open_to_all = os.fstat(file.fileno()).st_mode & stat.S_IWOTH
                content = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise TransientError(
                f"the tokens in {self.path} cannot be read: {error.strerror}", reason="TokensAway"
            ) from error
        if open_to_all:
            raise TerminalError(
                f"everybody may write {self.path}, and so let anybody in",
                reason="TokensOpen",
                hint=f"`chmod 600 {self.path}`, once you have looked at what it holds",
            )
        return _parsed(content, self.path)

    def add(self, token: Token) -> None:
        """Keep one more; its `place` is chosen here.

        Raises:
            UsageError: There is one of this name, the name is none, or there are too many.
        """
        _check(token)
        with self._alone():
            known = self.read()
            if any(other.name == token.name for other in known):
                raise UsageError(
                    f"there is a token {token.name} already",
                    reason="TokenExists",
                    hint=f"`reconciler token revoke {token.name}`, or take another name",
                )
            taken = {other.place for other in known}
            free = next((place for place in range(MOST) if place not in taken), None)
            if free is None:
                raise UsageError(f"{self.path} holds {MOST} tokens already", reason="TooMany")
            self._write((*known, _placed(token, free)))

    def remove(self, name: str) -> Token:
        """Forget one, and return what it was; UsageError where there is none of this name."""
        with self._alone():
            known = self.read()
            found = next((token for token in known if token.name == name), None)
            if found is None:
                names = ", ".join(token.name for token in known) or "none"
                raise UsageError(f"there is no token {name!r}; known: {names}", reason="NoToken")
            self._write([token for token in known if token is not found])
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else write for the length of the block: the folder is locked."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _write(self, tokens: Sequence[Token]) -> None:
        plain = {"version": _FORMAT, "tokens": [_plain(token) for token in tokens]}
        aside = self.path.with_name(f".{self.path.name}.new")
        try:
            aside.unlink(missing_ok=True)
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(json.dumps(plain, indent=1) + "\n")
                new.flush()
                os.fsync(new.fileno())
            aside.replace(self.path)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> TransientError:
        message = f"{self.path} cannot be written: {error.strerror}"
        hint = "check the folder's owner and the free space, or give `--tokens FILE`"
        return TransientError(message, reason="NotWritable", hint=hint)


def _check(token: Token) -> None:
    if _NAME.fullmatch(token.name) is None:
        raise UsageError(
            f"{token.name!r:.80} cannot be a token's name: wanted small letters, digits and"
            " . _ -, 63 at most, and a letter or digit first",
            reason="BadName",
        )


def _placed(token: Token, place: int) -> Token:
    return Token(
        token.name, token.scope, token.sha256, place, token.created, token.expires_s, token.rate
    )


def _plain(token: Token) -> dict[str, Any]:
    found = {
        "name": token.name,
        "scope": token.scope.value,
        "sha256": token.sha256,
        "place": token.place,
        "created": token.created,
        "expires_s": token.expires_s,
        "rate": token.rate,
    }
    return {key: value for key, value in found.items() if value is not None}


def _parsed(content: bytes, path: Path) -> tuple[Token, ...]:
    try:
        if len(content) > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST} bytes")
        plain = json.loads(content)
        if plain["version"] != _FORMAT:
            raise ValueError(f"it has version {plain['version']!r}, known is {_FORMAT}")
        tokens = tuple(_token(item) for item in plain["tokens"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TerminalError(
            f"{path} is no file of tokens: {error}",
            reason="TokensCorrupt",
            hint="move it away and create the tokens again: `reconciler token create NAME …`",
        ) from error
    return tokens


def _token(item: dict[str, Any]) -> Token:
    """Return a token of its plain form; ValueError, KeyError or TypeError where it is none."""
    expires, rate, place = item.get("expires_s"), item.get("rate"), int(item["place"])
    if not _NAME.fullmatch(item["name"]) or not _DIGEST.fullmatch(item["sha256"]):
        raise ValueError("a token has no good name, or no hash")
    if not 0 <= place < MOST or (rate is not None and not 0 < float(rate) < float("inf")):
        raise ValueError(f"token {item['name']} has a place or a rate that cannot be")
    return Token(
        item["name"], Right(item["scope"]), item["sha256"], place, str(item.get("created", "")),
        None if expires is None else float(expires), None if rate is None else float(rate),
    )  # fmt: skip
