"""Which share of the values came with which serving status."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from ..columns import FAILED, MISSING_DATA, NOT_FETCHED, PRESENT, TIME_OUT, UNKNOWN_STATUS
from ..exceptions import InputError, quoted
from ..reprs import human_percent
from .axes import head, say
from .columns_of import Floats, check_frame
from .labels import legend_below, name_bars
from .picture import add_alt_text, bar_axes
from .style import WHITE, Colour, background, colours, contrast
from .text import draw_literally, label_text

_WHAT = ("statuses", "batch.statuses()")
_NOT_REPORTED = "not reported"
_FEATURES_IN_FULL = 12
_ROW_LIMIT = 20
_LABELLED_PERCENT = 6.0
# Place in the palette and hatch of each status: told apart without colour, too, and the same in every picture.
_LOOKS = {
    PRESENT: (0, ""),
    "CACHED_PRESENT": (2, ""),
    MISSING_DATA: (3, "///"),
    "CACHED_MISSING_DATA": (3, "\\\\\\"),
    UNKNOWN_STATUS: (4, "..."),
    "CACHED_UNKNOWN": (4, "oo"),
    TIME_OUT: (1, "++"),
    FAILED: (1, "xxxx"),
    NOT_FETCHED: (4, "--"),
}
_OTHER_HATCHES = ("**", "||", "OO")
_BLACK = (0.0, 0.0, 0.0)


def plot_statuses(
    statuses: pd.DataFrame, *, by: Literal["feature", "view"] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw which share of the values had which serving status, and return the axes.

    Parameters
    ----------
    statuses
        ``batch.statuses()``: one column per feature, one row per row asked for.
    by
        A bar per ``feature`` or per ``view`` (the part of the name before its first dot); views if there are more
        than twelve features. Of more than twenty bars those with the fewest values present are drawn.
    ax
        Axes to draw on; those of a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        `describe` puts it in a sentence, `save_figure` in a file.

    Raises
    ------
    InputError
        If the frame is none of statuses, or `by` is something else.
    """
    if by not in {None, "feature", "view"}:
        raise InputError(f"Statuses are drawn by 'feature' or by 'view', not by {quoted(by)}.")
    check_frame(statuses, _WHAT)
    counts = status_counts(statuses, by or ("feature" if statuses.shape[1] <= _FEATURES_IN_FULL else "view"))
    drawn = _worst(counts)
    title = f"Serving statuses of {len(statuses):,} row{'' if len(statuses) == 1 else 's'}"
    title += f", the {len(drawn)} worst of {len(counts)}" if len(drawn) < len(counts) else ""
    names = [label_text(name) for name in drawn.index]
    ax = bar_axes(names) if ax is None else ax
    head(ax, title, "share of the values (%)", "")
    ax.grid(visible=False, axis="y")
    if counts.to_numpy().sum():
        _draw(ax, drawn, names)
    else:
        say(ax, "no values")
    add_alt_text(ax, _sentence(title, counts))
    return ax


def status_counts(statuses: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return how many values had which status: a row per feature or view, a column per status in a fixed order."""
    counts: dict[str, dict[str, int]] = {}
    for place, name in enumerate(statuses.columns):
        column = statuses.iloc[:, place]
        if column.dtype.kind in "fiubM":
            raise InputError(f"The column {quoted(name)} holds {column.dtype}, no statuses. Pass batch.statuses().")
        row = counts.setdefault(str(name) if by == "feature" else str(name).partition(".")[0], {})
        for status, count in column.fillna(_NOT_REPORTED).value_counts().items():
            row[str(status)] = row.get(str(status), 0) + int(count)
    kinds = {kind for row in counts.values() for kind in row}
    ordered = [kind for kind in _LOOKS if kind in kinds] + sorted(kinds - {*_LOOKS, _NOT_REPORTED})
    ordered += [_NOT_REPORTED] if _NOT_REPORTED in kinds else []
    rows = [[row.get(kind, 0) for kind in ordered] for row in counts.values()]
    return pd.DataFrame(rows, index=pd.Index([*counts], dtype=object), columns=ordered, dtype="int64")


def _worst(counts: pd.DataFrame) -> pd.DataFrame:
    """Return at most so many bars: those whose values are least often present, in the order they came."""
    if len(counts) <= _ROW_LIMIT:
        return counts
    good = counts[[kind for kind in (PRESENT, "CACHED_PRESENT") if kind in counts]].sum(axis=1) / counts.sum(axis=1)
    places = np.sort(np.argsort(good.to_numpy(), kind="stable")[:_ROW_LIMIT])
    return counts.iloc[places]


def _draw(ax: Axes, counts: pd.DataFrame, names: list[str]) -> None:
    shares = counts.to_numpy(np.float64)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1) * 100
    looks = [_look(ax, kind, place) for place, kind in enumerate(counts.columns)]
    left = np.zeros(len(counts))
    for (colour, hatch), widths in zip(looks, shares.T, strict=True):
        ax.barh(range(len(counts)), widths, left=left, height=0.72, **_face(ax, colour, hatch))
        _label_segments(ax, left, widths, colour if not hatch else background(ax))
        left = left + widths
    ax.set_xlim(0, 100)
    ax.set_ylim(len(counts) - 0.5, -0.5)
    name_bars(ax, names)
    patches = [Patch(**_face(ax, colour, hatch)) for colour, hatch in looks]
    legend_below(ax, patches, [label_text(kind) for kind in counts.columns])


def _look(ax: Axes, kind: str, place: int) -> tuple[Colour, str]:
    palette = colours(ax)
    colour, hatch = _LOOKS.get(kind, (place, _OTHER_HATCHES[place % len(_OTHER_HATCHES)]))
    return palette[colour % len(palette)], hatch


def _face(ax: Axes, colour: Colour, hatch: str) -> dict[str, Any]:
    """Return a filled or a hatched look; hatched ones are drawn in the colour on the background."""
    if hatch:
        return {"facecolor": background(ax), "edgecolor": colour, "hatch": hatch, "linewidth": 0.8}
    return {"facecolor": colour, "edgecolor": background(ax), "linewidth": 0.8}


def _label_segments(ax: Axes, left: Floats, widths: Floats, behind: Colour) -> None:
    colour = max((WHITE, _BLACK), key=lambda each: contrast(each, to_rgb(behind)))
    for row, (start, width) in enumerate(zip(left, widths, strict=True)):
        if width >= _LABELLED_PERCENT:
            text = ax.text(
                start + width / 2,
                row,
                human_percent(width / 100),
                ha="center",
                va="center",
                fontsize=8,
                color=colour,
                bbox={"facecolor": behind, "edgecolor": "none", "pad": 1.0},
            )
            draw_literally([text])


def _sentence(title: str, counts: pd.DataFrame) -> str:
    total = int(counts.to_numpy().sum())
    if not total:
        return f"{title}: nothing to draw."
    shares = [f"{label_text(kind)} {human_percent(int(counts[kind].sum()) / total)}" for kind in counts.columns]
    return f"{title}: of {total:,} values {', '.join(shares)}."
