"""`diff`: two versions of a model side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reconciler.cli.options import Plain
from reconciler.cli.subject import Subject, subject
from reconciler.controller import former
from reconciler.core.changes import Change, changes
from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from reconciler.core.record import Version
    from reconciler.core.versions import Pair


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two versions."""

    old: Version
    new: Version
    declared: tuple[Change, ...] | None
    """Fields of the spec, content, declared runtime, stages; None: `unknown` says why."""
    unknown: str
    libraries: tuple[Change, ...]
    metrics: tuple[Pair, ...]


def run(model: str, one: int | None, other: int | None, output: Plain) -> int:
    """Return 0, whether or not anything differs."""
    from reconciler.core.versions import chosen

    about = subject(model)
    about.check_readable()
    if about.record is None:
        raise UsageError(
            f"nothing of {model} is on record yet",
            reason="NoRecord",
            hint=f"`reconciler why {model}` says what it waits for",
        )
    found = _differences(about, *chosen(about.record, one, other))
    if output is Plain.JSON:
        sys.stdout.write(json.dumps(_plain(model, found), indent=2, default=str) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(model, found)))
    return 0


def _differences(about: Subject, old: Version, new: Version) -> Differences:
    from reconciler.core.versions import pairs

    declared, unknown = _declared(about, old, new)
    metrics = pairs(old, new, _rival(about, old, new))
    return Differences(old, new, declared, unknown, changes(old.libraries, new.libraries), metrics)


def _declared(about: Subject, old: Version, new: Version) -> tuple[tuple[Change, ...] | None, str]:
    states = []
    for version in (old, new):
        catalogue = about.site.catalogue
        state = former.former(about.site.git, version.revision, about.name, catalogue)
        if state is None:
            return None, (
                f"the commit of version {version.number} ({version.revision[:10]}) is not here,"
                " or cannot be followed any more"
            )
        states.append(state)
    return former.differences(*states), ""


def _rival(about: Subject, old: Version, new: Version) -> Any:
    """Return both versions' answers on common rows; text: why these are not to be had."""
    from reconciler.controller.judging import Judging
    from reconciler.controller.measuring import measure

    for version in (old, new):
        if version.bundle is None:
            return f"version {version.number} has no bundle"
    about.site.workspace.prepare()
    judging = Judging(about.site.artifacts, about.site.workspace.scored, measure)
    try:
        return judging.beside(new, old)
    except ReconcilerError as error:
        return str(error)


def _plain(model: str, found: Differences) -> dict[str, Any]:
    declared = found.declared
    return {
        "model": model,
        "from": _version(found.old),
        "to": _version(found.new),
        "declared": None if declared is None else [asdict(change) for change in declared],
        "unknown": found.unknown,
        "libraries": [asdict(change) for change in found.libraries],
        "metrics": [{**asdict(pair), "said": pair.said()} for pair in found.metrics],
    }


def _version(version: Version) -> dict[str, Any]:
    fields = {"number", "outcome", "revision", "created", "fingerprint", "bundle"}
    return version.model_dump(mode="json", include=fields)


def _lines(model: str, found: Differences) -> list[str]:
    head = f"{model}: {_told(found.old)} → {_told(found.new)}"
    return [head, "", *_of_declared(found), *_of_libraries(found), *_of_metrics(found)]


def _told(version: Version) -> str:
    when = f"{version.created:%Y-%m-%d %H:%M}"
    return f"version {version.number} ({version.outcome}, {version.revision[:7]}, {when})"


def _of_declared(found: Differences) -> list[str]:
    if found.declared is None:
        return [f"spec and data: not compared: {found.unknown}"]
    spec = [c for c in found.declared if c.field.startswith(("spec.", "metadata."))]
    rest = [c for c in found.declared if c not in spec]
    return [
        *_block("spec", [str(change) for change in spec]),
        *_block("data, code and runtime", [str(change) for change in rest]),
    ]


def _of_libraries(found: Differences) -> list[str]:
    return _block("libraries", [str(change) for change in found.libraries])


def _of_metrics(found: Differences) -> list[str]:
    from reconciler.core.versions import CONFIDENCE, common

    rows = common(found.metrics)
    title = "metrics"
    if rows:
        title += (
            f"; version {found.new.number} beside {found.old.number} on {rows:,} rows that neither"
            f" was trained on, each bound at {100 * CONFIDENCE:.4g} % confidence"
        )
    width = max((len(pair.metric) for pair in found.metrics), default=0)
    same = {pair.said() for pair in found.metrics}
    shared = same.pop() if not rows and len(same) == 1 else ""
    lines = [
        f"{p.metric:<{width}}  {_number(p.old):>9} → {_number(p.new):<9}"
        f"  {'' if shared else p.said()}".rstrip()
        for p in found.metrics
    ]
    return _block(title, [*lines, *([f"no intervals: {shared}"] if shared else [])])


def _block(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines or ["no difference"])]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
