"""Choosing the target: by what the caller says, by name, or by asking."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.errors import UsageError
from reconciler.pipeline.drafting.survey import Facts
from reconciler.spec.problems import nearest

#: What a target is called, the surest words first.
_SURE = (
    {"target", "label", "labels", "class", "classes", "y", "outcome", "response"},
    {"churn", "churned", "exited", "survived", "default", "defaulted", "fraud", "is_fraud"}
    | {"isfraud", "diagnosis", "species", "attrition", "saleprice", "cnt", "income"},
)
_LIKELY = re.compile(
    r"(^|_)(price|value|sales|revenue|amount|cost|charges|count|demand|score|quality|rating"
    r"|result|status|category|type|spam|converted|clicked|approved)$"
)
_MOST_CLASSES = 20
_LISTED = 12

Ask = Callable[[Sequence[str], str], str]
"""Asks a person for one of the names; the second argument is what is likely."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The column to predict."""

    name: str
    reason: str


def choose(facts: Sequence[Facts], wanted: str | None, ask: Ask | None) -> Choice:
    """Return the column to predict, and why it is that one.

    Args:
        facts: Every column.
        wanted: What the caller says; None: nothing.
        ask: Asks whoever is there; None: nobody is.

    Raises:
        UsageError: There is no such column, or it cannot be told.
    """
    names = [one.name for one in facts]
    if wanted is not None:
        if wanted not in names:
            hint = nearest(wanted, names) or f"there are {_listed(names)}"
            raise UsageError(
                f"the table has no column {wanted!r}", reason="UnknownTarget", hint=hint
            )
        return Choice(wanted, "")
    able = [one.name for one in facts if _able(one)]
    if guess := _guess(facts, able):
        return guess
    if ask is not None and able:
        return Choice(ask(able, able[-1]), "")
    raise UsageError(
        "which column is to be predicted cannot be told from the table",
        reason="TargetUnknown",
        hint=f"say --target COLUMN, one of {_listed(able or names)}",
    )


def _guess(facts: Sequence[Facts], able: Sequence[str]) -> Choice | None:
    words = {name: re.sub(r"\W+", "_", name).lower() for name in able}
    tiers = [[name for name in able if words[name] in tier] for tier in _SURE]
    tiers.append([name for name in able if _LIKELY.search(words[name])])
    named = next((tier for tier in tiers if tier), [])
    if len(named) == 1:
        return Choice(named[0], "guessed by its name")
    if named:
        return None
    texts = [one.name for one in facts if one.type == "text"]
    if texts and len(able) == 1:
        return Choice(able[0], "guessed: the one beside texts")
    return None


def _able(one: Facts) -> bool:
    """Return whether a column could be a target at all."""
    if one.useless or one.type in ("text", "datetime") or one.groups:
        return False
    if one.type != "category":
        return one.values.n_unique() > 1
    return 1 < one.values.drop_nulls().n_unique() <= _MOST_CLASSES


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
