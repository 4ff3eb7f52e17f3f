"""Problems as people, programs and pull requests read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

from reconciler.spec.problems import Problem


def text(problems: Iterable[Problem]) -> str:
    """Return one line per problem, `path:line:column: key: message (hint)`."""
    return "".join(f"{_line(str(problem))}\n" for problem in problems)


def as_json(problems: Iterable[Problem]) -> str:
    """Return a JSON list of objects with the fields of `Problem`."""
    return json.dumps([asdict(problem) for problem in problems], ensure_ascii=False) + "\n"


def github(problems: Iterable[Problem]) -> str:
    """Return workflow commands, which GitHub shows beside the lines of a pull request."""
    return "".join(f"{_command(problem)}\n" for problem in problems)


#: By the word that people choose them with.
FORMATS: Mapping[str, Callable[[Iterable[Problem]], str]] = {
    "text": text,
    "json": as_json,
    "github": github,
}


def _line(words: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)


def _command(problem: Problem) -> str:
    place = {
        "file": problem.path,
        "line": str(problem.line),
        "col": str(problem.column),
        "title": problem.key or problem.path,
    }
    properties = ",".join(f"{key}={_property(value)}" for key, value in place.items())
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"::{problem.severity} {properties}::{_data(problem.message + hint)}"


def _data(value: str) -> str:
    # Whatever a pull request names a file or key, it starts no command of its own.
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
