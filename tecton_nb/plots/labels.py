"""Names and numbers of curves: beside the curves where they fit, else in a legend."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from ..reprs import human_percent, human_seconds
from .axes import halo
from .latency import LatencySeries
from .picture import PictureAxes
from .style import ink
from .text import LABEL_LIMIT, draw_literally, label_text
from .words import threshold_words

# Name of each percentile: its share, its marker, and the character that looks like the marker.
PERCENTILES = {"p50": (0.50, "o", "○"), "p95": (0.95, "s", "□"), "p99": (0.99, "^", "△")}

_DIRECT_LABEL_INCHES = 4.0
_POINTS_BELOW_AXES = 38
_POINTS_PER_INCH = 72
_MARGIN_INCHES = 1.0
_DIRECT_LINES = 6
_DIRECT_CHARACTERS = 24
_LINE_POINTS = 11
_HANDLE_INCHES = 0.55
_CHARACTER_INCHES = 0.075
_EDGE_INCHES = 0.15
_BAR_CHARACTERS = 30


def fits_directly(ax: Axes) -> bool:
    """Return whether the axes are wide enough for labels beside the curves."""
    width: float = ax.get_position().width * ax.figure.figure.get_size_inches()[0]
    return width >= _DIRECT_LABEL_INCHES


def label_directly(ax: Axes, drawn: list[LatencySeries], lines: list[Line2D]) -> None:
    """Write each curve's name and percentiles beside it: two curves at most.

    A distribution only rises. So nothing is drawn right of and below the middle of the rightmost curve,
    nor left of and above that of the leftmost one, whatever the data.
    """
    rightmost = max(drawn, key=lambda series: series.quantile(0.5))
    for series, line in zip(drawn, lines, strict=True):
        side = 1 if series is rightmost else -1
        text = ax.annotate(
            "\n".join([label_text(series.name), *_percentile_lines(series)]),
            (series.quantile(0.5) * 1_000, 50),
            xytext=(side * 12, side * -8),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="top" if side > 0 else "bottom",
            multialignment="left",
            fontsize=8,
            color=line.get_color(),
            bbox=halo(ax),
        )
        draw_literally([text])


def label_in_legend(
    ax: Axes, drawn: list[LatencySeries], lines: list[Line2D], by: str | None, threshold_seconds: float | None
) -> None:
    """Add a legend: a table with numbers below axes of our own, the names alone within the user's axes."""
    title = "" if by is None else label_text(by)
    if isinstance(ax, PictureAxes):
        _make_room(ax, _legend_table(ax, drawn, lines, title, threshold_seconds))
    else:
        names = [label_text(series.name) for series in drawn]
        legend = _legend(ax, lines, names, loc="lower right", framealpha=0.85, title=title)
        legend.set_in_layout(False)


def name_lines(ax: Axes, lines: list[Line2D], names: list[str]) -> None:
    """Write each line's name right of its end; in a legend if they are many, long, or the axes narrow."""
    texts = [label_text(name) for name in names]
    is_short = len(texts) <= _DIRECT_LINES and max(map(len, texts), default=0) <= _DIRECT_CHARACTERS
    if is_short and fits_directly(ax):
        _name_at_ends(ax, lines, texts)
    elif isinstance(ax, PictureAxes):
        legend_below(ax, [*lines], texts)
    else:
        _legend(ax, [*lines], texts, loc="best", framealpha=0.85).set_in_layout(False)


def legend_below(ax: Axes, handles: Sequence[Artist], names: list[str], *, points: float = _POINTS_BELOW_AXES) -> None:
    """Add a legend `points` below the axes; on a figure of our own from its left edge, and the figure grows for it."""
    longest = max(map(len, names), default=1)
    figure = ax.figure.figure
    column = _HANDLE_INCHES + _CHARACTER_INCHES * longest
    room = figure.get_size_inches()[0] * (1.0 if isinstance(ax, PictureAxes) else ax.get_position().width)
    columns = max(1, min(len(names), int((room - _EDGE_INCHES) / column)))
    options = {**_below(ax, points), "ncols": columns, "columnspacing": 1.4}
    if not isinstance(ax, PictureAxes):
        _legend(ax, handles, names, **options)
        return
    across = blended_transform_factory(figure.transFigure, ax.transAxes)
    options["bbox_transform"] = across + ScaledTranslation(
        _EDGE_INCHES, -points / _POINTS_PER_INCH, figure.dpi_scale_trans
    )
    legend = _legend(ax, handles, names, **options)
    extent = legend.get_window_extent()
    width, height = figure.get_size_inches()
    figure.set_size_inches(
        max(width, extent.width / figure.dpi + 2 * _EDGE_INCHES), height + extent.height / figure.dpi
    )


def name_bars(ax: Axes, names: list[str]) -> None:
    """Write the bars' names left of them; shortened on the user's axes, which do not grow."""
    limit = LABEL_LIMIT if isinstance(ax, PictureAxes) else _BAR_CHARACTERS
    texts = [name if len(name) <= limit else name[: limit - 1] + "…" for name in names]
    ax.set_yticks(range(len(texts)), texts)
    draw_literally(ax.get_yticklabels())


def _name_at_ends(ax: Axes, lines: list[Line2D], texts: list[str]) -> None:
    ends = [_end(line, ax) for line in lines]
    heights = _apart([ax.transAxes.inverted().transform(ax.transData.transform(end))[1] for end in ends], ax)
    for line, text, height in zip(lines, texts, heights, strict=True):
        label = ax.annotate(
            text,
            (1, height),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8,
            color=line.get_color(),
            annotation_clip=False,
        )
        draw_literally([label])


def _end(line: Line2D, ax: Axes) -> tuple[float, float]:
    x, y = (np.asarray(values, dtype=np.float64) for values in line.get_data())
    known = np.flatnonzero(np.isfinite(y))
    return (float(x[known[-1]]), float(y[known[-1]])) if known.size else (float(x[-1]), ax.get_ylim()[0])


def _apart(heights: list[float], ax: Axes) -> list[float]:
    """Return the heights moved up or down so that no two labels overlap; in parts of the axes."""
    step = _LINE_POINTS / (ax.get_window_extent().height / ax.figure.figure.dpi * _POINTS_PER_INCH)
    placed = [min(max(height, 0.0), 1.0) for height in heights]
    order = sorted(range(len(placed)), key=placed.__getitem__)
    for below, above in pairwise(order):
        placed[above] = max(placed[above], placed[below] + step)
    over = max(placed, default=0.0) - 1.0
    if over > 0:
        for place in reversed(order):
            placed[place] = min(placed[place], 1.0 - step * (len(order) - 1 - order.index(place)))
    return placed


def _percentile_lines(series: LatencySeries) -> list[str]:
    return [f"{sign} {name} {human_seconds(series.quantile(ratio))}" for name, (ratio, _, sign) in PERCENTILES.items()]


def _legend_table(
    ax: Axes, drawn: list[LatencySeries], lines: list[Line2D], title: str, threshold_seconds: float | None
) -> Legend:
    numbers = _number_columns(drawn, threshold_seconds)
    names = [title, *(label_text(series.name) for series in drawn), *(text for column in numbers for text in column)]
    handles = [_blank(), *lines]
    for head, *below in numbers:
        handles += [_head(ax, head), *(_blank() for _ in below)]
    return _legend(
        ax,
        handles,
        names,
        **_below(ax),
        ncols=1 + len(numbers),
        columnspacing=0.4,
    )


def _below(ax: Axes, points: float = _POINTS_BELOW_AXES) -> dict[str, Any]:
    shift = ScaledTranslation(0, -points / _POINTS_PER_INCH, ax.figure.dpi_scale_trans)
    return {
        "loc": "upper left",
        "bbox_to_anchor": (0, 0),
        "bbox_transform": ax.transAxes + shift,
        "borderaxespad": 0,
        "frameon": False,
    }


def _number_columns(drawn: list[LatencySeries], threshold_seconds: float | None) -> list[list[str]]:
    columns = [["calls", *(f"{series.seconds.size:,}" for series in drawn)]]
    for name, (ratio, _, _) in PERCENTILES.items():
        columns.append([name, *(human_seconds(series.quantile(ratio)) for series in drawn)])
    if threshold_seconds is not None:
        shares = (human_percent(series.share_within(threshold_seconds)) for series in drawn)
        columns.append([f"within {threshold_words(threshold_seconds)}", *shares])
    return columns


def _head(ax: Axes, name: str) -> Line2D:
    if name not in PERCENTILES:
        return _blank()
    marker = PERCENTILES[name][1]
    return Line2D([], [], linestyle="none", marker=marker, color=ink(ax), markerfacecolor="none", markersize=5.5)


def _blank() -> Line2D:
    return Line2D([], [], linestyle="none")


def _legend(ax: Axes, handles: Sequence[Artist], names: list[str], **options: Any) -> Legend:
    # Names that start with an underscore would be left out by some versions; texts set afterwards never are.
    legend: Legend = ax.legend(handles, ["-"] * len(names), fontsize=8, title_fontsize=8, **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
    draw_literally([*legend.get_texts(), legend.get_title()])
    return legend


def _make_room(ax: Axes, legend: Legend) -> None:
    figure = ax.figure.figure
    extent = legend.get_window_extent()
    width, height = figure.get_size_inches()
    wanted = extent.width / figure.dpi + _MARGIN_INCHES
    figure.set_size_inches(max(width, wanted), height + extent.height / figure.dpi)
