"""Setting up: which lines a repository lacks, and which it must not get."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

GITIGNORE, DVCIGNORE = ".gitignore", ".dvcignore"

#: What git must not see, in groups: what is written by the reconciler, and by the pipeline.
IGNORED_BY_GIT: Mapping[str, Sequence[str]] = {
    "the reconciler's own state, its exports, what it publishes": (
        "/.reconciler/",
        "/deployed",
        "/releases/",
    ),
    "what DVC keeps": ("/data/prepared/", "/models/", "/reports/"),
}
#: What is no input of a stage: with byte code in it, a folder would differ on every machine.
IGNORED_BY_DVC: Mapping[str, Sequence[str]] = {
    "what is no input: byte code, the reconciler's own state and exports": (
        "__pycache__",
        "*.pyc",
        "/.reconciler",
        "/deployed",
        "/releases",
    ),
}


class Did(StrEnum):
    """What became of one file."""

    WROTE = "wrote"
    ADDED = "added"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Step:
    """One file, and what is to become of it."""

    did: Did
    path: str
    note: str = ""
    """added: what; kept: why, where that needs a word."""
    content: bytes | None = None
    """What the file is to hold; None: it stays as it is."""

    def __str__(self) -> str:
        if self.did is Did.ADDED:
            return f"{self.note} to {self.path}"
        return f"{self.path}: {self.note}" if self.note else self.path


def ignoring(
    path: str,
    text: bytes | None,
    wanted: Mapping[str, Sequence[str]],
    taken: Mapping[str, str] | None = None,
) -> tuple[Step, ...]:
    """Return the steps that make a file of patterns hold all that is `wanted`.

    Args:
        path: The file.
        text: What it holds; None: there is none.
        wanted: Patterns by the comment above them.
        taken: Patterns that would hide something of the user's, and what that is.
    """
    taken = taken or {}
    known = {_bare(line) for line in (text or b"").decode(errors="replace").splitlines()}
    lacking = {
        comment: [line for line in lines if _bare(line) not in known and line not in taken]
        for comment, lines in wanted.items()
    }
    hidden = {
        line: why
        for lines in wanted.values()
        for line in lines
        if _bare(line) not in known and (why := taken.get(line))
    }
    kept = tuple(Step(Did.KEPT, path, f"without {line}: {why}") for line, why in hidden.items())
    blocks = [
        f"# {c}\n" + "".join(f"{x}\n" for x in lines) for c, lines in lacking.items() if lines
    ]
    if not blocks:
        return kept or (Step(Did.KEPT, path),)
    return (_added(path, text, "\n".join(blocks)), *kept)


def _added(path: str, text: bytes | None, block: str) -> Step:
    """Return the step that puts `block` at the end of a file, whose bytes stay as they are."""
    if not text:
        return Step(Did.WROTE, path, content=block.encode())
    gap = b"\n" if text.endswith(b"\n") else b"\n\n"
    lines = [line for line in block.splitlines() if line and not line.startswith("#")]
    return Step(Did.ADDED, path, counted(len(lines)), text + gap + block.encode())


def counted(lines: int) -> str:
    """Return a number of lines as people say it."""
    return f"{lines} line{'s' if lines > 1 else ''}"


def _bare(pattern: str) -> str:
    """Return a pattern without the slashes that say where, and that it is a folder."""
    return pattern.strip().strip("/")


def taken(
    wanted: Mapping[str, Sequence[str]], files: Collection[str], outs: Mapping[str, str]
) -> dict[str, str]:
    """Return the patterns that would hide what git shall see, each with the reason.

    Args:
        wanted: Patterns by comment.
        files: What git sees: tracked, or neither tracked nor ignored.
        outs: Outputs of the user's own stages, with the file that declares each.
    """
    found: dict[str, str] = {}
    for pattern in (line for lines in wanted.values() for line in lines):
        folder = pattern.strip("/")
        seen = min((f for f in files if _within(f, folder)), default=None)
        own = min((o for o in outs if _within(o, folder) or _within(folder, o)), default=None)
        if seen is not None:
            found[pattern] = f"git sees {seen}"
        elif own is not None:
            found[pattern] = f"{outs[own]} has the output {own}"
    return found


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def outputs(pipeline: Any, path: str) -> set[str]:
    """Return what the stages of a dvc.yaml write, relative to the repository's top folder.

    Args:
        pipeline: The file as plain values, of any shape.
        path: Where it stands.

    Returns:
        Paths; of a template such as `models/${key}`, the part before it.
    """
    stages = pipeline.get("stages") if isinstance(pipeline, Mapping) else None
    bodies = [_body(stage) for stage in stages.values()] if isinstance(stages, Mapping) else []
    listed = [pipeline, *bodies] if isinstance(pipeline, Mapping) else []
    named = (
        one for body in listed for key in ("outs", "metrics", "plots") for one in _names(body, key)
    )
    folder = PurePosixPath(path).parent
    return {str(folder / name.partition("${")[0]) for name in named}


def _body(stage: Any) -> Any:
    return stage.get("do", stage) if isinstance(stage, Mapping) else {}


def _names(body: Any, key: str) -> list[str]:
    listed = body.get(key) if isinstance(body, Mapping) else None
    if isinstance(listed, str):
        listed = [listed]
    if not isinstance(listed, list | dict):
        return []
    flat = [name for one in listed for name in (one if isinstance(one, Mapping) else [one])]
    return [name for name in flat if isinstance(name, str)]
