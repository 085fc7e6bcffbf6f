"""Names and numbers of curves: beside the curves where they fit, else in a legend."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from ..reprs import human_percent, human_seconds
from .latency import LatencySeries
from .picture import PictureAxes
from .style import background, ink
from .text import draw_literally, label_text
from .words import threshold_words

# Name of each percentile: its share, its marker, and the character that looks like the marker.
PERCENTILES = {"p50": (0.50, "o", "○"), "p95": (0.95, "s", "□"), "p99": (0.99, "^", "△")}

_DIRECT_LABEL_INCHES = 4.0
_POINTS_BELOW_AXES = 38
_POINTS_PER_INCH = 72
_MARGIN_INCHES = 1.0


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
            bbox={"facecolor": background(ax), "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
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
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes
        + ScaledTranslation(0, -_POINTS_BELOW_AXES / _POINTS_PER_INCH, ax.figure.dpi_scale_trans),
        borderaxespad=0,
        frameon=False,
        ncols=1 + len(numbers),
        columnspacing=0.4,
    )


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


def _legend(ax: Axes, handles: list[Line2D], names: list[str], **options: Any) -> Legend:
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
