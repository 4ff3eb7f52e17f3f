"""Reports: what is known of one version, gathered from its record and its artifacts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.controller.artifacts import Artifacts
from reconciler.core.metrics import Scored
from reconciler.core.pictures.picture import Picture
from reconciler.core.pictures.report import FILE, from_plain
from reconciler.core.record import Outcome, Version
from reconciler.core.slicing import rows_of
from reconciler.core.uncertainty import USUAL, Estimate, estimates
from reconciler.errors import ReconcilerError, TerminalError
from reconciler.spec.metrics import METRICS

_SELF_REPORTED = (
    "no pictures and no intervals: its own stages reported the metrics, and no answers are kept"
)
_UNTRACKED = (
    "no pictures are kept of this version: where dvc.yaml does not list `reports/${key}/report`"
    " among the outs of `evaluate`, add it and commit"
)


#: A metric, and the column and value of the slice that it is of, None where it is of all rows.
Asked = tuple[str, str | None, str | None]
_SLICES = 40


@dataclass(frozen=True, slots=True)
class Report:
    """One version; what could not be had is empty, and `missing` says why."""

    model: str
    version: Version
    metrics: tuple[Estimate, ...]
    """What its rules ask for first, then the usual ones."""
    intervals: Mapping[Asked, Estimate] = field(default_factory=dict)
    """By what a rule asked for."""
    pictures: tuple[Picture, ...] = ()
    folder: Path | None = None
    """Where the pictures are; None: there are none."""
    card: str = ""
    """The model card, in Markdown."""
    missing: tuple[str, ...] = ()


class Reports:
    """Gathers reports.

    Args:
        artifacts: What versions point to.
        folder: Where pictures are copied to.
    """

    def __init__(self, artifacts: Artifacts, folder: Path) -> None:
        self._artifacts = artifacts
        self._folder = folder

    def of(self, model: str, version: Version) -> Report:
        """Return what there is of a version; only its record must be there."""
        report = Report(model, version, _recorded(version))
        if version.bundle is None:
            return report
        if version.predictions is None:
            report = replace(report, missing=(_SELF_REPORTED,))
        whole = (self._with_intervals, self._with_pictures) if version.predictions else ()
        for gather in (self._with_card, *whole):
            try:
                report = gather(report)
            except ReconcilerError as error:
                missing = tuple(dict.fromkeys((*report.missing, error.message)))
                report = replace(report, missing=missing)
        return report

    def _with_card(self, report: Report) -> Report:
        path = self._artifacts.bundle(report.version) / "card.md"
        return replace(report, card=path.read_text("utf-8")) if path.is_file() else report

    def _with_intervals(self, report: Report) -> Report:
        version = report.version
        scored, task = self._scored(version)
        names = dict.fromkeys([*asked(version), *USUAL[task]])
        metrics = estimates(names, scored, version.fingerprint)
        intervals: dict[Asked, Estimate] = {(m.metric, None, None): m for m in metrics}
        intervals |= self._of_slices(version, scored)
        return replace(report, metrics=metrics, intervals=intervals)

    def _with_pictures(self, report: Report) -> Report:
        if report.version.report is None:
            raise TerminalError(_UNTRACKED, reason="NoPictures")
        folder = self._artifacts.report(report.version, self._folder)
        return replace(report, folder=folder, pictures=_pictures(folder))

    def _scored(self, version: Version) -> tuple[Scored, str]:
        import polars as pl

        from reconciler.bundle import signature
        from reconciler.core import tables

        sign = signature.read(self._artifacts.bundle(version))
        answers = pl.read_parquet(self._artifacts.predictions(version))
        return tables.scored(answers, sign.classes, sign.positive), sign.task

    def _of_slices(self, version: Version, scored: Scored) -> dict[Asked, Estimate]:
        """Return the intervals of the slices that were judged; of very many, of none."""
        import polars as pl

        from reconciler.core import tables

        evidence = (version.verdict or {}).get("evidence", ())
        wanted = [(i["metric"], i["slice"], i["slice_value"]) for i in evidence if i["slice_value"]]
        if not 0 < len(wanted) <= _SLICES:
            return {}
        test = pl.read_parquet(self._artifacts.prepared(version, "test.parquet"))
        columns = tables.slices(test, [column for _, column, _ in wanted])
        found: dict[Asked, Estimate] = {}
        for metric, column, value in wanted:
            if column in columns:
                part = scored.take(rows_of(value, columns[column]))
                for one in estimates([metric], part, f"{version.fingerprint}\n{column}\n{value}"):
                    found[metric, column, value] = one
        return found


def asked(version: Version) -> tuple[str, ...]:
    """Return the metrics that a version's rules asked of its answers, in their order."""
    evidence = (version.verdict or {}).get("evidence", ())
    names = dict.fromkeys(str(item["metric"]) for item in evidence)
    return tuple(n for n in names if n in METRICS and METRICS[n].needs != "system")


def chosen(versions: tuple[Version, ...], champion: Version | None) -> Version | None:
    """Return the version that a report is about when none is named; None without any.

    The one in production; else the newest that gave a bundle; else the newest.
    """
    if champion is not None:
        return champion
    tried = tuple(v for v in versions if v.outcome is not Outcome.FAILED and v.bundle)
    return next(reversed(tried or versions), None)


def _recorded(version: Version) -> tuple[Estimate, ...]:
    names = [n for n in asked(version) if n in version.metrics]
    rest = [name for name in version.metrics if name not in names]
    return tuple(Estimate(n, version.metrics[n], None, None) for n in (*names, *rest))


def _pictures(folder: Path) -> tuple[Picture, ...]:
    try:
        plain = json.loads((folder / FILE).read_text(encoding="utf-8"))
        drawn = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.svg")}
        return from_plain(plain, drawn)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TerminalError(
            f"the report cannot be read: {type(error).__name__}: {error}", reason="ReportCorrupt"
        ) from error
