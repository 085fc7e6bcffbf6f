"""Times of calls as curves and quantiles: what the latency pictures draw, without drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..columns import LATENCY_QUANTILES, by_name
from ..exceptions import InputError, quoted
from ..reprs.human import MISSING, is_missing
from .columns_of import Floats, column_of, seconds_of

CLIENT_TIME = "client_time_seconds"
SERVER_TIME = "server_time_seconds"
QUANTILES = (0.50, 0.95, 0.99)
GROUP_LIMIT = 10


@dataclass(frozen=True)
class LatencySeries:
    """Times of some calls in seconds, in ascending order; `missing` counts the calls without one."""

    name: str
    seconds: Floats
    missing: int

    def quantile(self, ratio: float) -> float:
        """Return the least time that at least this share of the calls kept; NaN without calls.

        A time that was measured, never one between two: for few calls the p99 is the slowest call.
        """
        if not self.seconds.size:
            return float("nan")
        return float(np.quantile(self.seconds, ratio, method="inverted_cdf"))

    def share_within(self, seconds: float) -> float:
        """Return the share of the calls that took at most this long; NaN without calls."""
        if not self.seconds.size:
            return float("nan")
        return float(np.searchsorted(self.seconds, seconds, side="right") / self.seconds.size)

    def curve(self) -> tuple[Floats, Floats]:
        """Return the empirical distribution as steps: times in seconds, and the share of calls at most that long.

        The first step starts at a share of 0; each different time is one point.
        """
        times, counts = np.unique(self.seconds, return_counts=True)
        shares = np.cumsum(counts) / max(self.seconds.size, 1)
        return np.concatenate([times[:1], times]), np.concatenate([np.zeros(times[:1].size), shares])


def latency_quantiles(
    calls: pd.DataFrame, *, by: str | None = None, threshold_seconds: float | None = None
) -> pd.DataFrame:
    """Return p50, p95 and p99 of client and server time, or of client time per group.

    Parameters
    ----------
    calls
        One row per call with ``client_time_seconds`` and ``server_time_seconds``, such as ``batch.calls()``.
    by
        Column to group by; client time only.
    threshold_seconds
        Time for the column ``within_ratio``, in seconds.

    Returns
    -------
    pandas.DataFrame
        One row per series, see ``columns.LATENCY_QUANTILES``. Groups come in order of their
        median; beyond ten groups the smallest are one series. Quantiles are measured times (no interpolation).

    Raises
    ------
    InputError
        If a column is missing, or a time is not a number, negative or infinite.
    """
    rows = [_quantile_row(series, threshold_seconds) for series in latency_series(calls, by=by)]
    dtypes = by_name(LATENCY_QUANTILES)
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)


def latency_series(calls: pd.DataFrame, *, by: str | None = None) -> list[LatencySeries]:
    """Return the times of client and server, or of the client per group; any may be without calls."""
    client = seconds_of(calls, CLIENT_TIME)
    if by is not None:
        return _grouped(client, column_of(calls, by))
    return [_series("client time", client), _series("server time", seconds_of(calls, SERVER_TIME))]


def _quantile_row(series: LatencySeries, threshold_seconds: float | None) -> list[object]:
    within = None if threshold_seconds is None else series.share_within(threshold_seconds)
    quantiles = [series.quantile(ratio) for ratio in QUANTILES]
    return [series.name, series.seconds.size, series.missing, *quantiles, within]


def _grouped(seconds: Floats, keys: pd.Series) -> list[LatencySeries]:
    try:
        codes, names = pd.factorize(keys, use_na_sentinel=False)
    except TypeError as error:
        raise InputError(
            f"Cannot group the calls by {quoted(keys.name)}: {error}. Choose a column of texts."
        ) from error
    largest_first = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    own = largest_first if len(names) <= GROUP_LIMIT else largest_first[: GROUP_LIMIT - 1]
    groups = [_series(_group_name(names[code]), seconds[codes == code]) for code in own]
    groups.sort(key=lambda series: series.quantile(0.5))
    rest = len(names) - len(own)
    return [*groups, _series(f"{rest} other groups", seconds[~np.isin(codes, own)])] if rest else groups


def _series(name: str, seconds: Floats) -> LatencySeries:
    present = np.sort(seconds[~np.isnan(seconds)])
    return LatencySeries(name, present, int(seconds.size - present.size))


def _group_name(key: object) -> str:
    is_gap = is_missing(key) or (isinstance(key, float) and np.isnan(key))
    return MISSING if is_gap else str(key)
