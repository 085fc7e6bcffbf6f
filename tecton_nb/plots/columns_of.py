"""Columns of the frames that are drawn, checked; what is missing is said in one sentence."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.dates import date2num

from ..exceptions import InputError, missing_column, quoted

Floats = npt.NDArray[np.float64]

CALLS = ("calls", "batch.calls()")
METRICS = ("metrics", "client.get_metrics().to_pandas() or a history's frame")


def column_of(frame: pd.DataFrame, name: str, what: tuple[str, str] = CALLS) -> pd.Series:
    """Return a column; `what` is what the frame should hold, and where one like it comes from."""
    check_frame(frame, what)
    if name not in frame.columns:
        raise missing_column(what[0], name, frame.columns)
    return frame[name]


def check_frame(frame: object, what: tuple[str, str]) -> None:
    """Refuse what is no frame."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Cannot read {what[0]} from {type(frame).__name__}. Pass a frame, such as {what[1]}.")


def seconds_of(calls: pd.DataFrame, name: str) -> Floats:
    """Return a column of durations in seconds, NaN where there is none."""
    column = column_of(calls, name)
    if column.dtype.kind in "mM":
        raise InputError(
            f"The column {quoted(name)} holds {column.dtype}, not numbers of seconds. Use .dt.total_seconds() first."
        )
    try:
        seconds: Floats = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"The column {quoted(name)} holds values that are no seconds: {error}.") from error
    impossible = np.flatnonzero((seconds < 0) | np.isinf(seconds))
    if impossible.size:
        place = int(impossible[0])
        raise InputError(
            f"The column {quoted(name)} holds {seconds[place]} in row {place}: "
            "a time is a finite number of seconds from 0 on. Drop or correct such rows first."
        )
    return seconds


def numbers_of(frame: pd.DataFrame, name: str, what: tuple[str, str]) -> Floats:
    """Return a column of numbers, NaN where there is none."""
    column = column_of(frame, name, what)
    try:
        found: Floats = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"The column {quoted(name)} holds values that are no numbers: {error}.") from error
    return found


def moments_of(frame: pd.DataFrame, name: str, what: tuple[str, str] = CALLS) -> Floats:
    """Return a column of times as matplotlib's days since 1970, NaN where there is none; naive ones are UTC."""
    column = column_of(frame, name, what)
    if column.dtype.kind not in "MO" and column.dtype != "string":
        raise InputError(f"The column {quoted(name)} holds {column.dtype}, not times. Use pandas.to_datetime first.")
    try:
        shape = None if column.dtype.kind == "M" else "ISO8601"
        times = pd.DatetimeIndex(pd.to_datetime(column, utc=True, format=shape))
    except (TypeError, ValueError) as error:
        raise InputError(f"The column {quoted(name)} holds values that are no times: {error}.") from error
    naive = times.tz_localize(None).to_numpy()
    found: Floats = np.asarray(date2num(naive), dtype=np.float64)  # type: ignore[no-untyped-call]
    return found


def zone_of(tz: str) -> ZoneInfo:
    """Return a time zone by its name."""
    try:
        return ZoneInfo(tz)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise InputError(f"There is no time zone {quoted(tz)}. Write it like 'UTC' or 'Europe/Berlin'.") from error
