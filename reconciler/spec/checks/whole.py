"""All checks of one spec, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.spec.checks import acceptance, adoption, data, deployment, training
from reconciler.spec.checks.scope import Scope, Sections, of_plain, of_valid
from reconciler.spec.model import DataSpec, ModelSpec
from reconciler.spec.problems import Finding

_TAKEN = {
    "dvc": "DVC takes every file called dvc.yaml for a pipeline",
    "versions": "on the branch of records, versions/ holds the versions of every model",
}


def check(spec: ModelSpec | None, plain: Any, scope: Scope) -> Iterator[Finding]:
    """Give what is wrong with a spec beyond its schema.

    Args:
        spec: None when the schema refuses it: then the sections that fit are checked.
        plain: The plain data of the spec.
        scope: What it is checked against.
    """
    sections = of_plain(plain) if spec is None else of_valid(spec)
    task = sections.task(scope.catalogue)
    if isinstance(plain, dict) and "api_version" in plain:
        message = "there is no such key"
        yield Finding(("api_version",), message, "did you mean apiVersion?", at_key=True)
    if sections.name is not None and sections.name != scope.stem:
        hint = "the model is called like its file"
        yield Finding(("metadata", "name"), f"the file is called {scope.stem}.yaml", hint)
    if sections.name in _TAKEN:
        message = f"a model cannot be called {sections.name}: {_TAKEN[sections.name]}"
        yield Finding(("metadata", "name"), message, "rename the model and its file")
    yield from _trained(sections, task, scope)
    reported = sections.self_reported
    for index, rule in sections.rules.items():
        yield from acceptance.check(rule, ("spec", "acceptance", index), task, reported=reported)
    if sections.deployment is not None:
        yield from deployment.check(sections.deployment)


def _trained(sections: Sections, task: str | None, scope: Scope) -> Iterator[Finding]:
    """Give what is wrong with what the model is made from."""
    if sections.training is not None and sections.training.adopts:
        table = sections.data or DataSpec()
        yield from adoption.check(sections.training, table)
        yield from data.columns(table, task)
        return
    if sections.data is not None:
        yield from data.check(sections.data, task, scope)
    if sections.training is not None:
        target = sections.data.target if sections.data else None
        yield from training.check(sections.training, target, scope)
        yield from adoption.only_adopted(sections.training, sections.data or DataSpec())
