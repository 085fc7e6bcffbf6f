"""Python, numpy and pandas values seen as plain ones, without importing numpy or pandas.

Both libraries are recognised by what their values offer, because they begin one floor higher.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .timestamps import EpochNanoseconds, from_datetime, parse_timestamp


def is_missing(value: object) -> bool:
    """Whether the value stands for null: `None`, ``pd.NA``, ``pd.NaT``, numpy's ``NaT`` or a masked element."""
    kind = type(value).__name__
    return (
        value is None
        or kind in {"NAType", "NaTType", "MaskedConstant"}
        or (kind in {"datetime64", "timedelta64"} and str(value) == "NaT")
    )


def is_null(value: object) -> bool:
    """Whether the value stands for null where NaN is no value of its own."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def unwrapped(value: object) -> object:
    """Return the Python value inside a numpy or Arrow scalar, `None` for a missing one; anything else as it is.

    numpy's times keep their meaning here: their own ``item()`` gives a bare number for some units.
    """
    if is_missing(value):
        return None
    kind = type(value).__name__
    if kind == "datetime64":
        return _moment_of(value)
    if kind in {"longdouble", "float128", "float96"}:
        return float(value)  # type: ignore[arg-type]  # its item() is itself
    if getattr(value, "shape", None) == () and hasattr(value, "item") and kind != "timedelta64":
        return unwrapped(value[()]) if kind == "ndarray" else value.item()  # type: ignore[index]
    return _python_of(value) if hasattr(value, "as_py") else value


def whole_number(value: object) -> int | None:
    """Return the whole number that a number is exactly, `None` if it is none.

    A float above 2**53 may stand for several whole numbers and is refused.
    """
    if isinstance(value, int):
        return None if isinstance(value, bool | EpochNanoseconds) else int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    # The bound comes first: int(Decimal("1e999999999")) would fill the memory.
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 40 and value == int(value):
        return int(value)
    return None


def real_number(value: object) -> float | None:
    """Return the float nearest to a number, `None` for what is no number or a whole number no float is exactly.

    Raises
    ------
    OverflowError
        If the number is larger than any float.
    """
    if isinstance(value, bool | EpochNanoseconds) or not isinstance(value, int | float | Decimal | Fraction):
        return None
    if isinstance(value, Decimal) and value.is_snan():
        return math.nan
    number = float(value)
    if isinstance(value, Decimal) and value.is_finite() and math.isinf(number):
        raise OverflowError("larger than any float")
    return None if isinstance(value, int) and number != value else number


def moment(value: object) -> EpochNanoseconds | None:
    """Return the moment that a time, a date or RFC 3339 text names, `None` for anything else.

    Raises
    ------
    ValueError
        If text names no moment.
    """
    if isinstance(value, EpochNanoseconds):
        return value
    if isinstance(value, date):
        return from_datetime(value)
    return parse_timestamp(value) if isinstance(value, str) else None


def items_of(value: object) -> Sequence[object] | None:
    """Return the elements of a list, tuple, numpy array or Series in order, `None` for anything else."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return value
    # Iterating keeps numpy's scalars; tolist() would turn nanosecond times into bare numbers.
    if hasattr(value, "tolist") and hasattr(value, "__iter__") and not isinstance(value, Mapping | memoryview):
        return list(value)
    return None


def pairs_of(value: object) -> dict[object, object] | None:
    """Return a mapping, or a list of key and value pairs as Arrow-backed columns hand them out, as a `dict`.

    `None` for anything else, and where a key stands twice.
    """
    if isinstance(value, Mapping):
        return dict(value)
    items = items_of(value)
    pairs = [items_of(item) for item in items or ()]
    try:
        found = {pair[0]: pair[1] for pair in pairs if pair is not None and len(pair) == 2}
    except TypeError:  # a key that is a list or a dict
        return None
    return found if items is not None and len(found) == len(items) else None


def _moment_of(value: object) -> object:
    """Return numpy's ``datetime64`` as `EpochNanoseconds`, itself where that cannot say it exactly."""
    text = str(value)
    whole = text + "0000-01-01T00:00:00"[len(text) :]
    if whole[29:].strip("0"):
        return value
    try:
        return parse_timestamp(whole[:29])
    except ValueError:
        return value


def _python_of(value: Any) -> object:
    try:
        return value.as_py()
    except (ValueError, OverflowError):  # a time outside Python's years
        return value
