"""What a change of records means, as a commit message: a sentence, then trailers for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.record import Hold, Outcome, Promotion, Record, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERBS = {
    Outcome.RELEASED: "Release",
    Outcome.ACCEPTED: "Accept",
    Outcome.REJECTED: "Reject",
    Outcome.FAILED: "Note the failure of",
    Outcome.INCONCLUSIVE: "Leave undecided",
    Outcome.WITHDRAWN: "Withdraw",
    Outcome.SUPERSEDED: "Supersede",
    Outcome.CANCELLED: "Cut short",
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
    return Note(model, _subject(before, after, version), _trailers(before, after, version))


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


def noted(text: str, model: str) -> Note | None:
    """Return the note on one model that a commit message holds; None: it is none of `message`."""
    subject, _, rest = text.partition("\n\n")
    lines = rest.splitlines()
    bullets = [line[2:] for line in lines if line.startswith("- ")]
    groups: list[list[tuple[str, str]]] = []
    for line in lines:
        key, colon, value = line.partition(": ")
        if key == "Model" and colon:
            groups.append([])
        if groups and colon:
            groups[-1].append((key, value))
    for number, group in enumerate(groups):
        if group[0][1] == model:
            said = bullets[number] if number < len(bullets) else subject
            return Note(model, said.strip(), tuple(group))
    return None


def _in_question(before: Record | None, after: Record) -> Version | None:
    """Return what the change is about: a new champion, another step, or the newest changed."""
    if after.champion is not None and after.champion != (before and before.champion):
        return after.champion
    if after.challenger is not None and after.challenger != (before and before.challenger):
        return after.version(after.challenger.version)
    known = before.versions if before is not None else ()
    return next((v for v in reversed(after.versions) if v not in known), None)


def _subject(before: Record | None, after: Record, version: Version | None) -> str:
    model = after.model
    if (word := _steered(before, after) or _rolled(before, after)) is not None:
        return word
    if before is not None and before.champion is not None and after.champion is None:
        withdrawn = version is not None and version.outcome is Outcome.WITHDRAWN
        return f"Withdraw {model} {before.champion.number}" if withdrawn else f"Retire {model}"
    if version is not None:
        former = before.champion if before is not None else None
        stays = former is not None and former.number == version.number
        judged = stays and after.champion is version
        return f"{'Judge' if judged else _VERBS[version.outcome]} {model} {version.number}"
    return f"Note the attempt at {model}"


def _rolled(before: Record | None, after: Record) -> str | None:
    """Return the subject of a rollout that begins, goes on, or is of no use any more."""
    at, former = after.challenger, before.challenger if before is not None else None
    if at == former:
        return None
    if at is not None:
        name = f"{after.model} {at.version}"
        if at.weight > 0:
            return f"Send {at.weight} % to {name}"
        shadow = (after.rollout or {}).get("strategy") == "shadow"
        return f"Mirror requests to {name}" if shadow else f"Warm up {name}"
    version = after.version(former.version) if former is not None else None
    abandoned = version is not None and version.reason == "Abandoned"
    return (
        f"Abandon the rollout of {after.model} {version.number}" if version and abandoned else None
    )


def _steered(before: Record | None, after: Record) -> str | None:
    """Return the subject of what a person did by hand; None where nobody did."""
    model, champion = after.model, after.champion
    former = before.champion if before is not None else None
    if (hold := _new_hold(before, after)) is not None:
        if hold.against and champion is not None and former is not None:
            return f"Roll {model} back from {former.number} to {champion.number}"
        return f"Suspend {model}"
    if champion is not None and _new_promotion(before, after) is not None:
        return f"Promote {model} {champion.number}"
    if before is not None and len(after.holds) < len(before.holds):
        return f"Resume {model}"
    if before is not None and (
        set(_numbers(after)) < set(_numbers(before)) or _again(before, after)
    ):
        return f"Forget what failed of {model}"
    return None


def _again(before: Record, after: Record) -> bool:
    """Return whether a version that was withdrawn from the traffic may be tried again."""
    found = ((version, after.version(version.number)) for version in before.versions)
    return after.challenger is None and any(
        b.rollout is not None
        and a is not None
        and (a.rollout, a.outcome) == (None, Outcome.ACCEPTED)
        for b, a in found
    )


def _numbers(record: Record) -> tuple[int, ...]:
    return tuple(version.number for version in record.versions)


def _new_hold(before: Record | None, after: Record) -> Hold | None:
    known = before.holds if before is not None else ()
    return next((hold for hold in after.holds if hold not in known), None)


def _reason(before: Record | None, after: Record) -> str | None:
    """Return why it was done, in the words of the person or the rollout; None: none were said."""
    if (hold := _new_hold(before, after)) is not None:
        return hold.reason.partition(": ")[2] or None if hold.against else hold.reason
    if (promotion := _new_promotion(before, after)) is not None:
        return promotion.reason
    known = before.versions if before is not None else ()
    gone = (v for v in after.versions if v.rollout is not None and v not in known)
    return next((v.message for v in gone if v.outcome is Outcome.WITHDRAWN), None)


def _new_promotion(before: Record | None, after: Record) -> Promotion | None:
    champion = after.champion
    known = before.version(champion.number) if before is not None and champion else None
    given = champion.promotion if champion is not None else None
    return None if known is not None and known.promotion == given else given


def _trailers(
    before: Record | None, after: Record, version: Version | None
) -> tuple[tuple[str, str], ...]:
    found = [("Model", after.model)]
    if version is not None:
        verdict = version.outcome.value
        found += [("Version", str(version.number))]
        found += [("Revision", after.attempted or version.revision)]
        found += [("Verdict", f"{verdict} ({version.reason})" if version.reason else verdict)]
    elif after.attempted is not None:
        found += [("Revision", after.attempted)]
    if (reason := _reason(before, after)) is not None:
        found += [("Reason", reason)]
    return tuple(found)
