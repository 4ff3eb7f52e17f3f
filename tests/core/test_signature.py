"""Signatures: only who knows the secret is genuine, and the comparison takes equal time."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.signature import genuine

SECRET = b"it is a secret to everybody"


def signed(secret: bytes, body: bytes) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_the_published_example_of_github_is_genuine() -> None:
    # "Validating webhook deliveries" in GitHub's documentation
    said = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert genuine(b"It's a Secret to Everybody", b"Hello, World!", said, None)


@given(st.binary(min_size=1), st.binary(), st.binary(min_size=1), st.binary())
def test_a_signature_is_genuine_for_its_own_secret_and_body_alone(
    secret: bytes, body: bytes, other: bytes, text: bytes
) -> None:
    # HMAC fills a key up with zeros: a secret has none
    secret, other = secret.replace(b"\0", b"0"), other.replace(b"\0", b"0")
    same = (secret, body) == (other, text)
    assert genuine(secret, body, signed(other, text), None) is same


@given(st.text(), st.text())
def test_whatever_stands_in_the_headers_is_judged_without_an_error(one: str, two: str) -> None:
    assert not genuine(SECRET, b"{}", one, two)
    assert not genuine(SECRET, b"{}", None, two)


def test_a_token_is_the_secret_itself() -> None:
    assert genuine(SECRET, b"{}", None, SECRET.decode())
    assert not genuine(SECRET, b"{}", None, SECRET.decode() + "!")
    assert not genuine(SECRET, b"{}", None, "")
    assert not genuine(SECRET, b"{}", None, None)


def test_a_wrong_signature_is_not_mended_by_a_right_token() -> None:
    assert not genuine(SECRET, b"{}", "sha256=00", SECRET.decode())


def test_an_older_method_of_signing_is_refused() -> None:
    digest = hmac.new(SECRET, b"{}", hashlib.sha1).hexdigest()
    assert not genuine(SECRET, b"{}", f"sha1={digest}", None)


@pytest.mark.parametrize("claims", [("sha256=0", None), (None, "0")])
def test_both_ways_compare_in_constant_time_and_tokens_at_equal_lengths(
    claims: tuple[str | None, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, two: bytes) -> bool:
        compared.append((one, two))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert not genuine(SECRET, b"{}", *claims)
    [(one, two)] = compared
    assert len(one) == len(two) or claims[0]
