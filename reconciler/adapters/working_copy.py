"""The working copy: the repository as if what stands in the working tree, or the index, were
committed.

The commit is made beside the repository, in a folder of its own: index, refs and objects of the
user's stay as they are.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters.git import RECONCILER, Git
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.adapters.process import Completed

#: The same tree gives the same commit, whenever it is made.
_WHEN = datetime(2000, 1, 1, tzinfo=UTC)


class WorkingCopy(Git):
    """A repository with one more commit, which nobody else sees.

    Args:
        git: The repository.
        aside: An empty folder for its index and its objects.
    """

    def __init__(self, git: Git, aside: Path) -> None:
        super().__init__(git.root, git.git_dir, git.common_dir)
        self._index_file = aside / "index"
        self._place = {
            "GIT_INDEX_FILE": str(self._index_file),
            "GIT_OBJECT_DIRECTORY": str(aside / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(git.common_dir / "objects"),
        }
        (aside / "objects").mkdir()

    def capture(self) -> str:
        """Return a commit of everything in the working tree that git does not ignore.

        What cannot be read stays as it was committed.

        Raises:
            UsageError: A merge is not resolved.
        """
        self._take(self.git_dir / "index")
        self._git("-c", "core.splitIndex=false", "add", "--all", "--ignore-errors", check=False)
        return self.amended({})

    def staged(self, index: Path | None = None) -> str:
        """Return a commit of what is staged, which is what `git commit` would make.

        Args:
            index: The index that a running `git commit` has made; None: the working tree's own.

        Raises:
            UsageError: A merge is not resolved.
        """
        self._take(index or self.git_dir / "index")
        return self.amended({})

    def unstaged(self, paths: Collection[str]) -> tuple[str, ...]:
        """Return which of these paths stand on disk otherwise than in the index."""
        if not paths:
            return ()
        found = self.text("diff", "--name-only", "-z", "--no-ext-diff", "--", *paths)
        return tuple(found.split("\0")[:-1])

    def _take(self, index: Path) -> None:
        """Begin with a copy of an index.

        Raises:
            UsageError: A merge is not resolved.
        """
        with contextlib.suppress(FileNotFoundError):  # no index yet: everything is new
            # With its time, by which git knows what may have changed since within the same second.
            shutil.copy2(index, self._index_file)
        if conflict := self.text("ls-files", "--unmerged", "-z").split("\0")[0]:
            path = conflict.partition("\t")[2]
            raise UsageError(
                f"{path} has a merge conflict",
                reason="Unmerged",
                hint="resolve it and `git add` the file",
            )

    def amended(self, files: Mapping[str, bytes]) -> str:
        """Return a commit of what was captured, with these files put in place of theirs."""
        if files:
            ids = zip(files, self.write_blobs(list(files.values())), strict=True)
            text = os.fsencode("".join(f"100644 {oid}\t{path}\0" for path, oid in ids))
            self._git("update-index", "-z", "--add", "--index-info", input=text)
        head = self.read_ref("HEAD")
        tree = self.text("write-tree").strip()
        parents = [] if head is None else [head]
        return self.commit_tree(tree, parents, "The working tree", RECONCILER, _WHEN)

    def _git(
        self,
        *arguments: str,
        input: bytes | None = None,  # noqa: A002 - the word of subprocess
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
    ) -> Completed:
        place = {**self._place, **(env or {})}
        return super()._git(*arguments, input=input, env=place, cwd=cwd, check=check)


@contextlib.contextmanager
def working_copy(git: Git) -> Iterator[WorkingCopy]:
    """Give the repository with room for one more commit; nothing is left behind."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as aside:
        yield WorkingCopy(git, Path(aside))
