"""A git remote: who may ask it is settled by git's own means, and nobody is prompted."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.adapters.mirror import Mirror
from reconciler.adapters.secrets import scrubbed, without_secrets
from reconciler.errors import TransientError
from tests import remotes
from tests.hosts import Host


class Forge(ThreadingHTTPServer):
    """Asks for a name and a password, and remembers what it was given."""

    daemon_threads = True
    given: set[str]


class _Asking(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Forge)
        self.server.given.add(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="forge"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def forge() -> Iterator[Forge]:
    server = Forge(("127.0.0.1", 0), _Asking)
    server.given = set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GIT_ASKPASS", "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def test_a_remote_that_wants_a_password_is_no_prompt_but_an_error_with_a_way_out(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_ASKPASS", str(tmp_path / "a-window-that-nobody-sees"))
    mirror = Mirror.open(tmp_path / "near", f"http://127.0.0.1:{forge.server_port}/x", "main")
    with pytest.raises(TransientError) as caught:
        mirror.look()
    assert caught.value.reason == "RemoteUnreachable"
    assert "credential helper" in caught.value.hint
    assert forge.given == {""}


@pytest.mark.parametrize("means", ["helper", "program"])
def test_a_password_comes_by_gits_own_means_and_is_not_told(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, means: str
) -> None:
    program = tmp_path / "program"
    if means == "helper":
        program.write_text("#!/bin/sh\necho username=ada\necho password=s3cret\n")
        (tmp_path / "gitconfig").write_text(f"[credential]\n\thelper = {program}\n")
    else:
        program.write_text('#!/bin/sh\ncase "$1" in User*) echo ada;; *) echo s3cret;; esac\n')
        monkeypatch.setenv("GIT_ASKPASS", str(program))
    program.chmod(0o755)
    mirror = Mirror.open(tmp_path / "near", f"http://127.0.0.1:{forge.server_port}/x", "main")
    with pytest.raises(TransientError) as caught:
        mirror.look()
    assert f"Basic {base64.b64encode(b'ada:s3cret').decode()}" in forge.given
    assert "s3cret" not in str(caught.value)


@pytest.mark.slow
def test_a_remote_behind_ssh_is_followed_with_the_users_own_key_and_never_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path / "far")
    (tmp_path / "ssh").mkdir()
    with remotes.ssh(tmp_path / "ssh") as place:
        port, key = place.shared["port"], place.own["keyfile"]
        url = f"ssh://{place.shared['user']}@127.0.0.1:{port}{host.path}"
        with pytest.raises(TransientError) as caught:
            Mirror.open(tmp_path / "stranger", url, "main").look()
        assert "Host key verification failed" in caught.value.message
        assert "an ssh key" in caught.value.hint
        options = f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={tmp_path / 'known'}"
        monkeypatch.setenv("GIT_SSH_COMMAND", f"ssh -i {key} {options}")
        mirror = Mirror.open(tmp_path / "near", url, "main")
        assert mirror.look().revision == host.ref("refs/heads/main")
        commit = mirror.git.resolve("HEAD")
        assert mirror.move(None, commit)
        assert host.ref("refs/heads/deployed") == commit


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("at 'https://ada:pw@host/x': no", "at 'https://host/x': no"),
        ("https://t0ken@host/x?private_token=abc y", "https://host/x?*** y"),
        ("ssh://git:pw@host/x", "ssh://git@host/x"),
        ("git@host:team/x.git", "git@host:team/x.git"),
        ("nothing of the kind: a@b", "nothing of the kind: a@b"),
    ],
)
def test_urls_are_told_without_their_secrets(said: str, told: str) -> None:
    assert without_secrets(said) == told


def test_a_secret_is_taken_out_of_whatever_a_remote_says() -> None:
    url = "https://ada:p%40ss@host/x?token=t0ken"
    said = scrubbed("no such user ada with p@ss or p%40ss or t0ken", url)
    assert said == "no such user ada with *** or *** or ***"
    assert scrubbed("t0ken is not valid", "https://t0ken@host/x") == "*** is not valid"
