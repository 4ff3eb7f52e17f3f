"""`doctor`: what is wrong with this machine and this clone, and what to do about it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from reconciler.cli.options import Plain
from reconciler.cli.wiring import open_site
from reconciler.controller.checkup import Finding, Level, Patient, checkup
from reconciler.controller.working_tree import WorkingTree
from reconciler.spec.reading import read_params

_MARKS = {Level.OK: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.FAIL: ("✗", "red")}


def run(*, online: bool, output: Plain) -> int:
    """Return 0 when nothing fails, 1 when something does."""
    site = open_site()
    tree = WorkingTree(site.root)
    path = tree.settings()
    params = read_params(tree.read(path) or b"{}", path).params
    patient = Patient(site.git, site.workspace, site.store, params, online)
    findings = list(checkup(patient))
    if output is Plain.JSON:
        sys.stdout.write(json.dumps([asdict(f) for f in findings], indent=2) + "\n")
    else:
        _show(Console(), findings)
    return int(any(finding.level is Level.FAIL for finding in findings))


def _show(console: Console, findings: list[Finding]) -> None:
    for finding in findings:
        mark, style = _MARKS[finding.level]
        line = Text.assemble((mark, style), f" {finding.subject:<10} {finding.what}")
        console.print(line, soft_wrap=True, highlight=False)
        if finding.hint:
            console.print(
                f"  {'':<10} → {finding.hint}", soft_wrap=True, highlight=False, markup=False
            )
