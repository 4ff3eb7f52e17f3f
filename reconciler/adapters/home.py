"""Home: the folder that holds what is ours; a bare repository keeps one inside its git folder.

There stand `.reconciler/`, `.dvc/` with DVC's settings and cache, and `releases/`; with a working
tree, that is its top folder.
"""

from __future__ import annotations

from pathlib import Path

from reconciler.adapters import dvc_config
from reconciler.adapters.files import write
from reconciler.adapters.git import Git
from reconciler.errors import TerminalError

#: The folder in a bare repository: none that git uses.
FOLDER = "reconciler"
_CONFIG = ".dvc/config"


def home(git: Git) -> Path:
    """Return the folder, whether or not it exists."""
    return git.git_dir / FOLDER if git.bare else git.root


def furnished(git: Git) -> bool:
    """Return whether DVC's settings are there."""
    return not git.bare or (home(git) / _CONFIG).exists()


def furnish(git: Git, commit: str) -> bool:
    """Make DVC's settings of a commit hold in a bare repository; return whether they changed.

    What differs on this machine stands in `.dvc/config.local` beside them, which is read alone.
    Nothing is done where there is a working tree, or where the commit has no settings.

    Raises:
        TransientError: The folder cannot be written.
        TerminalError: A remote's folder is given from the working tree on, and there is none.
    """
    if not git.bare or (oid := git.ids([f"{commit}:{_CONFIG}"])[0]) is None:
        return False
    place, text = home(git), git.blobs([oid])[oid]
    if (place / _CONFIG).is_file() and (place / _CONFIG).read_bytes() == text:
        return False
    if lost := dvc_config.leading_out(place, text):
        name, path = lost[0]
        raise TerminalError(
            f"{_CONFIG} has the remote '{name}' in {path}, which starts from a working tree:"
            f" {git.place} has none",
            reason="RelativeRemote",
            hint=f"give it a whole path, or set `url` for it in {place}/{_CONFIG}.local",
        )
    write(git.git_dir, f"{FOLDER}/{_CONFIG}", text)
    return True
