"""Judging: gathers the evidence about a version and asks the gate."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.controller.artifacts import Artifacts
from reconciler.core.digest import digest
from reconciler.core.gate import (
    LEAST_ROWS,
    Case,
    Measurement,
    NoChampion,
    Reported,
    Rival,
    Rivalry,
    Unscorable,
    judge,
)
from reconciler.core.plan import Desired
from reconciler.core.record import Version
from reconciler.core.verdict import Verdict
from reconciler.errors import ReconcilerError, TerminalError, TransientError
from reconciler.spec.metrics import measured as measures
from reconciler.spec.model import Rule

if TYPE_CHECKING:
    import polars as pl

    from reconciler.bundle.signature import Signature

#: Measures a bundle: its folder, its golden rows, the metrics wanted.
Measure = Callable[
    [Path, Callable[[], list[Mapping[str, Any]]], frozenset[str]], Mapping[str, Measurement]
]


class Judging:
    """Answers the gate's questions.

    Args:
        artifacts: What versions point to.
        kept: A folder for the champion's answers on a challenger's rows.
        measure: Measures bundles.
    """

    def __init__(self, artifacts: Artifacts, kept: Path, measure: Measure) -> None:
        self._artifacts = artifacts
        self._kept = kept
        self._measure = measure

    def judge(
        self, desired: Desired, version: Version, champion: Version | None, released: bool
    ) -> Verdict:
        """Return the gate's verdict on a version.

        Args:
            desired: The spec whose rules are asked.
            version: What is judged.
            champion: What is in production; None: nothing is.
            released: The version was in production before.

        Raises:
            TerminalError: `DataMissing`: what it must be judged by is nowhere to be had.
        """
        rules = desired.spec.spec.acceptance
        rows = any(rule.slice is not None or rule.compare is not None for rule in rules)
        self._artifacts.ahead(version, rows=rows)
        bundle = self._artifacts.bundle(version)
        case = self._case(version, bundle, rules)
        against = self._rival(version, champion, rules, released)
        wanted = frozenset(r.metric for r in rules if measures(r.metric))
        measured = self._measure(bundle, lambda: _examples(bundle), wanted) if wanted else {}
        seed = f"{version.fingerprint}:{champion.fingerprint if champion else ''}"
        return judge(rules, case, against, measured, seed, released)

    def _case(self, version: Version, bundle: Path, rules: tuple[Rule, ...]) -> Case | Reported:
        if version.metrics_source:
            return Reported(version.metrics)
        import polars as pl

        from reconciler.bundle import signature
        from reconciler.core import tables

        sign = signature.read(bundle)
        answers = pl.read_parquet(self._artifacts.predictions(version))
        scored = tables.scored(answers, sign.classes, sign.positive)
        sliced = [rule.slice for rule in rules if rule.slice is not None]
        if not sliced:
            return Case(scored)
        test = pl.read_parquet(self._artifacts.prepared(version, "test.parquet"))
        return Case(scored, tables.slices(test, sliced))

    def _rival(
        self,
        version: Version,
        champion: Version | None,
        rules: tuple[Rule, ...],
        released: bool,
    ) -> Rival:
        """Return both models' answers on the rows that neither was trained on."""
        compared = [rule for rule in rules if rule.compare is not None]
        if champion is None or released or not compared:
            return NoChampion()
        # What is missing of the version itself is no matter of the champion's, so it is raised.
        test = self._artifacts.prepared(version, "test.parquet")
        answers = self._artifacts.predictions(version)
        try:
            return self._rivalry(version, champion, compared, test, answers)
        except TransientError:  # it is asked again later, so there is no answer to put on record
            raise
        except (ReconcilerError, ValueError) as error:
            return Unscorable(str(error))

    def beside(self, version: Version, other: Version) -> Rival:
        """Return two versions' answers on the rows that neither was trained on, `version` first.

        Raises:
            TerminalError: What they answered is nowhere to be had.
        """
        test = self._artifacts.prepared(version, "test.parquet")
        try:
            return self._rivalry(version, other, [], test, self._artifacts.predictions(version))
        except ValueError as error:
            return Unscorable(str(error))

    def _rivalry(
        self, version: Version, champion: Version, rules: list[Rule], rows: Path, own: Path
    ) -> Rival:
        import polars as pl

        from reconciler.bundle import signature
        from reconciler.core import tables

        mine, theirs = (signature.read(self._artifacts.bundle(v)) for v in (version, champion))
        if why := _incomparable(mine, theirs):
            return Unscorable(why)
        test, answers = pl.read_parquet(rows), pl.read_parquet(own)
        unseen = self._unseen(champion, test)
        if unseen.sum() < LEAST_ROWS:
            return Unscorable(
                f"only {int(unseen.sum())} rows that neither trained on, {LEAST_ROWS} needed"
            )
        held = self._answers(champion, version, test)
        kept = pl.Series(unseen)
        return Rivalry(
            tables.scored(answers.filter(kept), mine.classes, mine.positive),
            tables.scored(held.filter(kept), mine.classes, mine.positive),
            tables.slices(test.filter(kept), [r.slice for r in rules if r.slice is not None]),
        )

    def _unseen(self, champion: Version, test: pl.DataFrame) -> Any:
        """Return a mask of the rows that the champion's own split rule holds out.

        Of an adopted champion no rule is known: then they are those of its own declared table.
        """
        import polars as pl

        from reconciler.core import tables
        from reconciler.core.splits import Rule as SplitRule
        from reconciler.core.splits import held_out

        bundle = self._artifacts.bundle(champion)
        plain = json.loads((bundle / "split.json").read_text(encoding="utf-8"))
        if plain["method"] == "undeclared":
            why = "the rows that it was not trained on are known to its own stages alone"
            raise TerminalError(why, reason="Unscorable")
        if plain["method"] == "declared":
            own = pl.read_parquet(self._artifacts.prepared(champion, "test.parquet"))
            return tables.among(test, own)
        return held_out(SplitRule.from_json(plain), test)

    def _answers(self, champion: Version, version: Version, test: pl.DataFrame) -> pl.DataFrame:
        """Return the champion's answers on the challenger's test split; asked once and kept."""
        import polars as pl

        from reconciler.bundle.predictor import open_bundle
        from reconciler.core import tables

        assert champion.bundle is not None
        assert version.prepared is not None
        path = self._kept / f"{digest([champion.bundle.md5, version.prepared.md5])[:32]}.parquet"
        if path.is_file():
            return pl.read_parquet(path)
        predictor = open_bundle(self._artifacts.bundle(champion))
        sign = predictor.signature
        found = predictor.predict(test)
        frame = tables.table(test[sign.target], found.values, found.probabilities, sign.classes)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        frame.write_parquet(aside)
        aside.replace(path)
        return frame


def remembered(version: Version) -> Measure:
    """Return a measure that repeats what a version's last verdict was given, and takes no time."""
    evidence = (version.verdict or {}).get("evidence", ())
    known = {e["metric"]: float(e["value"]) for e in evidence if e["value"] is not None}

    def measure(_bundle: Path, _rows: object, wanted: frozenset[str]) -> Mapping[str, Measurement]:
        return {n: Measurement(known[n], known[n], known[n]) for n in wanted if n in known}

    return measure


def _incomparable(mine: Signature, theirs: Signature) -> str:
    """Return why two models' answers cannot stand side by side; empty when they can."""
    if mine.target != theirs.target:
        return f"it predicts {theirs.target}, not {mine.target}"
    if mine.classes != theirs.classes:
        return f"it knows the classes {theirs.classes}, not {mine.classes}"
    if mine.positive != theirs.positive:
        return f"its positive class is {theirs.positive}, not {mine.positive}"
    return ""


def _examples(bundle: Path) -> list[Mapping[str, Any]]:
    plain = json.loads((bundle / "examples.json").read_text(encoding="utf-8"))
    return list(plain["rows"])
