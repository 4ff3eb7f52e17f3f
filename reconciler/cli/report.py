"""`report`: how one version does, on the terminal or as a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.options import Plain
from reconciler.cli.report_text import lines
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.reports import chosen
from reconciler.core.pictures.report import to_plain
from reconciler.core.record import Version
from reconciler.errors import TerminalError, TransientError, UsageError

if TYPE_CHECKING:
    from reconciler.controller.reports import Report


def run(model: str, number: int | None, page: Path | None, output: Plain) -> int:
    """Return 0; an unknown model or version is a usage error."""
    site = open_site()
    version = _version(site, model, number)
    site.workspace.prepare()
    report = site.reports.of(model, version)
    if page is not None:
        _write(report, page)
    if output is Plain.JSON:
        sys.stdout.write(json.dumps(_plain(report), indent=2) + "\n")
    elif page is None:
        sys.stdout.write("".join(f"{line}\n" for line in lines(report, Path.cwd())))
    return 0


def _version(site: Site, model: str, number: int | None) -> Version:
    snapshot = site.store.read()
    if (why := snapshot.quarantined.get(model)) is not None:
        raise TerminalError(f"the record of {model} cannot be read: {why}", reason="RecordCorrupt")
    record = snapshot.records.get(model)
    kept = record.versions if record else ()
    if record is None or not kept:
        known = ", ".join(sorted(snapshot.records)) or "none; run `reconciler apply`"
        raise UsageError(
            f"nothing is on record of {model}", reason="UnknownModel", hint=f"there are: {known}"
        )
    found = chosen(kept, record.champion) if number is None else record.version(number)
    if found is None:
        listed = ", ".join(str(version.number) for version in kept)
        raise UsageError(
            f"{model} has no version {number} on record",
            reason="UnknownVersion",
            hint=f"there are: {listed}",
        )
    return found


def _write(report: Report, path: Path) -> None:
    """Write the page aside, then in place of what was there."""
    from reconciler.cli.report_page import page

    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            f"{path} cannot be written: it is a folder, or its own folder is not there",
            reason="NotAFile",
        )
    aside = path.with_name(f".{path.name}.new")
    try:
        aside.write_text(page(report), encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise TransientError(f"{path}: {error.strerror}", reason="NotWritable") from error
    count = len(report.pictures)
    noun = "picture" if count == 1 else "pictures"
    sys.stderr.write(f"wrote {path}: version {report.version.number}, {count} {noun}\n")
    for why in report.missing:
        sys.stderr.write(f"  {why}\n")


def _plain(report: Report) -> dict[str, Any]:
    version = report.version
    return {
        "model": report.model,
        "version": version.number,
        "outcome": version.outcome.value,
        "revision": version.revision,
        "fingerprint": version.fingerprint,
        "verdict": version.verdict,
        "metrics": [
            {"metric": m.metric, "value": m.value, "low": m.low, "high": m.high}
            for m in report.metrics
        ],
        "pictures": to_plain(report.pictures),
        "folder": None if report.folder is None else str(report.folder),
        "warnings": list(version.warnings),
        "missing": list(report.missing),
    }
