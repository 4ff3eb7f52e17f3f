"""`doctor`: what is wrong with this machine and this clone, and what to do about it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from reconciler.cli.options import Plain
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.checkup import Finding, Level, Patient, checkup
from reconciler.controller.working_tree import WorkingTree
from reconciler.errors import ReconcilerError
from reconciler.spec.params import Params
from reconciler.spec.reading import read_params

_MARKS = {Level.OK: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.FAIL: ("✗", "red")}


def run(*, online: bool, output: Plain) -> int:
    """Return 0 when nothing fails, 1 when something does."""
    site = open_site()
    patient = Patient(site.git, site.workspace, site.store, _params(site), online)
    findings = list(checkup(patient))
    if output is Plain.JSON:
        sys.stdout.write(json.dumps([asdict(f) for f in findings], indent=2) + "\n")
    else:
        _show(Console(), findings)
    return int(any(finding.level is Level.FAIL for finding in findings))


def _params(site: Site) -> Params | None:
    """Return the settings on disk, or of HEAD where there is no working tree."""
    if site.git.bare:
        try:
            return site.fleet("HEAD").params
        except ReconcilerError:
            return None
    tree = WorkingTree(site.git.root)
    path = tree.settings()
    return read_params(tree.read(path) or b"{}", path).params


def _show(console: Console, findings: list[Finding]) -> None:
    for finding in findings:
        mark, style = _MARKS[finding.level]
        line = Text.assemble((mark, style), f" {finding.subject:<10} {finding.what}")
        console.print(line, soft_wrap=True, highlight=False)
        if finding.hint:
            console.print(
                f"  {'':<10} → {finding.hint}", soft_wrap=True, highlight=False, markup=False
            )
