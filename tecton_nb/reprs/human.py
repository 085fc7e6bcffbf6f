"""Numbers in human words: seconds, ages, sizes, shares."""

from __future__ import annotations

import math

MISSING = "missing"

# Missing values of pandas, told by the name of their type: the ground does not import pandas.
_MISSING_TYPES = frozenset({"NoneType", "NAType", "NaTType"})
# Unit, its size, and where the next one begins.
_DURATIONS = (
    ("ns", 1e-9, 1e-6),
    ("µs", 1e-6, 1e-3),
    ("ms", 1e-3, 1.0),
    ("s", 1.0, 60.0),
    ("min", 60.0, 3_600.0),
    ("h", 3_600.0, 86_400.0),
    ("d", 86_400.0, math.inf),
)
_SIZES = (
    ("KiB", 2.0**10, 2.0**20),
    ("MiB", 2.0**20, 2.0**30),
    ("GiB", 2.0**30, 2.0**40),
    ("TiB", 2.0**40, math.inf),
)
_AGES = (("second", 1, 60), ("minute", 60, 3_600), ("hour", 3_600, 86_400), ("day", 86_400, math.inf))


def is_missing(value: object) -> bool:
    """Return whether the value is None, NA or NaT; NaN is a number and not missing."""
    return type(value).__name__ in _MISSING_TYPES


def human_seconds(seconds: float | None) -> str:
    """Return a duration in the unit that suits it, such as ``3.1 ms``.

    One digit after the point below ten, whole numbers above; ``missing`` for None, NA and NaN.
    """
    if seconds is None or not _is_finite(seconds):
        return _unusual(seconds)
    if seconds < 0:
        return f"-{human_seconds(-seconds)}"
    return _scaled(seconds, _DURATIONS) if seconds else "0 s"


def human_age(seconds: float | None) -> str:
    """Return how long ago something was, such as ``2 hours ago``; ``in 2 hours`` for times to come.

    Whole units, rounded down, so nothing is called older than it is; ``missing`` for None, NA and NaN.
    """
    if seconds is None or not _is_finite(seconds):
        return _unusual(seconds)
    if abs(seconds) < 1:
        return "just now"
    unit, size, _ = next(age for age in _AGES if abs(seconds) < age[2])
    count = int(abs(seconds) // size)
    amount = f"{count:,} {unit}{'' if count == 1 else 's'}"
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def human_bytes(size: float | None) -> str:
    """Return a size such as ``512 B`` or ``1.5 MiB`` (powers of 1,024); ``missing`` for None, NA and NaN."""
    if size is None or not _is_finite(size):
        return _unusual(size)
    return f"{size:.0f} B" if abs(size) < 1_024 else _scaled(size, _SIZES)


def human_percent(ratio: float | None) -> str:
    """Return a share such as ``99.95 %``; only the whole is ever called ``100 %``, only nothing ``0 %``.

    Rounded down; two digits after the point within one percent of either end, else one;
    ``missing`` for None, NA and NaN.
    """
    if ratio is None or not _is_finite(ratio):
        return _unusual(ratio)
    if 0 < ratio < 0.0001:
        return "under 0.01 %"
    if ratio in {0, 1}:
        return f"{ratio * 100:.0f} %"
    digits = 1 if 0.01 <= ratio <= 0.99 else 2
    # 0.29 * 100 is 28.999999999999996: the hair must not cost a digit, nor may it add one to the greatest share.
    percent = min(math.floor(round(ratio * 100 * 10**digits, 6)) / 10**digits, 99.99) if ratio < 1 else ratio * 100
    return f"{percent:.{digits}f} %"


def _is_finite(number: float) -> bool:
    return not is_missing(number) and math.isfinite(number)


def _unusual(number: float | None) -> str:
    if number is None or is_missing(number) or math.isnan(number):
        return MISSING
    return "infinite"


def _scaled(number: float, units: tuple[tuple[str, float, float], ...]) -> str:
    # Half a unit early: what would be shown as 1,000 ms is shown as 1.0 s.
    unit, size, _ = next(unit for unit in units if abs(number) < unit[2] - unit[1] / 2)
    scaled = number / size
    return f"{scaled:.1f} {unit}" if abs(scaled) < 9.95 else f"{scaled:,.0f} {unit}"
