"""The latency of calls as an empirical distribution."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .axes import MILLISECONDS, check_threshold, head, log_scale, say, shown_ms
from .labels import PERCENTILES, fits_directly, label_directly, label_in_legend
from .latency import LatencySeries, latency_series
from .picture import add_alt_text, picture_axes
from .style import background, ink, look
from .text import draw_literally
from .words import latency_sentence, latency_title, share_within

# Share of the axes' width that a direct label needs beside its curve.
_LABEL_ROOM = 0.27


def plot_latency_ecdf(
    calls: pd.DataFrame,
    *,
    by: str | None = None,
    threshold_seconds: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw which share of the calls took at most how long, and return the axes.

    Time is in milliseconds on a log axis, the share in percent; p50, p95 and p99 are marked on each curve.

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
        Axes to draw on; those of a new figure if not given, which shows itself as the last value of a cell.

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
    _label_axes(ax, title, has_note=threshold_seconds is not None)
    if drawn:
        _draw(ax, drawn, by, threshold_seconds)
    else:
        say(ax, "no calls" if calls.empty else "no times")
    add_alt_text(ax, latency_sentence(title, drawn, by, threshold_seconds))
    return ax


def _draw(ax: Axes, drawn: list[LatencySeries], by: str | None, threshold_seconds: float | None) -> None:
    lines = [_curve(ax, series, place) for place, series in enumerate(drawn)]
    is_direct = by is None and fits_directly(ax)
    _scale(ax, drawn, threshold_seconds, _LABEL_ROOM if is_direct else 0.0)
    if threshold_seconds is not None:
        _draw_threshold(ax, threshold_seconds, share_within(drawn, by, threshold_seconds))
    if is_direct:
        label_directly(ax, drawn, lines)
    else:
        label_in_legend(ax, drawn, lines, by, threshold_seconds)


def _curve(ax: Axes, series: LatencySeries, place: int) -> Line2D:
    colour, style = look(ax, place)
    times, shares = series.curve()
    (line,) = ax.plot(shown_ms(times), shares * 100, color=colour, linestyle=style, lw=1.6, drawstyle="steps-post")
    for ratio, marker, _ in PERCENTILES.values():
        place_ms = shown_ms(np.array([series.quantile(ratio)]))
        point = ax.plot(
            place_ms, [ratio * 100], marker=marker, markersize=5.5, color=colour, linestyle="none", zorder=3
        )
        point[0].set_markerfacecolor(background(ax))
    return line


def _scale(ax: Axes, drawn: list[LatencySeries], threshold_seconds: float | None, room: float) -> None:
    left, right = _time_limits(drawn, threshold_seconds, room)
    log_scale(ax.xaxis, 10**left, 10**right)


def _time_limits(drawn: list[LatencySeries], threshold_seconds: float | None, room: float) -> tuple[float, float]:
    shown = [series.seconds[[0, -1]] for series in drawn]
    ends = np.log10(shown_ms(np.concatenate([*shown, [threshold_seconds or shown[0][0]]])))
    medians = np.log10(shown_ms(np.array([series.quantile(0.5) for series in drawn])))
    margin = max(0.04 * (ends.max() - ends.min()), 0.15)
    left, right = float(ends.min() - margin), float(ends.max() + margin)
    # The label of the leftmost curve stands left of its median, that of the rightmost one right of it.
    if len(drawn) > 1:
        left = min(left, float(medians.min() - room * right) / (1 - room))
    return left, max(right, float(medians.max() - room * left) / (1 - room))


def _label_axes(ax: Axes, title: str, *, has_note: bool) -> None:
    head(ax, title, "time of a call (ms, log scale)", "share of calls (%)", has_note=has_note)
    ax.set_ylim(0, 102)
    ax.set_yticks([0, 25, 50, 75, 100])


def _draw_threshold(ax: Axes, seconds: float, words: str) -> None:
    at = seconds * MILLISECONDS
    ax.axvline(at, color=ink(ax), linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5)
    left, right = np.log10(ax.get_xlim())
    place = (math.log10(at) - left) / (right - left)
    text = ax.annotate(
        words,
        (at, 1),
        xycoords=ax.get_xaxis_transform(),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right" if place > 0.6 else "left" if place < 0.4 else "center",
        va="bottom",
        fontsize=8,
        color=ink(ax),
    )
    draw_literally([text])
