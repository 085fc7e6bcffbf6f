"""Samples of metrics as series: which there are, what they are called, and in which unit they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..columns import SAMPLE_PARTS
from ..exceptions import InputError, did_you_mean, listed, quoted
from ..reprs.human import MISSING, is_missing
from .columns_of import METRICS, Floats, check_frame, column_of, moments_of, numbers_of
from .text import label_text

SERIES_LIMIT = 10
# Units of Tecton's metrics by the end of their names; the first that fits holds.
_UNITS = (
    ("errors_rate", "percent"),
    ("errors_rate_grpc", "percent"),
    ("hit_rate", "percent"),
    ("utilization", "percent"),
    ("_percent", "percent"),
    ("store_write_rate", "rows per second"),
    ("_rate", "requests per second"),
    ("_latency", "seconds"),
    ("_latency_seconds", "seconds"),
    ("_age", "seconds"),
    ("_duration", "milliseconds"),
    ("_memory_provisioned_total", "bytes"),
    ("_memory_used_total", "bytes"),
    ("_replica_count", "replicas"),
    ("_nodes_count", "nodes"),
    ("_scaling_requests", "requests"),
)


@dataclass(frozen=True)
class MetricSeries:
    """Samples of one series in order of time; `times` are days since 1970, NaN in `values` is NaN on the page."""

    name: str
    times: Floats
    values: Floats


def metric_of(frame: pd.DataFrame, metric: str | None) -> tuple[str, pd.DataFrame]:
    """Return the metric that is meant and its rows.

    Raises
    ------
    InputError
        If the frame is none of metrics, or holds other metrics, or several and none is named.
    """
    check_frame(frame, METRICS)
    names = column_of(frame, "metric", METRICS)
    known = [*names.dropna().unique()]
    if metric is None and len(known) != 1:
        raise InputError(f"The frame holds {len(known)} metrics; name one of them: {listed(known)}.")
    chosen = known[0] if metric is None else metric
    if chosen not in known:
        raise InputError(
            f"The frame holds no metric {quoted(chosen)}. Metrics found: {listed(known)}.{did_you_mean(chosen, known)}"
        )
    return str(chosen), frame[names == chosen]


def unit_of(metric: str) -> str:
    """Return the unit of one of Tecton's metrics in words, ``value`` if its name tells none."""
    base = metric.removesuffix("_per_server_group").removesuffix("_bucket").removesuffix("_average_percent")
    return next((unit for end, unit in _UNITS if base.endswith(end)), "value")


def stage_words(rows: pd.DataFrame) -> list[str]:
    """Return the release stages that the rows state, such as ``Preview``; none for what is generally available."""
    stated = {_text(stage) for stage in rows["stage"].dropna().unique()} if "stage" in rows.columns else set()
    return [f"stage: {', '.join(map(label_text, sorted(stated)))}"] if stated - {"GA"} else []


def label_columns(rows: pd.DataFrame) -> list[str]:
    """Return the columns of labels in which the rows differ."""
    names = [str(name) for name in rows.columns if name not in SAMPLE_PARTS]
    return [name for name in names if len({_text(value) for value in rows[name].unique()}) > 1]


def series_of(rows: pd.DataFrame, by: Iterable[str]) -> list[MetricSeries]:
    """Return a series for each combination of labels, in order of their names; one without a name if there are none."""
    names = [*by]
    for name in names:
        column_of(rows, name, METRICS)
    if not names:
        return [one_series("", rows)]
    return [one_series(" / ".join(key), part) for key, part in groups_of(rows, names)]


def groups_of(rows: pd.DataFrame, names: list[str]) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    """Return the rows by the texts of some columns, in order of these texts.

    By hand, because pandas cannot group by texts that no encoding holds (lone surrogates).
    """
    places: dict[tuple[str, ...], list[int]] = {}
    for place, key in enumerate(zip(*(rows[name] for name in names), strict=True)):
        places.setdefault(tuple(map(_text, key)), []).append(place)
    return [(key, rows.iloc[places[key]]) for key in sorted(places)]


def one_series(name: str, rows: pd.DataFrame) -> MetricSeries:
    """Return the rows as one series; of two samples at one moment the later one counts."""
    times, values = moments_of(rows, "timestamp", METRICS), numbers_of(rows, "value", METRICS)
    known = np.isfinite(times)
    order = np.argsort(times[known], kind="stable")
    times, values = times[known][order], values[known][order]
    last = np.append(np.diff(times) > 0, True) if times.size else np.array([], dtype=bool)
    return MetricSeries(name, times[last], values[last])


def of_first(series: list[MetricSeries], limit: int = SERIES_LIMIT) -> tuple[list[MetricSeries], int]:
    """Return the series to draw, those that reach highest if there are too many, and how many are not drawn."""
    if len(series) <= limit:
        return series, 0
    highest = sorted(series, key=_top, reverse=True)[:limit]
    return [each for each in series if each in highest], len(series) - limit


def _top(series: MetricSeries) -> float:
    known = series.values[np.isfinite(series.values)]
    return float(known.max()) if known.size else -np.inf


def _text(value: object) -> str:
    return MISSING if is_missing(value) or value != value else str(value)
