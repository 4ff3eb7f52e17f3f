"""DVC's settings: where its cache and its remotes are, and the same settings for a slot.

They are read with DVC's own parser of settings, in DVC's order of levels, but without DVC: its
import takes longer than a whole plan.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import TerminalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Section = dict[str, str | list[str]]
"""Options by lower-case name."""
Sections = dict[str, Section]
"""Sections by header, such as `core` or `remote "storage"`."""

_REMOTE = re.compile(r"""['"]?\s*remote\s+["'](?P<name>.+?)["']\s*['"]?""")
_URL = re.compile(r"\w+://")

_USERINFO = re.compile(r"//[^/:@]*:([^/]+)@")

#: Options and variables that hold a secret.
_SECRET = re.compile(
    r"password|passphrase|secret|token|connection_string|(access|account)_key$|access_key_id$"
)
#: Shorter texts occur by chance.
_SHORTEST = 4
_LINK_TYPES = ("reflink", "hardlink", "symlink", "copy")

#: Options that hold a path, which DVC reads as relative to the folder of the settings file.
_PATHS = {
    "cache": ("dir",),
    "remote": (
        "url",
        "gdrive_user_credentials_file",
        "gdrive_service_account_json_file_path",
        "credentialpath",
        "configpath",
        "keyfile",
        "cert_path",
        "key_path",
    ),
}


@dataclass(frozen=True, slots=True)
class Remotes:
    """The DVC remotes of a repository."""

    default: str | None = None
    """Name of the one that is used when none is named; None: there is no default."""
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Options by remote name; paths are absolute. Options of `config.local` (where secrets stand)
    are left out, but for the `url`."""


def cache_dir(root: Path) -> Path:
    """Return the folder of DVC's cache for the repository at `root`, whether or not it exists.

    Raises:
        UsageError: The repository has no DVC.
        TerminalError: A settings file cannot be read.
    """
    found = _merged(_levels(root)).get("cache", {}).get("dir")
    return Path(str(found)) if found else root / ".dvc" / "cache"


def link_types(root: Path) -> tuple[str, ...]:
    """Return the ways in which DVC brings files from the cache into the working tree, in order.

    Raises:
        UsageError: The repository has no DVC.
        TerminalError: A settings file cannot be read, or names a way that there is not.
    """
    found = _merged(_levels(root)).get("cache", {}).get("type", "reflink,copy")
    ways = found.split(",") if isinstance(found, str) else found
    ways = [way.strip().lower() for way in ways]
    if unknown := [way for way in ways if way not in _LINK_TYPES]:
        raise TerminalError(
            f"DVC's setting cache.type names {unknown[0]!r:.40}",
            reason="InvalidDvcConfig",
            hint=f"there are: {', '.join(_LINK_TYPES)}",
        )
    return tuple(ways)


def hardlink_lock(root: Path) -> bool:
    """Return whether DVC locks this working tree by a hard link (`core.hardlink_lock`)."""
    found = _merged(_levels(root)).get("core", {}).get("hardlink_lock", "")
    return str(found).lower() in ("true", "yes", "on", "1")


def remotes(root: Path) -> Remotes:
    """Return the DVC remotes of the repository at `root`, without their secrets.

    Raises:
        UsageError: The repository has no DVC.
        TerminalError: A settings file cannot be read.
    """
    levels = _levels(root)
    everything, shared = _merged(levels), levels[2]
    options = {}
    for header, section in everything.items():
        if name := _remote(header):
            kept = {**shared.get(header, {}), **_only(section, "url")}
            options[name] = {key: str(value) for key, value in kept.items()}
    default = everything.get("core", {}).get("remote")
    return Remotes(str(default).lower() if default else None, options)


def leading_out(root: Path, text: bytes) -> tuple[tuple[str, str], ...]:
    """Return the remotes, by name, whose folder `text` gives as a way out of `root`.

    One that `config.local` gives another folder is left out.

    Args:
        root: The folder that would hold `.dvc/`.
        text: What would stand in `.dvc/config` there.
    """
    folder = root / ".dvc"
    here = _read(folder / "config.local")
    found = []
    for header, body in _parsed(text.decode(errors="replace"), folder / "config").items():
        name, url = _remote(header), {key.lower(): value for key, value in body.items()}.get("url")
        if name is None or not isinstance(url, str) or "url" in here.get(_header(header), {}):
            continue
        lost = not Path(url).expanduser().is_absolute() and not _URL.match(url)
        if lost and not Path(_resolved(url, folder)).is_relative_to(root):
            found.append((name, url))
    return tuple(found)


def secrets(root: Path) -> tuple[str, ...]:
    """Return what must not be printed: secret options of remotes, passwords in their URLs.

    Raises:
        TerminalError: A settings file cannot be read.
    """
    found: set[str] = set()
    levels = _levels(root) if (root / ".dvc").is_dir() else ()
    for header, section in _merged(levels).items():
        if _remote(header):
            found |= {str(value) for key, value in section.items() if _SECRET.search(key)}
            found |= set(_USERINFO.findall(str(section.get("url", ""))))
    found |= {value for key, value in os.environ.items() if _SECRET.search(key.lower())}
    return tuple(sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True))


def for_slot(root: Path, site: Path) -> str:
    """Return the settings file of a slot that stands in for the working tree at `root`.

    The user's own settings hold, secrets included, with their paths made absolute; what would
    make a slot touch git, the network or another slot's state is ours.

    Args:
        root: The user's working tree.
        site: A folder of the slot's own for what DVC remembers about files.

    Raises:
        UsageError: The repository has no DVC.
        TerminalError: A settings file cannot be read.
    """
    from configobj import ConfigObj

    _, _, repository, local = _levels(root)
    settings = _merged([repository, local])
    settings["cache"] = settings.get("cache", {}) | {
        "dir": str(cache_dir(root)),
        "type": ["hardlink", "symlink", "copy"],
    }
    settings["core"] = settings.get("core", {}) | {
        "analytics": "false",
        "check_update": "false",
        "autostage": "false",
        "no_scm": "true",
        "site_cache_dir": str(site),
    }
    lines: list[str] = ConfigObj(settings, interpolation=False, encoding="utf-8").write()
    return "".join(f"{_text(line)}\n" for line in lines)


def _levels(root: Path) -> tuple[Sections, Sections, Sections, Sections]:
    """Return the settings of system, user, repository and working tree; later ones win."""
    folder = root / ".dvc"
    if not folder.is_dir():
        raise UsageError(
            f"{root} has no DVC: there is no folder .dvc",
            reason="NoDvc",
            hint="run `reconciler init` and commit what it adds",
        )
    system, user = _folders()
    files = (system / "config", user / "config", folder / "config", folder / "config.local")
    first, second, third, fourth = (_read(file) for file in files)
    return first, second, third, fourth


def _folders() -> tuple[Path, Path]:
    import platformdirs

    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR")
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR")
    return (
        Path(system or platformdirs.site_config_dir("dvc", "iterative")),
        Path(user or platformdirs.user_config_dir("dvc", "iterative")),
    )


def _read(path: Path) -> Sections:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, OSError) as error:
        raise _unreadable(path, error) from error
    sections = _parsed(text, path)
    return {_header(head): _absolute(head, body, path.parent) for head, body in sections.items()}


def _parsed(text: str, path: Path) -> Sections:
    from configobj import ConfigObj, ConfigObjError

    try:
        parsed = ConfigObj(text.splitlines()).dict()
    except ConfigObjError as error:
        raise _unreadable(path, error) from error
    return {head: body for head, body in parsed.items() if isinstance(body, dict)}


def _unreadable(path: Path, error: Exception) -> TerminalError:
    return TerminalError(
        f"DVC's settings in {path} cannot be read: {error}",
        reason="InvalidDvcConfig",
        hint="mend the file; `dvc config --list` shows what DVC makes of it",
    )


def _header(text: str) -> str:
    name = _remote(text)
    return text.lower() if name is None else f'remote "{name}"'


def _absolute(header: str, body: Mapping[str, str | list[str]], folder: Path) -> Section:
    paths = _PATHS.get("remote" if _remote(header) else header.lower(), ())
    lowered = {key.lower(): value for key, value in body.items()}
    return {
        key: _resolved(value, folder) if key in paths and isinstance(value, str) else value
        for key, value in lowered.items()
    }


def _resolved(value: str, folder: Path) -> str:
    if _URL.match(value):
        return value
    return os.path.abspath(folder / Path(value).expanduser())  # noqa: PTH100 - links stay


def _merged(levels: list[Sections] | tuple[Sections, ...]) -> Sections:
    merged: Sections = {}
    for level in levels:
        for header, section in level.items():
            merged[header] = merged.get(header, {}) | section
    return merged


def _remote(header: str) -> str | None:
    match = _REMOTE.fullmatch(header)
    return match["name"].lower() if match else None


def _only(section: Section, key: str) -> Section:
    return {key: section[key]} if key in section else {}


def _text(line: str | bytes) -> str:
    return line.decode() if isinstance(line, bytes) else line
