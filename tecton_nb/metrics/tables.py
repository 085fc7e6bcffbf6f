"""Samples of series as frames: long, wide, and rolled up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import columns
from .choosing import Chosen
from .described import Described
from .identity import CELLS, cell_columns, label_cells, moments, number_column, repeated_text, text_column
from .packing import Times, Values
from .points import Points

_IDENTITY = ("sample", *CELLS)


def families_frame(found: Mapping[Described, int], counted: str) -> pd.DataFrame:
    """Return one row per metric, and how many of what is counted it has; see ``columns.METRIC_FAMILIES``."""
    return pd.DataFrame(
        {
            "metric": text_column([one.heading.name for one in found]),
            "kind": text_column([one.heading.kind for one in found]),
            "unit": text_column([one.heading.unit or None for one in found]),
            "stage": text_column([one.stage for one in found]),
            "help": text_column([one.heading.help for one in found]),
            "version": text_column([one.version for one in found]),
            counted: pd.array(list(found.values()), dtype="Int64"),
        }
    )


def history_frame(series: Sequence[Chosen], found: Mapping[int, Points]) -> pd.DataFrame:
    """Return one row per sample, series by series in order of time; see ``columns.METRIC_HISTORY``."""
    pieces = [found[one.number] for one in series]
    rows = np.repeat(np.arange(len(series)), [len(piece.times) for piece in pieces])
    values = {name: _spread(array, rows) for name, array in _series_columns(series).items()}
    values["timestamp"] = moments(_joined([piece.times for piece in pieces], np.int64))
    values["value"] = number_column(_joined([piece.values for piece in pieces], np.float64))
    return pd.DataFrame({column.name: values[column.name] for column in columns.METRIC_HISTORY})


def scrapes_frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Return one row per scrape; see ``columns.METRIC_SCRAPES``, whose order `rows` have."""
    turned = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns.METRIC_SCRAPES]
    started, duration, outcome, status, samples, new, error = turned
    values = {
        "started_at": pd.DatetimeIndex(np.array(started, np.int64).view("datetime64[ns]"), tz="UTC"),
        "duration_seconds": number_column(duration),
        "outcome": text_column(outcome),
        "status": pd.array(status, dtype="Int64"),
        "samples": pd.array(samples, dtype="Int64"),
        "new_samples": pd.array(new, dtype="Int64"),
        "error": text_column(error),
    }
    return pd.DataFrame({column.name: values[column.name] for column in columns.METRIC_SCRAPES})


def wide_frame(series: Sequence[Chosen], found: Mapping[int, Points], breaks: Times) -> pd.DataFrame:
    """Return one column per series and one row per time; a time without a sample is missing.

    Parameters
    ----------
    series, found
        What to show.
    breaks
        Times in milliseconds, within gaps, at which every series is missing: a line through the frame breaks there.
    """
    pieces = [found[one.number] for one in series]
    times = np.unique(_joined([*(piece.times for piece in pieces), breaks], np.int64))
    arrays = []
    for piece in pieces:
        mask, values = np.ones(len(times), bool), np.ones(len(times))
        places = np.searchsorted(times, piece.times)
        mask[places], values[places] = False, piece.values
        arrays.append(pd.arrays.FloatingArray(values, mask))
    frame = pd.DataFrame(dict(enumerate(arrays)), index=moments(times).rename("timestamp"))
    frame.columns = _column_index(series)
    return frame


def rollup_frame(
    series: Sequence[Chosen], found: Mapping[int, Points], step_ms: int, quantiles: Sequence[float]
) -> pd.DataFrame:
    """Return one row per series and period with quantiles of its values; see ``columns.METRIC_ROLLUP``."""
    parts = [_rolled_up(found[one.number], step_ms, quantiles) for one in series]
    rows = np.repeat(np.arange(len(series)), [len(starts) for starts, _, _ in parts])
    values = {name: _spread(array, rows) for name, array in _series_columns(series).items()}
    values["timestamp"] = moments(_joined([starts for starts, _, _ in parts], np.int64))
    values["samples"] = pd.array(_joined([counts for _, counts, _ in parts], np.int64), dtype="Int64")
    frame = pd.DataFrame({column.name: values[column.name] for column in columns.METRIC_ROLLUP})
    for place, quantile in enumerate(quantiles):
        found_values = _joined([table[:, place] for _, _, table in parts], np.float64)
        frame[quantile_name(quantile)] = pd.arrays.FloatingArray(found_values, np.isnan(found_values))
    return frame


def quantile_name(quantile: float) -> str:
    """Return the name of a column, such as ``p99`` or ``p99.9``."""
    return f"p{quantile * 100:.10g}"


def _series_columns(series: Sequence[Chosen]) -> dict[str, Any]:
    return cell_columns([label_cells(one.series.labels) for one in series]) | {
        "metric": text_column([one.owner.heading.name for one in series]),
        "stage": text_column([one.owner.stage for one in series]),
        "sample": text_column([one.sample for one in series]),
    }


def _spread(array: Any, rows: np.ndarray[Any, np.dtype[np.intp]]) -> Any:
    """Return the item of each row's series."""
    is_missing = array.isna()
    if array.dtype == "string" and len(array) and (len(array) == 1 or is_missing.all()):
        return repeated_text(None if is_missing[0] else array[0], len(rows))
    return array.take(rows)


def _column_index(series: Sequence[Chosen]) -> Any:
    """Return what tells the series apart: the columns that differ, or the metric's name where none does."""
    table = pd.DataFrame(_series_columns(series))
    differ = [name for name in _IDENTITY if table[name].nunique(dropna=False) > 1]
    if not differ:
        return pd.Index(table["metric"].tolist(), name="metric")
    if len(differ) == 1:
        return pd.Index(table[differ[0]].tolist(), name=differ[0])
    return pd.MultiIndex.from_frame(table[differ])


def _rolled_up(
    piece: Points, step_ms: int, quantiles: Sequence[float]
) -> tuple[Times, Times, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the begins of periods, numbers of values that are no NaN, and a row of quantiles for each period."""
    periods, firsts, counts = np.unique(piece.times // step_ms, return_index=True, return_counts=True)
    if len(periods) and (counts == counts[0]).all():
        grid = piece.values.reshape(len(periods), counts[0])
    else:
        # Filled up with NaN, which sorts to the end and is left out.
        grid = np.full((len(periods), int(counts.max(initial=0))), np.nan)
        grid[np.repeat(np.arange(len(periods)), counts), np.arange(len(piece.times)) - np.repeat(firsts, counts)] = (
            piece.values
        )
    ordered = np.sort(grid, axis=1)
    held = np.count_nonzero(~np.isnan(ordered), axis=1)
    table = np.column_stack([_quantile(ordered, held, quantile) for quantile in quantiles])
    return periods * step_ms, held.astype(np.int64), table


def _quantile(ordered: np.ndarray[Any, np.dtype[np.float64]], held: Times, quantile: float) -> Values:
    """Return the linear quantile of the first `held` numbers of each row, NaN where there are none."""
    if not ordered.size:
        return np.full(len(ordered), np.nan)
    place = (held - 1).clip(0) * quantile
    below = place.astype(np.int64)
    above = np.minimum(below + 1, (held - 1).clip(0))
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, above]
    share = place - below
    with np.errstate(invalid="ignore"):
        mixed = low + (high - low) * share
    # Between two infinities there is no way; nor is one needed where both ends are the same.
    return np.where((share == 0) | (low == high), low, mixed)


def _joined(parts: Sequence[np.ndarray[Any, Any]], dtype: Any) -> np.ndarray[Any, Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype, copy=False)
