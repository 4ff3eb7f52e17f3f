"""A target that serves nothing and remembers everything: it stands in where nothing is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.ports.targets import Served, Verify

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.errors import ReconcilerError


class MemoryTarget:
    """Keeps the bytes of each model's bundle in this process.

    Args:
        verify: Raises when the bundle in a folder is not what its manifest says.
    """

    name = "memory"
    honours: frozenset[str] = frozenset()

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._served: dict[str, tuple[str, dict[str, bytes]]] = {}
        self._damage: dict[str, str] = {}

    def unused(self) -> bool:
        """Return whether nothing is remembered."""
        return not self._served

    def observe(self, model: str) -> Served | None:
        """Return what is remembered of `model`; None when nothing is."""
        if model not in self._served:
            return None
        detail = self._damage.get(model, "")
        return Served(self._served[model][0], intact=not detail, detail=detail)

    def converge(self, model: str, bundle: Path, digest: str) -> None:
        """Remember the bundle once it is verified; a refused one changes nothing."""
        self._verify(bundle)
        files = {
            str(path.relative_to(bundle)): path.read_bytes()
            for path in sorted(bundle.rglob("*"))
            if path.is_file()
        }
        self._served[model] = (digest, files)
        self._damage.pop(model, None)

    def withdraw(self, model: str) -> None:
        """Forget `model`."""
        self._served.pop(model, None)
        self._damage.pop(model, None)

    def tidy(self, model: str) -> None:
        """Do nothing: no call is ever cut half-way."""

    def files(self, model: str) -> dict[str, bytes]:
        """Return the bytes that are served, by path within the bundle; empty when none are."""
        return self._served.get(model, ("", {}))[1]

    def damage(self, model: str, error: ReconcilerError) -> None:
        """Make the next observation find the bundle damaged, as `error` says."""
        self._damage[model] = str(error)
