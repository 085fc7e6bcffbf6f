"""The latency of calls percentile by percentile, the slow end spread out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .axes import MILLISECONDS, check_threshold, head, log_limits, log_scale, note, say, shown_ms
from .columns_of import Floats
from .labels import PERCENTILES, label_in_legend, name_lines
from .latency import LatencySeries, latency_series
from .picture import add_alt_text, picture_axes
from .style import background, ink, look
from .text import draw_literally
from .words import latency_sentence, latency_title, share_within

_MOST_NINES = 7


def plot_latency_percentiles(
    calls: pd.DataFrame,
    *,
    by: str | None = None,
    threshold_seconds: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how long the calls took percentile by percentile, and return the axes.

    The percentiles stand as far from the left as ``1 / (1 - p)`` on a log axis, as in HdrHistogram's plots: 90 %, 99 %
    and 99.9 % are equally far apart, so that the slow end can be read. A curve ends at its slowest call.

    Parameters
    ----------
    calls
        One row per call with the columns ``client_time_seconds`` and ``server_time_seconds``, such as
        ``batch.calls()``. Either may be all missing.
    by
        Column to group by: one curve of client times per group, at most ten.
    threshold_seconds
        Draw a line at this time, in seconds, and state the share of the calls within it.
    ax
        Axes to draw on; those of a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        `describe` puts it in a sentence, `save_figure` in a file.

    Raises
    ------
    InputError
        If `calls` is no frame, a column is missing, or a time or the threshold is not a number of seconds.
    """
    check_threshold(threshold_seconds)
    every = latency_series(calls, by=by)
    drawn = [series for series in every if series.seconds.size]
    title = latency_title(len(calls), every, by)
    ax = picture_axes() if ax is None else ax
    head(ax, title, "percentile of calls", "time of a call (ms, log scale)", has_note=threshold_seconds is not None)
    if drawn:
        _draw(ax, drawn, by, threshold_seconds)
    else:
        say(ax, "no calls" if calls.empty else "no times")
    add_alt_text(ax, latency_sentence(title, drawn, by, threshold_seconds))
    return ax


def _draw(ax: Axes, drawn: list[LatencySeries], by: str | None, threshold_seconds: float | None) -> None:
    lines = [_curve(ax, series, place) for place, series in enumerate(drawn)]
    threshold = np.array([] if threshold_seconds is None else [threshold_seconds * MILLISECONDS])
    log_scale(ax.yaxis, *log_limits([*(shown_ms(series.seconds[[0, -1]]) for series in drawn), threshold]))
    _percentile_axis(ax, max(series.seconds.size for series in drawn))
    if threshold_seconds is not None:
        ax.axhline(threshold_seconds * MILLISECONDS, color=ink(ax), linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5)
        note(ax, share_within(drawn, by, threshold_seconds))
    if by is None:
        name_lines(ax, lines, [series.name for series in drawn])
    else:
        label_in_legend(ax, drawn, lines, by, threshold_seconds)


def _curve(ax: Axes, series: LatencySeries, place: int) -> Line2D:
    colour, style = look(ax, place)
    spread, seconds = _points(series)
    (line,) = ax.plot(spread, shown_ms(seconds), color=colour, linestyle=style, linewidth=1.6, drawstyle="steps-post")
    for ratio, marker, _ in PERCENTILES.values():
        at = 1 / (1 - ratio)
        if at <= series.seconds.size:
            (point,) = ax.plot(
                [at], shown_ms(np.array([series.quantile(ratio)])), marker=marker, markersize=5.5, color=colour
            )
            point.set_markerfacecolor(background(ax))
            point.set_zorder(3)
    return line


def _points(series: LatencySeries) -> tuple[Floats, Floats]:
    """Return 1 / (1 - p) and seconds: the k-th fastest of n calls holds from the percentile (k - 1) / n on."""
    count = series.seconds.size
    seconds, first = np.unique(series.seconds, return_index=True)
    spread = count / (count - first.astype(np.float64))
    return np.append(spread, count), np.append(seconds, seconds[-1])


def _percentile_axis(ax: Axes, count: int) -> None:
    ax.set_xscale("log")
    ax.set_xlim(1, max(count, 2) * 1.05)
    nines = [10.0**place for place in range(1, _MOST_NINES) if 10**place <= count]
    ax.xaxis.set_major_locator(FixedLocator([1, 2, *([4] if count >= 4 else []), *nines]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(_percentile))
    draw_literally(ax.get_xticklabels())


def _percentile(spread: float, _: int | None) -> str:
    return f"{100 * (1 - 1 / spread):.6g} %"
