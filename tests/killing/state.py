"""What a run has left: all that must not depend on whether it was cut."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from reconciler.cli.wiring import open_site
from reconciler.core.stored import to_plain
from tests.conftest import Project
from tests.killing.counting.sitecustomize import named

#: When, and how long: the only fields of a record that another run fills otherwise.
TIMES = frozenset({"created", "seconds", "since"})
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


@dataclass(frozen=True)
class State:
    """One repository after the work is done."""

    records: dict[str, Any]
    """Every record, without times."""
    pointers: dict[str, str]
    """Every other file of `deployed`, by path: its blob."""
    history: dict[str, list[str]]
    """What was decided about each model, in order."""
    standing: dict[str, tuple[str, ...]]
    """Sync and health of each model, as the status store has them."""
    target: dict[str, str | bytes]
    """Every file and link that is served or kept for that."""
    content: dict[str, str]
    """Whether each file of DVC's cache, and of its remote, is what its name says."""
    exported: dict[str, str]
    """Whether each record is shown to people as it is."""
    mess: dict[str, str]
    """What may be left of a cut: locks, temporary files, processes."""

    def differences(self, other: State) -> list[str]:
        """Return in words what `other`, the undisturbed one, has otherwise."""
        return [
            text
            for field in fields(self)
            for text in _differences(
                field.name, getattr(self, field.name), getattr(other, field.name)
            )
        ]


def state(project: Project) -> State:
    """Return the state of a repository."""
    site = open_site(project.root)
    snapshot = site.store.read()
    assert not snapshot.quarantined, snapshot.quarantined
    history = {
        name: [note.subject for _, note in reversed(site.store.history(name))]
        for name in snapshot.records
    }
    seen = site.status.seen() if site.workspace.status.exists() else {}
    return State(
        records={name: timeless(to_plain(record)) for name, record in snapshot.records.items()},
        pointers=_pointers(project),
        history=history,
        standing={
            name: tuple(_TIME.sub("*", word) for word in words) for name, words in seen.items()
        },
        target=_files(project.root / "releases"),
        content=_content(project.root / ".dvc" / "cache") | _content(remote(project)),
        exported=_exported(project),
        mess=mess(project),
    )


def timeless(value: Any) -> Any:
    """Return plain values without the fields that hold times."""
    if isinstance(value, Mapping):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list | tuple):
        return [timeless(item) for item in value]
    return value


def yours(project: Project) -> dict[str, str | bytes]:
    """Return what no run may disturb: refs, index, files, settings and working trees."""
    git = project.root / ".git"
    refs = project.git("for-each-ref").splitlines()
    found: dict[str, str | bytes] = {
        "refs": "\n".join(ref for ref in refs if not ref.endswith("refs/heads/deployed")),
        "HEAD": (git / "HEAD").read_bytes(),
        "index": (git / "index").read_bytes(),
        "config": (git / "config").read_bytes(),
        "worktrees": project.git("worktree", "list").replace(str(project.root), "."),
        "status": project.git("--no-optional-locks", "status", "--porcelain"),
        ".dvc": " ".join(
            sorted(p.name for p in (project.root / ".dvc").iterdir() if p.name != "cache")
        ),
    }
    for path in project.git("ls-files").splitlines():
        file = project.root / path
        found[path] = file.read_bytes() if file.is_file() else "gone"
    return found


def remote(project: Project) -> Path:
    """Return the folder that is the DVC remote of the scenes that have one."""
    return project.root.parent / "remote"


def leftovers(project: Project) -> frozenset[str]:
    """Return the kinds of files that a cut may leave and that do no harm: nobody reads them."""
    aside = project.root.parent / "tmp"
    found = [f"$TMPDIR/{path.name}" for path in aside.iterdir()]
    for folder in (project.root / ".git" / "objects", project.root / ".dvc", remote(project)):
        for path in folder.rglob("*"):
            if path.is_file() and re.search(r"tmp_|\.tmp$|/tmp[^/]*$|\.new$", str(path)):
                found.append(str(path.relative_to(project.root.parent)))
    return frozenset(named(path) for path in found)


def mess(project: Project) -> dict[str, str]:
    """Return what a cut may leave behind; what is stated to be harmless is not looked at."""
    git = project.root / ".git"
    found = {str(p.relative_to(project.root)): "a lock" for p in git.rglob("*.lock")}
    for pattern in (".reconciler/**/*", "releases/**/*"):
        for path in project.root.glob(pattern):
            if re.search(r"\.new$|incoming|outgoing|\.link-|/tmp[a-z0-9_]{8}$", str(path)):
                found[str(path.relative_to(project.root))] = "a temporary file"
    found |= {str(pid): f"a process: {what}" for pid, what in processes(project).items()}
    return found


def processes(project: Project) -> dict[int, str]:
    """Return what runs that was started in this repository's environment."""
    mark = f"KILLING_STAGES={project.env['KILLING_STAGES']}".encode()
    found = {}
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit() or int(proc.name) == os.getpid():
            continue
        try:
            if mark in (proc / "environ").read_bytes():
                line = (proc / "cmdline").read_bytes()
                found[int(proc.name)] = line.replace(b"\0", b" ").decode()[:200]
        except OSError:
            continue
    return found


def _pointers(project: Project) -> dict[str, str]:
    lines = project.git("ls-tree", "-r", "deployed").splitlines()
    found = {line.partition("\t")[2]: line.split()[2] for line in lines}
    place = str(project.root.parent)
    for path, oid in found.items():
        if path.endswith(".dvc/config"):  # it names the remote, which lies elsewhere in each run
            found[path] = project.git("cat-file", "blob", oid).replace(place, "")
    return {path: oid for path, oid in found.items() if "/" in path or path[-5:] != ".yaml"}


def _exported(project: Project) -> dict[str, str]:
    shown = {path.name: path.read_text() for path in (project.root / "deployed").glob("*")}
    known = {name: project.git("show", f"deployed:{name}") for name in shown}
    return {n: "as on record" if known[n] == text.strip() else "other" for n, text in shown.items()}


def _content(store: Path) -> dict[str, str]:
    files = store / "files" / "md5"
    found = {}
    for path in files.glob("??/*"):
        digest = (path.parent.name + path.name).removesuffix(".dir")
        if re.fullmatch("[0-9a-f]{32}", digest):
            whole = hashlib.md5(path.read_bytes()).hexdigest() == digest
            found[f"{store.name} {digest}"] = "whole" if whole else "torn"
    return found


def _files(folder: Path) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def differing(ours: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the keys whose values differ, sorted."""
    return sorted(name for name in {*ours, *other} if ours.get(name) != other.get(name))


def _differences(field: str, ours: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [
        f"{field}: {name}: {_short(ours.get(name))} instead of {_short(other.get(name))}"
        for name in differing(ours, other)
    ]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:140]} … {text[-140:]}"
