"""The catalogue: which estimators there are, and what their hyperparameters accept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Task = Literal["regression", "classification"]

#: Kinds of values without further bounds, by the word that the catalogue stores.
_KINDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "none": ("null", (type(None),)),
    "boolean": ("true or false", (bool,)),
    "text": ("a text", (str,)),
    "list": ("a list", (list, tuple)),
    "mapping": ("a mapping", (dict,)),
    "estimator": ("the import path of an estimator", (str,)),
    "any": ("anything", (object,)),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """Accepts every value of a kind."""

    word: str

    def accepts(self, value: object) -> bool:
        """Return whether `value` is of the kind."""
        return isinstance(value, _KINDS[self.word][1])

    def __str__(self) -> str:
        return _KINDS[self.word][0]


@dataclass(frozen=True, slots=True)
class Choice:
    """Accepts the listed values."""

    values: tuple[str | int | float | bool, ...]

    def accepts(self, value: object) -> bool:
        """Return whether `value` is listed; `true` is not 1."""
        return any(value == one and type(value) is type(one) for one in self.values)

    def __str__(self) -> str:
        words = [json.dumps(value) for value in self.values]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class Range:
    """Accepts numbers between two ends."""

    numbers: Literal["integer", "number", "fraction"]
    """`fraction`: only what is written with a decimal point."""
    low: float | None
    high: float | None
    closed: Literal["left", "right", "both", "neither"]
    """Which ends belong to the range."""

    def accepts(self, value: object) -> bool:
        """Return whether `value` is such a number; `true` is none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, int) == (self.numbers == "fraction") and self.numbers != "number":
            return False
        return self._above(value) and self._below(value)

    def _above(self, value: float) -> bool:
        if self.low is None:
            return True
        return value >= self.low if self.closed in ("left", "both") else value > self.low

    def _below(self, value: float) -> bool:
        if self.high is None:
            return True
        return value <= self.high if self.closed in ("right", "both") else value < self.high

    def __str__(self) -> str:
        noun = {"integer": "a whole number", "number": "a number", "fraction": "a decimal number"}
        ends = []
        if self.low is not None:
            ends.append(f"{'>=' if self.closed in ('left', 'both') else '>'} {self.low:g}")
        if self.high is not None:
            ends.append(f"{'<=' if self.closed in ('right', 'both') else '<'} {self.high:g}")
        return " ".join((noun[self.numbers], " and ".join(ends))).strip()


Accepted = Kind | Choice | Range


@dataclass(frozen=True, slots=True)
class Parameter:
    """A hyperparameter."""

    default: str
    """As Python writes it; empty when it must be given."""
    accepted: tuple[Accepted, ...]
    """One of these must accept a value; empty: anything goes."""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return not self.default

    @property
    def nests(self) -> bool:
        """Whether its value may be another estimator."""
        return Kind("estimator") in self.accepted

    def accepts(self, value: object) -> bool:
        """Return whether the estimator takes `value`, as YAML writes it."""
        return not self.accepted or any(one.accepts(value) for one in self.accepted)

    def plain(self, value: object) -> bool:
        """Return whether `value` is accepted as it stands, not as the name of an estimator."""
        return any(one.accepts(value) for one in self.accepted if one != Kind("estimator"))

    def __str__(self) -> str:
        return " or ".join(dict.fromkeys(str(one) for one in self.accepted)) or "anything"


@dataclass(frozen=True, slots=True)
class Estimator:
    """An estimator that a spec may name."""

    path: str
    """Public import path, such as `sklearn.linear_model.Ridge`."""
    task: Task
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The estimators of one version of scikit-learn, by public import path."""

    version: str
    estimators: Mapping[str, Estimator]

    def find(self, path: str) -> Estimator | None:
        """Return the estimator at `path`; None when it is not catalogued."""
        return self.estimators.get(path)

    def covers(self, path: str) -> bool:
        """Return whether everything below the package of `path` is catalogued."""
        return path.startswith("sklearn.")

    @staticmethod
    def from_json(text: str | bytes) -> Catalogue:
        """Return the catalogue that `to_json` of the generator wrote.

        Raises:
            ValueError: The text is none.
        """
        try:
            raw = json.loads(text)
            found = {path: _estimator(path, one) for path, one in raw["estimators"].items()}
            return Catalogue(str(raw["version"]), found)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a catalogue of estimators: {error!r}") from error


def _estimator(path: str, raw: Mapping[str, Any]) -> Estimator:
    parameters = {
        name: Parameter(str(default), tuple(_accepted(one) for one in accepted))
        for name, (default, accepted) in raw["parameters"].items()
    }
    return Estimator(path, raw["task"], parameters)


def _accepted(raw: Any) -> Accepted:
    if isinstance(raw, str):
        if raw not in _KINDS:
            raise ValueError(f"not a kind of value: {raw}")
        return Kind(raw)
    if isinstance(raw, list):
        return Choice(tuple(raw))
    return Range(raw["numbers"], raw["low"], raw["high"], raw["closed"])
