"""`hooks`: puts in place what git runs, says how it stands, and takes it away again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from reconciler.adapters import hooks
from reconciler.adapters.git import Git
from reconciler.adapters.hooks import Place, State
from reconciler.cli.options import Hooking
from reconciler.core.hook_script import Hook

_DOES = {
    Hook.PRE_COMMIT: "refuses a commit whose specs are wrong or not compiled",
    Hook.POST_MERGE: "plans what was merged or pulled",
    Hook.POST_REWRITE: "plans what was rebased",
}


def run(action: Hooking) -> int:
    """Return 0; for `status`, 1 where one is not installed."""
    git = Git.open(Path.cwd())
    found = hooks.places(git)
    match action:
        case Hooking.INSTALL:
            return _install(git, found)
        case Hooking.REMOVE:
            return _remove(found)
        case Hooking.STATUS:
            for place in found:
                _say(str(place.state), place, _beside(place))
            return int(any(place.state in (State.NONE, State.FOREIGN) for place in found))


def _install(git: Git, found: tuple[Place, ...]) -> int:
    for place, written in hooks.install(found):
        kept = place.former.name if place.state is State.FOREIGN or place.chained else ""
        first = f"; {kept}, which was there, runs first" if kept else ""
        _say("wrote" if written else "kept", place, f"{_DOES[place.hook]}{first}")
    if git.git_dir != git.common_dir:
        sys.stdout.write("they hold for every working tree of this repository\n")
    sys.stdout.write(
        "pass one by: git commit --no-verify; take all away: reconciler hooks remove\n"
    )
    return 0


def _remove(found: tuple[Place, ...]) -> int:
    before = {place.hook: place.chained for place in found}
    for place, there in hooks.remove(found):
        back = "what was there before is back" if before[place.hook] and not place.chained else ""
        _say("removed" if there else "absent", place, back)
    return 0


def _say(what: str, place: Place, more: str) -> None:
    path = os.path.relpath(place.path)
    sys.stdout.write(f"  {what:<7} {path}{f': {more}' if more else ''}\n")


def _beside(place: Place) -> str:
    return f"{place.former.name} runs first" if place.chained else ""
