"""Small disks that can be full, and folders that can be read alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


def unable() -> str | None:
    """Return why no disk can be mounted here; None: one can be."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "only root may mount a small disk, on Linux"
    done = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"],
        capture_output=True, text=True,
    )  # fmt: skip
    return f"no disk can be mounted here: {done.stderr.strip()}" if done.returncode else None


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Put what is in a folder onto a small disk of its own for the length of the block."""
    aside = folder.with_name(f".{folder.name}.before")
    if folder.exists():
        folder.rename(aside)
    folder.mkdir(parents=True)
    size = f"size={megabytes}m,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        if aside.exists():
            subprocess.run(["cp", "-a", f"{aside}/.", folder], check=True)
            shutil.rmtree(aside)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Have a disk be full for the length of the block."""
    balloon = disk / ".balloon"
    fill(balloon)
    try:
        yield
    finally:
        balloon.unlink()


def fill(balloon: Path) -> None:
    """Write until nothing more can be written."""
    with balloon.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Have nothing below a folder be written for the length of the block, not even by root."""
    aside = Path(tempfile.mkdtemp())  # moved into place at once: else files would be open
    subprocess.run(["mount", "--rbind", folder, aside], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", aside], check=True)
    subprocess.run(["mount", "--move", aside, folder], check=True)
    aside.rmdir()
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
