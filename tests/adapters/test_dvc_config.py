"""DVC's settings: what we read is what DVC reads, for every level and every kind of path."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters import dvc_config
from reconciler.errors import TerminalError, UsageError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "user"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "system"))
    (tmp_path / "repo" / ".dvc").mkdir(parents=True)
    return tmp_path / "repo"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_cache_is_dvcs_own_folder_unless_settings_say_otherwise(root: Path) -> None:
    assert dvc_config.cache_dir(root) == root / ".dvc" / "cache"
    write(root / ".dvc" / "config", "[cache]\n    dir = ../../shared\n")
    assert dvc_config.cache_dir(root) == root.parent / "shared"


def test_a_nearer_level_wins(root: Path) -> None:
    for n, folder in enumerate((root.parent / "system", root.parent / "user", root / ".dvc")):
        write(folder / "config", f"[cache]\ndir = /{n}\n")
        assert dvc_config.cache_dir(root) == Path(f"/{n}")
    write(root / ".dvc" / "config.local", "[cache]\ndir = /local\n")
    assert dvc_config.cache_dir(root) == Path("/local")


SETTINGS = """\
# a comment
[core]
    remote = Origin
    autostage = true
[Cache]
    dir = ~/cache
    type = "reflink,copy"
['remote "Origin"']
    url = ../../far/away   # relative to .dvc
['remote "bucket"']
    url = s3://bucket/a%20b
    credentialpath = keys/me
[remote "bare"]
    url = /abs
"""


def test_dvc_reads_the_same(root: Path) -> None:
    from dvc.config import Config

    write(root / ".dvc" / "config", SETTINGS)
    write(root / ".dvc" / "config.local", "['remote \"Bucket\"']\nprofile = x y\n")
    theirs = Config(str(root / ".dvc"))
    assert str(dvc_config.cache_dir(root)) == str(theirs["cache"]["dir"])
    found = dvc_config.remotes(root)
    assert found.default == theirs["core"]["remote"] == "origin"
    assert set(found.options) == set(theirs["remote"])
    for name, options in found.options.items():
        assert options.items() <= {k: str(v) for k, v in theirs["remote"][name].items()}.items()


def test_secrets_stay_on_this_machine(root: Path) -> None:
    write(root / ".dvc" / "config", SETTINGS)
    secret = (
        "['remote \"origin\"']\npassword = s3cret\n['remote \"mine\"']\nurl = ../x\ntoken = t\n"
    )
    write(root / ".dvc" / "config.local", secret)
    options = dvc_config.remotes(root).options
    assert set(options["bucket"]) == {"url", "credentialpath"}
    assert options["mine"] == {"url": str(root / "x")}


def test_a_slot_reads_the_users_settings_with_absolute_paths_and_ours_on_top(root: Path) -> None:
    from dvc.config import Config

    write(root / ".dvc" / "config", SETTINGS)
    secret = '[\'remote "bucket"\']\nsecret_access_key = "a,b # c\'d"\n'
    write(root / ".dvc" / "config.local", secret)
    slot = root.parent / "deep" / "in" / "slot"
    write(slot / ".dvc" / "config", dvc_config.for_slot(root, slot / "site"))
    settings = Config(str(slot / ".dvc"))
    assert settings["remote"]["origin"]["url"] == str(root.parent / "far" / "away")
    assert settings["remote"]["bucket"]["credentialpath"] == str(root / ".dvc" / "keys" / "me")
    assert settings["remote"]["bucket"]["secret_access_key"] == "a,b # c'd"
    assert settings["remote"]["bucket"]["url"] == "s3://bucket/a%20b"
    assert settings["core"]["remote"] == "origin"
    assert settings["core"]["no_scm"]
    assert not settings["core"]["autostage"]
    assert settings["cache"]["dir"] == str(Path.home() / "cache")
    assert settings["cache"]["type"] == ["hardlink", "symlink", "copy"]
    assert dvc_config.cache_dir(slot) == dvc_config.cache_dir(root)


def test_without_remotes_there_is_no_default(root: Path) -> None:
    assert dvc_config.remotes(root) == dvc_config.Remotes(None, {})


def test_a_repository_without_dvc_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reconciler init"):
        dvc_config.cache_dir(tmp_path)


@pytest.mark.parametrize("content", [b"[core\n", b"\xff\xfe", b"[a]\nx\n"])
def test_settings_that_cannot_be_read_are_named(root: Path, content: bytes) -> None:
    (root / ".dvc" / "config").write_bytes(content)
    with pytest.raises(TerminalError, match="config") as caught:
        dvc_config.remotes(root)
    assert caught.value.reason == "InvalidDvcConfig"


def test_link_types_are_those_that_dvc_tries_in_its_order(root: Path) -> None:
    assert dvc_config.link_types(root) == ("reflink", "copy")
    write(root / ".dvc" / "config", "[cache]\n    type = hardlink, Symlink\n")
    assert dvc_config.link_types(root) == ("hardlink", "symlink")
    write(root / ".dvc" / "config", '[cache]\n    type = "hardlink,copy"\n')
    assert dvc_config.link_types(root) == ("hardlink", "copy")
    write(root / ".dvc" / "config", "[cache]\n    type = teleport\n")
    with pytest.raises(TerminalError, match="names 'teleport'"):
        dvc_config.link_types(root)


def test_the_kind_of_lock_is_dvcs_own(root: Path) -> None:
    assert not dvc_config.hardlink_lock(root)
    write(root / ".dvc" / "config", "[core]\n    hardlink_lock = True\n")
    assert dvc_config.hardlink_lock(root)
