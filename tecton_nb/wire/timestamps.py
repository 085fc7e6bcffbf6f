"""Moments on the wire: RFC 3339 text and whole nanoseconds since the epoch, exact both ways.

Nine fraction digits do not fit into `datetime`, and ``pd.Timestamp`` belongs to a higher floor.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ]((?:[01]\d|2[0-3]):\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)


class EpochNanoseconds(int):
    """A moment as whole nanoseconds since 1970-01-01T00:00:00Z.

    An `int` with a name, so that a bare number of unknown unit is never taken for a moment.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"EpochNanoseconds({int(self)})"


def parse_timestamp(text: str) -> EpochNanoseconds:
    """Return the moment that RFC 3339 text names; without an offset it is read as UTC.

    Raises
    ------
    ValueError
        If the text is no such moment, or has more than nine fraction digits.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time")
    day, minutes, seconds, fraction, offset = match.groups()
    moment = datetime.fromisoformat(f"{day}T{minutes or '00:00'}:{seconds or '00'}{_iso_offset(offset)}")
    nanoseconds = int((fraction or "").ljust(9, "0"))
    since = moment - _EPOCH
    return EpochNanoseconds((since.days * 86_400 + since.seconds) * SECOND + nanoseconds)


def format_timestamp(moment: int) -> str:
    """Return the moment as RFC 3339 text ending in ``Z``, with 0, 3, 6 or 9 fraction digits as proto-JSON writes it.

    Raises
    ------
    ValueError
        If the moment lies outside the years 1 to 9999.
    """
    seconds, nanoseconds = divmod(int(moment), SECOND)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    except OverflowError:
        raise ValueError("the year is outside 1 to 9999") from None
    return f"{text}{_fraction(nanoseconds)}Z"


def from_datetime(value: date) -> EpochNanoseconds:
    """Return the moment of a `datetime` (naive means UTC) or the midnight of a `date`; pandas' nanoseconds are kept."""
    if not isinstance(value, datetime):
        return parse_timestamp(value.isoformat())
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    microseconds = (aware - _EPOCH) // timedelta(microseconds=1)
    return EpochNanoseconds(int(microseconds) * 1_000 + int(getattr(value, "nanosecond", 0)))


def _iso_offset(offset: str | None) -> str:
    if offset is None or offset in "Zz":
        return "+00:00"
    return offset if ":" in offset else f"{offset[:3]}:{offset[3:]}"


def _fraction(nanoseconds: int) -> str:
    digits = f"{nanoseconds:09d}"
    for width in (0, 3, 6):
        if not digits[width:].strip("0"):
            return f".{digits[:width]}" if width else ""
    return f".{digits}"
