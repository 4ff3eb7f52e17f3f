"""Digests of plain values: equal values give equal digests, whatever their order or spelling."""

from __future__ import annotations

import hashlib
import json


def canonical(value: object) -> bytes:
    """Return `value` as canonical JSON: keys sorted, no spaces, no NaN.

    Args:
        value: Mappings with string keys, sequences, strings, finite numbers, booleans and None.

    Raises:
        ValueError: A number is NaN or infinite.
        TypeError: A value has no JSON form.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def digest(value: object) -> str:
    """Return the sha256 of `value` in canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
