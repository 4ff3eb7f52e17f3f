"""The ports to places where models are served: observe them, and make them match the record.

What is published stands where it was put until somebody changes it; servers follow the records
by themselves, and are only mended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.core.target_plan import Fault

#: Raises a ReconcilerError when the bundle in a directory is not what its manifest says.
Verify = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Served:
    """What a target serves of one model."""

    digest: str | None
    """Digest of the bundle that is served; None when the target cannot tell."""
    intact: bool
    """Whether every byte is what the bundle's manifest says."""
    detail: str = ""
    """What is wrong when it is not intact, as a sentence."""
    fault: Fault | None = None
    """What is wrong, as a word; None: nothing is, or `intact` says it."""


class Target(Protocol):
    """A place where models are served. Its calls are idempotent and safe to cut at any point."""

    name: str
    """How specs name it, such as `directory`."""

    honours: frozenset[str]
    """Keys of `deployment` beyond `target` that it carries out; others must be refused."""

    def unused(self) -> bool:
        """Return whether nothing was ever served there: it may not be this machine's to serve."""
        ...

    def observe(self, model: str) -> Served | None:
        """Return what is served of `model`; None when nothing is.

        Raises:
            TransientError: The target cannot be reached or read.
        """
        ...

    def converge(self, model: str, bundle: Path, digest: str) -> None:
        """Serve exactly the bundle in directory `bundle`, known by `digest`; then tidy up.

        Nobody sees a version half there. What is served already and intact is left alone.

        Raises:
            TransientError: The target is full, read-only or cannot be reached.
            TerminalError: The bundle is not what its manifest says.
        """
        ...

    def withdraw(self, model: str) -> None:
        """Stop serving `model`; nothing to do when it is not served.

        Raises:
            TransientError: The target cannot be reached or written.
        """
        ...

    def tidy(self, model: str) -> None:
        """Finish what a call that was cut has left undone once it served, or served no more.

        For a target that is as it should be. Nothing depends on it: what cannot be removed stays.
        """
        ...


class Followed(Protocol):
    """Servers that read the records themselves. Any thread may call."""

    name: str
    """How specs name them, such as `local`."""

    honours: frozenset[str]
    """Keys of `deployment` beyond `target` that they carry out; others must be refused."""

    def observe(self, model: str, wanted: str) -> Served:
        """Return what answers for `model`, as far from `wanted` as any server is.

        Args:
            model: Its name.
            wanted: Digest of the bundle that is to answer everywhere.
        """
        ...

    def mend(self, model: str, wanted: str) -> None:
        """Have the servers that answer with anything else load `wanted` anew.

        Nothing is raised: whether that has helped is observed.
        """
        ...

    def forget(self, model: str) -> None:
        """Take note that `model` is not to be served there: if it is again, that is a release."""
        ...
