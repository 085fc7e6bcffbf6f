"""The latency of calls over time: each call, and the percentiles of each while."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..reprs import human_seconds
from .axes import (
    MILLISECONDS,
    check_threshold,
    head,
    log_limits,
    log_scale,
    say,
    shown_ms,
    threshold_line,
    time_axis,
)
from .columns_of import CALLS, Floats, moments_of, numbers_of, seconds_of, zone_of
from .labels import name_lines
from .latency import CLIENT_TIME
from .picture import add_alt_text, picture_axes
from .style import LINE_STYLES, colours, ink
from .words import over_time_title, share_of_calls

_QUANTILES = {"p50": 0.5, "p99": 0.99}
# A while must hold so many calls on average, or its percentiles are no more than its calls.
_CALLS_PER_WHILE = 20
_WHILES = 40


def plot_latency_over_time(
    calls: pd.DataFrame, *, threshold_seconds: float | None = None, tz: str = "UTC", ax: Axes | None = None
) -> Axes:
    """Draw each call's time at the moment it began, with p50 and p99 of each while, and return the axes.

    Calls that failed (a status of 400 or above, or no answer) are crosses and in no percentile: an error that comes
    quickly makes no service fast. A while without calls is a gap.

    Parameters
    ----------
    calls
        One row per call with ``started_at``, ``client_time_seconds`` and ``status``, such as ``batch.calls()``.
    threshold_seconds
        Draw a line at this time, in seconds, and state the share of the calls within it.
    tz
        Time zone of the axis.
    ax
        Axes to draw on; those of a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        `describe` puts it in a sentence, `save_figure` in a file.

    Raises
    ------
    InputError
        If `calls` is no frame, a column is missing or holds something else, or there is no such time zone.
    """
    check_threshold(threshold_seconds)
    zone = zone_of(tz)
    started, seconds = moments_of(calls, "started_at"), seconds_of(calls, CLIENT_TIME)
    failures = (~(numbers_of(calls, "status", CALLS) < 400)).astype(np.float64)
    shown = np.isfinite(started) & np.isfinite(seconds)
    order = np.argsort(started[shown], kind="stable")
    times, durations, failed = (values[shown][order] for values in (started, seconds, failures))
    title = over_time_title(len(calls), int((~shown).sum()))
    ax = picture_axes() if ax is None else ax
    head(ax, title, "", "time of a call (ms, log scale)", has_note=threshold_seconds is not None)
    time_axis(ax, times, zone)
    if times.size:
        _draw(ax, times, durations, failed, threshold_seconds)
    else:
        say(ax, "no calls" if calls.empty else "no times")
    add_alt_text(ax, _sentence(title, durations, failed, threshold_seconds))
    return ax


def percentiles_over_time(times: Floats, seconds: Floats) -> tuple[Floats, dict[str, Floats]]:
    """Return the middles of whiles of equal length, and p50 and p99 of the calls in each; NaN where there are none.

    Parameters
    ----------
    times
        Moments, ascending.
    seconds
        How long the call took that began then.
    """
    count = min(_WHILES, times.size // _CALLS_PER_WHILE)
    if count < 2:
        return np.array([]), {name: np.array([]) for name in _QUANTILES}
    edges = np.linspace(times[0], np.nextafter(times[-1], np.inf), count + 1)
    parts = np.split(seconds, np.searchsorted(times, edges[1:-1]))
    found = {
        name: np.array([np.quantile(part, q, method="inverted_cdf") if part.size else np.nan for part in parts])
        for name, q in _QUANTILES.items()
    }
    return (edges[:-1] + edges[1:]) / 2, found


def _draw(ax: Axes, times: Floats, seconds: Floats, failed: Floats, threshold_seconds: float | None) -> None:
    blue, vermillion = colours(ax)[:2]
    good = failed == 0
    middles, percentiles = percentiles_over_time(times[good], seconds[good])
    is_dense = middles.size > 0
    (each,) = ax.plot(times[good], shown_ms(seconds[good]), marker=".", color=blue, linestyle="none", rasterized=True)
    each.set_markersize(3 if is_dense else 6)
    each.set_alpha(0.35 if is_dense else 1.0)
    lines: dict[str, Line2D] = {}
    for place, (name, values) in enumerate(percentiles.items() if is_dense else ()):
        style = LINE_STYLES[place % len(LINE_STYLES)]
        (lines[name],) = ax.plot(middles, values * MILLISECONDS, color=ink(ax), linestyle=style, linewidth=1.6)
    if failed.any():
        (lines[f"failed ({int(failed.sum()):,})"],) = ax.plot(
            times[~good], shown_ms(seconds[~good]), marker="x", markersize=5, color=vermillion, linestyle="none"
        )
    threshold = np.array([] if threshold_seconds is None else [threshold_seconds * MILLISECONDS])
    log_scale(ax.yaxis, *log_limits([shown_ms(seconds), threshold]))
    if threshold_seconds is not None:
        threshold_line(ax, threshold[0], share_of_calls(seconds, threshold_seconds))
    name_lines(ax, list(lines.values()), list(lines))


def _sentence(title: str, seconds: Floats, failed: Floats, threshold: float | None) -> str:
    if not seconds.size:
        return f"{title}: nothing to draw."
    good = seconds[failed == 0]
    parts = [f"slowest {human_seconds(float(seconds.max()))}"]
    if good.size:
        p50, p99 = (human_seconds(np.quantile(good, q, method="inverted_cdf")) for q in _QUANTILES.values())
        parts.insert(0, f"p50 {p50}, p99 {p99}{' of those that did not fail' if failed.any() else ''}")
    parts += [f"{int(failed.sum()):,} failed"] if failed.any() else ["none failed"]
    parts += [] if threshold is None else [share_of_calls(seconds, threshold)]
    return f"{title}: {'; '.join(parts)}."
