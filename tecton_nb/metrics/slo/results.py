"""Slices of time turned into attainment, error budget and burn rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ... import columns
from ...exceptions import InputError, quoted
from .frames import Floats, column, made, numbers
from .ladder import RATE, TOTAL_RATE
from .objective import BURN_RATE_POLICY, BurnRate, Objective, duration

_WHAT = "slices"
# What tells how many requests there were, by the source of slices.
_COUNTED_BY = {
    "error rates": quoted(TOTAL_RATE),
    "latency quantiles": f"{quoted(RATE)} (or {quoted(TOTAL_RATE)} for the total, or the summary's count)",
}
# A sum that rolls leaves rounding behind where nothing is; a request is far more.
_NO_REQUESTS = 1e-6


@dataclass(frozen=True)
class _Series:
    """Slices in order of time, as the objective's method weighs them, with sums up to each of them."""

    service: str | None
    service_id: str | None
    source: str
    ends: pd.DatetimeIndex
    least: Floats
    most: Floats
    requests: Floats
    weight: Floats
    certain: Floats
    seconds: Floats

    def bounds(self, start: pd.Timestamp, end: pd.Timestamp) -> tuple[float, float]:
        """Return the least and greatest share that can have been good after `start` and up to `end`."""
        inside = self.within(start, end) & (self.weight > 0)
        if not inside.any():
            return float("nan"), float("nan")
        weight, certain = self.weight[inside], self.certain[inside]
        least = float(np.average(self.least[inside], weights=weight))
        # Requests of which none need count may as well be no shortfall.
        return least, float(np.average(self.most[inside], weights=certain)) if certain.any() else 1.0

    def coverage(self, start: pd.Timestamp, end: pd.Timestamp) -> float:
        """Return the part of the time for which there are slices."""
        inside = self.within(start, end)
        covered = pd.Series(self.seconds[inside]).groupby(self.ends[inside]).max().sum()
        return min(float(covered / (end - start).total_seconds()), 1.0)

    def within(self, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
        """Return which slices end after `start` and up to `end`."""
        return np.asarray((self.ends > start) & (self.ends <= end))


def attainment(slices: pd.DataFrame, objective: Objective, *, by_service: bool = False) -> pd.DataFrame:
    """Return whether an objective is met in the window that ends with the last slice.

    Parameters
    ----------
    slices
        Of `slices_from_replies` or `slices_from_metrics`, for the same objective.
    by_service
        One row per service (name and id) instead of one for all.

    Returns
    -------
    pandas.DataFrame
        See ``columns.SLO_ATTAINMENT``; no row without slices. ``is_met`` is missing where the
        interval holds the target, and ``coverage_ratio`` tells how much of the window it speaks of.

    Raises
    ------
    InputError
        If a column is missing, slices of different sources are mixed, or occurrences are asked for and the number
        of requests is unknown.
    """
    rows = []
    for series in _series(slices, objective, by_service):
        end = series.ends.max()
        start = end - objective.period
        least, most = series.bounds(start, end)
        inside = series.within(start, end)
        rows.append(
            {
                **_head(series, objective),
                "window_start": start,
                "window_end": end,
                "requests": np.nansum(series.requests[inside]),
                "good_min_ratio": least,
                "good_max_ratio": most,
                "target_ratio": objective.target,
                "is_met": _verdict(least, most, objective.target),
                "budget_spent_min_ratio": (1 - most) / objective.error_budget,
                "budget_spent_max_ratio": (1 - least) / objective.error_budget,
                "coverage_ratio": series.coverage(start, end),
            }
        )
    return _framed(rows, columns.SLO_ATTAINMENT)


def budget(slices: pd.DataFrame, objective: Objective, *, by_service: bool = False) -> pd.DataFrame:
    """Return slice by slice what was good, what the window up to there attained, and what of its budget is left.

    Parameters and errors are those of `attainment`.

    Returns
    -------
    pandas.DataFrame
        See ``columns.SLO_BUDGET``; `plots.plot_slo` draws it.
    """
    rows = [row for series in _series(slices, objective, by_service) for row in _budget_rows(series, objective)]
    return _framed(rows, columns.SLO_BUDGET)


def burn_rates(
    slices: pd.DataFrame,
    objective: Objective,
    *,
    by_service: bool = False,
    policy: Sequence[BurnRate] = BURN_RATE_POLICY,
) -> pd.DataFrame:
    """Return how fast the error budget burns in each pair of windows that ends with the last slice.

    Parameters and errors are those of `attainment`, and:

    Parameters
    ----------
    policy
        Pairs of windows; the default is the SRE workbook's, whose factors over 30 days are 14.4, 6, 3 and 1. They
        shrink with the objective's window: over 7 days only the first two (3.36 and 1.4) are alarms.

    Returns
    -------
    pandas.DataFrame
        See ``columns.SLO_BURN_RATES``. An alert is ``firing`` if both windows burn at the factor or faster
        even in the best case, and ``never`` where the rule means nothing for the objective: everything bad would not
        burn so fast, the factor is below 1 (a healthy service would fire), or the long window is longer than the
        objective's. A rate over five minutes in a window of five is a single observation, as ``short_slices`` says.
    """
    rows = []
    for series in _series(slices, objective, by_service):
        rows += [{**_head(series, objective), **_burn(series, objective, rule)} for rule in policy]
    return _framed(rows, columns.SLO_BURN_RATES)


def _series(slices: pd.DataFrame, objective: Objective, by_service: bool) -> Iterator[_Series]:
    for name in columns.by_name(columns.SLO_SLICES):
        column(slices, name, _WHAT)
    sources = slices["source"].dropna().unique()
    if len(sources) > 1:
        raise InputError(f"The slices come from {' and '.join(sources)}; each tells something else. Take one of them.")
    ordered = slices.sort_values("timestamp", kind="stable")
    if not by_service and len(ordered):
        yield _weighed(ordered, objective, None, None)
    if by_service:
        for identity, rows in ordered.groupby(["service", "service_id"], dropna=False, sort=False):
            yield _weighed(rows, objective, *(text if isinstance(text, str) else None for text in identity))


def _weighed(rows: pd.DataFrame, objective: Objective, service: str | None, service_id: str | None) -> _Series:
    least, most = (numbers(rows, name, _WHAT) for name in ("good_min_ratio", "good_max_ratio"))
    requests = numbers(rows, "requests", _WHAT)
    has_traffic = ~np.isnan(least)
    if objective.method == "occurrences" and np.isnan(requests[has_traffic]).all() and has_traffic.any():
        raise InputError(
            "The slices do not tell how many requests there were, which the method 'occurrences' needs: the frame that "
            f"they were made from lacks {_COUNTED_BY.get(str(rows['source'].iloc[0]), 'them')}. Add it with "
            "pandas.concat, or choose the method 'ratio_timeslices'."
        )
    if objective.method == "timeslices":
        wanted = objective.slice_target or 0.0
        least, most = (np.where(np.isnan(shares), np.nan, shares >= wanted) for shares in (least, most))
    by_requests = objective.method == "occurrences"
    certain = numbers(rows, "certain_requests", _WHAT) if by_requests else np.ones(len(rows))
    weight, certain = (
        np.where(has_traffic, np.nan_to_num(each), 0.0)
        for each in (requests if by_requests else np.ones(len(rows)), certain)
    )
    return _Series(
        service,
        service_id,
        str(rows["source"].iloc[0]),
        pd.DatetimeIndex(rows["timestamp"]),
        least,
        most,
        requests,
        weight,
        certain,
        # A slice of unknown weight cannot be added, so it is not covered.
        np.where(has_traffic & (weight == 0), 0.0, numbers(rows, "slice_seconds", _WHAT)),
    )


def _budget_rows(series: _Series, objective: Objective) -> Iterator[dict[str, object]]:
    sums = pd.DataFrame(
        {
            "weight": series.weight,
            "certain": series.certain,
            "least": series.weight * np.nan_to_num(series.least),
            "most": series.certain * np.nan_to_num(series.most),
        }
    )
    at_once = sums.groupby(series.ends).sum()
    lengths = pd.Series(series.seconds).groupby(series.ends).max()
    in_window = at_once.rolling(objective.period, closed="right").sum()
    each = [shares for totals in (at_once, in_window) for shares in _shares(totals)]
    for end, seconds, low, high, attained_low, attained_high in zip(at_once.index, lengths, *each, strict=True):
        yield {
            "timestamp": end,
            "slice_seconds": seconds,
            **_head(series, objective),
            "target_ratio": objective.target,
            "good_min_ratio": low,
            "good_max_ratio": high,
            "attained_min_ratio": attained_low,
            "attained_max_ratio": attained_high,
            "left_min_ratio": 1 - (1 - attained_low) / objective.error_budget,
            "left_max_ratio": 1 - (1 - attained_high) / objective.error_budget,
        }


def _shares(totals: pd.DataFrame) -> tuple[Floats, Floats]:
    weight, certain, least, most = (totals[name].to_numpy(np.float64) for name in totals.columns)
    has_traffic = weight > _NO_REQUESTS
    shares = np.divide(most, certain, out=np.ones(len(totals)), where=certain > _NO_REQUESTS)
    return (
        np.divide(least, weight, out=np.full(len(totals), np.nan), where=has_traffic),
        np.where(has_traffic, shares, np.nan),
    )


def _burn(series: _Series, objective: Objective, rule: BurnRate) -> dict[str, object]:
    end = series.ends.max()
    long, short = duration(rule.long, "long window"), duration(rule.short, "short window")
    factor = rule.factor(objective)
    least_good, most_good = zip(*(series.bounds(end - window, end) for window in (long, short)), strict=True)
    fewest = [(1 - share) / objective.error_budget for share in most_good]
    most = [(1 - share) / objective.error_budget for share in least_good]
    seen = series.ends[series.within(end - short, end)]
    return {
        "factor": factor,
        "long_window_seconds": long.total_seconds(),
        "short_window_seconds": short.total_seconds(),
        "long_min": fewest[0],
        "long_max": most[0],
        "short_min": fewest[1],
        "short_max": most[1],
        "long_coverage_ratio": series.coverage(end - long, end),
        "short_slices": seen.nunique(),
        "alert": "never" if rule.misfit(objective) else _alert(fewest, most, factor),
    }


def _alert(fewest: list[float], most: list[float], factor: float) -> str:
    if np.isnan(most).any():
        return "no data"
    if min(fewest) >= factor:
        return "firing"
    return "possible" if min(most) >= factor else "quiet"


def _verdict(least: float, most: float, target: float) -> bool | None:
    return True if least >= target else False if most < target else None


def _head(series: _Series, objective: Objective) -> dict[str, object]:
    return {
        "service": series.service,
        "service_id": series.service_id,
        "objective": objective.name,
        "method": objective.method,
        "source": series.source,
    }


def _framed(rows: list[dict[str, object]], described: tuple[columns.Column, ...]) -> pd.DataFrame:
    return made({name: [row[name] for row in rows] for name in columns.by_name(described)}, described)
