"""Causes that the values themselves show: type, precision, order, sign, unit, offset, time zone, default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from ... import columns
from ...exceptions import quoted
from ...reprs import human_seconds
from ..vectors import BOOLEAN, FLOAT, INTEGER, NESTED, STRING, TIME, Bools, Vector, is_list, same_unit
from .case import Case, Finding, Floats, Numbers, out_of, shared

# Two numbers whose ratio or difference is constant but for rounding.
_CLOSE = 1e-6
# So few cells or so few different values show nothing.
_FEW = 3
_FACTORS = {
    10.0: "ten",
    100.0: "percent against share, or cents",
    1_000.0: "thousand: seconds and milliseconds, or kilo",
    1e6: "million: seconds and microseconds, or mega",
    1e9: "billion: seconds and nanoseconds, or giga",
    60.0: "minutes and seconds, or hours and minutes",
    3_600.0: "hours and seconds",
    24.0: "days and hours",
    1_440.0: "days and minutes",
    86_400.0: "days and seconds",
    7.0: "weeks and days",
    1_024.0: "kibi",
    1.609344: "miles and kilometres",
    0.3048: "feet and metres",
    2.54: "inches and centimetres",
    0.45359237: "pounds and kilograms",
}
_QUARTER = 900 * 10**9
_FARTHEST_ZONE = 14 * 3_600 * 10**9
_DIGITS = range(9)
_MOST_ARRAYS = 2_000
# Below what a weak reason is believed.
_MOVED = 0.4


def other_type(case: Case) -> Finding | None:
    """One side has another type, or one that has no null."""
    is_other = case.has(columns.DTYPE_DIFFERS)
    dtypes = [None if c is None else c.dtype for c in (case.pair.left_column, case.pair.right_column)]
    if not is_other.any():
        return _without_null(case, dtypes)
    at = np.flatnonzero(is_other)
    alike = _alike(case.left.values.take(at), case.right.values.take(at))
    said = f"; {alike:,} of {len(at):,} are the same when read as numbers or text" if alike else ""
    return Finding(float(is_other.mean()), f"left is {dtypes[0]}, right is {dtypes[1]}{said}")


def _without_null(case: Case, dtypes: Sequence[object]) -> Finding | None:
    is_gap = case.has(columns.NAN_AGAINST_NULL)
    names = [name for name, dtype in zip(("left", "right"), dtypes, strict=True) if isinstance(dtype, np.dtype)]
    if not is_gap.any() or len(names) != 1:
        return None
    said = f"{names[0]} is numpy's {dtypes[names[0] == 'right']}, in which NaN stands for null too"
    return Finding(float(is_gap.mean()), f"{said}, in {out_of(int(is_gap.sum()), case)}")


def other_precision(case: Case) -> Finding | None:
    """The same after rounding: to float32, to float64, or to some digits after the point."""
    numbers = case.numbers
    if numbers is None or not len(numbers.left):
        return None
    if numbers.is_whole:
        fits = numbers.left.astype(np.float64) == numbers.right.astype(np.float64)
        return _of_numbers(case, numbers, fits, "equal as float64: one side went through floats, beyond 2**53")
    with np.errstate(over="ignore"):
        singles = numbers.left.astype(np.float32) == numbers.right.astype(np.float32)
    best = _of_numbers(case, numbers, singles, "equal when rounded to float32")
    rounded = [found for digits in _DIGITS for found in _rounded(case, numbers, digits)]
    return max([found for found in [best, *rounded] if found is not None], key=lambda f: f.share, default=None)


def other_order(case: Case) -> Finding | None:
    """Arrays have the same elements in another order."""
    left, right = case.left.values, case.right.values
    if not (left.kind == right.kind == NESTED and is_list(left.values.type) and is_list(right.values.type)):
        return None
    at = np.flatnonzero(case.both & case.has(columns.DIFFERENT_VALUE))[:_MOST_ARRAYS]
    if not len(at):
        return None
    pairs = zip(*(side.take(at).values.to_pylist() for side in (left, right)), strict=True)
    same = sum(Counter(map(repr, one)) == Counter(map(repr, other)) for one, other in pairs)
    share = float(case.both.mean()) * same / len(at)
    return Finding(share, f"the same elements in another order in {same:,} of {len(at):,} arrays") if same else None


def other_sign(case: Case) -> Finding | None:
    """The same numbers with the other sign."""
    numbers = case.numbers
    if numbers is None or not len(numbers.left):
        return None
    return _of_numbers(case, numbers, _floats(numbers.left) == -_floats(numbers.right), "right is minus left")


def other_unit(case: Case) -> Finding | None:
    """A constant ratio."""
    numbers = case.numbers
    if numbers is None:
        return None
    left, right = _floats(numbers.left), _floats(numbers.right)
    usable = (left != 0) & (right != 0) & np.isfinite(left) & np.isfinite(right)
    if len(np.unique(left[usable])) < _FEW:
        return None
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        ratios = np.where(usable, right, 1.0) / np.where(usable, left, 1.0)
    ratio = float(np.median(ratios[usable]))
    if ratio in {1.0, -1.0, 0.0} or abs(ratio - 1) < _CLOSE or not np.isfinite(ratio):
        return None
    fits = usable & (np.abs(ratios - ratio) <= _CLOSE * abs(ratio))
    return _of_numbers(case, numbers, fits, f"right is left times {ratio:.10g}{_named(ratio)}")


def shifted(case: Case) -> Finding | None:
    """A constant difference of numbers, or of times that is no offset of time zones."""
    if case.left.values.kind == case.right.values.kind == TIME:
        return _shifted_times(case)
    numbers = case.numbers
    if numbers is None:
        return None
    left, right = _floats(numbers.left), _floats(numbers.right)
    finite = np.isfinite(left) & np.isfinite(right)
    if len(np.unique(left[finite])) < _FEW:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        steps = right - left
    step = float(np.median(steps[finite]))
    # A difference of 1e-9 between numbers around 1e3 is known to seven digits at best.
    slack = _CLOSE * abs(step) + 1e-15 * np.maximum(np.abs(left), np.abs(right))
    fits = finite & (np.abs(steps - step) <= slack)
    return _of_numbers(case, numbers, fits, f"right is left plus {step:.10g}")


def other_zone(case: Case) -> Finding | None:
    """Times are apart by an offset of time zones: quarters of an hour, at most two different ones."""
    steps = _time_steps(case)
    if steps is None:
        return None
    common = Counter(steps.tolist()).most_common(2)
    zones = [(step, count) for step, count in common if step % _QUARTER == 0 and abs(step) <= _FARTHEST_ZONE]
    if not zones or not _is_varied(case):
        return None
    count = sum(count for _, count in zones)
    said = " or ".join(f"{step / 3.6e12:+.10g} h" for step, _ in zones)
    # Moments that went on with the effective times, such as of the last event, were not read in another zone.
    belief = _MOVED if _share_moved(case, steps) > 0.5 else 1.0
    return Finding(count / len(case), f"right is left {said} in {out_of(count, case)}", belief)


def _share_moved(case: Case, steps: np.ndarray) -> float:
    gaps = (case.right.times - case.left.times)[case.both]
    is_known = (case.left.has_time & case.right.has_time)[case.both]
    return float((is_known & np.asarray(gaps == steps, dtype=bool)).mean())


def with_default(case: Case) -> Finding | None:
    """One side has a fixed value where the other has null."""
    found = [finding for name, *_ in case.sides() for finding in _defaults_on(case, name)]
    return max(found, key=lambda f: f.share, default=None)


def _defaults_on(case: Case, name: str) -> Iterator[Finding]:
    side, other = (case.left, case.right) if name == "left" else (case.right, case.left)
    equal = case.equal_left if name == "left" else case.equal_right
    at = np.flatnonzero(other.values.nulls & ~side.values.nulls)
    if len(at) < _FEW:
        return
    values = [repr(value) for value in side.values.take(at).objects()]
    text, count = Counter(values).most_common(1)[0]
    usual = [repr(value) for value in equal.values.take(np.flatnonzero(~equal.values.nulls)[:_MOST_ARRAYS]).objects()]
    # As common elsewhere as here, it would be no default: how likely is it to meet it that often by chance?
    base = (usual.count(text) + 1) / (len(usual) + 2)
    if count < _FEW or count / len(at) < 0.5 or base**count > 0.01:
        return
    evidence = f"{name} has {quoted(text)} where the other side is null in {out_of(count, case)}"
    yield Finding(count / len(case), evidence)


def _of_numbers(case: Case, numbers: Numbers, fits: Bools, evidence: str) -> Finding | None:
    share = case.share_of(numbers.owners, fits)
    return Finding(share, f"{evidence}, in {shared(share, case)}") if share else None


def _rounded(case: Case, numbers: Numbers, digits: int) -> Iterator[Finding]:
    left, right = _floats(numbers.left), _floats(numbers.right)
    for name, one, other in (("right", left, right), ("left", right, left)):
        fits = (np.round(one, digits) == other) & np.isfinite(one)
        found = _of_numbers(case, numbers, fits, f"{name} is rounded to {digits} digits after the point")
        if found is not None and len(np.unique(other[fits])) >= _FEW:
            yield found


def _alike(left: Vector, right: Vector) -> int:
    if {left.kind, right.kind} <= {INTEGER, FLOAT, BOOLEAN}:
        return int((left.floats() == right.floats()).sum())
    if STRING not in {left.kind, right.kind}:
        return 0
    if TIME in {left.kind, right.kind}:
        return int((_as_times(left) == _as_times(right)).sum())
    texts = [[str(value) for value in side.objects()] for side in (left, right)]
    numbers = [
        pd.to_numeric(pd.Series(side, dtype=object), errors="coerce").to_numpy(dtype=np.float64) for side in texts
    ]
    same_text = np.array([a.lower() == b.lower() for a, b in zip(*texts, strict=True)], dtype=bool)
    return int((same_text | (numbers[0] == numbers[1])).sum())


def _as_times(vector: Vector) -> np.ndarray:
    """Return microseconds since the epoch, which hold the years 1 to 9999; NaT where a text is no time."""
    if vector.kind != STRING:
        return np.asarray(vector.values.view(f"datetime64[{vector.unit}]").astype("datetime64[us]").astype(np.int64))
    read = pd.to_datetime(pd.Series(vector.objects(), dtype=object), errors="coerce", utc=True, format="ISO8601")
    return np.asarray(pd.DatetimeIndex(read).as_unit("us").asi8)


def _shifted_times(case: Case) -> Finding | None:
    steps = _time_steps(case)
    if steps is None or not _is_varied(case):
        return None
    step, count = Counter(steps.tolist()).most_common(1)[0]
    if step % _QUARTER == 0 and abs(step) <= _FARTHEST_ZONE:
        return None
    return Finding(count / len(case), f"right is left plus {human_seconds(step / 1e9)} in {out_of(count, case)}")


def _time_steps(case: Case) -> np.ndarray | None:
    left, right = case.left.values, case.right.values
    if not left.kind == right.kind == TIME or not case.both.any():
        return None
    at = np.flatnonzero(case.both)
    one, other = same_unit(left.take(at), right.take(at))
    return np.asarray(other.values - one.values)


def _is_varied(case: Case) -> bool:
    at = np.flatnonzero(case.both)
    return len(np.unique(case.left.values.take(at).values)) >= _FEW


def _named(ratio: float) -> str:
    for factor, name in _FACTORS.items():
        if abs(ratio / factor - 1) < _CLOSE:
            return f" ({name})"
        if abs(ratio * factor - 1) < _CLOSE:
            return f", 1/{factor:.10g} ({name})"
    return ""


def _floats(numbers: np.ndarray) -> Floats:
    return numbers.astype(np.float64)
