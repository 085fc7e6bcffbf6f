"""Calls over time and latency as a density: what many points hide."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..exceptions import InputError
from ..reprs import human_seconds
from .axes import (
    MILLISECONDS,
    check_threshold,
    head,
    log_limits,
    log_scale,
    plain_number,
    say,
    shown_ms,
    threshold_line,
    time_axis,
)
from .columns_of import CALLS, Floats, check_frame, moments_of, seconds_of, zone_of
from .latency import CLIENT_TIME
from .picture import add_alt_text, picture_axes
from .style import MINIMUM_CONTRAST, background, contrast, ink
from .text import draw_literally
from .words import over_time_title, share_of_calls

_FEWEST_WHILES, _WHILES, _STEPS = 20, 60, 40


def plot_heatmap(
    calls: pd.DataFrame, *, threshold_seconds: float | None = None, tz: str = "UTC", ax: Axes | None = None
) -> Axes:
    """Draw how many calls took how long when, and return the axes.

    Only calls can be drawn so: the quantiles of a metrics page do not tell how many requests lay between them.

    Parameters
    ----------
    calls
        One row per call with ``started_at`` and ``client_time_seconds``, such as ``batch.calls()``.
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
        If `calls` is no frame of calls, a column is missing or holds something else, or there is no such time zone.
    """
    check_threshold(threshold_seconds)
    check_frame(calls, CALLS)
    if "quantile" in calls.columns:
        raise InputError(
            "A heatmap counts single calls, and these are metrics: quantiles do not tell how many requests lay "
            "between them. Pass batch.calls(), or draw the metrics with plot_quantiles."
        )
    zone = zone_of(tz)
    started, seconds = moments_of(calls, "started_at"), seconds_of(calls, CLIENT_TIME)
    shown = np.isfinite(started) & np.isfinite(seconds)
    times, durations = started[shown], seconds[shown]
    title = over_time_title(len(calls), int((~shown).sum()))
    ax = picture_axes() if ax is None else ax
    head(ax, title, "", "time of a call (ms, log scale)", has_note=threshold_seconds is not None)
    ax.grid(visible=False)
    time_axis(ax, times, zone)
    if times.size:
        _draw(ax, times, shown_ms(durations), threshold_seconds)
    else:
        say(ax, "no calls" if calls.empty else "no times")
    add_alt_text(ax, _sentence(title, durations, threshold_seconds))
    return ax


def _draw(ax: Axes, times: Floats, values: Floats, threshold_seconds: float | None) -> None:
    threshold = np.array([] if threshold_seconds is None else [threshold_seconds * MILLISECONDS])
    low, high = log_limits([values, threshold])
    whiles = min(max(times.size // 4, _FEWEST_WHILES), _WHILES)
    x = np.linspace(*ax.get_xlim(), whiles + 1)
    y = np.geomspace(low, high, _STEPS + 1)
    counts, _, _ = np.histogram2d(times, values, bins=(x, y))
    most = counts.max()
    cells = np.ma.masked_equal(counts.T, 0)
    mesh = ax.pcolormesh(x, y, cells, cmap=_visible_colours(ax), norm=LogNorm(1, max(most, 2)), rasterized=True)
    log_scale(ax.yaxis, low, high)
    if threshold_seconds is not None:
        threshold_line(ax, threshold[0], share_of_calls(values / MILLISECONDS, threshold_seconds))
    scale = ax.inset_axes((1.02, 0.0, 0.025, 1.0))
    bar = ax.figure.figure.colorbar(mesh, cax=scale)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if most > 100 else (1.0, 2.0, 5.0)))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(plain_number))
    bar.set_label("calls in a cell (log scale)", color=ink(ax), fontsize=8)
    bar.ax.tick_params(labelsize=8, colors=ink(ax))
    draw_literally([bar.ax.yaxis.label, *bar.ax.get_yticklabels()])


def _visible_colours(ax: Axes) -> ListedColormap:
    """Return those of cividis that can be told from the background, the farthest from it for the most calls."""
    behind = background(ax)
    every = [tuple(map(float, colour[:3])) for colour in colormaps["cividis"](np.linspace(0, 1, 256))]
    visible = [c for c in every if contrast((c[0], c[1], c[2]), behind) >= MINIMUM_CONTRAST]
    return ListedColormap(sorted(visible, key=lambda c: contrast((c[0], c[1], c[2]), behind)))


def _sentence(title: str, seconds: Floats, threshold: float | None) -> str:
    if not seconds.size:
        return f"{title}: nothing to draw."
    middle = human_seconds(float(np.quantile(seconds, 0.5, method="inverted_cdf")))
    parts = [f"half within {middle}, the slowest {human_seconds(float(seconds.max()))}"]
    parts += [] if threshold is None else [share_of_calls(seconds, threshold)]
    return f"{title}: {'; '.join(parts)}."
