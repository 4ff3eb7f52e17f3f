"""Judging: what cannot be had of either model, told apart by whose it is and by what helps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.cache import Cache
from reconciler.controller.artifacts import Artifacts, Damaged
from reconciler.controller.judging import Judging
from reconciler.core.gate import NoChampion, Unscorable
from reconciler.core.record import Outcome, Pointer, Version
from reconciler.errors import TerminalError, TransientError
from reconciler.spec.model import Rule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = (Rule.model_validate({"metric": "rmse", "compare": "champion"}),)


class Store(Artifacts):
    """Artifacts of which some are not to be had."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Cache(folder), folder, {})
        self.folder = folder
        self.bundles: Exception | None = None
        self.rows: Exception | None = None

    def bundle(self, version: Version, damaged: Damaged = print) -> Path:
        raise self.bundles or AssertionError("not asked")

    def predictions(self, version: Version) -> Path:
        return self.folder / "predictions.parquet"

    def prepared(self, version: Version, file: str) -> Path:
        if self.rows is not None:
            raise self.rows
        return self.folder / file


def version(number: int) -> Version:
    return Version(
        number=number,
        outcome=Outcome.RELEASED,
        fingerprint=f"fp{number}",
        revision="r1",
        created=NOW,
        bundle=Pointer(md5=f"{number}" * 32 + ".dir"),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def rival(store: Store, champion: Version | None, *, released: bool = False) -> object:
    return Judging(store, store.folder, lambda *_: {})._rival(version(2), champion, RULES, released)


def test_a_champion_that_is_gone_cannot_be_scored(store: Store) -> None:
    store.bundles = TerminalError("version 1: its bundle is not kept", reason="ArtifactsMissing")
    assert rival(store, version(1)) == Unscorable("version 1: its bundle is not kept")


def test_a_champion_that_time_brings_back_is_waited_for(store: Store) -> None:
    store.bundles = TransientError("the remote does not answer", reason="RemoteFailed")
    with pytest.raises(TransientError):
        rival(store, version(1))


def test_rows_of_the_challenger_that_are_gone_are_no_matter_of_the_champion(store: Store) -> None:
    store.rows = TerminalError("its test split is gone", reason="DataMissing")
    with pytest.raises(TerminalError, match="test split"):
        rival(store, version(1))


def test_nothing_is_compared_without_a_champion_or_after_a_release(store: Store) -> None:
    assert rival(store, None) == NoChampion()
    assert rival(store, version(1), released=True) == NoChampion()
