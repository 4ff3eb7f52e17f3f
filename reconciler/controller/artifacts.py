"""Artifacts: what versions point to, brought from DVC's cache and verified before use."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import md5
from pathlib import Path
from typing import Any

from reconciler.adapters.cache import Cache
from reconciler.bundle.golden import FILE, Examples, parse
from reconciler.bundle.manifest import verify
from reconciler.controller.training import Artifacts as Left
from reconciler.core import compilation
from reconciler.core.record import Outcome, Pointer, Record, Version
from reconciler.errors import ReconcilerError, TerminalError

#: Told what is wrong with a bundle, as a sentence.
Damaged = Callable[[str], None]

_REPORTED = "its metrics are self-reported: read from a file of its own stages, not computed here"


class Artifacts:
    """Content by pointer.

    Args:
        cache: DVC's cache, which fetches from the remote what it lacks.
        bundles: A folder for bundles that are in use, by digest.
        libraries: Exact versions of what trains here, for the record.
    """

    def __init__(self, cache: Cache, bundles: Path, libraries: Mapping[str, str]) -> None:
        self._cache = cache
        self._bundles = bundles
        self._libraries = dict(libraries)

    def bundle(self, version: Version, damaged: Damaged = lambda _: None) -> Path:
        """Return a folder with the version's bundle, every byte verified.

        Args:
            version: Whose.
            damaged: Told what is wrong with the folder that is there, before it is replaced. It
                stays, damaged, where it cannot be.

        Raises:
            TerminalError: `ArtifactsMissing`: neither cache nor remote has it whole.
        """
        pointer = _needed(version.bundle, version, "bundle")
        place = self._place(pointer.md5)
        if place.is_dir():
            try:
                verify(place)
            except ReconcilerError as error:
                damaged(error.message)
            else:
                return place
        self._cache.materialise(pointer.md5, place)
        verify(place)
        return place

    def golden(self, digest: str) -> Examples:
        """Return the golden examples of the bundle with a digest.

        Raises:
            TerminalError: `ArtifactsMissing`, `BundleCorrupt`: they cannot be had, or read.
        """
        try:
            place = self._cache.files(digest)[FILE]
            content = place.read_bytes()
            if md5(content, usedforsecurity=False).hexdigest() != place.parent.name + place.name:
                raise ValueError("it is not what its name says")
            return parse(content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f"the examples of the bundle {digest} cannot be read"
            raise TerminalError(message, reason="BundleCorrupt") from error

    def champion(self, record: Record) -> Path:
        """Return a folder with the bundle in production; see `bundle`."""
        assert record.champion is not None
        return self.bundle(record.champion)

    def gather(self, records: Sequence[Record]) -> None:
        """Ask the remote at once for all bundles in production that are not here.

        What cannot be had is found out by whoever needs it.
        """
        champions = (record.champion for record in records)
        found = [c.bundle.md5 for c in champions if c is not None and c.bundle is not None]
        self._bring(found)

    def ahead(self, version: Version, *, rows: bool) -> None:
        """Ask the remote at once for what judging a version takes.

        Args:
            version: What is judged.
            rows: The prepared rows are looked at too.
        """
        wanted = (version.bundle, version.predictions, version.prepared if rows else None)
        self._bring([pointer.md5 for pointer in wanted if pointer is not None])

    def _bring(self, md5s: Sequence[str]) -> None:
        with contextlib.suppress(ReconcilerError):  # whoever needs it says so
            self._cache.bring(m for m in md5s if not self._place(m).is_dir())

    def _place(self, md5: str) -> Path:
        return self._bundles / md5.removesuffix(".dir")

    def predictions(self, version: Version) -> Path:
        """Return the table of the version's predictions on its own test split."""
        return self._cache.file(_needed(version.predictions, version, "predictions").md5)

    def prepared(self, version: Version, file: str) -> Path:
        """Return a file of what `prepare` left: `test.parquet`, `train.parquet`, `report.json`."""
        pointer = _needed(version.prepared, version, "prepared data")
        files = self._cache.files(pointer.md5)
        if file not in files:
            raise _missing(version, file)
        return files[file]

    def report(self, version: Version, folder: Path) -> Path:
        """Return a copy of the version's report below `folder`, every byte verified."""
        pointer = _needed(version.report, version, "report")
        place = folder / pointer.md5.removesuffix(".dir")
        self._cache.materialise(pointer.md5, place)
        return place

    def draft(self, model: str, left: Left, now: datetime) -> Version:
        """Return the version that a finished training makes, with a number yet to be given."""
        outs = {path: out for block in left.lock.values() for path, out in _outs(block).items()}
        adopted = compilation.places(model, adopted=True)
        at = adopted if adopted.bundle in outs else compilation.places(model, adopted=False)
        metrics = outs[f"{at.report}/metrics.json"]
        reported = at is adopted and f"{at.report}/predictions.parquet" not in outs
        draft = Version(
            number=1,
            outcome=Outcome.INCONCLUSIVE,
            fingerprint=left.fingerprint,
            revision=left.revision,
            created=now,
            bundle=outs[at.bundle],
            predictions=outs.get(f"{at.report}/predictions.parquet"),
            prepared=outs.get(at.prepared),
            report=outs.get(f"{at.report}/report"),
            metrics=json.loads(self._cache.file(metrics.md5).read_bytes()),
            metrics_source="self-reported" if reported else "",
            timeout=left.timeout,
            seconds=left.seconds,
            lock=left.lock,
            libraries=self._libraries,
        )
        if reported:
            return draft.model_copy(update={"warnings": (_REPORTED,)})
        report = json.loads(self.prepared(draft, "report.json").read_bytes())
        warnings = tuple(str(item["message"]) for item in report["warnings"])
        return draft.model_copy(update={"warnings": warnings})


def _outs(block: object) -> dict[str, Pointer]:
    assert isinstance(block, Mapping)
    return {out["path"]: _pointer(out) for out in block.get("outs", ()) if "md5" in out}


def _pointer(out: Mapping[str, Any]) -> Pointer:
    return Pointer(md5=out["md5"], size=out.get("size"), nfiles=out.get("nfiles"))


def _needed(pointer: Pointer | None, version: Version, what: str) -> Pointer:
    if pointer is None:
        raise _missing(version, what)
    return pointer


def _missing(version: Version, what: str) -> TerminalError:
    return TerminalError(
        f"version {version.number}: its {what} is not kept", reason="ArtifactsMissing"
    )
