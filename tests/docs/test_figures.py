"""Figures that the pages give are those that hold."""

from __future__ import annotations

from pathlib import Path

from reconciler.serving.settings import HANDED_OVER_S, ORPHAN_S

SERVING = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def test_the_page_says_how_long_workers_go_on_without_their_supervisor() -> None:
    alone, beside = f"{ORPHAN_S:g} seconds", f"{HANDED_OVER_S:g} seconds"
    assert f"its workers go on for {alone}" in SERVING
    assert f"{beside} under [`up`](#up)" in SERVING
    assert f"until those of the next are ready, for {beside} at most" in SERVING
