"""What every git of ours is started with: no hooks, no prompts, no questions of language."""

from __future__ import annotations

import os

_SETTINGS = {
    "core.hooksPath": "/dev/null",  # a hook of the user's must not run on our own commands
    "core.fsmonitor": "false",
    "core.sparseCheckout": "false",
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",
}
OPTIONS = tuple(part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}"))
"""Options before every command of ours."""

# Set while git runs a hook or an alias; they would lead our commands to another index or tree.
_LOCAL = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)


def environment() -> dict[str, str]:
    """Return this process's environment as git may have it."""
    kept = {key: value for key, value in os.environ.items() if key not in _LOCAL}
    return kept | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
