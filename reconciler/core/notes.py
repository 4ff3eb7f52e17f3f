"""What a change of records means, as a commit message: a sentence, then trailers for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.record import Outcome, Record, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERBS = {
    Outcome.RELEASED: "Release",
    Outcome.REJECTED: "Reject",
    Outcome.FAILED: "Note the failure of",
    Outcome.INCONCLUSIVE: "Leave undecided",
    Outcome.WITHDRAWN: "Withdraw",
    Outcome.SUPERSEDED: "Supersede",
}


@dataclass(frozen=True, slots=True)
class Note:
    """What happened to one model."""

    model: str
    subject: str
    """An imperative sentence, such as `Release wine 3`."""
    trailers: tuple[tuple[str, str], ...]


def describe(model: str, before: Record | None, after: Record | None) -> Note:
    """Return what the change from `before` to `after` means; None stands for no record."""
    if after is None:
        return Note(model, f"Remove {model}", (("Model", model),))
    version = _in_question(before, after)
    return Note(model, _subject(before, after, version), _trailers(after, version))


def message(notes: Sequence[Note]) -> str:
    """Return the commit message for notes on one or more models."""
    if len(notes) == 1:
        subject = notes[0].subject
    else:
        subject = f"Record {len(notes)} models: {', '.join(note.model for note in notes)}"
        subject = subject if len(subject) <= 72 else f"{subject[:71]}…"
    body = "" if len(notes) == 1 else "".join(f"- {note.subject}\n" for note in notes) + "\n"
    trailers = "".join(f"{key}: {value}\n" for note in notes for key, value in note.trailers)
    return f"{subject}\n\n{body}{trailers}"


def _in_question(before: Record | None, after: Record) -> Version | None:
    """Return the version that the change is about: the new champion, else the newest changed."""
    if after.champion is not None and after.champion != (before and before.champion):
        return after.champion
    known = before.versions if before is not None else ()
    return next((v for v in reversed(after.versions) if v not in known), None)


def _subject(before: Record | None, after: Record, version: Version | None) -> str:
    model = after.model
    if before is not None and before.champion is not None and after.champion is None:
        withdrawn = version is not None and version.outcome is Outcome.WITHDRAWN
        return f"Withdraw {model} {before.champion.number}" if withdrawn else f"Retire {model}"
    if version is not None:
        same = before is not None and before.champion is not None and after.champion is version
        judged = same and before.champion.number == version.number  # type: ignore[union-attr]
        return f"{'Judge' if judged else _VERBS[version.outcome]} {model} {version.number}"
    challenger = before.challenger if before is not None else None
    if after.challenger is not None and after.challenger != challenger:
        return f"Send {after.challenger.weight} % to {model} {after.challenger.version}"
    if after.holds != (before.holds if before is not None else ()):
        return f"Hold {model}" if after.holds else f"Lift the holds of {model}"
    return f"Note the attempt at {model}"


def _trailers(after: Record, version: Version | None) -> tuple[tuple[str, str], ...]:
    found = [("Model", after.model)]
    if version is not None:
        verdict = version.outcome.value
        found += [("Version", str(version.number))]
        found += [("Revision", after.attempted or version.revision)]
        found += [("Verdict", f"{verdict} ({version.reason})" if version.reason else verdict)]
    elif after.attempted is not None:
        found += [("Revision", after.attempted)]
    return tuple(found)
