"""Objectives seen through the metrics page: intervals from quantiles, shares from error rates.

Quantiles of different times or services cannot be averaged. What can be added is this: where the
quantile of p is at most the threshold, at least a share p of the slice's requests was good; where it is above,
fewer than p were. The rungs of the ladder of quantiles give an interval for each slice, and intervals weighted by
requests give one for any time and any set of services.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from ... import columns
from ...exceptions import InputError, listed, quoted
from .frames import Floats, column, made
from .objective import Objective, duration

LATENCY = "feature_service_latency"
RATE = "feature_service_requests_rate"
ERRORS = "feature_server_errors_rate"
TOTAL_LATENCY = "feature_service_total_latency"
TOTAL_RATE = "feature_service_requests_total_rate"
_NAMES = ("feature_service_id", "feature_service_name")
_WHAT = "metrics"
_BY_SERVICE = ", or keep feature_service_name and feature_service_id as columns"


def slices_from_metrics(
    frame: pd.DataFrame,
    objective: Objective,
    *,
    metric: str = LATENCY,
    slice_length: str = "5m",
    percent_of: float = 100.0,
) -> pd.DataFrame:
    """Return what metrics say about an objective, slice by slice.

    Parameters
    ----------
    frame
        Samples in the tidy form of ``columns.METRIC_SAMPLES`` with labels as columns, from a history or a Prometheus.
        Latency reads a summary, availability ``feature_server_errors_rate``.
    metric
        Summary to read for latency: that of each service, or ``feature_service_total_latency`` of all together.
    slice_length
        The window over which the server takes quantiles and rates: five minutes. Of the readings within
        a slice the last one counts, so that no request is counted twice.
    percent_of
        What the error rates count up to: 100, or 1 for a server that states shares.

    Returns
    -------
    pandas.DataFrame
        See ``columns.SLO_SLICES``. A latency slice is an interval between two rungs, one request
        wider on either side because servers round quantiles differently. A slice without traffic (quantiles NaN)
        has no shares. Requests come from the summary's count (resets respected), else from the request rate.

    Raises
    ------
    InputError
        If the frame lacks a column or the metric.
    """
    length = duration(slice_length, "slice_length")
    if objective.kind == "latency":
        found = [*_latency_slices(frame, objective, length, metric)]
    else:
        found = [*_error_slices(frame, objective, length, percent_of)]
    values = {name: [row[name] for row in found] for name in columns.by_name(columns.SLO_SLICES)}
    return made(values, columns.SLO_SLICES)


def _latency_slices(
    frame: pd.DataFrame, objective: Objective, length: pd.Timedelta, metric: str
) -> Iterator[dict[str, object]]:
    samples = _samples(frame, metric)
    if column(samples, "quantile", _WHAT).isna().all():
        raise InputError(f"The metrics hold {quoted(metric)} without quantiles, so they tell nothing of its shares.")
    rates = frame[column(frame, "metric", _WHAT) == (TOTAL_RATE if metric == TOTAL_LATENCY else RATE)]
    for identity, series in _by_service(samples):
        _check_one(series, metric, "Their quantiles do not add up", _BY_SERVICE)
        ladder = _last_of_slices(_pivot(series[series["quantile"].notna()], "quantile"), length)
        requests = _requests(series, _same_service(rates, identity), ladder.index, length)
        least, most = ladder_bounds(ladder.to_numpy(), ladder.columns.to_numpy(float), objective, requests)
        named = [text if isinstance(text, str) else None for text in identity]
        yield from _rows(ladder.index, length, named, (requests, requests), least, most, "latency quantiles")


def _check_one(series: pd.DataFrame, metric: str, why: str, instead: str = "", apart: str = "") -> None:
    others = [name for name in series.columns if name not in columns.SAMPLE_PARTS and name != apart]
    labels = [name for name in others if series[name].nunique(dropna=False) > 1]
    if labels:
        raise InputError(
            f"The metrics hold several series of {quoted(metric)} that differ in {listed(labels)}. {why}: choose one "
            f"of them{instead}."
        )


def ladder_bounds(ladder: Floats, rungs: Floats, objective: Objective, requests: Floats) -> tuple[Floats, Floats]:
    """Return the least and greatest share of good requests, slice by slice.

    Parameters
    ----------
    ladder
        Quantiles in seconds, one row per slice and one column per rung.
    rungs
        Shares of the columns, ascending.
    requests
        By slice; NaN if unknown.
    """
    threshold = objective.threshold_seconds or 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        # A quantile may lie between two requests, or be the next one: its share is off by one request at most.
        margin = np.nan_to_num(1.0 / requests, nan=0.0, posinf=0.0)
    lower = np.where(ladder <= threshold, rungs, 0.0).max(axis=1) - margin
    upper = np.where(ladder > threshold, rungs, np.inf).min(axis=1) + margin
    # Readings that contradict each other, as quantiles that were estimated can, leave both possible.
    least, most = np.minimum(lower, upper).clip(0, 1), np.maximum(lower, upper).clip(0, 1)
    is_idle = np.isnan(ladder).all(axis=1) & ~(requests > 0)
    return np.where(is_idle, np.nan, least), np.where(is_idle, np.nan, most)


def _error_slices(
    frame: pd.DataFrame, objective: Objective, length: pd.Timedelta, percent_of: float
) -> Iterator[dict[str, object]]:
    wide = _last_of_statuses(_samples(frame, ERRORS), length) / percent_of
    failures = wide[[status for status in wide.columns if str(status).startswith("5")]]
    timeouts = wide.get("504", pd.Series(0.0, index=wide.index)).fillna(0.0)
    rates = frame[column(frame, "metric", _WHAT) == TOTAL_RATE]
    requests = _rate_requests(rates, wide.index, length)
    good = (1 - failures.sum(axis=1)).to_numpy(float).clip(0, 1)
    # What may not count is taken out of the share and of its weight alike.
    counted = np.ones(len(wide)) if objective.timeouts == "count" else (1 - timeouts).to_numpy(float).clip(0, 1)
    most = np.divide(good, counted, out=np.full(len(wide), np.nan), where=counted > 0).clip(0, 1)
    if objective.timeouts == "if_eligible":
        # Where the only requests may not count, they may as well be no shortfall.
        least, most, total = good, np.where(counted > 0, most, 1.0), requests
    else:
        least, total = most, requests * counted
    # A rate of NaN hides any number of failures, if there was anything to fail.
    least = np.where(failures.isna().any(axis=1), np.minimum(least, 0.0), least)
    is_idle = (requests == 0) | (wide.isna().all(axis=1).to_numpy() & ~(requests > 0))
    low, high = (np.where(is_idle, np.nan, shares) for shares in (least, most))
    yield from _rows(wide.index, length, [], (total, requests * counted), low, high, "error rates")


def _samples(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    names = column(frame, "metric", _WHAT)
    for needed in ("timestamp", "value", "sample"):
        column(frame, needed, _WHAT)
    found = frame[names == metric]
    if found.empty:
        raise InputError(f"The metrics hold no {quoted(metric)}. Metrics found: {listed(names.dropna().unique())}.")
    return found.assign(timestamp=pd.to_datetime(found["timestamp"], utc=True))


def _by_service(samples: pd.DataFrame) -> Iterator[tuple[tuple[object, ...], pd.DataFrame]]:
    names = [name for name in _NAMES if name in samples.columns]
    if not names:
        yield (), samples
        return
    for identity, series in samples.groupby(names, dropna=False, sort=True):
        yield tuple(identity), series


def _same_service(rates: pd.DataFrame, identity: tuple[object, ...]) -> pd.DataFrame:
    names = [name for name in _NAMES if name in rates.columns]
    for name, value in zip(names, identity, strict=False):
        rates = rates[rates[name].isna() if pd.isna(value) else rates[name] == value]  # type: ignore[call-overload]
    return rates


def _pivot(samples: pd.DataFrame, across: str) -> pd.DataFrame:
    column(samples, across, _WHAT)
    values = samples.assign(value=samples["value"].to_numpy(float, na_value=np.nan))
    wide = values.pivot_table(index="timestamp", columns=across, values="value", aggfunc="last", dropna=False)
    return wide.sort_index()


def _last_of_statuses(samples: pd.DataFrame, length: pd.Timedelta) -> pd.DataFrame:
    """Return each status' last reading of each slice: NaN where that says NaN, 0 where the status has none."""
    column(samples, "status", _WHAT)
    _check_one(samples, ERRORS, "Their shares do not add up", apart="status")
    ends = pd.DatetimeIndex(samples["timestamp"]).ceil(length)
    # Not pivot_table: it passes over NaN, and the statuses of one page need not have the same time.
    last = (
        samples.assign(end=ends, value=samples["value"].to_numpy(float, na_value=np.nan), is_read=True)
        .sort_values("timestamp", kind="stable")
        .drop_duplicates(["end", "status"], keep="last")
    )
    values, is_read = (last.pivot(index="end", columns="status", values=name) for name in ("value", "is_read"))
    return values.where(is_read.notna(), 0.0)


def _last_of_slices(wide: pd.DataFrame, length: pd.Timedelta) -> pd.DataFrame:
    """Return the last reading of each slice, NaN kept: no traffic is a reading, too."""
    ends = pd.DatetimeIndex(wide.index).ceil(length)
    last = ~ends.duplicated(keep="last")
    return wide[last].set_axis(ends[last], axis=0)


def _requests(series: pd.DataFrame, rates: pd.DataFrame, ends: pd.Index, length: pd.Timedelta) -> Floats:
    counted = series[series["sample"] == "count"].sort_values("timestamp")
    by_count = _counter_requests(counted, ends, length)
    return np.where(np.isnan(by_count), _rate_requests(rates, ends, length), by_count)


def _counter_requests(counted: pd.DataFrame, ends: pd.Index, length: pd.Timedelta) -> Floats:
    # What a reading of NaN leaves out the next one counts.
    counted = counted[~np.isnan(counted["value"].to_numpy(float, na_value=np.nan))]
    times = pd.DatetimeIndex(counted["timestamp"])
    counts = counted["value"].to_numpy(float)
    steps, seconds = np.diff(counts), np.diff(times) / np.timedelta64(1, "s")
    # A counter that fell has begun anew. What was counted across a gap belongs to no slice.
    grown = pd.DataFrame({"requests": np.where(steps < 0, counts[1:], steps), "seconds": seconds})
    kept = grown[(seconds > 0) & (seconds <= length.total_seconds())]
    by_slice = kept.groupby(times[1:][kept.index].ceil(length)).sum().reindex(ends)
    found: Floats = (by_slice["requests"] / by_slice["seconds"] * length.total_seconds()).to_numpy(float)
    return found


def _rate_requests(rates: pd.DataFrame, ends: pd.Index, length: pd.Timedelta) -> Floats:
    if rates.empty:
        return np.full(len(ends), np.nan)
    values = rates.assign(value=rates["value"].to_numpy(float, na_value=np.nan))
    totals = values.groupby("timestamp")[["value"]].sum(min_count=1).sort_index()
    found: Floats = _last_of_slices(totals, length)["value"].reindex(ends).to_numpy(float) * length.total_seconds()
    return found


def _rows(
    ends: pd.Index,
    length: pd.Timedelta,
    named: Sequence[str | None],
    requests: tuple[Floats, Floats],
    least: Floats,
    most: Floats,
    source: str,
) -> Iterator[dict[str, object]]:
    for end, count, certain, low, high in zip(ends, *requests, least, most, strict=True):
        yield {
            "timestamp": end,
            "slice_seconds": length.total_seconds(),
            "service": next((text for text in reversed(named) if text), None),
            "service_id": named[0] if len(named) == len(_NAMES) else None,
            "requests": count,
            "certain_requests": certain,
            "good_min_ratio": low,
            "good_max_ratio": high,
            "source": source,
        }
