"""Pairs of tables with planted differences, and what should be found: the truth for the tests of comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tecton_nb import columns

LIST, INTS = pa.list_(pa.float64()), pa.list_(pa.int64())
STRUCT = pa.struct([("n", pa.int64()), ("x", pa.float64()), ("s", pa.string())])
MAP = pa.map_(pa.string(), pa.float64())
TIMES = pa.list_(pa.struct([("at", pa.timestamp("ns", "UTC")), ("tags", pa.list_(pa.string()))]))
BIG = 2**53
# How close two floats or times count as the same in planted cases.
RTOL, SLACK = 1e-6, pd.Timedelta("1s")
PER_FEATURE = {"seen_at": {"atol": SLACK}, "visits": {"atol": SLACK}}

Truth = dict[tuple[Any, str], str]


@dataclass
class Table:
    """A table of features, such as a batch is."""

    values: pd.DataFrame
    status: pd.DataFrame
    times: pd.DataFrame

    def to_pandas(self) -> pd.DataFrame:
        """Return the values."""
        return self.values

    def statuses(self) -> pd.DataFrame:
        """Return the statuses."""
        return self.status

    def effective_times(self) -> pd.DataFrame:
        """Return the effective times."""
        return self.times


@dataclass
class Planted:
    """Two sides as columns of Python values by key, and the verdicts planted in them."""

    left: dict[str, dict[Any, Any]]
    right: dict[str, dict[Any, Any]]
    left_statuses: dict[tuple[Any, str], str] = field(default_factory=dict)
    right_statuses: dict[tuple[Any, str], str] = field(default_factory=dict)
    truth: Truth = field(default_factory=dict)


def arrow(values: list[Any], kind: pa.DataType) -> Any:
    """Return an Arrow-backed pandas array."""
    return pd.arrays.ArrowExtensionArray(pa.array(values, kind, from_pandas=False))


def floats(values: list[Any], dtype: Any = np.float64) -> Any:
    """Return nullable floats in which NaN and null are two things."""
    mask = np.array([value is None for value in values], dtype=bool)
    return pd.arrays.FloatingArray(np.array([0 if v is None else v for v in values], dtype=dtype), mask)


# Feature: how a column is made of Python values, how a value is drawn, how it is changed to one that differs, and how
# to one within tolerance (None where there is none).
MAKERS = {
    "count": lambda v: pd.array(v, "Int64"),
    "score": floats,
    "ratio": lambda v: floats(v, np.float32),
    "is_late": lambda v: pd.array(v, "boolean"),
    "city": lambda v: pd.array(v, pd.StringDtype("pyarrow")),
    "seen_at": lambda v: pd.DatetimeIndex(v, dtype="datetime64[ns, UTC]").array,
    "recent": lambda v: arrow(v, LIST),
    "ids": lambda v: arrow(v, INTS),
    "last": lambda v: arrow(v, STRUCT),
    "by_day": lambda v: arrow(v, MAP),
    "visits": lambda v: arrow(v, TIMES),
    "grade": lambda v: pd.array(v, "string" if any(isinstance(value, str) for value in v) else "Int64"),
    "rank": lambda v: pd.array(v, "Int64"),
}
FEATURES = tuple(MAKERS)
# The right has it as text, so every cell is planted; and the right has no statuses of it.
OTHER_KIND, WITHOUT_STATUS = "grade", "rank"


def draw(random: np.random.Generator, feature: str) -> Any:
    """Return a value of the feature; ints beyond 2**53 among them."""
    number = float(np.round(random.normal(100, 20), 3))
    whole = int(random.choice([BIG, 7, -3])) + int(random.integers(0, 5))
    moment = pd.Timestamp("2024-05-01", tz="UTC") + pd.Timedelta(int(random.integers(0, 10**15)), "ns")
    many = [float(x) for x in np.round(random.normal(0, 5, int(random.integers(0, 4))), 3)]
    return {
        "count": whole,
        "grade": whole,
        "rank": whole,
        "score": float(random.choice([number, np.inf])) if random.random() < 0.1 else number,
        "ratio": float(np.float32(number)),
        "is_late": bool(random.integers(2)),
        "city": str(random.choice(["Köln", "Bonn", "", "=1+1"])),
        "seen_at": moment,
        "recent": [*many, None, float("nan")] if random.random() < 0.2 else [*many, number],
        "ids": [whole, *([None] if random.random() < 0.3 else [])],
        "last": {"n": whole, "x": number, "s": None if random.random() < 0.2 else "a"},
        "by_day": [("mon", number), ("tue", None if random.random() < 0.3 else 1.0)],
        "visits": [{"at": moment, "tags": ["a", None]}] * int(random.integers(1, 3)),
    }[feature]


def changed(feature: str, value: Any) -> Any:
    """Return a value that differs from this one, by as little as the type lets it."""
    return {
        "count": lambda: value + 1,
        "score": lambda: 0.0 if np.isinf(value) else value * (1 + 1e-4) + 1e-3,
        "ratio": lambda: float(np.float32(value * 1.001 + 0.01)),
        "is_late": lambda: not value,
        "city": lambda: value + " ",
        "seen_at": lambda: value + SLACK + pd.Timedelta(1, "ns"),
        "recent": lambda: [*value[:-1], 12_345.0],
        "ids": lambda: [value[0] + 1, *value[1:]],
        "last": lambda: value | {"n": value["n"] + 1},
        "by_day": lambda: [("mon", value[0][1] + 1), value[1]],
        "visits": lambda: [value[0] | {"tags": ["a", "b"]}, *value[1:]],
    }[feature]()


def nearly(feature: str, value: Any) -> Any:
    """Return a value within tolerance of this one; `None` where there is none."""
    small = 1 + RTOL / 3
    found = {
        "score": lambda: value * small if np.isfinite(value) and value else None,
        "seen_at": lambda: value + SLACK / 2,
        "recent": lambda: [value[0] * small, *value[1:]] if value and value[0] and value[0] == value[0] else None,
        "last": lambda: value | {"x": value["x"] * small},
        "by_day": lambda: [("mon", value[0][1] * small), value[1]],
        "visits": lambda: [value[0] | {"at": value[0]["at"] + SLACK}, *value[1:]],
    }.get(feature, lambda: None)()
    return None if found == value else found


def reordered(feature: str, value: Any) -> Any:
    """Return the same value in another guise: a map's pairs the other way round."""
    return value[::-1] if feature == "by_day" and value else value


def planted(seed: int) -> Planted:
    """Return a case: every class of difference is planted in it somewhere, each cell once at most."""
    random = np.random.default_rng(seed)
    keys = [f"k{i}" for i in range(int(random.integers(16, 32)))]
    left = {name: {key: draw(random, name) if random.random() > 0.1 else None for key in keys} for name in FEATURES}
    for key in keys:
        if left["score"][key] is not None and random.random() < 0.1:
            left["score"][key] = float("nan")
    case = Planted(left, {name: {k: reordered(name, v) for k, v in column.items()} for name, column in left.items()})
    for key in keys:
        _plant_other_kind(case, random, key)
        _plant_without_status(case, random, key)
    cells = [(key, name) for name in FEATURES for key in keys if name not in {OTHER_KIND, WITHOUT_STATUS}]
    for place in random.permutation(len(cells))[: len(cells) // 4]:
        _plant(case, random, *cells[place])
    for key in random.permutation(keys)[:4]:
        _plant_row(case, key, is_left=bool(random.integers(2)))
    return case


def _plant(case: Planted, random: np.random.Generator, key: str, name: str) -> None:
    value = case.left[name][key]
    kind = str(random.choice(["change", "near", "null", "nan", "status", "silent"]))
    if kind == "status":
        statuses = [columns.MISSING_DATA, "TIME_OUT", "UNKNOWN", columns.NOT_FETCHED, columns.FAILED]
        case.right_statuses[key, name] = str(random.choice(statuses))
        case.right[name][key] = None
        case.truth[key, name] = columns.STATUS_DIFFERS
    elif kind == "silent":
        case.left_statuses[key, name] = case.right_statuses[key, name] = columns.FAILED
        case.left[name][key] = case.right[name][key] = None
        case.truth[key, name] = columns.NO_ANSWER
    elif kind == "nan" and name in {"score", "ratio"}:
        case.left[name][key], case.right[name][key] = float("nan"), None
        case.truth[key, name] = columns.NAN_AGAINST_NULL
    elif value is None:
        case.right[name][key] = draw(random, name)
        case.truth[key, name] = columns.NULL_AGAINST_VALUE
    elif kind == "null" and value == value:
        case.right[name][key] = None
        case.truth[key, name] = columns.NULL_AGAINST_VALUE
    elif kind == "near" and (near := nearly(name, value)) is not None:
        case.right[name][key] = near
        case.truth[key, name] = columns.WITHIN_TOLERANCE
    elif kind == "change" and value == value:
        case.right[name][key] = changed(name, value)
        case.truth[key, name] = columns.DIFFERENT_VALUE


def _plant_other_kind(case: Planted, random: np.random.Generator, key: str) -> None:
    value = case.left[OTHER_KIND][key]
    case.right[OTHER_KIND][key] = None if value is None or random.random() < 0.1 else str(value)
    if value is not None:
        is_null = case.right[OTHER_KIND][key] is None
        case.truth[key, OTHER_KIND] = columns.NULL_AGAINST_VALUE if is_null else columns.DTYPE_DIFFERS


def _plant_without_status(case: Planted, random: np.random.Generator, key: str) -> None:
    if random.random() < 0.3:
        case.left_statuses[key, WITHOUT_STATUS] = str(random.choice([columns.FAILED, "TIME_OUT", "MISSING_DATA"]))
        case.left[WITHOUT_STATUS][key] = None
        if random.random() < 0.5:
            case.right[WITHOUT_STATUS][key] = None
        is_silent = case.left_statuses[key, WITHOUT_STATUS] != "MISSING_DATA"
        if case.right[WITHOUT_STATUS][key] is not None:
            case.truth[key, WITHOUT_STATUS] = columns.NULL_AGAINST_VALUE
        elif is_silent:
            case.truth[key, WITHOUT_STATUS] = columns.NO_ANSWER


def _plant_row(case: Planted, key: str, *, is_left: bool) -> None:
    other, verdict = (case.right, columns.ONLY_LEFT) if is_left else (case.left, columns.ONLY_RIGHT)
    for name in FEATURES:
        del other[name][key]
        case.truth[key, name] = verdict


def frame(side: dict[str, dict[Any, Any]], order: list[Any]) -> pd.DataFrame:
    """Return one side as a typed frame with its rows in this order."""
    arrays = {name: MAKERS[name]([column[key] for key in order]) for name, column in side.items()}
    return pd.DataFrame(arrays, index=pd.Index(order, name="user_id"))


def table(
    side: dict[str, dict[Any, Any]], statuses: dict[tuple[Any, str], str], order: list[Any], *, is_plain: bool
) -> Table:
    """Return one side as a table with statuses: all fresh, or some from the cache and of one feature none."""
    values = frame(side, order)
    names = {
        name: [
            # The same status on both sides, whatever the value, but where another one is planted.
            statuses.get((key, name), columns.PRESENT if is_plain or not key.endswith("3") else "CACHED_PRESENT")
            for key in order
        ]
        for name in side
        if is_plain or name != WITHOUT_STATUS
    }
    status = pd.DataFrame({name: pd.array(texts, "string") for name, texts in names.items()}, index=values.index)
    times = pd.DataFrame(
        {name: pd.DatetimeIndex([pd.NaT] * len(order), tz="UTC") for name in names}, index=values.index
    )
    return Table(values, status, times)
