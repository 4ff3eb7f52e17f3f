"""The stored form of a record: plain values, ordered for people, versioned for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from reconciler.core.record import API_VERSION, FROM_JSON, Record
from reconciler.errors import TerminalError

SCHEMA = int(API_VERSION.rpartition("v")[2])


def to_plain(record: Record) -> dict[str, object]:
    """Return the record as JSON values in the order people read: the champion stands first.

    The champion is not repeated among `versions`, and what is empty is left out.
    """
    plain = record.model_dump(mode="json", by_alias=True, exclude_none=False)
    plain["champion"] = None if record.champion is None else _terse(plain["champion"])
    plain["holds"] = [_terse(hold) for hold in plain["holds"]]
    number = record.champion.number if record.champion else None
    plain["versions"] = [_terse(v) for v in plain["versions"] if v["number"] != number]
    return plain


def from_plain(plain: object, *, canonical: bool = False) -> Record:
    """Return the record that `to_plain` gave, also one of an older schema.

    Args:
        plain: The values.
        canonical: They are JSON's own, as `recordtext.loads` gives them: it saves a second look.

    Raises:
        TerminalError: `RecordTooNew` for a later schema, `RecordCorrupt` for anything else.
    """
    if not isinstance(plain, Mapping):
        raise TerminalError("a record must be a mapping", reason="RecordCorrupt")
    _check_schema(plain.get("apiVersion"))
    try:
        context = FROM_JSON if canonical else None
        return Record.model_validate(_with_champion(plain), context=context)
    except (ValidationError, TypeError) as error:
        raise TerminalError(_first_problem(error), reason="RecordCorrupt") from error


def _check_schema(api_version: object) -> None:
    found = re.fullmatch(r"reconciler/record/v([1-9]\d{0,5})", str(api_version))
    if found is None:
        raise TerminalError(f"apiVersion is {api_version!r:.80}", reason="RecordCorrupt")
    if int(found[1]) > SCHEMA:
        raise TerminalError(
            f"written by a newer reconciler: {api_version}, this one reads up to {API_VERSION}",
            reason="RecordTooNew",
            hint="upgrade reconciler",
        )


def _with_champion(plain: Mapping[str, Any]) -> dict[str, Any]:
    champion, versions = plain.get("champion"), list(plain.get("versions") or ())
    if champion is not None:
        versions.append(champion)
    return {**plain, "versions": sorted(versions, key=_number)}


def _number(version: object) -> int:
    number = version.get("number") if isinstance(version, Mapping) else None
    return number if isinstance(number, int) else 0


def _first_problem(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _terse(version: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in version.items() if value not in (None, {}, [], "")}
