"""`init`: makes a folder or repository ready for specs; it overwrites and commits nothing."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from reconciler.adapters import catalogue, dvc, files, setup
from reconciler.adapters.git import Git
from reconciler.adapters.merging import install_merging
from reconciler.adapters.runtime import installed
from reconciler.controller import setup as lacking
from reconciler.controller.working_tree import Compiled, WorkingTree, compiled
from reconciler.controller.workspace import Workspace
from reconciler.core.compilation import PIPELINE
from reconciler.core.runtime import LIBRARIES, declaration
from reconciler.core.setup import Did, Step, counted

ATTRIBUTES = ".gitattributes"
_CONFIG = ".git/config"
_DVC = (".dvc/config", ".dvc/.gitignore")


def run(*, demo: bool) -> int:
    """Return 0: what a repository needs is there, written now or before."""
    here = Path.cwd()
    git = setup.repository(here)
    root = git.root if git else here
    setup.writable(root)
    _compiled(root)  # what is wrong with params.yaml is said before anything is written
    git = git or _git(here)
    done = [*_dvc(git), *_carried_out(root, lacking.ignoring(git)), *_merging(git)]
    done += _carried_out(root, lacking.specs(WorkingTree(root), demo=demo))
    result = _compiled(root)
    done += _carried_out(root, lacking.generated(WorkingTree(root), result))
    for problem in result.problems:
        sys.stderr.write(f"{problem}\n")
    _next(git, here, done, demo=demo)
    return 0


def _git(here: Path) -> Git:
    git = setup.git_init(here)
    _say("ran", f"git init in {here}")
    return git


def _dvc(git: Git) -> list[Step]:
    if (git.root / ".dvc").is_dir():
        return [Step(Did.KEPT, path) for path in _DVC if (git.root / path).is_file()]
    lacking.check_dvc(git)
    dvc.initialise(git.root)
    _say("ran", f"dvc init: {', '.join(_DVC)}, .dvcignore")
    return [Step(Did.WROTE, path) for path in _DVC]


def _merging(git: Git) -> list[Step]:
    before = WorkingTree(git.root).read(ATTRIBUTES)
    written = install_merging(git)
    done = [Step(Did.KEPT, ATTRIBUTES)]
    if ATTRIBUTES in written:
        after = WorkingTree(git.root).read(ATTRIBUTES) or b""
        more = after.count(b"\n") - (before or b"").count(b"\n")
        did = Did.WROTE if before is None else Did.ADDED
        done = [Step(did, ATTRIBUTES, counted(more) if before else "")]
    if _CONFIG in written:
        done.append(Step(Did.ADDED, _CONFIG, "merge.reconciler, as every clone needs it,"))
    for step in done:
        if step.did is not Did.KEPT:
            _say(step.did, str(step))
    return done


def _compiled(root: Path) -> Compiled:
    tree, known = WorkingTree(root), catalogue.load(Workspace(root).cache)
    return compiled(tree, known, declaration(installed(LIBRARIES)), upgrade=False)


def _carried_out(root: Path, steps: Iterable[Step]) -> list[Step]:
    done = []
    for step in steps:
        if step.content is not None:
            files.write(root, step.path, step.content)
        if step.note or step.did is not Did.KEPT:
            _say(step.did, str(step))
        done.append(step)
    return done


def _say(what: str, which: str) -> None:
    sys.stdout.write(f"  {what:<6} {which}\n")


def _next(git: Git, here: Path, done: Iterable[Step], *, demo: bool) -> None:
    """Print the commands that come next, ready to be copied."""
    steps = tuple(done)
    if all(step.did is Did.KEPT for step in steps):
        sys.stdout.write("everything is in place: nothing was written\n")
    theirs = {step.path for step in steps if step.path == PIPELINE and step.note} | {_CONFIG}
    paths = tuple(dict.fromkeys(step.path for step in steps if step.path not in theirs))
    for path in paths:
        if git.ignored(path):
            _say("!", f"git ignores {path}: mend .gitignore, or what counts cannot be committed")
    lines = [] if here == git.root else [f"cd {shlex.quote(str(git.root))}"]
    if pending := git.uncommitted(paths):
        for obstacle in setup.obstacles(git):
            _say("!", obstacle)
        everything = git.uncommitted((".",)) == pending
        added = "." if everything else " ".join(shlex.quote(path) for path in pending)
        lines += [f"git add {added}", 'git commit -m "Set up the reconciler"']
    declared = demo or any((git.root / "specs").glob("*.yaml"))
    new = "reconciler new NAME --from data/TABLE.csv   # a first spec from a table"
    lines.append("reconciler apply" if declared else new)
    sys.stdout.write("next:\n" + "".join(f"  {line}\n" for line in lines))
