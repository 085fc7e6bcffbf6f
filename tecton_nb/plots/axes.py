"""What all pictures have in common: titles, scales, time axes, thresholds, shaded spans."""

from __future__ import annotations

import math
from collections.abc import Iterable
from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.typing import ColorType

from ..exceptions import InputError
from .columns_of import Floats
from .style import background, ink
from .text import draw_literally

MILLISECONDS = 1_000
# A log axis cannot show 0: what is shorter is drawn here.
SHORTEST_SECONDS = 1e-6
# Matplotlib's unit of time.
DAY_SECONDS = 86_400.0
# How many usual steps two samples may lie apart, as in a history's gaps: one that is missed is no gap yet.
_USUAL_STEPS = 2.5
_PAD, _PAD_WITH_NOTE = 6, 18


def check_threshold(seconds: float | None) -> None:
    """Refuse a threshold that is no time."""
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"Cannot draw threshold_seconds={seconds!r}: give a number of seconds above 0, such as 0.1.")


def shown_ms(seconds: Floats) -> Floats:
    """Return seconds as the milliseconds that a log axis can show."""
    return np.maximum(seconds, SHORTEST_SECONDS) * MILLISECONDS


def head(ax: Axes, title: str, x: str, y: str, *, has_note: bool = False) -> None:
    """Write the title and the names of both axes, and draw a light grid; a note stands between title and axes."""
    heading = ax.set_title(title, loc="left", pad=_PAD_WITH_NOTE if has_note else _PAD)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.grid(visible=True, axis="y", color=ink(ax), alpha=0.15, linewidth=0.6)
    ax.set_axisbelow(True)
    draw_literally([heading, ax.xaxis.label, ax.yaxis.label])


def say(ax: Axes, words: str) -> None:
    """Write in the middle of the axes that there is nothing to draw."""
    ax.set_xticks([])
    # The formatter of dates cannot format none.
    ax.xaxis.set_major_formatter(NullFormatter())
    text = ax.text(0.5, 0.61, words, transform=ax.transAxes, ha="center", va="center", color=ink(ax), fontsize=14)
    draw_literally([text])


def log_scale(axis: Axis, low: float, high: float) -> None:
    """Make the axis logarithmic from `low` to `high`, with plain numbers at 1, 2 and 5 if there is room for them."""
    is_x = isinstance(axis, XAxis)
    (axis.axes.set_xscale if is_x else axis.axes.set_yscale)("log")
    (axis.axes.set_xlim if is_x else axis.axes.set_ylim)(low, high)
    steps = (1.0, 2.0, 5.0) if math.log10(high / low) < 3 else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(plain_number))


def plain_number(value: float, _: int | None) -> str:
    """Return a tick's number without an exponent."""
    return f"{value:,.10g}"


def log_limits(values: Iterable[Floats]) -> tuple[float, float]:
    """Return limits for a log axis that hold the values above 0, with a margin."""
    every = np.concatenate([*values])
    known = np.log10(every[np.isfinite(every) & (every > 0)])
    if not known.size:
        return 0.1, 10.0
    margin = max(0.06 * (known.max() - known.min()), 0.15)
    return float(10 ** (known.min() - margin)), float(10 ** (known.max() + margin))


def time_axis(ax: Axes, times: Floats, zone: ZoneInfo) -> None:
    """Make x a time axis over `times` (days since 1970) whose ticks and name are in the zone."""
    known = times[np.isfinite(times)]
    if known.size:
        span = float(known.max() - known.min())
        margin = 0.01 * span if span else 60 / DAY_SECONDS
        ax.set_xlim(float(known.min() - margin), float(known.max() + margin))
    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    ax.set_xlabel(f"time ({zone.key})")
    draw_literally([ax.xaxis.label, ax.xaxis.get_offset_text()])


def threshold_line(ax: Axes, value: float, words: str) -> None:
    """Draw a level with its words above the axes' right end, where no line can cross them."""
    ax.axhline(value, color=ink(ax), linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5)
    note(ax, words)


def note(ax: Axes, words: str) -> None:
    """Write words between the title and the axes."""
    text = ax.annotate(
        words, (0, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", fontsize=8, color=ink(ax)
    )
    # Wide words must not make the axes narrow; the title keeps the place above them free.
    text.set_in_layout(False)
    draw_literally([text])


def shade(ax: Axes, spans: Iterable[tuple[float, float]], colour: ColorType, label: str, alpha: float = 0.16) -> None:
    """Shade spans of time; their patches bear the label, so that they can be found again."""
    for start, end in spans:
        patch = ax.axvspan(start, end, facecolor=colour, alpha=alpha, edgecolor="none", zorder=0.5)
        patch.set_gid(label)


def gaps(times: Floats, usual: Floats | None = None) -> list[tuple[float, float]]:
    """Return the spans between samples that are too far apart to be joined by a line.

    Parameters
    ----------
    usual
        Steps whose median is the usual one, if others than those of `times`: the times of several series together
        lie closer than those of any.
    """
    steps = np.diff(times)
    usual = steps if usual is None else usual
    if not steps.size or not usual.size:
        return []
    limit = _USUAL_STEPS * float(np.median(usual))
    return [(float(times[place]), float(times[place + 1])) for place in np.flatnonzero(steps > limit)]


def broken(times: Floats, values: Floats, holes: Iterable[tuple[float, float]]) -> tuple[Floats, Floats]:
    """Return the line with NaN in the middle of every gap, so that it breaks there."""
    middles = np.array([(start + end) / 2 for start, end in holes])
    order = np.argsort(np.concatenate([times, middles]), kind="stable")
    joined = np.concatenate([times, middles])[order]
    return joined, np.concatenate([values, np.full(middles.size, np.nan)])[order]


def halo(ax: Axes) -> dict[str, object]:
    """Return the box of a text that stands on lines."""
    return {"facecolor": background(ax), "alpha": 0.85, "edgecolor": "none", "pad": 1.5}
