"""One small picture per service, all on the same axes."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.typing import ColorType

from ..reprs import human_percent, human_seconds
from .axes import check_threshold, log_scale, shade, time_axis
from .columns_of import METRICS, Floats, column_of, zone_of
from .labels import legend_below
from .metric import common_gaps, draw_series, hole_words
from .picture import add_alt_text, picture_axes
from .quantiles import Ladder, draw_ladder, ladder_limits, ladder_of, rung_name
from .series import MetricSeries, groups_of, metric_of, one_series, stage_words, unit_of
from .style import ink
from .text import draw_literally, label_text
from .words import threshold_words

_PANEL_LIMIT = 12
_TITLE_LIMIT, _PANEL_TITLE_LIMIT = 70, 34
_COLUMNS = 3
_WIDTH, _ROW_HEIGHT = 8.4, 1.9
_GAP_X, _GAP_Y = 0.05, 0.30
_POINTS_BELOW = 54

Panel = Ladder | MetricSeries


def plot_services(
    frame: pd.DataFrame,
    metric: str | None = None,
    *,
    by: str = "feature_service_name",
    threshold_seconds: float | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric of each service in a panel of its own, all with the same axes, and return the axes around them.

    A summary is drawn as its quantiles. Of more than twelve services those that reach highest are drawn.

    Parameters
    ----------
    frame
        Samples in the tidy form of ``columns.METRIC_SAMPLES``.
    metric
        Name of the metric; may be left out if the frame holds one only.
    by
        Column that tells the services (or views) apart.
    threshold_seconds
        For summaries: draw a line at this time, in seconds, and shade where the highest quantile is above it.
    tz
        Time zone of the axes.
    ax
        Axes whose place the panels take; those of a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The panels are its ``child_axes``. `describe` puts it in a sentence, `save_figure` in a file.

    Raises
    ------
    InputError
        If the frame holds no such metric or lacks a column, or a service has several series.
    """
    check_threshold(threshold_seconds)
    zone = zone_of(tz)
    name, rows = metric_of(frame, metric)
    panels, others = _panels(name, rows, by)
    count = len(panels)
    title = f"{label_text(name, _TITLE_LIMIT)} by {label_text(by, _TITLE_LIMIT)}"
    title += f", the highest {count} of {count + others}" if others else ""
    across = 2 if count == 4 else min(_COLUMNS, count)
    ax = picture_axes(_WIDTH, 0.9 + _ROW_HEIGHT * math.ceil(count / across)) if ax is None else ax
    ax.set_axis_off()
    # With the axis off the title is the only thing drawn of the axes themselves.
    draw_literally([ax.set_title(title, loc="left", pad=32, color=ink(ax))])
    _draw(ax, panels, across, threshold_seconds, zone)
    marks = [*stage_words(rows), *_marks([*panels.values()], threshold_seconds)]
    _name_axes(ax, f"time ({zone.key})", "; ".join([_unit(panels, name), *marks]))
    _legend(ax, [*panels.values()])
    add_alt_text(ax, _sentence(title, panels, threshold_seconds))
    return ax


def _panels(name: str, rows: pd.DataFrame, by: str) -> tuple[dict[str, Panel], int]:
    column_of(rows, by, METRICS)
    is_summary = "quantile" in rows.columns and rows["quantile"].notna().any()
    found: dict[str, Panel] = {}
    for (text,), part in groups_of(rows, [by]):
        own = part.drop(columns=by)
        found[text] = ladder_of(name, own) if is_summary else one_series(text, own)
    if len(found) <= _PANEL_LIMIT:
        return found, 0
    highest = sorted(found, key=lambda text: _highest(found[text]), reverse=True)[:_PANEL_LIMIT]
    return {text: panel for text, panel in found.items() if text in highest}, len(found) - _PANEL_LIMIT


def _draw(ax: Axes, panels: dict[str, Panel], across: int, threshold: float | None, zone: ZoneInfo) -> None:
    down = max(math.ceil(len(panels) / across), 1)
    width, height = (1 - _GAP_X * (across - 1)) / across, 1 / (down + _GAP_Y * (down - 1))
    times = np.concatenate([_top(panel).times for panel in panels.values()])
    limits = _limits(panels, threshold)
    for place, (name, content) in enumerate(panels.items()):
        row, column = divmod(place, across)
        left, bottom = column * (width + _GAP_X), 1 - height - row * height * (1 + _GAP_Y)
        panel = ax.inset_axes((left, bottom, width, height))
        _draw_panel(panel, content, limits, threshold)
        _frame_panel(panel, name, ink(ax))
        time_axis(panel, times, zone)
        panel.set_xlabel("")
        if column:
            panel.tick_params(labelleft=False)
        if place + across < len(panels):
            panel.tick_params(labelbottom=False)
            panel.xaxis.get_offset_text().set_visible(False)
        panel.xaxis.get_offset_text().set_fontsize(7)
        panel.xaxis.get_offset_text().set_color(ink(ax))


def _draw_panel(panel: Axes, content: Panel, limits: tuple[float, float], threshold: float | None) -> None:
    panel.set_facecolor("none")
    if isinstance(content, Ladder):
        log_scale(panel.yaxis, *limits)
        draw_ladder(panel, content, threshold)
    else:
        panel.set_ylim(*limits)
        shade(panel, common_gaps([content]), ink(panel), "no samples", alpha=0.1)
        draw_series(panel, content, 0)


def _frame_panel(panel: Axes, name: str, colour: ColorType) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(colour)
    panel.tick_params(labelsize=7, colors=colour)
    panel.grid(visible=True, axis="y", color=colour, alpha=0.15, linewidth=0.6)
    heading = panel.set_title(label_text(name, _PANEL_TITLE_LIMIT), loc="left", fontsize=8, pad=3, color=colour)
    draw_literally([heading])


def _legend(ax: Axes, panels: list[Panel]) -> None:
    ladders = [(panel, axes) for panel, axes in zip(panels, ax.child_axes, strict=True) if isinstance(panel, Ladder)]
    if ladders:
        ladder, axes = max(ladders, key=lambda each: len(each[0].rungs))
        names = [rung_name(rung) for rung in ladder.rungs]
        legend_below(ax, axes.lines[-len(names) :], names, points=_POINTS_BELOW)


def _limits(panels: dict[str, Panel], threshold: float | None) -> tuple[float, float]:
    ladders = [panel for panel in panels.values() if isinstance(panel, Ladder)]
    if ladders:
        return ladder_limits(ladders, threshold)
    values = np.concatenate([_top(panel).values for panel in panels.values()])
    known = values[np.isfinite(values)]
    top = float(known.max()) if known.size else 1.0
    return min(0.0, float(known.min()) if known.size else 0.0), top * 1.05 or 1.0


def _name_axes(ax: Axes, x: str, y: str) -> None:
    texts = [
        ax.annotate(
            x,
            (0.5, 0),
            xycoords="axes fraction",
            xytext=(0, -36),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=ink(ax),
        ),
        ax.annotate(
            y, (0, 1), xycoords="axes fraction", xytext=(0, 18), textcoords="offset points", fontsize=8, color=ink(ax)
        ),
    ]
    draw_literally(texts)


def _unit(panels: dict[str, Panel], name: str) -> str:
    is_summary = any(isinstance(panel, Ladder) for panel in panels.values())
    return "latency (ms, log scale)" if is_summary else label_text(unit_of(name))


def _marks(panels: list[Panel], threshold: float | None) -> list[str]:
    """Return what dashes, colours and breaks mean, as far as there are any."""
    ladders = [panel for panel in panels if isinstance(panel, Ladder)]
    dashed = []
    if ladders and threshold is not None:
        dashed = [f"dashed: {threshold_words(threshold)}"]
        dashed += ["red: highest quantile above it"] * any(ladder.above(threshold) for ladder in ladders)
    return dashed + hole_words([panel.series if isinstance(panel, Ladder) else [panel] for panel in panels])


def _top(panel: Panel) -> MetricSeries:
    return panel.top if isinstance(panel, Ladder) else panel


def _highest(panel: Panel) -> float:
    known = _top(panel).values[np.isfinite(_top(panel).values)]
    return float(known.max()) if known.size else -math.inf


def _sentence(title: str, panels: dict[str, Panel], threshold: float | None) -> str:
    parts = []
    for name, panel in panels.items():
        known = _top(panel).values[np.isfinite(_top(panel).values)]
        if not known.size:
            parts.append(f"{label_text(name)} without values")
        elif isinstance(panel, Ladder):
            above = "" if threshold is None else f", above {threshold_words(threshold)} in {_share(known, threshold)}"
            parts.append(f"{label_text(name)} {panel.top.name} up to {human_seconds(known.max())}{above}")
        else:
            parts.append(f"{label_text(name)} up to {known.max():.4g}")
    return f"{title}: {'; '.join(parts)}."


def _share(known: Floats, threshold: float) -> str:
    return f"{human_percent(float((known > threshold).mean()))} of samples"
