"""Data that DVC tracks, in the working tree: there, and as its `.dvc` file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.adapters import dvc_here
from reconciler.adapters.cache import Cache
from reconciler.adapters.checkout import Checkout
from reconciler.adapters.dvc_tree import held, refuse_busy
from reconciler.adapters.files import write
from reconciler.adapters.hashing import Contents
from reconciler.adapters.slots import SlotPool
from reconciler.controller.declared import plain
from reconciler.errors import SpecError, TerminalError


@dataclass(frozen=True, slots=True)
class Tracked:
    """Brings data and its `.dvc` file together before stages read the data."""

    root: Path
    contents: Contents
    cache: Cache
    checkout: Checkout
    pool: SlotPool

    def settle(self, path: str) -> str | None:
        """Make what stands at an input the content that its `.dvc` file names.

        Missing data is brought from the cache. Edited data goes into the cache, and the `.dvc`
        file follows, as with `dvc repro`; but not data that is only older than its `.dvc` file.

        Args:
            path: An input of a stage; one that DVC does not track is left as it is.

        Returns:
            What was done, as a sentence; None: nothing had to be.

        Raises:
            SpecError: The data is another version than the `.dvc` file names, or that file is
                none of DVC's.
            TerminalError: The content is nowhere.
            TransientError: The tree cannot be written, or another DVC is at work on it.
        """
        data = self._tracked(path)
        if data is None or (md5 := self._named(data)) is None or self.contents.holds(data, md5):
            return None
        found = self.contents.md5(data)
        if found is None:
            built = self.checkout.build({data: md5})
            with held(self.root):
                refuse_busy(self.root, [data])
                self.checkout.put(built)
            return f"{data} was brought from the cache"
        if self.cache.has(found):
            raise SpecError(
                f"{data} is another version than {data}.dvc names",
                reason="DataStale",
                hint=f"`dvc checkout {data}.dvc` brings the named one, "
                f"`dvc commit {data}.dvc` names this one",
            )
        self._commit(data)
        return f"{data} was edited: {data}.dvc names it now"

    def _tracked(self, path: str) -> str | None:
        """Return the path that DVC tracks: the input itself or a folder around it."""
        around = (path, *(str(parent) for parent in PurePosixPath(path).parents[:-1]))
        return next((at for at in around if (self.root / f"{at}.dvc").is_file()), None)

    def _named(self, data: str) -> str | None:
        """Return the content id in the `.dvc` file; None: it tracks in another way."""
        pointer = f"{data}.dvc"
        found = plain((self.root / pointer).read_bytes(), pointer)
        outs = found.get("outs")
        if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], dict):
            raise SpecError(
                f"{pointer} is no file of DVC's for one path",
                reason="InvalidPointer",
                hint="restore it from git, or `dvc add` the data again",
            )
        plainly = outs[0].get("hash") == "md5" and "wdir" not in found
        same = outs[0].get("path") == PurePosixPath(data).name
        return str(outs[0]["md5"]) if plainly and same and "md5" in outs[0] else None

    def _commit(self, data: str) -> None:
        pointer = f"{data}.dvc"
        with self.pool.lease() as slot:
            slot.take(self.root, [data, pointer], {}, linked=False)
            dvc_here.commit(slot.root, pointer)
            text = (slot.root / pointer).read_bytes()
        if not self.contents.holds(data, str(plain(text, pointer)["outs"][0]["md5"])):
            raise TerminalError(f"{data} changes while it is read", reason="DataMoves")
        with held(self.root):
            refuse_busy(self.root, [data])
            write(self.root, pointer, text)
