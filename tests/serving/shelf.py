"""A repository whose releases are made by hand: no training, but real git and a real cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from reconciler.adapters import dvc_config
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.git import Git
from reconciler.core import record as records
from reconciler.core.record import Challenger, Outcome, Pointer, Record, Version
from tests.serving.bundles import made

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Shelf:
    """One repository with one model `m`; version n answers factor x a + b.

    Args:
        root: Its folder; made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        for argv in (("init", "-q", "-b", "main"), ("config", "user.email", "ada@example.org"),
                     ("config", "user.name", "Ada")):  # fmt: skip
            subprocess.run(["git", *argv], cwd=root, check=True)
        (root / ".dvc").mkdir()
        (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
        (root / ".dvc" / ".gitignore").write_text("/cache\n/tmp\n/config.local\n")
        (root / ".dvcignore").write_text("")
        subprocess.run(["git", "add", "-A"], cwd=root, check=True)
        subprocess.run(["git", "commit", "-q", "-m", "Begin"], cwd=root, check=True)
        self.cache = root / ".dvc" / "cache" / "files" / "md5"
        self.store = DeployedStore(Git.open(root), window_s=0.0)
        self.factors: dict[int, float] = {}

    def share(self, url: str | Path) -> None:
        """Name a default DVC remote, in the repository and on the branch of records."""
        text = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"
        (self.root / ".dvc" / "config").write_text(text)
        self.store = DeployedStore(
            Git.open(self.root), window_s=0.0, remotes=lambda: dvc_config.remotes(self.root)
        )

    def lose(self, version: Version) -> None:
        """Take a version's bundle out of the cache."""
        assert version.bundle is not None
        (self.cache / version.bundle.md5[:2] / version.bundle.md5[2:]).unlink()

    def version(self, number: int, factor: float, *, limit: int | None = None,
                drag: int = 0, model: str = "m") -> Version:  # fmt: skip
        """Put a bundle into the cache and return the version that points to it."""
        folder = self.root / ".dvc" / "tmp" / f"{model}-{number}"
        made(folder, factor, limit, drag, number)
        self.factors[number] = factor
        pointer = self._keep(folder)
        shutil.rmtree(folder)
        return Version(
            number=number, outcome=Outcome.RELEASED, fingerprint=f"{model}{number}",
            revision="0" * 40, created=NOW, bundle=pointer,
        )  # fmt: skip

    def declare(self, model: str, spec: str) -> None:
        """Commit the spec of a model."""
        file = self.root / "specs" / f"{model}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(spec)
        (self.root / "reconciler.yaml").write_text("apiVersion: reconciler/v1\n")
        subprocess.run(["git", "add", "specs", "reconciler.yaml"], cwd=self.root, check=True)
        subprocess.run(["git", "commit", "-q", "-m", f"Declare {model}"], cwd=self.root, check=True)

    def release(self, version: Version, model: str = "m") -> None:
        """Make a version the champion."""

        def change(record: Record | None) -> Record:
            before = record or records.empty(model)
            before = before.model_copy(update={"next_version": version.number})
            return records.promote(records.with_version(before, version), version.number, "0" * 40)

        self.store.commit({model: change})

    def back(self, number: int, model: str = "m") -> None:
        """Make an earlier version the champion again."""

        def change(record: Record | None) -> Record:
            assert record is not None
            return records.promote(record, number, "0" * 40)

        self.store.commit({model: change})

    def challenge(self, version: Version, weight: int, model: str = "m", **rollout: object) -> None:
        """Give a version a part of the traffic."""

        def change(record: Record | None) -> Record:
            assert record is not None
            asked = Challenger(version=version.number, weight=weight, since=datetime.now(UTC))
            known = record.version(version.number)
            entered = record if known else records.with_version(record, version)
            return records.changed(entered, challenger=asked, rollout=rollout)

        self.store.commit({model: change})

    def _keep(self, folder: Path) -> Pointer:
        """Put a folder into DVC's cache as DVC does."""
        listing = [
            {"md5": self._put(file.read_bytes()), "relpath": file.name}
            for file in sorted(folder.iterdir())
        ]
        text = json.dumps(listing, sort_keys=True).encode()
        size = sum(file.stat().st_size for file in folder.iterdir())
        md5 = self._put(text, ".dir")
        return Pointer(md5=md5, size=size, nfiles=len(listing))

    def _put(self, content: bytes, suffix: str = "") -> str:
        md5 = hashlib.md5(content).hexdigest() + suffix
        place = self.cache / md5[:2] / md5[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return md5
