"""Parts of dates: computed here, by the same code, for training and for serving."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Moments = npt.NDArray[np.datetime64]
Floats = npt.NDArray[np.float64]

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_MINUTE_US = 60_000_000


def moment(value: object) -> datetime | None:
    """Return a client's value as a naive datetime in UTC; None stays None.

    Args:
        value: A datetime (with a time zone: converted to UTC), a date, or an ISO 8601 text.

    Raises:
        ValueError: It is none of these.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
        return value if isinstance(value, datetime) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise ValueError(f"{type(value).__name__} is not a datetime")


def part(moments: Moments, name: str) -> Floats:
    """Return one calendar part of each moment.

    Args:
        moments: Shape (rows,), `datetime64[us]`, in UTC; NaT where there is none.
        name: year, month (1-12), day (1-31), weekday (Monday 1 to Sunday 7), hour (0-23),
            minute (0-59), dayofyear (1-366), or epoch (seconds since 1970).

    Returns:
        Shape (rows,); NaN where the moment is NaT.
    """
    with np.errstate(invalid="ignore"):
        values = _PARTS[name](moments).astype(np.float64)
    values[np.isnat(moments)] = np.nan
    return values


def part_of(moment: datetime, name: str) -> float:
    """Return one calendar part of one moment: what `part` returns for it, quicker."""
    return PART_OF[name](moment)


def _us(moments: Moments) -> npt.NDArray[Any]:
    return moments.astype("datetime64[us]").astype(np.int64)


def _since(moments: Moments, unit: str) -> npt.NDArray[Any]:
    days = moments.astype("datetime64[D]")
    start = moments.astype(f"datetime64[{unit}]").astype("datetime64[D]")
    counted: npt.NDArray[Any] = (days - start).astype(np.int64) + 1
    return counted


_PARTS: Mapping[str, Callable[[Moments], npt.NDArray[Any]]] = {
    "year": lambda m: m.astype("datetime64[Y]").astype(np.int64) + 1970,
    "month": lambda m: m.astype("datetime64[M]").astype(np.int64) % 12 + 1,
    "day": lambda m: _since(m, "M"),
    "weekday": lambda m: (_us(m) // _DAY_US + 3) % 7 + 1,  # 1970-01-01 was a Thursday
    "hour": lambda m: _us(m) % _DAY_US // _HOUR_US,
    "minute": lambda m: _us(m) % _HOUR_US // _MINUTE_US,
    "dayofyear": lambda m: _since(m, "Y"),
    "epoch": lambda m: _us(m) / 1e6,
}

_EPOCH = datetime(1970, 1, 1)

#: What `part_of` computes, by the name of the part.
PART_OF: Mapping[str, Callable[[datetime], float]] = {
    "year": lambda m: m.year,
    "month": lambda m: m.month,
    "day": lambda m: m.day,
    "weekday": lambda m: m.isoweekday(),
    "hour": lambda m: m.hour,
    "minute": lambda m: m.minute,
    "dayofyear": lambda m: m.timetuple().tm_yday,
    "epoch": lambda m: ((m - _EPOCH) // timedelta(microseconds=1)) / 1e6,
}
