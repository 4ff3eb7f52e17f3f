"""The release record: what was tried for one model, what is in production, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

API_VERSION: Final = "reconciler/record/v1"
KEEP = 10

#: Context of a validation whose values a parser of JSON made: they need no second look.
FROM_JSON: Final = "json"


class Outcome(StrEnum):
    """What became of a version."""

    RELEASED = "released"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


_ATOMS = frozenset({str, int, bool, type(None)})


def _kept(value: object, info: ValidationInfo) -> object:
    """Return `value` in JSON's own types, as it is where it was read from JSON."""
    return value if info.context == FROM_JSON else _plain(value)


def _plain(value: object) -> object:
    """Return `value` in JSON's own types; NaN and infinities, which have none, become None."""
    if type(value) in _ATOMS:  # first: a fleet's records hold a million of them
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _finite(value: object) -> object:
    """Return a mapping of numbers without those that are undefined: NaN equals nothing."""
    if not isinstance(value, Mapping):
        return value
    return {k: v for k, v in value.items() if not (isinstance(v, float) and not math.isfinite(v))}


def _to_the_second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


Moment = Annotated[AwareDatetime, AfterValidator(_to_the_second)]
Tree = Annotated[dict[str, Any], BeforeValidator(_kept)]
Numbers = Annotated[dict[str, float], BeforeValidator(_finite)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


T = TypeVar("T", bound=_Frozen)


class Pointer(_Frozen):
    """Content in DVC's cache: an md5, ending in `.dir` for a folder."""

    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]
    size: Annotated[int, Field(ge=0)] | None = None
    """Bytes; None where it was not recorded."""
    nfiles: Annotated[int, Field(ge=0)] | None = None
    """Files of a folder; None for a single file."""


class Promotion(_Frozen):
    """A person's word for a version that the gate could not decide about."""

    reason: str
    by: str
    since: Moment
    judged: str
    """The question that the gate left open; the word counts for no other."""


class Version(_Frozen):
    """One attempt at a model: what went in, what came out, and what was decided."""

    number: Annotated[int, Field(ge=1)]
    outcome: Outcome
    reason: Annotated[str, Field(pattern=r"^([A-Z][A-Za-z0-9]*)?$")] = ""
    message: str = ""
    fingerprint: str
    revision: str
    created: Moment
    bundle: Pointer | None = None
    predictions: Pointer | None = None
    prepared: Pointer | None = None
    report: Pointer | None = None
    """Pictures of how it does; None: its pipeline does not track them."""
    metrics: Numbers = {}
    metrics_source: Literal["", "self-reported"] = ""
    """`self-reported`: the words of the user's own stages; empty: computed here."""
    verdict: Tree | None = None
    judged: str | None = None
    """Digest of everything that the verdict rests on; None before a verdict."""
    promotion: Promotion | None = None
    """Who released it although its verdict was inconclusive; None: nobody did."""
    timeout: str | None = None
    """Training time allowed, as the spec says it; None for no limit."""
    memory: Annotated[int, Field(ge=1)] | None = None
    """Bytes of memory that did not suffice; None: that is not why it failed."""
    rollout: str | None = None
    """Digest of the settings under which it was withdrawn from the traffic; None: it was not."""
    seconds: Numbers = {}
    """Seconds that each stage ran; a stage that came from the cache is absent."""
    warnings: tuple[str, ...] = ()
    libraries: dict[str, str] = {}
    lock: Tree = {}
    """The model's blocks of dvc.lock, by stage name."""

    @property
    def bundle_digest(self) -> str | None:
        """The md5 of the bundle's folder; None when training gave no bundle."""
        return None if self.bundle is None else self.bundle.md5


class Challenger(_Frozen):
    """A version that gets a part of the traffic."""

    version: Annotated[int, Field(ge=1)]
    weight: Annotated[int, Field(ge=0, le=100)]
    """Per cent of the traffic."""
    step: Annotated[int, Field(ge=0)] = 0
    since: Moment


class Hold(_Frozen):
    """A stop on releases; healing and withdrawal go on."""

    reason: str
    by: str
    since: Moment
    against: tuple[str, ...] = ()
    """Fingerprints and bundle digests that are not released; empty: nothing is."""

    def stops(self, *ids: str) -> bool:
        """Return whether it keeps out what goes by any of these fingerprints and digests."""
        return not self.against or any(known in self.against for known in ids)

    def __str__(self) -> str:
        return f"held by {self.by} since {self.since:%Y-%m-%d %H:%M} UTC: {self.reason}"


class Record(_Frozen):
    """The decisions about one model.

    `versions` holds the last ten tried, ascending by number; champion, challenger and the
    champion's predecessor stay in it however old they are. Of cancelled ones only the last stays:
    a busy day must not push out what could be released again.
    """

    api_version: Annotated[Literal["reconciler/record/v1"], Field(alias="apiVersion")] = API_VERSION
    kind: Literal["Release"] = "Release"
    model: str
    champion: Version | None = None
    challenger: Challenger | None = None
    rollout: Tree | None = None
    holds: tuple[Hold, ...] = ()
    attempted: str | None = None
    """Last revision that was looked at for a release."""
    released: str | None = None
    """Revision whose declaration the champion satisfies."""
    next_version: Annotated[int, Field(ge=1)] = 1
    versions: tuple[Version, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Record:
        numbers = [version.number for version in self.versions]
        if any(a >= b for a, b in pairwise(numbers)):
            raise ValueError("versions must have ascending numbers")
        if numbers and numbers[-1] >= self.next_version:
            raise ValueError(f"next_version {self.next_version} was used already")
        if self.champion is not None and self.champion not in self.versions:
            raise ValueError("the champion must be one of the versions")
        if self.challenger is not None and self.challenger.version not in numbers:
            raise ValueError("the challenger must be one of the versions")
        return self

    def version(self, number: int) -> Version | None:
        """Return version `number`; None when it was never tried or is no longer kept."""
        return next((v for v in self.versions if v.number == number), None)

    def by_fingerprint(self, fingerprint: str) -> Version | None:
        """Return the newest version with this fingerprint that was not cut short; None without."""
        found = (v for v in reversed(self.versions) if v.fingerprint == fingerprint)
        return next((v for v in found if v.outcome is not Outcome.CANCELLED), None)

    def by_bundle(self, digest: str) -> Version | None:
        """Return the newest version with this bundle digest; None when none is kept."""
        return next((v for v in reversed(self.versions) if v.bundle_digest == digest), None)


def empty(model: str) -> Record:
    """Return the record of a model for which nothing was tried."""
    return Record(model=model)


def with_version(record: Record, version: Version, keep: int = KEEP) -> Record:
    """Return the record with `version` added, or put in place of the one with its number.

    Args:
        record: The record before.
        version: A new version bears `record.next_version`.
        keep: Versions that are kept, at least 1.

    Raises:
        ValueError: The number is neither the next one nor that of a kept version.
    """
    if version.number == record.next_version:
        versions = (*record.versions, version)
        return _pruned(record, versions, keep, next_version=record.next_version + 1)
    if record.version(version.number) is None:
        raise ValueError(f"version {version.number} of {record.model} is not the next, nor kept")
    return _replaced(record, version)


def promote(record: Record, number: int, revision: str) -> Record:
    """Return the record with version `number` as champion; the former one is superseded.

    It ends a rollout, whoever the challenger is: there is another champion to compare with.

    Args:
        record: The record before.
        number: A kept version with a bundle; it may have been champion before.
        revision: The commit whose declaration it satisfies.

    Raises:
        ValueError: The version is not kept or has no bundle.
    """
    chosen = record.version(number)
    if chosen is None or chosen.bundle is None:
        raise ValueError(f"version {number} of {record.model} is not kept or has no bundle")
    former = record.champion
    if former is not None and former.number != number:
        record = _replaced(record, changed(former, outcome=Outcome.SUPERSEDED))
    chosen = changed(chosen, outcome=Outcome.RELEASED, rollout=None)
    return changed(
        record,
        champion=chosen,
        challenger=None,
        rollout=None,
        versions=_swapped(record.versions, chosen),
        attempted=revision,
        released=revision,
    )


def attempt(record: Record, revision: str) -> Record:
    """Return the record with `revision` as the last one that was looked at."""
    return changed(record, attempted=revision)


def withdraw(
    record: Record, number: int, reason: str, message: str, rollout: str | None = None
) -> Record:
    """Return the record with version `number` withdrawn from the traffic or from release.

    A withdrawn champion leaves none behind: promote its predecessor to roll back. `rollout` is
    the digest of the settings under which it is not tried again; None: it was no rollout.

    Raises:
        ValueError: The version is not kept.
    """
    version = record.version(number)
    if version is None:
        raise ValueError(f"version {number} of {record.model} is not kept")
    told = {"reason": reason, "message": message, "rollout": rollout}
    gone = changed(version, outcome=Outcome.WITHDRAWN, **told)
    changes: dict[str, Any] = {"versions": _swapped(record.versions, gone)}
    if record.champion is not None and record.champion.number == number:
        changes |= {"champion": None, "released": None}
    if record.challenger is not None and record.challenger.version == number:
        changes |= {"challenger": None, "rollout": None}
    return changed(record, **changes)


def retire(record: Record, revision: str) -> Record:
    """Return the record of a model whose spec is gone: no champion, its history kept."""
    champion = record.champion
    if champion is not None:
        record = _replaced(record, changed(champion, outcome=Outcome.SUPERSEDED))
    gone = dict.fromkeys(("champion", "challenger", "rollout", "released"))
    return changed(record, attempted=revision, **gone)


def pruned(record: Record, keep: int) -> Record:
    """Return the record with its last `keep` versions, and those that production needs."""
    return _pruned(record, record.versions, keep, next_version=record.next_version)


def forget(record: Record, fingerprint: str) -> Record:
    """Return the record without the failed and withdrawn attempts at `fingerprint`.

    What was withdrawn from the traffic only is kept: the gate has let it through.
    """
    forgotten = (Outcome.FAILED, Outcome.WITHDRAWN)
    own = [v for v in record.versions if v.fingerprint == fingerprint and v.outcome in forgotten]
    again = {
        v.number: changed(v, outcome=Outcome.ACCEPTED, reason="", message="", rollout=None)
        for v in own
        if v.rollout is not None
    }
    kept = (again.get(v.number, v) for v in record.versions if v.number in again or v not in own)
    return changed(record, versions=tuple(kept))


def with_hold(record: Record, hold: Hold) -> Record:
    """Return the record with `hold`, in place of an earlier one like it."""
    others = tuple(h for h in record.holds if (h.reason, h.against) != (hold.reason, hold.against))
    return changed(record, holds=(*others, hold))


def without_hold(record: Record, reason: str | None = None) -> Record:
    """Return the record without the hold for `reason`; without any when it is None."""
    rest = (h for h in record.holds if reason is not None and h.reason != reason)
    return changed(record, holds=tuple(rest))


def without(record: Record, hold: Hold) -> Record:
    """Return the record without this very hold."""
    return changed(record, holds=tuple(h for h in record.holds if h != hold))


def predecessor(record: Record) -> Version | None:
    """Return the version to roll back to: the newest that was champion before; None without.

    One that was itself rolled back from is passed over.
    """
    return _former(record, record.versions)


def _former(record: Record, versions: Iterable[Version]) -> Version | None:
    refused = {known for hold in record.holds for known in hold.against}
    former = (v for v in versions if v.outcome is Outcome.SUPERSEDED)
    return max(
        (v for v in former if not refused & {v.fingerprint, v.bundle_digest}),
        key=lambda v: v.number,
        default=None,
    )


def _pruned(record: Record, versions: Sequence[Version], keep: int, *, next_version: int) -> Record:
    cut = [v.number for v in versions if v.outcome is Outcome.CANCELLED]
    every = tuple(v for v in versions if v.number not in cut[:-1])
    former = _former(record, every)
    needed = {v.number for v in (*every[-max(keep, 1) :], record.champion, former) if v}
    if record.challenger is not None:
        needed.add(record.challenger.version)
    kept = tuple(v for v in every if v.number in needed)
    return changed(record, versions=kept, next_version=next_version)


def _replaced(record: Record, version: Version) -> Record:
    former = record.champion
    champion = version if former is not None and former.number == version.number else former
    return changed(record, champion=champion, versions=_swapped(record.versions, version))


def _swapped(versions: Iterable[Version], version: Version) -> tuple[Version, ...]:
    return tuple(version if v.number == version.number else v for v in versions)


def changed(value: T, **changes: Any) -> T:
    """Return a copy with `changes`, validated like any other."""
    fields = {name: getattr(value, name) for name in type(value).model_fields}
    return type(value).model_validate({**fields, **changes}, by_name=True, by_alias=False)
