"""The files of the `deployed` branch that DVC reads: pointers to content, and where it lies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.record import Pointer, Record, Version

#: Options of a remote that are no secret and that another machine needs.
_SHARED = frozenset(
    {"allow_anonymous_login", "account_name", "checksum_jobs", "endpointurl", "jobs"}
    | {"no_traverse", "port", "projectname", "region", "ssl_verify", "timeout", "url", "use_ssl"}
    | {"user", "verify", "version_aware", "worktree"}
)

_PASSWORD = re.compile(r"(?<=//)([^/:@]*):[^/]*@")


def without_password(url: str) -> str:
    """Return a URL that still says who, but not with which password."""
    return _PASSWORD.sub(r"\1@", url)


def champion_file(record: Record) -> bytes | None:
    """Return the pointer to the bundle in production; None without one.

    It stands two folders deep, and what it points to at the top.
    """
    champion = record.champion
    if champion is None or champion.bundle is None:
        return None
    return b"wdir: ../..\n" + _pointer_file({record.model: champion.bundle})


def version_files(record: Record) -> dict[str, bytes]:
    """Return `<n>.dvc` for each kept version that left something, by file name.

    Its content stands below `<n>/`: `bundle`, `predictions` (or `predictions.parquet` where that
    is a single file), `prepared` and `report`.
    """
    found = {f"{v.number}.dvc": _outs(v) for v in record.versions}
    return {name: _pointer_file(outs) for name, outs in found.items() if outs}


def config_file(remotes: Mapping[str, Mapping[str, str]], default: str | None) -> bytes:
    """Return `.dvc/config` with the remotes, without their secrets.

    Args:
        remotes: Options by remote name; a relative `url` must have been made absolute.
        default: The remote that DVC uses; None for none.

    Raises:
        ValueError: A remote's URL is a relative path: nobody else could resolve it.
    """
    lines = [] if default is None else ["[core]", f"    remote = {default}"]
    for name, options in sorted(remotes.items()):
        url = options.get("url", "")
        if "://" not in url and not Path(url).is_absolute():
            raise ValueError(f"remote {name}: {url!r} is not absolute")
        shared = {key: options[key] for key in sorted(options.keys() & _SHARED)}
        lines.append(f"['remote \"{name}\"']")
        lines += [f"    {k} = {v}" for k, v in {**shared, "url": without_password(url)}.items()]
    return "".join(f"{line}\n" for line in lines).encode()


def same_place(old: bytes, new: bytes) -> bool:
    """Return whether two texts of `config_file` name one place as the default remote.

    A folder has another path in every clone that names it by a relative one, so two folders
    under one name count as the same.
    """
    if old == new:
        return True
    before, after = _default(old), _default(new)
    if before is None or after is None:
        return before == after
    folders = "://" not in before[1] and "://" not in after[1]
    return before == after or (folders and before[0] == after[0])


def _default(config: bytes) -> tuple[str, str] | None:
    """Return name and URL of the default remote in a text of `config_file`; None: there is none."""
    text = config.decode()
    name = re.search(r"^\[core\]\n    remote = (.+)$", text, re.MULTILINE)
    if name is None:
        return None
    section = text.partition(f"['remote \"{name[1]}\"']\n")[2].partition("\n[")[0]
    url = re.search(r"^    url = (.+)$", section, re.MULTILINE)
    return name[1], url[1] if url else ""


def _outs(version: Version) -> dict[str, Pointer]:
    predictions = version.predictions
    single = predictions is not None and not predictions.md5.endswith(".dir")
    named = {
        "bundle": version.bundle,
        "predictions.parquet" if single else "predictions": predictions,
        "prepared": version.prepared,
        "report": version.report,
    }
    return {f"{version.number}/{key}": value for key, value in named.items() if value is not None}


def _pointer_file(outs: Mapping[str, Pointer]) -> bytes:
    lines = ["outs:"]
    for path, pointer in outs.items():
        lines += [f"- md5: {json.dumps(pointer.md5)}"]
        lines += [] if pointer.size is None else [f"  size: {pointer.size}"]
        lines += [] if pointer.nfiles is None else [f"  nfiles: {pointer.nfiles}"]
        lines += ["  hash: md5", f"  path: {json.dumps(path)}"]
    return "".join(f"{line}\n" for line in lines).encode()
