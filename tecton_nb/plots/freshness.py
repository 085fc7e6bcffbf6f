"""How old values are: the age of effective times, and the ages of stream events."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..exceptions import InputError, listed, quoted
from ..reprs import human_age
from .axes import head, note, say, shade, time_axis
from .columns_of import METRICS, Floats, check_frame, column_of, zone_of
from .labels import name_bars, name_lines
from .metric import common_gaps, draw_series
from .picture import add_alt_text, bar_axes, picture_axes
from .series import MetricSeries, groups_of, label_columns, one_series, stage_words
from .style import background, colours, ink
from .text import label_text

EVENT_AGES = {
    "spark_stream_max_processed_event_age": "oldest event",
    "spark_stream_average_processed_event_age": "average event",
    "spark_stream_min_processed_event_age": "newest event",
    "spark_stream_served_feature_age": "served value",
}
_TIMES = ("effective times", "batch.effective_times()")
_VIEW_LIMIT = 20
_STREAM_LIMIT = 4
_STEPS = {"1 s": 1, "10 s": 10, "1 min": 60, "10 min": 600, "1 h": 3_600, "6 h": 21_600, "1 d": 86_400}
_STEPS |= {"1 week": 604_800, "30 d": 2_592_000, "1 year": 31_536_000, "10 years": 315_360_000}
_YOUNGEST = 1.0


def plot_freshness(
    frame: pd.DataFrame, *, now: datetime | str | None = None, tz: str = "UTC", ax: Axes | None = None
) -> Axes:
    """Draw how old values are, and return the axes.

    Effective times are drawn per feature view: from the youngest to the oldest value, with the median. Metrics are
    drawn over time: the ages of the events that streams have processed, and of the values they serve.

    Parameters
    ----------
    frame
        ``batch.effective_times()``, or samples in the tidy form of ``columns.METRIC_SAMPLES``.
    now
        For effective times: the moment from which ages are counted, such as ``pandas.Timestamp.now("UTC")``.
    tz
        For metrics: time zone of the axis.
    ax
        Axes to draw on; those of a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        `describe` puts it in a sentence, `save_figure` in a file.

    Raises
    ------
    InputError
        If the frame is neither, or `now` is missing or no moment.
    """
    check_frame(frame, _TIMES)
    if "metric" in frame.columns:
        return _plot_streams(frame, tz, ax)
    return _plot_effective_times(frame, now, ax)


def ages_by_view(effective_times: pd.DataFrame, now: pd.Timestamp) -> dict[str, Floats]:
    """Return by view the ages of its values in seconds, ascending; a view without times (realtime) has none.

    The view is the part of a column's name before its first dot.
    """
    parts: dict[str, list[Floats]] = {}
    for place, name in enumerate(effective_times.columns):
        column = effective_times.iloc[:, place]
        if column.dtype.kind != "M":
            raise InputError(
                f"The column {quoted(name)} holds {column.dtype}, not times. Pass batch.effective_times()."
            )
        ages = (now - pd.DatetimeIndex(pd.to_datetime(column, utc=True))) / pd.Timedelta(seconds=1)
        known = ages.to_numpy(np.float64)
        parts.setdefault(str(name).partition(".")[0], []).append(known[np.isfinite(known)])
    return {view: np.sort(np.concatenate(each)) for view, each in parts.items()}


def _plot_effective_times(frame: pd.DataFrame, now: datetime | str | None, ax: Axes | None) -> Axes:
    ages = ages_by_view(frame, _moment(now))
    timed = sorted((view for view, each in ages.items() if each.size), key=lambda view: -ages[view].max())
    views, more = timed[:_VIEW_LIMIT], len(timed) - _VIEW_LIMIT
    without = len(ages) - len(timed)
    title = f"Age of the values of {len(frame):,} row{'' if len(frame) == 1 else 's'}"
    title += f", the oldest {_VIEW_LIMIT} of {len(timed)} views" if more > 0 else ""
    title += f", {without:,} view{'' if without == 1 else 's'} without times" if without else ""
    names = [label_text(view) for view in views]
    ax = bar_axes(names) if ax is None else ax
    head(ax, title, "age of a value (log scale)", "", has_note=True)
    ax.grid(visible=False, axis="y")
    if views:
        _draw_ranges(ax, {view: ages[view] for view in views})
        name_bars(ax, names)
    else:
        say(ax, "no values" if frame.empty else "no effective times")
    add_alt_text(ax, _sentence(title, {view: ages[view] for view in views}))
    return ax


def _draw_ranges(ax: Axes, ages: dict[str, Floats]) -> None:
    blue = colours(ax)[0]
    for row, each in enumerate(ages.values()):
        low, middle, high = (max(float(age), _YOUNGEST) for age in (each[0], _median(each), each[-1]))
        ax.plot([low, high], [row, row], color=blue, linewidth=2.4, solid_capstyle="round", marker="|", markersize=8)
        (point,) = ax.plot([middle], [row], color=blue, marker="o", markersize=6.5, linestyle="none")
        point.set_markerfacecolor(background(ax))
    _age_axis(ax.xaxis, ages.values())
    ax.set_ylim(len(ages) - 0.4, -0.6)
    ax.grid(visible=True, axis="x", color=ink(ax), alpha=0.15, linewidth=0.6)
    note(ax, "from the youngest value to the oldest; circle: half of the values are at most so old")


def _plot_streams(frame: pd.DataFrame, tz: str, ax: Axes | None) -> Axes:
    zone = zone_of(tz)
    metrics = column_of(frame, "metric", METRICS)
    rows = frame[metrics.isin([*EVENT_AGES])]
    if rows.empty:
        raise InputError(
            f"The metrics hold no ages of stream events. Needed is one of {listed(EVENT_AGES)}; found: "
            f"{listed(metrics.dropna().unique())}."
        )
    series, others = _streams(rows)
    title = "Age of what streams have processed and serve"
    title += f", {others:,} view{'' if others == 1 else 's'} not drawn" if others else ""
    ax = picture_axes() if ax is None else ax
    stages = "; ".join(stage_words(rows))
    head(ax, title, "", "age (log scale)", has_note=bool(stages))
    if stages:
        note(ax, stages)
    time_axis(ax, np.concatenate([each.times for _, _, each in series]), zone)
    known = [each.values[np.isfinite(each.values)] for _, _, each in series]
    if any(values.size for values in known):
        _age_axis(ax.yaxis, known)
        shade(ax, common_gaps([each for _, _, each in series]), ink(ax), "no samples", alpha=0.1)
        lines = [_stream_line(ax, *each) for each in series]
        name_lines(ax, lines, [each.name for _, _, each in series])
    else:
        say(ax, "no values")
    add_alt_text(ax, _sentence(title, {each.name: np.sort(v) for (_, _, each), v in zip(series, known, strict=True)}))
    return ax


def _streams(rows: pd.DataFrame) -> tuple[list[tuple[int, int, MetricSeries]], int]:
    """Return place of the view, place of the metric and the series; and how many views are left out."""
    column_of(rows, "feature_view_name", METRICS)
    # Workspaces may have views of one name.
    is_shared = "workspace" in label_columns(rows)
    views = groups_of(rows, ["workspace", "feature_view_name"] if is_shared else ["feature_view_name"])
    shown = views[:_STREAM_LIMIT]
    found = []
    for place, (view, own) in enumerate(shown):
        for kind, (metric, words) in enumerate(EVENT_AGES.items()):
            part = own[own["metric"] == metric]
            if len(part):
                name = words if len(shown) == 1 else f"{' / '.join(view)}: {words}"
                found.append((place, kind, one_series(name, part)))
    return found, len(views) - len(shown)


def _stream_line(ax: Axes, view: int, kind: int, series: MetricSeries) -> Line2D:
    aged = MetricSeries(series.name, series.times, np.maximum(series.values, _YOUNGEST))
    return draw_series(ax, aged, view, style=kind)


def _age_axis(axis: Axis, ages: Iterable[Floats]) -> None:
    every = np.maximum(np.concatenate([*ages]), _YOUNGEST)
    low, high = float(every.min()) / 1.6, float(every.max()) * 1.6
    is_x = axis.axis_name == "x"  # type: ignore[attr-defined]
    (axis.axes.set_xscale if is_x else axis.axes.set_yscale)("log")
    (axis.axes.set_xlim if is_x else axis.axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator([step for step in _STEPS.values() if low <= step <= high]))
    names = {float(step): name for name, step in _STEPS.items()}
    axis.set_major_formatter(FuncFormatter(lambda value, _: names.get(float(value), "")))
    axis.set_minor_locator(NullLocator())


def _moment(now: datetime | str | None) -> pd.Timestamp:
    if now is None:
        raise InputError(
            "Ages of effective times are counted from a moment: give now=pandas.Timestamp.now('UTC'), or the moment "
            "at which the values were fetched."
        )
    try:
        moment = pd.Timestamp(now)
    except (ValueError, TypeError) as error:
        raise InputError(f"now={quoted(now)} is no moment. Write it like '2026-03-01T12:00:00Z'.") from error
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _median(each: Floats) -> float:
    return float(np.quantile(each, 0.5, method="inverted_cdf"))


def _sentence(title: str, ages: dict[str, Floats]) -> str:
    parts = []
    for name, each in ages.items():
        if each.size:
            words = [_age(age) for age in (each[0], _median(each), each[-1])]
            parts.append(f"{label_text(name)} {words[0]} to {words[2]}, half of them at most {words[1]}")
    return f"{title}: {'; '.join(parts)}." if parts else f"{title}: nothing to draw."


def _age(seconds: float) -> str:
    return human_age(math.floor(seconds)).removesuffix(" ago")
