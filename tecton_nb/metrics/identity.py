"""What tells one series from another, as cells of a frame and as one text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from .. import columns
from ..wire.metrics_page import Series

LABELS = tuple(column.name for column in columns.METRIC_LABELS)
# Columns of a series, in the order of `cells_of`.
_NUMBERS = ("quantile", "le")
CELLS = (*_NUMBERS, *LABELS, "labels")
_STRING = pd.StringDtype()

Cells = tuple[Any, ...]
_Made = TypeVar("_Made")


def _remembered(make: Callable[[Series], _Made]) -> Callable[[Series], _Made]:
    """Remember what is made of a series for as long as the series is there, which `SeriesMemory` bounds."""
    memory: WeakKeyDictionary[Series, _Made] = WeakKeyDictionary()

    @wraps(make)
    def found(series: Series) -> _Made:
        made = memory.get(series)
        if made is None:
            made = memory[series] = make(series)
        return made

    return found


@_remembered
def cells_of(series: Series) -> Cells:
    """Return the cells that its labels fill, in the order of `CELLS`; `None` where it has no such label."""
    return label_cells(series.labels)


def label_cells(labels: Mapping[str, str]) -> Cells:
    """Return the cells that labels fill; an empty label is none, a bound that is no number stays among the others."""
    left = {name: value for name, value in labels.items() if value}
    numbers = [_taken(left, name) for name in _NUMBERS]
    known = [left.pop(name, None) for name in LABELS]
    return (*numbers, *known, labels_json(left))


@_remembered
def identity_of(series: Series) -> tuple[str, str]:
    """Return what a history knows a series by: its name, and its labels as JSON sorted by name."""
    return series.name, labels_json(series.labels)


def labels_json(labels: Mapping[str, str]) -> str:
    """Return labels as JSON, sorted and without the empty ones."""
    filled = {name: value for name, value in labels.items() if value}
    return orjson.dumps(filled, option=orjson.OPT_SORT_KEYS).decode()


def text_column(values: Sequence[str | None]) -> Any:
    """Return texts as an array of dtype ``string``."""
    return pd.array(pa.array(values, pa.large_string()), dtype=_STRING)


def repeated_text(value: str | None, count: int) -> Any:
    """Return one text, or nothing, `count` times; a third of the time that taking it so often takes."""
    kind = pa.large_string()
    return pd.array(pa.nulls(count, kind) if value is None else pa.repeat(pa.scalar(value, kind), count), dtype=_STRING)


def number_column(values: Sequence[float | None] | np.ndarray[Any, Any]) -> Any:
    """Return numbers as an array of dtype ``Float64``; `None` is missing, NaN is a number."""
    if isinstance(values, np.ndarray):
        return pd.arrays.FloatingArray(values, np.zeros(len(values), bool))
    mask = np.fromiter((value is None for value in values), bool, len(values))
    filled = np.fromiter((1.0 if value is None else value for value in values), float, len(values))
    return pd.arrays.FloatingArray(filled, mask)


def moments(milliseconds: np.ndarray[Any, np.dtype[np.int64]]) -> pd.DatetimeIndex:
    """Return times; NaT outside the years 1678 to 2261, which no nanoseconds hold."""
    limit = (2**63 - 1) // 1_000_000
    held = np.abs(milliseconds.clip(-limit - 1, limit + 1)) <= limit
    nanoseconds = np.where(held, milliseconds, 0) * 1_000_000
    return pd.DatetimeIndex(np.where(held, nanoseconds, np.iinfo(np.int64).min).view("datetime64[ns]"), tz="UTC")


def cell_columns(rows: Sequence[Cells]) -> dict[str, Any]:
    """Return one array per column of `CELLS`."""
    turned = dict(zip(CELLS, zip(*rows, strict=True) if rows else [()] * len(CELLS), strict=True))
    return {name: number_column(values) if name in _NUMBERS else text_column(values) for name, values in turned.items()}


def _taken(labels: dict[str, str], name: str) -> float | None:
    try:
        number = float(labels[name])
    except (KeyError, ValueError):
        return None
    del labels[name]
    return number
