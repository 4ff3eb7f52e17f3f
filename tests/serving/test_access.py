"""The door: whoever has no right is told so, and nothing of a request is read before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.tokens import MOST, Right, Token, TokenFile, digest
from reconciler.serving.access import Door, Rules, right_of
from reconciler.serving.rates import Rates, place_of, shared
from reconciler.serving.refusal import Refused

LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def grant(file: TokenFile, name: str, scope: Right = Right.PREDICT, **rest: float) -> bytes:
    """Make a token, and return the value of the header that shows it."""
    file.add(Token(name, scope, digest(f"secret of {name}".encode()), 0, "", **rest))
    return f"Bearer secret of {name}".encode()


def request(*headers: tuple[bytes, bytes], address: str = "127.0.0.1") -> dict[str, Any]:
    return {"headers": [(b"accept", b"*/*"), *headers], "client": (address, 5000)}


def refused(door: Door, right: Right, authorization: bytes | None = None) -> Refused:
    with pytest.raises(Refused) as raised:
        door.check(authorization, "127.0.0.1", right)
    return raised.value


def test_without_tokens_a_local_server_is_open_until_there_is_one(file: TokenFile) -> None:
    door = Door(Rules(), file)
    assert door.admit(request(), Right.ADMIN) == ""
    shown = grant(file, "a")
    assert door.admit(request(), Right.PREDICT) == ""  # it has not looked yet
    door.look()
    assert refused(door, Right.PREDICT).status == 401
    assert door.check(shown, "127.0.0.1", Right.PREDICT) == "a"


def test_a_server_that_has_asked_for_tokens_does_so_until_it_ends(file: TokenFile) -> None:
    shown = grant(file, "a")
    door = Door(Rules(), file)
    assert door.check(shown, "", Right.PREDICT) == "a"
    file.remove("a")
    door.look()
    assert refused(door, Right.PREDICT, shown).status == 401
    file.path.unlink()
    door.look()
    assert refused(door, Right.PREDICT).status == 401


def test_tokens_hold_on_while_their_file_cannot_be_read(file: TokenFile) -> None:
    shown = grant(file, "a")
    door = Door(Rules(), file)
    file.path.write_text("{")
    door.look()
    assert door.check(shown, "", Right.PREDICT) == "a"
    assert refused(Door(Rules(), file), Right.PREDICT, shown).status == 401  # never knew any


@pytest.mark.parametrize(
    "shown",
    [None, b"", b"Bearer", b"Bearer ", b"Basic abc", b"secret of a", b"Bearer secret of b",
     b"Bearer " + digest(b"secret of a").encode(), b"Bearer \xff\x00"],
)  # fmt: skip
def test_whoever_shows_no_token_is_told_to(file: TokenFile, shown: bytes | None) -> None:
    grant(file, "a")
    error = refused(Door(Rules(), file), Right.PREDICT, shown)
    assert (error.status, error.reason) == (401, "Unauthorized")
    assert dict(error.headers)[b"www-authenticate"].startswith(b"Bearer realm=")


def test_admin_includes_predict_and_not_the_other_way(file: TokenFile) -> None:
    few, all_ = grant(file, "few"), grant(file, "all", Right.ADMIN)
    door = Door(Rules(), file)
    for right in Right:
        assert door.check(all_, "", right) == "all"
    error = refused(door, Right.ADMIN, few)
    assert (error.status, error.reason) == (403, "WrongScope")


def test_a_token_is_worth_nothing_once_it_has_expired(file: TokenFile) -> None:
    clock = Clock()
    shown = grant(file, "a", expires_s=1010.0)
    door = Door(Rules(), file, clock=clock)
    assert door.check(shown, "", Right.PREDICT) == "a"
    clock.now = 1010.0
    assert "expired" in refused(door, Right.PREDICT, shown).message


def test_anonymous_clients_get_predictions_and_nothing_else(file: TokenFile) -> None:
    shown = grant(file, "a")
    door = Door(Rules(required=True, anonymous=True), file)
    assert door.check(None, "10.0.0.1", Right.PREDICT) == ""
    assert refused(door, Right.ADMIN).status == 401
    assert refused(door, Right.PREDICT, b"Bearer wrong").status == 401
    assert door.check(shown, "10.0.0.1", Right.PREDICT) == "a"


def test_each_token_and_each_address_has_a_rate_of_its_own(file: TokenFile) -> None:
    clock, limited = Clock(), list[str]()
    slow, plain = grant(file, "slow", rate=1.0), grant(file, "plain")
    rules = Rules(required=True, anonymous=True, rate=3.0)
    door = Door(rules, file, Rates(clock=clock), limited.append)
    assert door.check(slow, "", Right.PREDICT) == "slow"
    error = refused(door, Right.PREDICT, slow)
    assert (error.status, error.reason) == (429, "RateLimited")
    assert dict(error.headers) == {b"retry-after": b"1"}
    for _ in range(3):
        door.check(plain, "", Right.PREDICT)
        door.check(None, "10.0.0.1", Right.PREDICT)
    refused(door, Right.PREDICT, plain)
    assert door.check(None, "10.0.0.2", Right.PREDICT) == ""
    clock.now += 1.01
    assert door.check(slow, "", Right.PREDICT) == "slow"
    assert limited == ["slow", "plain"]


def test_a_rate_lets_so_many_through_however_they_are_spread() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    passed = 0
    for _ in range(10_000):  # ten seconds of a thousand a second, where fifty may
        passed += rates.wait_s(7, 50.0) == 0
        clock.now += 0.001
    assert 500 <= passed <= 551
    assert rates.wait_s(8, 50.0) == 0  # another's place


def test_workers_count_together() -> None:
    file = shared()
    clock = Clock()
    first, second = Rates(file, clock), Rates(file, clock)
    assert first.wait_s(3, 2.0) == 0
    assert second.wait_s(3, 2.0) == 0
    assert first.wait_s(3, 2.0) == pytest.approx(0.5)


def test_addresses_have_places_behind_those_of_tokens() -> None:
    assert place_of("10.0.0.1") >= MOST
    assert place_of("2001:db8:1:2:3::1") == place_of("2001:db8:1:2:ffff::9")
    assert place_of("2001:db8:1:2::1") != place_of("2001:db8:1:3::1")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:80", "[::1]",
             "localhost."]
)  # fmt: skip
def test_a_local_server_answers_by_its_own_names(host: str) -> None:
    door = Door(Rules(hosts=LOCAL))
    for _ in range(2):
        assert door.admit(request((b"host", host.encode())), Right.PREDICT) == ""


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil",
             "", ":80", "\xff", "2130706433", "169.254.169.254"]
)  # fmt: skip
def test_a_local_server_does_not_answer_by_a_name_that_others_point_to_it(host: str) -> None:
    door = Door(Rules(hosts=LOCAL))
    for right in (Right.PREDICT, None):
        with pytest.raises(Refused) as raised:
            door.admit(request((b"host", host.encode("latin-1"))), right)
        assert (raised.value.status, raised.value.reason) == (403, "ForeignHost")


def test_pages_from_elsewhere_are_refused_while_no_token_is_asked_for(file: TokenFile) -> None:
    door = Door(Rules(hosts=LOCAL), file)
    own = request((b"host", b"localhost:80"), (b"origin", b"http://localhost:3000"))
    assert door.admit(own, Right.PREDICT) == ""
    for origin in (b"https://evil.example", b"null"):
        with pytest.raises(Refused, match="Origin"):
            door.admit(request((b"host", b"localhost"), (b"origin", origin)), Right.PREDICT)
    shown = grant(file, "a")
    door.look()
    other = request((b"host", b"localhost"), (b"origin", b"https://x"), (b"authorization", shown))
    assert door.admit(other, Right.PREDICT) == "a"


def test_health_is_told_to_all_and_what_a_server_knows_to_admins() -> None:
    told = ("/v2/health/live", "/livez", "/", "/docs", "/docs/docs.js")
    assert {right_of(path) for path in told} == {None}
    admin = ("/status", "/metrics", "/admin/reload/m", "/v2/repository/models/m/load")
    assert {right_of(path) for path in admin} == {Right.ADMIN}
    rest = ("/predict/m", "/v2/models/m/infer", "/v2", "/openapi.json",
            "/v2/repository/index", "/nowhere", "/statusx")  # fmt: skip
    assert {right_of(path) for path in rest} == {Right.PREDICT}


HEADERS = st.lists(
    st.tuples(
        st.sampled_from((b"host", b"origin", b"authorization", b"accept")), st.binary(max_size=80)
    ),
    max_size=6,
)


@given(headers=HEADERS, required=st.booleans(), right=st.sampled_from((None, *Right)))
def test_whatever_headers_say_they_let_in_or_are_refused(
    headers: list[tuple[bytes, bytes]], required: bool, right: Right | None
) -> None:
    door = Door(Rules(required=required, hosts=LOCAL))
    status = 200
    try:
        assert door.admit(request(*headers), right) == ""
    except Refused as error:
        status = error.status
    assert status in ({200, 403} if right is None or not required else {401, 403})


def test_the_daemon_beside_a_server_may_ask_for_everything_and_as_often_as_it_likes(
    file: TokenFile,
) -> None:
    clock, own = Clock(), digest(b"own")
    for rules in (Rules(rate=1.0, own=own), Rules(required=True, rate=1.0, own=own)):
        door = Door(rules, file, Rates(clock=clock))
        for shown in (b"Bearer own", b"bearer  own "):
            for right in Right:
                assert door.check(shown, "127.0.0.1", right) == "of up"
    for wrong in (None, b"own", b"Bearer " + own.encode(), b"Bearer ", b"Bearer \xff"):
        assert refused(door, Right.PREDICT, wrong).status == 401
    few = grant(file, "few")
    door.look()
    assert door.check(few, "127.0.0.1", Right.PREDICT) == "few"
    assert refused(door, Right.ADMIN, few).status == 403
