"""Objectives seen through the replies to one's own requests: each of them is good, bad or unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ... import columns
from .frames import column, made, numbers
from .objective import Objective, duration

_SOURCE = "replies"
_WHAT = "SLO rows"
_GATEWAY_TIMEOUT = 504


def slices_from_replies(
    slo_info: pd.DataFrame,
    calls: pd.DataFrame,
    objective: Objective,
    *,
    service: str | None = None,
    slice_length: str = "5m",
) -> pd.DataFrame:
    """Return what the replies of one batch say about an objective, slice by slice.

    These are one's own requests, not those of other users: a sample taken by the client.

    Parameters
    ----------
    slo_info
        ``batch.slo_info()``. Latency counts its rows: the eligible ones, by the server time that the
        objective measures. A row without eligibility or time (one that failed) is unknown.
    calls
        ``batch.calls()``. Availability counts its calls, cut into slices by ``started_at``; each attempt is a call,
        as the server sees it, whether it was tried again or not. A call without an answer is unknown.
        Latency takes from it when the batch ran: the rows have no times of their own, so they are one slice.
    service
        Name to note beside them.
    slice_length
        Of availability's slices.

    Returns
    -------
    pandas.DataFrame
        See ``columns.SLO_SLICES``. What is unknown counts as bad in ``good_min_ratio`` and as good in
        ``good_max_ratio``. Put the slices of several batches together with ``pandas.concat``.

    Raises
    ------
    InputError
        If a column is missing.
    """
    started = pd.DatetimeIndex(pd.to_datetime(column(calls, "started_at", "calls"), utc=True))
    if objective.kind == "latency":
        counts = _latencies(slo_info, objective.threshold_seconds or 0.0).sum().to_frame().T
        end = pd.to_datetime([started.max()], utc=True)
        return _slices(counts.set_axis(end, axis=0), _span(started), service)
    length = duration(slice_length, "slice_length")
    # A call that never got on its way has no time; it is counted all the same, with the last ones.
    moments = pd.DatetimeIndex(started.fillna(started.max()))
    counts = _answers(calls, objective).groupby(moments.ceil(length)).sum()
    return _slices(counts, length.total_seconds(), service)


def eligibility(slo_info: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows count for the latency objective, why others do not, and how long each kind took.

    Parameters
    ----------
    slo_info
        ``batch.slo_info()``.

    Returns
    -------
    pandas.DataFrame
        One row per outcome, the most frequent first; see ``columns.SLO_ELIGIBILITY``.

    Raises
    ------
    InputError
        If a column is missing.
    """
    outcomes = _outcomes(slo_info)
    sizes = outcomes.groupby(outcomes, sort=True).size().sort_values(ascending=False, kind="stable")
    rows = [
        _eligibility_row(slo_info.iloc[outcomes.index[outcomes == name]], str(name), len(slo_info))
        for name in sizes.index
    ]
    values = {name: [row[name] for row in rows] for name in columns.by_name(columns.SLO_ELIGIBILITY)}
    return made(values, columns.SLO_ELIGIBILITY)


def _latencies(slo_info: pd.DataFrame, threshold: float) -> pd.DataFrame:
    is_eligible = column(slo_info, "slo_eligible", _WHAT)
    seconds = numbers(slo_info, "slo_server_time_seconds", _WHAT)
    is_counted = is_eligible.to_numpy(dtype=bool, na_value=False)
    return pd.DataFrame(
        {
            "good": is_counted & (seconds <= threshold),
            "bad": is_counted & (seconds > threshold),
            "unknown": is_eligible.isna().to_numpy() | (is_counted & np.isnan(seconds)),
            "bad or none": False,
        }
    )


def _answers(calls: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    status = numbers(calls, "status", "calls")
    is_timeout = (status == _GATEWAY_TIMEOUT) & (objective.timeouts != "count")
    return pd.DataFrame(
        {
            "good": status < 500,
            "bad": (status >= 500) & ~is_timeout,
            "unknown": np.isnan(status),
            "bad or none": is_timeout & (objective.timeouts == "if_eligible"),
        }
    )


def _span(started: pd.DatetimeIndex) -> float:
    # A batch whose calls began at one moment covers that moment: a second of it.
    return max((started.max() - started.min()).total_seconds(), 1.0) if len(started) else 0.0


def _slices(counts: pd.DataFrame, seconds: float, service: str | None) -> pd.DataFrame:
    good, bad, unknown, bad_or_none = (counts[name].to_numpy(np.float64) for name in counts.columns)
    every, fewest = good + bad + unknown + bad_or_none, good + bad + unknown
    # Where the only requests may not count, they may as well be no shortfall.
    most = np.divide(good + unknown, fewest, out=np.where(every > 0, 1.0, np.nan), where=fewest > 0)
    timestamps = pd.DatetimeIndex(counts.index)
    values = {
        "timestamp": timestamps,
        "slice_seconds": seconds,
        "service": pd.array([service] * len(counts), "string"),
        "service_id": pd.array([None] * len(counts), "string"),
        "requests": every,
        "certain_requests": fewest,
        "good_min_ratio": np.divide(good, every, out=np.full(len(every), np.nan), where=every > 0),
        "good_max_ratio": most,
        "source": pd.array([_SOURCE] * len(counts), "string"),
    }
    return made(values, columns.SLO_SLICES)[timestamps.notna()].reset_index(drop=True)


def _outcomes(slo_info: pd.DataFrame) -> pd.Series:
    """Return outcome by row number; a row with several reasons is there once for each."""
    is_eligible = column(slo_info, "slo_eligible", _WHAT).reset_index(drop=True)
    reasons = column(slo_info, "slo_ineligibility_reasons", _WHAT).reset_index(drop=True)
    stated = reasons.where(reasons.fillna("") != "", "not eligible")
    named = stated.where(~is_eligible.fillna(True), "eligible").where(is_eligible.notna(), "not reported")
    return named.astype("string").str.split(",").explode().str.strip().astype("string")


def _eligibility_row(rows: pd.DataFrame, outcome: str, count: int) -> dict[str, object]:
    seconds = numbers(rows, "slo_server_time_seconds", _WHAT)
    seconds = seconds[~np.isnan(seconds)]
    p50, p99 = (np.quantile(seconds, q, method="inverted_cdf") if seconds.size else np.nan for q in (0.5, 0.99))
    return {
        "outcome": outcome,
        "requests": len(rows),
        "share_ratio": len(rows) / count,
        "p50_slo_server_time_seconds": p50,
        "p99_slo_server_time_seconds": p99,
        "max_store_latency_seconds": column(rows, "store_max_latency_seconds", _WHAT).max(),
        "max_store_response_size_bytes": column(rows, "store_response_size_bytes", _WHAT).max(),
    }
