"""Over TLS a server here is known by its own certificate, and any other by name and issuer."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.adapters.addresses import Neighbour
from reconciler.adapters.binding import listening_socket, reached
from reconciler.adapters.server_client import ServerClient
from reconciler.adapters.targets import CERTIFICATE, VARIABLE, open_servers
from reconciler.adapters.trust import CLIENT
from reconciler.serving.succession import place, succeed
from reconciler.serving.tls import Certificate
from tests.serving.test_tls import issue

STATUS = b'{"commit": null, "ready": true, "models": {}, "boots": {}}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(STATUS), STATUS)


@contextmanager
def shown(context: ssl.SSLContext | None) -> Iterator[tuple[str, list[bytes]]]:
    """Answer every request in the block with a status; give the address and what was heard."""
    heard: list[bytes] = []
    listen = listening_socket("127.0.0.1", 0, "--port")

    def serve() -> None:
        while True:
            try:
                line, _ = listen.accept()
            except OSError:
                return
            with line:
                line.settimeout(5)
                try:
                    own = context.wrap_socket(line, server_side=True) if context else line
                    heard.append(own.recv(1 << 16))
                    own.sendall(ANSWER)
                    own.close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield reached(listen, "https"), heard
    finally:
        listen.shutdown(2)
        listen.close()
        thread.join(5)


def folder(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name


def away(endpoint: str, pinned: Path | str | None) -> str:
    file = None if pinned is None else Path(pinned)
    return ServerClient([endpoint], "s3cret", known=lambda at: Neighbour(at, file)).look()[0].away


def asked(client: ServerClient) -> str:
    """Return why nothing is known at a new look."""
    return client._asked()[0].away


def test_only_the_certificate_of_the_file_is_trusted_and_others_hear_nothing(
    tmp_path: Path,
) -> None:
    own, other = (issue(folder(tmp_path, name), name) for name in ("own", "other"))
    with shown(own.context()) as (endpoint, heard):
        assert away(endpoint, own.cert) == ""
        assert heard.pop().startswith(b"GET /status ")
        assert f"another certificate than {other.cert} holds" in away(endpoint, other.cert)
        assert "not trusted: self-signed certificate (SSL_CERT_FILE" in away(endpoint, None)
        assert "nothing.pem holds no certificate" in away(endpoint, tmp_path / "nothing.pem")
    assert b"s3cret" not in b"".join(heard)


def test_a_certificate_that_the_one_of_the_file_has_issued_is_another_one(tmp_path: Path) -> None:
    issuer = issue(folder(tmp_path, "issuer"), "issuer")
    issued = issue(folder(tmp_path, "issued"), "issued", issuer=issuer)
    with shown(issued.context()) as (endpoint, heard):
        assert f"another certificate than {issuer.cert} holds" in away(endpoint, issuer.cert)
        assert b"".join(heard) == b""
        assert away(endpoint, issued.cert) == "", "whoever has issued it"


def test_a_certificate_that_has_expired_is_told_as_such(tmp_path: Path) -> None:
    old = issue(tmp_path, "old", days=-1)
    with shown(old.context()) as (endpoint, heard):
        assert away(endpoint, old.cert).endswith("is not trusted: certificate has expired")
    assert b"".join(heard) == b""


def test_a_renewed_file_holds_at_once_and_the_one_before_until_the_server_shows_it(
    tmp_path: Path,
) -> None:
    own = issue(tmp_path, "first")
    before = own.context()
    with shown(before) as (endpoint, _):
        client = ServerClient([endpoint], known=lambda at: Neighbour(at, Path(own.cert)))
        assert asked(client) == ""
        issue(tmp_path, "second")
        assert asked(client) == "", "it has not taken it up yet"
        Path(own.cert).write_text("half")
        assert asked(client) == ""
        issue(tmp_path, "second")
        before.load_cert_chain(own.cert, own.key)
        assert asked(client) == ""
        first = issue(folder(tmp_path, "old"), "first")
        before.load_cert_chain(first.cert, first.key)
        assert "another certificate" in asked(client)


@pytest.mark.parametrize("by", ["variable", "lock", "lock, named"])
def test_the_server_here_is_trusted_where_it_names_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv(CERTIFICATE, raising=False)
    own = issue(tmp_path, "own")
    with shown(own.context()) as (endpoint, _), listening_socket("127.0.0.1", 0, "--port") as lock:
        settings = {"endpoints": [endpoint]} if "named" in by else {}
        file = place(tmp_path, lock)
        if by == "variable":
            monkeypatch.setenv(VARIABLE, endpoint)
            monkeypatch.setenv(CERTIFICATE, own.cert)
            assert open_servers(settings, tmp_path).look()[0].away == ""
            return
        with succeed(file, endpoint, own.cert):  # type: ignore[union-attr]
            servers = open_servers(settings, tmp_path)
            assert servers.look()[0].away == ""
        with succeed(file, "https://127.0.0.1:1", own.cert):  # type: ignore[union-attr]
            other = open_servers({"endpoints": [endpoint]}, tmp_path)
            assert "not trusted" in other.look()[0].away, "it is another address"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_ours_is_shown_where_one_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: ssl.TLSVersion
) -> None:
    own, client = (issue(folder(tmp_path, name), name) for name in ("own", "client"))
    context = Certificate(own.cert, own.key, client.cert).context()
    context.maximum_version = newest
    with shown(context) as (endpoint, heard):
        assert f"{CLIENT} names the file of one with its key" in away(endpoint, own.cert)
        both = tmp_path / "both.pem"
        both.write_text(Path(client.cert).read_text() + Path(client.key).read_text())
        monkeypatch.setenv(CLIENT, str(both))
        assert away(endpoint, own.cert) == ""
        monkeypatch.setenv(CLIENT, client.cert)
        assert f"{client.cert}, which {CLIENT} names" in away(endpoint, own.cert)
    assert len(heard) == 1


def test_an_address_of_tls_where_there_is_none_is_told_as_such(tmp_path: Path) -> None:
    with shown(None) as (endpoint, _):
        assert "begins with http://" in away(endpoint, issue(tmp_path, "own").cert)
