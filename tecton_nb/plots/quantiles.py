"""The ladder of a summary's quantiles over time, with the objective and the spans that miss it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..exceptions import InputError, listed, quoted
from ..reprs import human_percent, human_seconds
from .axes import (
    MILLISECONDS,
    check_threshold,
    gaps,
    head,
    log_limits,
    log_scale,
    note,
    say,
    shade,
    shown_ms,
    time_axis,
)
from .columns_of import METRICS, Floats, column_of, zone_of
from .labels import name_lines
from .metric import NO_SAMPLES, common_gaps, draw_series, hole_words
from .picture import add_alt_text, picture_axes
from .series import MetricSeries, label_columns, metric_of, one_series, stage_words
from .style import colours, ink
from .text import label_text
from .words import threshold_words

_TITLE_LIMIT = 70
ABOVE = "above the threshold"


@dataclass(frozen=True)
class Ladder:
    """Quantiles of one summary over time, lowest rung first."""

    rungs: tuple[float, ...]
    series: tuple[MetricSeries, ...]

    @property
    def top(self) -> MetricSeries:
        """The highest rung."""
        return self.series[-1]

    def above(self, seconds: float) -> list[tuple[float, float]]:
        """Return the spans in which the highest rung is above a time: each from its first sample to the next one below.

        The last sample stands for one step more; a gap ends a span.
        """
        times, values = self.top.times, self.top.values
        if not times.size:
            return []
        step = float(np.median(np.diff(times))) if times.size > 1 else 0.0
        holes = {start for start, _ in gaps(times)}
        following = [*times[1:], times[-1] + step]
        ends = [time + step if time in holes else after for time, after in zip(times, following, strict=True)]
        spans: list[tuple[float, float]] = []
        for start, end, value in zip(times, ends, values, strict=True):
            if value > seconds:
                joined = bool(spans) and spans[-1][1] == start
                spans[-1:] = [(spans[-1][0], end)] if joined else [*spans[-1:], (float(start), float(end))]
        return spans


def plot_quantiles(
    frame: pd.DataFrame,
    metric: str | None = None,
    *,
    threshold_seconds: float | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw the quantiles of one summary over time, and return the axes.

    Spans in which the highest quantile is above the threshold are shaded; so are, in grey, those without samples.
    A line also breaks where the server says NaN (no traffic).

    Parameters
    ----------
    frame
        Samples in the tidy form of ``columns.METRIC_SAMPLES``, values in seconds, of one service.
    metric
        Name of the metric; may be left out if the frame holds one only.
    threshold_seconds
        Draw a line at this time, in seconds, and shade what is above it.
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
        If the frame holds no such metric or no quantiles of it, lacks a column, or holds several services (quantiles of
        services do not add up; `plot_services` draws them beside each other).
    """
    check_threshold(threshold_seconds)
    zone = zone_of(tz)
    name, rows = metric_of(frame, metric)
    ladder = ladder_of(name, rows)
    title, words = label_text(name, _TITLE_LIMIT), _note(ladder, stage_words(rows), threshold_seconds)
    ax = picture_axes() if ax is None else ax
    head(ax, title, "", "latency (ms, log scale)", has_note=bool(words))
    time_axis(ax, ladder.top.times, zone)
    if any(np.isfinite(series.values).any() for series in ladder.series):
        log_scale(ax.yaxis, *ladder_limits([ladder], threshold_seconds))
        lines = draw_ladder(ax, ladder, threshold_seconds)
        if words:
            note(ax, words)
        name_lines(ax, lines, [rung_name(rung) for rung in ladder.rungs])
    else:
        say(ax, "no values")
    add_alt_text(ax, _sentence(title, ladder, threshold_seconds))
    return ax


def ladder_of(metric: str, rows: pd.DataFrame) -> Ladder:
    """Return the ladder of one summary.

    Raises
    ------
    InputError
        If there are no quantiles, or those of several series.
    """
    rungs = rows[column_of(rows, "quantile", METRICS).notna()]
    if rungs.empty:
        raise InputError(f"The frame holds no quantiles of {quoted(metric)}. Draw it with plot_metric.")
    differing = label_columns(rungs)
    if differing:
        found = rungs[differing[0]].dropna().unique()
        raise InputError(
            f"The frame holds several series of {quoted(metric)}, which differ in {quoted(differing[0])}: "
            f"{listed(found, 5)}. Quantiles do not add up: choose one, such as "
            f"frame[frame[{differing[0]!r}] == {str(found[0])!r}], or draw them with plot_services."
        )
    each = {float(rung): one_series(rung_name(float(rung)), part) for rung, part in rungs.groupby("quantile")}  # type: ignore[arg-type]
    return Ladder(tuple(each), tuple(each.values()))


def draw_ladder(ax: Axes, ladder: Ladder, threshold_seconds: float | None) -> list[Line2D]:
    """Draw the rungs, the threshold, and shade what is above it and where nothing is known."""
    shade(ax, common_gaps(ladder.series), ink(ax), NO_SAMPLES, alpha=0.1)
    if threshold_seconds is not None:
        shade(ax, ladder.above(threshold_seconds), colours(ax)[1], ABOVE)
        ax.axhline(threshold_seconds * MILLISECONDS, color=ink(ax), linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5)
    return [draw_series(ax, series, place, MILLISECONDS) for place, series in enumerate(ladder.series)]


def ladder_limits(ladders: list[Ladder], threshold_seconds: float | None) -> tuple[float, float]:
    """Return limits in milliseconds that hold every rung and the threshold."""
    values: list[Floats] = [shown_ms(series.values) for ladder in ladders for series in ladder.series]
    threshold = np.array([] if threshold_seconds is None else [threshold_seconds * MILLISECONDS])
    return log_limits([*values, threshold])


def rung_name(rung: float) -> str:
    """Return the name of a quantile, such as ``p99`` or ``p99.9``."""
    return f"p{rung * 100:.6g}"


def _note(ladder: Ladder, stages: list[str], threshold: float | None) -> str:
    parts = [] if threshold is None else [f"{_above_words(ladder, threshold)} (shaded)"]
    return "; ".join([*stages, *parts, *hole_words([ladder.series])])


def _above_words(ladder: Ladder, threshold: float) -> str:
    known = ladder.top.values[np.isfinite(ladder.top.values)]
    share = float((known > threshold).mean()) if known.size else float("nan")
    return f"{ladder.top.name} above {threshold_words(threshold)} in {human_percent(share)} of its samples"


def _sentence(title: str, ladder: Ladder, threshold: float | None) -> str:
    parts = []
    for series in ladder.series:
        known = series.values[np.isfinite(series.values)]
        if known.size:
            parts.append(f"{series.name} from {human_seconds(known.min())} to {human_seconds(known.max())}")
    if not parts:
        return f"{title}: nothing to draw."
    parts += [] if threshold is None else [_above_words(ladder, threshold)]
    idle = int(np.isnan(ladder.top.values).sum())
    parts += [f"{idle:,} samples without traffic"] if idle else []
    holes = len(common_gaps(ladder.series))
    parts += [f"gaps without samples: {holes:,}"] if holes else []
    return f"Quantiles of {title} over time: {'; '.join(parts)}."
