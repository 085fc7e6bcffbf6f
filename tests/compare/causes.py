"""Two tables that differ for one known cause: the truth for the tests of explanations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from planting import LIST, Table, arrow, floats

from tecton_nb.columns import FAILED, MISSING_DATA, PRESENT, TIME_OUT, UNKNOWN_STATUS

NOW = pd.Timestamp("2024-05-01T12:00:00Z").value
HOUR = 3_600 * 10**9
NAME = "view.feature"
COUNTRIES = ["de", "fr", "it", "pt", "es"]


@dataclass
class Sides:
    """Values, statuses and effective times of both sides while a cause is planted."""

    random: np.random.Generator
    left: list[object]
    right: list[object]
    left_status: np.ndarray
    right_status: np.ndarray
    left_time: np.ndarray
    right_time: np.ndarray
    country: np.ndarray
    hit: np.ndarray
    make: Callable[[list[object]], object] = floats

    def change(self, change: Callable[[object], object], rows: np.ndarray | None = None) -> None:
        """Change the right's values at the hit rows."""
        for row in self.hit if rows is None else rows:
            self.right[row] = change(self.right[row])


def tables(cause: str, seed: int) -> tuple[Table, Table]:
    """Return two tables that differ in one feature for one cause, in a third to all of the rows or so."""
    random = np.random.default_rng([seed, *cause.encode()])
    count = int(random.integers(60, 200))
    values = [float(x) for x in np.round(random.lognormal(3, 1.2, count), 4)]
    times = NOW - random.integers(0, 400, count) * HOUR
    hit = np.flatnonzero(random.random(count) < random.uniform(0.3, 0.9))
    present = np.full(count, PRESENT, dtype=object)
    country = random.choice(COUNTRIES, count)
    sides = Sides(random, values, list(values), present, present.copy(), times, times.copy(), country, hit)
    PLANT[cause](sides)
    _distract(sides, cause)
    if random.random() < 0.5:
        sides.left, sides.right = sides.right, sides.left
        sides.left_status, sides.right_status = sides.right_status, sides.left_status
        sides.left_time, sides.right_time = sides.right_time, sides.left_time
    index = pd.MultiIndex.from_arrays([country, [f"u{i}" for i in range(count)]], names=["country", "user_id"])
    one = _table(sides.left, sides.left_status, sides.left_time, sides.make, index)
    other = _table(sides.right, sides.right_status, sides.right_time, sides.make, index)
    if cause == "type":
        other.values[NAME] = other.values[NAME].astype("string")
    return one, other


def _distract(s: Sides, cause: str) -> None:
    """Add what real data bring along: nulls on both sides, a cached side, a few differences of another kind."""
    untouched = np.array([i for i, (a, b) in enumerate(zip(s.left, s.right, strict=True)) if a is b or a == b])
    if s.random.random() < 0.4 and len(untouched):
        for row in s.random.choice(untouched, len(untouched) // 8, replace=False):
            s.left[row] = s.right[row] = None
    if s.random.random() < 0.3 and cause in ARITHMETIC:
        cached = s.left_status == PRESENT
        s.left_status[cached] = "CACHED_PRESENT"
    if s.random.random() < 0.3 and cause in {"sign", "unit_factor", "offset", "stale", "cache"} and s.make is floats:
        count = (len(s.left) - len(untouched)) // 12
        for row in s.random.choice(untouched, min(count, len(untouched)), replace=False):
            s.right[row] = None if s.right[row] is None else s.right[row] + float(s.random.normal(0, 50))


def _table(values, statuses, times, make, index) -> Table:
    frames = (make(values), pd.array(statuses, "string"), pd.DatetimeIndex(times.view("datetime64[ns]"), tz="UTC"))
    return Table(*(pd.DataFrame({NAME: column}, index=index) for column in frames))


def _noise(s: Sides) -> Callable[[object], object]:
    return lambda value: float(np.round(value * s.random.uniform(1.05, 3), 4))


def _plant_type(s: Sides) -> None:
    s.make = lambda values: pd.array([None if v is None else int(v) for v in values], "Int64")


def _plant_precision(s: Sides) -> None:
    roundings = [lambda v: float(np.float32(v)), lambda v: round(v, 2), lambda v: round(v, 1)]
    rounding = roundings[int(s.random.integers(3))]
    s.left = [v * 1.000123456789 for v in s.left]
    s.right = list(s.left)
    s.change(rounding)


def _plant_order(s: Sides) -> None:
    s.make = lambda values: arrow(values, LIST)
    s.left = [[float(x) for x in np.round(s.random.normal(0, 9, 5), 3)] for _ in s.left]
    s.right = list(s.left)
    s.change(lambda v: v[::-1] if s.random.random() < 0.5 else [v[2], v[0], v[1], *v[3:]])


def _plant_sign(s: Sides) -> None:
    if s.random.random() < 0.3:
        s.make = lambda values: arrow(values, LIST)
        s.left = s.right = [[v, 2 * v] for v in s.left]
        s.right = list(s.left)
        s.change(lambda v: [-x for x in v])
    else:
        s.change(lambda v: -v)


def _plant_timezone(s: Sides) -> None:
    s.make = lambda values: pd.DatetimeIndex([None if v is None else pd.Timestamp(v, tz="UTC") for v in values]).array
    s.left = [int(NOW - x * 10**9) for x in s.random.integers(0, 10**8, len(s.left))]
    s.right = list(s.left)
    zones = [float(s.random.choice([-7, 2, 5.5, 9])), float(s.random.choice([-8, 1]))]
    s.change(lambda v: v + int(s.random.choice(zones[: 1 + int(s.random.random() < 0.3)]) * HOUR))


def _plant_unit_factor(s: Sides) -> None:
    factor = float(s.random.choice([1_000, 60, 3_600, 1e-3, 0.01, 1.609344, 86_400]))
    if s.random.random() < 0.3:
        s.make = lambda values: arrow(values, LIST)
        s.left = [[v, v + 1] for v in s.left]
        s.right = list(s.left)
        s.change(lambda v: [x * factor for x in v])
    else:
        s.change(lambda v: v * factor)


def _plant_offset(s: Sides) -> None:
    step = float(s.random.choice([1, -1, 273.15, 100, -0.5]))
    s.change(lambda v: v + step)


def _plant_default(s: Sides) -> None:
    default = float(s.random.choice([0, -1, 999]))
    s.right_status[s.hit] = MISSING_DATA if s.random.random() < 0.5 else PRESENT
    s.left = [None if row in set(s.hit.tolist()) else v for row, v in enumerate(s.left)]
    s.right_status, s.left_status = s.left_status, s.right_status
    s.change(lambda _: default)


def _plant_ttl(s: Sides) -> None:
    cut = np.quantile(s.left_time, s.random.uniform(0.2, 0.6))
    old = np.flatnonzero(s.left_time < cut)
    s.change(lambda _: None, old)
    if s.random.random() < 0.6:
        s.right_status[old] = MISSING_DATA
    if s.random.random() < 0.5:
        s.right_time[old] = np.iinfo(np.int64).min


def _plant_cache(s: Sides) -> None:
    s.right_status[s.hit] = "CACHED_PRESENT"
    s.right_time[s.hit] -= s.random.integers(1, 60, len(s.hit)) * 60 * 10**9
    s.change(_noise(s))


def _plant_stale(s: Sides) -> None:
    s.right_time[s.hit] -= s.random.integers(1, 48, len(s.hit)) * HOUR
    s.change(_noise(s))


def _plant_status(s: Sides) -> None:
    s.right_status[s.hit] = s.random.choice([TIME_OUT, UNKNOWN_STATUS, FAILED, MISSING_DATA])
    s.change(lambda _: None)


def _plant_segment(s: Sides) -> None:
    rows = np.flatnonzero(s.country == s.random.choice(COUNTRIES))
    s.change(_noise(s), rows)


def _plant_none(s: Sides) -> None:
    s.change(lambda value: float(np.round(value * s.random.uniform(0.3, 3), 4)))


ARITHMETIC = {"type", "precision", "order", "sign", "timezone", "unit_factor", "offset", "default", "segment"}
PLANT: dict[str, Callable[[Sides], None]] = {
    "type": _plant_type,
    "precision": _plant_precision,
    "order": _plant_order,
    "sign": _plant_sign,
    "timezone": _plant_timezone,
    "unit_factor": _plant_unit_factor,
    "offset": _plant_offset,
    "default": _plant_default,
    "ttl": _plant_ttl,
    "cache": _plant_cache,
    "stale": _plant_stale,
    "status": _plant_status,
    "segment": _plant_segment,
    "none": _plant_none,
}
