"""A metric over time, one line per series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..exceptions import InputError, quoted
from .axes import broken, gaps, head, note, say, shade, time_axis
from .columns_of import METRICS, column_of, zone_of
from .labels import name_lines
from .picture import add_alt_text, picture_axes
from .series import MetricSeries, label_columns, metric_of, of_first, series_of, stage_words, unit_of
from .style import LINE_STYLES, colours, ink
from .text import label_text

_TITLE_LIMIT = 70
NO_SAMPLES = "no samples"


def plot_metric(
    frame: pd.DataFrame,
    metric: str | None = None,
    *,
    by: str | Sequence[str] | None = None,
    unit: str | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric over time, one line per series, and return the axes.

    A line breaks where no sample came for two and a half times the usual step (grey where none of them has any), and
    where the server says NaN (no traffic).
    Of more than ten series the ten that reach highest are drawn, and the others counted.

    Parameters
    ----------
    frame
        Samples in the tidy form of ``columns.METRIC_SAMPLES``, such as a history's frame.
    metric
        Name of the metric; may be left out if the frame holds one only.
    by
        Columns of labels that tell the series apart; all in which they differ if not given.
    unit
        Unit in words; for Tecton's metrics it is known.
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
        If the frame holds no such metric or lacks a column, or the metric is a summary (`plot_quantiles` draws it).
    """
    zone = zone_of(tz)
    name, rows = metric_of(frame, metric)
    _refuse_parts(name, rows)
    names = label_columns(rows) if by is None else [by] if isinstance(by, str) else [*by]
    drawn, others = of_first(series_of(rows, names))
    words = unit or unit_of(name)
    shown = label_text(name, _TITLE_LIMIT)
    title = shown + (f", the highest {len(drawn)} of {len(drawn) + others} series" if others else "")
    ax = picture_axes() if ax is None else ax
    noted = "; ".join([*stage_words(rows), *hole_words([drawn])])
    head(ax, title, "", label_text(words), has_note=bool(noted))
    time_axis(ax, np.concatenate([series.times for series in drawn]), zone)
    if any(np.isfinite(series.values).any() for series in drawn):
        _draw(ax, drawn, noted)
    else:
        say(ax, "no values")
    add_alt_text(ax, _sentence(title, drawn, words))
    return ax


def draw_series(ax: Axes, series: MetricSeries, place: int, scale: float = 1.0, style: int | None = None) -> Line2D:
    """Draw one series with its gaps, in the colour of its place and in its style or the one given."""
    palette = colours(ax)
    times, values = broken(series.times, series.values * scale, gaps(series.times))
    (line,) = ax.plot(
        times,
        values,
        color=palette[place % len(palette)],
        linestyle=LINE_STYLES[(place if style is None else style) % len(LINE_STYLES)],
        linewidth=1.6,
        marker="" if np.isfinite(series.values).sum() > 1 else "o",
    )
    return line


def common_gaps(drawn: Sequence[MetricSeries]) -> list[tuple[float, float]]:
    """Return the spans in which no series at all has a sample."""
    if not drawn:
        return []
    steps = np.concatenate([np.diff(series.times) for series in drawn])
    return gaps(np.unique(np.concatenate([series.times for series in drawn])), steps)


def hole_words(pictures: Sequence[Sequence[MetricSeries]]) -> list[str]:
    """Return what grey spans and breaks without them mean, for those there are in any of some pictures."""
    is_grey = any(common_gaps(drawn) for drawn in pictures)
    is_idle = any(np.isnan(series.values).any() for drawn in pictures for series in drawn)
    return [f"grey: {NO_SAMPLES}"] * is_grey + ["a break without grey: no traffic"] * is_idle


def _draw(ax: Axes, drawn: list[MetricSeries], words: str) -> None:
    shade(ax, common_gaps(drawn), ink(ax), NO_SAMPLES, alpha=0.1)
    if words:
        note(ax, words)
    lines = [draw_series(ax, series, place) for place, series in enumerate(drawn)]
    low, high = ax.get_ylim()
    # Rates and shares are read against 0.
    ax.set_ylim(min(low, 0.0), high)
    if len(drawn) > 1:
        name_lines(ax, lines, [series.name for series in drawn])


def _refuse_parts(name: str, rows: pd.DataFrame) -> None:
    if "quantile" in rows.columns and column_of(rows, "quantile", METRICS).notna().any():
        raise InputError(f"{quoted(name)} is a summary: draw its quantiles with plot_quantiles.")
    parts = [] if "sample" not in rows.columns else [*rows["sample"].dropna().unique()]
    if len(parts) > 1 or parts == ["bucket"]:
        raise InputError(
            f"{quoted(name)} has {len(parts)} kinds of samples ({', '.join(map(str, parts))}), which are no lines "
            "beside each other. Choose one: frame[frame['sample'] == 'count']."
        )


def _sentence(title: str, drawn: list[MetricSeries], unit: str) -> str:
    parts = []
    for series in drawn:
        known = series.values[np.isfinite(series.values)]
        name = f"{label_text(series.name)} " if series.name else ""
        if known.size:
            parts.append(f"{name}from {known.min():.4g} to {known.max():.4g}, last {known[-1]:.4g}")
        else:
            parts.append(f"{name}without values")
    holes = len(common_gaps(drawn))
    said = f" Gaps without samples: {holes:,}." if holes else ""
    return f"{title} over time ({unit}): {'; '.join(parts)}.{said}"
