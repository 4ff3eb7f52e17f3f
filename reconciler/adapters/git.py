"""Git: the only module that talks to it, by objects and refs, never by the user's index or tree.

Git itself does the work, with its hooks off, taking no optional locks, and blind to what a
surrounding git command has put into the environment.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters import git_output, process
from reconciler.adapters.git_environment import OPTIONS, environment
from reconciler.adapters.git_output import Entry
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from reconciler.adapters.process import Completed
    from reconciler.errors import TerminalError, TransientError


@dataclass(frozen=True, slots=True)
class Person:
    """Who a commit is by."""

    name: str
    email: str


RECONCILER = Person("reconciler", "reconciler@localhost")
"""Who commits here: an identity of our own, so that git needs no user configured."""


class Git:
    """One repository: seen from one of its working trees, or bare."""

    def __init__(self, root: Path | None, git_dir: Path, common_dir: Path) -> None:
        self.bare = root is None
        """Whether there is no working tree."""
        self.place = root or git_dir
        """Where it is, for people and for git: the working tree's top folder, or a bare one's."""
        self.git_dir = git_dir
        """This working tree's own git folder."""
        self.common_dir = common_dir
        """The git folder that all working trees share: refs and objects."""

    @property
    def root(self) -> Path:
        """The working tree's top folder.

        Raises:
            UsageError: The repository is bare.
        """
        if self.bare:
            raise git_output.bare(self.place)
        return self.place

    @classmethod
    def open(cls, path: Path) -> Git:
        """Return the repository that `path`, or the nearest folder above it, belongs to.

        Raises:
            UsageError: There is none, `path` is git's own folder, or git refuses to trust it.
        """
        asked = ("--is-bare-repository", "--absolute-git-dir", "--git-common-dir")
        here = cls(path, path, path)
        done = here._git("rev-parse", *asked, "--show-toplevel", check=False)
        bare, *said = os.fsdecode(done.stdout).split("\n")
        if done.code != 0 and bare != "true":
            raise git_output.not_opened(path, done.code, done.stderr)
        own, common, tree = (Path(line) for line in said[:3])
        top = None if bare == "true" else tree.resolve()
        return cls(top, own.resolve(), (path / common).resolve())

    def resolve(self, revision: str) -> str:
        """Return the full id of the commit that `revision` names.

        Raises:
            UsageError: It names none, or the repository has no commit yet.
        """
        name = f"{revision}^{{commit}}"
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", name, check=False)
        if done.code == 0 and not revision.startswith("-"):
            return done.stdout.decode().strip()
        if revision == "HEAD":
            raise git_output.no_commit(self.place, bare=self.bare)
        raise UsageError(
            f"`{revision}` names no commit in {self.place}",
            reason="UnknownRevision",
            hint="see `git branch --all`; a remote's commits arrive with `git fetch`",
        )

    def read_ref(self, ref: str) -> str | None:
        """Return the commit that the full name `ref` points to; None when there is no such ref.

        Raises:
            ReconcilerError: Git cannot say.
        """
        done = self._git("rev-parse", "--verify", "--quiet", ref, check=False)
        if done.code not in (0, 1):
            raise self._failed("rev-parse", done)
        return done.stdout.decode().strip() if done.code == 0 else None

    def ids(self, names: Sequence[str]) -> tuple[str | None, ...]:
        """Return the id of the object that each name means, by one process; None: there is none.

        Args:
            names: Full ids and full refs, also with `^{tree}` behind them.
        """
        lines = "".join(f"{name}\n" for name in names).encode()
        done = self._git("cat-file", "--batch-check=%(objectname)", input=lines)
        return tuple(
            line if git_output.is_full(line) else None for line in done.stdout.decode().splitlines()
        )

    def differing(self, old: str, new: str, *, deep: bool) -> tuple[str, ...] | None:
        """Return the paths in which two trees differ; None when one of them is not there.

        Args:
            old: A tree's id.
            new: Another's.
            deep: Look into folders; else a folder that differs is itself the path.
        """
        how = ("-r",) if deep else ()
        done = self._git(
            "diff-tree", *how, "-z", "--name-only", "--no-renames", old, new, check=False
        )
        if done.code != 0:
            return None
        return tuple(os.fsdecode(done.stdout).split("\0")[:-1])

    def tree(self, revision: str) -> dict[str, Entry]:
        """Return every file of a revision: path (forward slashes) to entry, in git's order.

        Raises:
            UsageError: The revision is unknown.
        """
        tree = self._tree_ish(revision)
        return git_output.entries(self._git("ls-tree", "-r", "-z", "--full-tree", tree).stdout)

    def level(self, tree: str) -> dict[str, Entry]:
        """Return what stands directly in a tree, folders (mode `040000`) included.

        Args:
            tree: A revision or tree, or a folder of it, such as `HEAD:specs`.
        """
        return git_output.entries(self._git("ls-tree", "-z", "--full-tree", tree).stdout)

    def levels(self, trees: Iterable[str]) -> tuple[dict[str, Entry], ...]:
        """Return what stands directly in each of the named trees, read by one process, in order.

        Raises:
            TerminalError: One is not in this repository.
        """
        wanted = tuple(trees)
        found = self.blobs(wanted)
        return tuple(git_output.level(found[oid], len(oid) // 2) for oid in wanted)

    def ever(self, revision: str, folder: str) -> frozenset[str] | None:
        """Return every path below a folder that any commit up to `revision` has added.

        None where that cannot be told: the clone is shallow, or the revision no commit of it.
        """
        if (self.common_dir / "shallow").exists():
            return None
        asked = ("--full-history", "-m", "--diff-filter=A", "--no-renames", "--name-only")
        done = self._git("log", "-z", "--format=", *asked, revision, "--", folder, check=False)
        if done.code != 0:
            return None
        return frozenset(path for path in os.fsdecode(done.stdout).split("\0") if path)

    def blobs(self, oids: Iterable[str]) -> dict[str, bytes]:
        """Return the content of every named object, read by one process.

        Raises:
            TerminalError: An object is not in this repository (a shallow or partial clone).
        """
        wanted = tuple(dict.fromkeys(oids))
        if not wanted:
            return {}
        names = "".join(f"{oid}\n" for oid in wanted).encode()
        data = self._git("cat-file", "--batch", "--buffer", input=names).stdout
        return git_output.blobs(data, wanted, self.common_dir)

    def blob_id(self, content: bytes) -> str:
        """Return the id that `content` has as a blob of this repository; nothing is written."""
        digest = hashlib.new(self._object_format, usedforsecurity=False)
        digest.update(b"blob %d\0" % len(content))
        digest.update(content)
        return digest.hexdigest()

    def ignored(self, path: str) -> bool:
        """Return whether git ignores `path`, relative to the top folder, existing or not."""
        return self._git("check-ignore", "--quiet", "--", path, check=False).code == 0

    def uncommitted(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return what below `paths` differs from HEAD or is untracked, and not ignored; sorted."""
        done = self._git(
            "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *paths,
            check=False,
        )  # fmt: skip
        lines = os.fsdecode(done.stdout).split("\0")
        return tuple(sorted(line[3:] for line in lines if line))

    def files(self) -> dict[str, str]:
        """Return the working tree's files, tracked or not yet, by path: `100644` or `120000`.

        What git ignores is left out.
        """
        done = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        found = [path for path in os.fsdecode(done.stdout).split("\0") if path]
        return {
            path: "120000" if (self.root / path).is_symlink() else "100644"
            for path in found
            if os.path.lexists(self.root / path)
        }

    def write_blob(self, content: bytes) -> str:
        """Write `content` as a blob and return its id."""
        return self.write_blobs([content])[0]

    def write_blobs(self, contents: Sequence[bytes]) -> tuple[str, ...]:
        """Write every content as a blob, by one process, and return the ids in order."""
        if not contents:
            return ()
        stream = b"".join(
            b"blob\nmark :%d\ndata %d\n%s\nget-mark :%d\n" % (n, len(content), content, n)
            for n, content in enumerate(contents, 1)
        )
        done = self._git("fast-import", "--quiet", "--done", input=stream + b"done\n", check=False)
        if done.code != 0:
            error, report = git_output.crash(self.place, done.code, done.stderr)
            if report is not None:  # it is left in the user's git folder, for git's own people
                report.unlink(missing_ok=True)
            raise error
        return tuple(done.stdout.decode().split())

    def write_trees(self, levels: Sequence[Mapping[str, Entry]]) -> tuple[str, ...]:
        """Write trees of one level each, by one process, and return their ids in order.

        What they name must be there: it is not looked for.
        """
        if not levels:
            return ()
        kinds = {"040000": "tree", "160000": "commit"}
        lines = (
            "".join(
                f"{e.mode} {kinds.get(e.mode, 'blob')} {e.oid}\t{n}\0" for n, e in level.items()
            )
            for level in levels
        )
        stream = "".join(f"{line}\0" for line in lines)
        done = self._git("mktree", "-z", "--batch", "--missing", input=os.fsencode(stream))
        return tuple(done.stdout.decode().split())

    def commit_tree(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        identity: Person,
        when: datetime,
        author: Person | None = None,
    ) -> str:
        """Write a commit of `tree` and return its id; no ref moves.

        Args:
            tree: Id of the tree.
            parents: Ids of the parents, none for a first commit.
            message: Subject, blank line, body, trailers.
            identity: Author and committer.
            when: Its time, with a time zone.
            author: Who asked for it, where that is somebody else; None: nobody did.
        """
        date = f"{int(when.timestamp())} {when.strftime('%z') or '+0000'}"
        options = [part for parent in parents for part in ("-p", parent)]
        env = _as(identity, author) | _at(date)
        done = self._git("commit-tree", tree, *options, input=message.encode(), env=env)
        return done.stdout.decode().strip()

    def update_ref(self, ref: str, new: str | None, old: str | None) -> bool:
        """Move `ref` from `old` to `new`, and return whether it still stood at `old`.

        Args:
            ref: Full name, such as `refs/heads/deployed`.
            new: The commit to point to; None: the ref is deleted.
            old: The commit that it must point to now; None: it must not exist.

        Raises:
            TransientError: Another process holds the ref's lock.
            TerminalError: Git refuses the name or cannot write it.
        """
        zero = "0" * len(new or old or "")
        line = ("-d", ref, old or zero) if new is None else (ref, new, old or zero)
        done = self._git(
            "update-ref", "-m", "reconciler", "--no-deref", *line, env=_as(RECONCILER), check=False
        )
        if done.code == 0:
            return True
        if self.read_ref(ref) != old:
            return False
        raise self._failed("update-ref", done)

    def fill(self, revision: str, paths: Iterable[str] | None, destination: Path) -> None:
        """Write files of a revision into a plain folder, as a checkout would.

        Filters, line ends and links hold. Only git's objects and `.gitattributes` of the
        revision are read; the repository's own index and working tree play no part.

        Args:
            revision: What to read.
            paths: Files to write, as `tree` names them; None: all.
            destination: A folder; existing files of the same names are replaced.

        Raises:
            UsageError: The revision is unknown, or a path is not in it.
            TransientError: The folder cannot be written (a full disk).
        """
        tree = self.tree(revision)
        wanted = list(tree) if paths is None else list(dict.fromkeys(paths))
        if absent := next((path for path in wanted if path not in tree), None):
            raise UsageError(f"{absent} is not in {revision}", reason="UnknownPath")
        attributes = [path for path in tree if path.rsplit("/", 1)[-1] == ".gitattributes"]
        lines = (f"{tree[p].mode} {tree[p].oid}\t{p}" for p in {*wanted, *attributes})
        with tempfile.TemporaryDirectory(prefix="reconciler-") as aside:
            # The destination plays the working tree: else the attributes of the user's own
            # working tree, committed or not, would decide how files are written.
            place = {
                "GIT_INDEX_FILE": str(Path(aside) / "index"),
                "GIT_DIR": str(self.git_dir),
                "GIT_WORK_TREE": str(destination.resolve()),
            }
            self._index(lines, place)
            self._checkout(wanted, place, destination)

    def _checkout(self, paths: Sequence[str], place: Mapping[str, str], where: Path) -> None:
        names = os.fsencode("".join(f"{path}\0" for path in paths))
        done = self._git(
            "checkout-index", "-f", "-q", "-z", "--stdin", input=names, env=place, cwd=where
        )
        if done.stderr and any(not os.path.lexists(where / path) for path in paths):
            raise self._failed("checkout-index", done)

    def _index(self, lines: Iterable[str], env: Mapping[str, str]) -> None:
        text = os.fsencode("".join(f"{line}\0" for line in lines))
        done = self._git("update-index", "-z", "--add", "--index-info", input=text, env=env)
        if done.stderr:  # a path that git refuses is skipped there, with status 0
            raise self._failed("update-index", done)

    def _tree_ish(self, revision: str) -> str:
        return revision if git_output.is_full(revision) else self.resolve(revision)

    @cached_property
    def _object_format(self) -> str:
        return self.text("rev-parse", "--show-object-format").strip()

    def text(self, *arguments: str) -> str:
        """Run a git command that must succeed, and return what it prints."""
        return os.fsdecode(self._git(*arguments).stdout)

    def _git(
        self,
        *arguments: str,
        input: bytes | None = None,  # noqa: A002 - the word of subprocess
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
    ) -> Completed:
        argv = ("git", *OPTIONS, *arguments)
        # said outright, because `safe.bareRepository` may forbid to find a bare one
        named = {"GIT_DIR": str(self.git_dir)} if self.bare else {}
        whole = {**environment(), **named, **(env or {})}
        done = process.run(argv, cwd or self.place, whole, input=input)
        if check and done.code != 0:
            raise self._failed(arguments[0], done)
        return done

    def _failed(self, command: str, done: Completed) -> UsageError | TransientError | TerminalError:
        return git_output.failure(command, self.place, done.code, done.stderr)


def _as(committer: Person, author: Person | None = None) -> dict[str, str]:
    return {
        f"GIT_{role}_{part}": value
        for role, person in (("AUTHOR", author or committer), ("COMMITTER", committer))
        for part, value in (("NAME", person.name), ("EMAIL", person.email))
    }


def _at(date: str) -> dict[str, str]:
    return {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
