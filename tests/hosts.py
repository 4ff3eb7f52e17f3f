"""Git remotes on this machine: a folder that may refuse, die or hang, and who pushes to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def git(where: Path, *arguments: str) -> str:
    """Run git in a folder and return what it says."""
    argv = ("git", "-C", str(where), *WHO, *arguments)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout.strip()


class Host:
    """A bare repository that others push to, and a clone of somebody who does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "host.git"
        self.clone = folder / "ada"
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.path))
        git(folder, "clone", "-q", str(self.path), str(self.clone))
        self.push("specs/wine.yaml", "1")

    @property
    def url(self) -> str:
        """The URL of the repository."""
        return f"file://{self.path}"

    def push(self, path: str, text: str, *, force: bool = False) -> str:
        """Commit one file, push the branch, and return the commit."""
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        git(self.clone, "checkout", "-q", "-B", "main")
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-qm", f"Write {path}", *(("--amend",) if force else ()))
        git(self.clone, "push", "-q", *(("--force",) if force else ()), "origin", "main")
        return git(self.clone, "rev-parse", "HEAD")

    def ref(self, name: str) -> str | None:
        """Return what one of its refs points to; None when it is not there."""
        lines = git(self.path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ") for line in lines).get(name)

    def hook(self, name: str, script: str) -> Path:
        """Have a hook run on it, or none where the script is empty."""
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    def away(self) -> None:
        """Have it not be there."""
        self.path.rename(self.path.with_suffix(".away"))

    def back(self) -> None:
        """Have it be there again."""
        self.path.with_suffix(".away").rename(self.path)
