"""A decision is put on record only where what it rests on still stands."""

from __future__ import annotations

import pytest

from reconciler.controller.decisions import Overtaken, unless_steered
from reconciler.core import record as records
from reconciler.core.record import Record


def by(revision: str) -> Record:
    """Return a record that was last looked at for a revision."""
    return records.attempt(records.empty("m"), revision)


def test_a_decision_by_an_older_revision_takes_nothing_back_that_another_process_has_decided() -> (
    None
):
    older = unless_steered(lambda _: by("r10"), by("r9"))
    assert older(by("r9")).attempted == "r10"
    with pytest.raises(Overtaken):
        older(by("r11"))
