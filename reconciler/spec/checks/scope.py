"""What a spec is checked against, and the sections that could be read of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.spec.catalogue import Catalogue, Estimator
from reconciler.spec.model import DataSpec, DeploymentSpec, ModelSpec, Rule, TrainingSpec
from reconciler.spec.params import Params

_Section = TypeVar("_Section", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a spec is checked against."""

    stem: str
    """The file's name without its ending."""
    params: Params
    catalogue: Catalogue
    modes: Mapping[str, str] | None
    """Git mode of every file of the tree, by path; None: the tree is not known."""


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a spec that could be read, so that one typo hides no other problem."""

    name: str | None
    data: DataSpec | None
    training: TrainingSpec | None
    rules: Mapping[int, Rule]
    """By their place in `acceptance`."""
    deployment: DeploymentSpec | None

    @property
    def self_reported(self) -> bool:
        """Whether what is judged are metrics of the user's own stages."""
        adopts = self.training is not None and self.training.adopts
        return adopts and (self.data is None or self.data.test is None)

    def estimator(self, catalogue: Catalogue) -> Estimator | None:
        """Return what is known of the estimator; None for entrypoints and foreign ones."""
        path = self.training.estimator if self.training else None
        return catalogue.find(path) if path else None

    def task(self, catalogue: Catalogue) -> str | None:
        """Return `regression` or `classification`; None when the spec does not say."""
        known = self.estimator(catalogue)
        if known is not None:
            return known.task
        return self.training.task if self.training else None


def of_valid(spec: ModelSpec) -> Sections:
    """Return all sections of a spec that fits the schema."""
    body = spec.spec
    rules = dict(enumerate(body.acceptance))
    return Sections(spec.name, body.data, body.training, rules, body.deployment)


def of_plain(data: Any) -> Sections:
    """Return the sections of plain data, each without the keys that do not fit the schema."""
    body = _at(data, "spec")
    name = _at(_at(data, "metadata"), "name")
    rules = _at(body, "acceptance")
    read = [_section(Rule, one) for one in rules] if isinstance(rules, list) else []
    return Sections(
        name if isinstance(name, str) else None,
        _section(
            DataSpec, {} if isinstance(body, dict) and "data" not in body else _at(body, "data")
        ),
        _section(TrainingSpec, _at(body, "training")),
        {at: rule for at, rule in enumerate(read) if rule is not None},
        _section(DeploymentSpec, _at(body, "deployment")),
    )


def _at(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _section(schema: type[_Section], data: Any) -> _Section | None:
    if not isinstance(data, dict):
        return None
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors() if one["loc"]}
    if not wrong & data.keys():
        return None  # what is wrong is missing
    return _section(schema, {key: value for key, value in data.items() if key not in wrong})
