"""Files of the working tree, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import TransientError

_ALL = b"*\n"


def ignored(folder: Path) -> None:
    """Have git ignore a folder and all that is in it.

    What a write that was cut has left is written again; what people wrote stays. OSError where it
    cannot be.
    """
    note = folder / ".gitignore"
    if not note.is_file() or note.read_bytes() in (b"", _ALL[:1]):
        note.write_bytes(_ALL)


def write(root: Path, path: str, content: bytes) -> None:
    """Write one file below `root`: aside first, so that whoever reads it sees all or nothing.

    Raises:
        TransientError: It cannot be written.
    """
    target = root / path
    aside = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(target)
    except OSError as error:
        raise TransientError(
            f"{path} cannot be written: {error.strerror}",
            reason="NotWritable",
            hint="check the file's owner and the free space",
        ) from error
