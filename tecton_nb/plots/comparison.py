"""Pictures of a comparison: which features differ, how one differs, and how far distributions have moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .. import columns
from ..exceptions import InputError, did_you_mean, listed, quoted
from ..reprs import human_percent
from .picture import PictureAxes, add_alt_text, picture_axes
from .style import Colour, background, colours, ink
from .text import draw_literally, label_text

FEATURE_LIMIT = 20
_NAME_LIMIT = 48
_INCHES_PER_FEATURE = 0.28
_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "++")
# Where a population stability index is usually called a change, and a shift.
_PSI_MARKS = (0.1, 0.25)


def plot_mismatches(summary: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of each feature's cells that differ, by how they differ, and return the axes.

    One bar per feature that differs, the worst on top, at most 20; the rest is counted in the title.

    Parameters
    ----------
    summary
        ``comparison.summary()``; see ``columns.COMPARISON_SUMMARY``.
    ax
        Axes to draw on; those of a new figure if not given.

    Raises
    ------
    InputError
        If a column is missing.
    """
    _check(summary, ("feature", "cells", "mismatches", *columns.MISMATCH), "comparison.summary()")
    differing = summary[summary["mismatches"] > 0].sort_values("mismatches", ascending=False, kind="stable")
    drawn = differing.head(FEATURE_LIMIT)
    title = _mismatch_title(len(differing), len(summary))
    ax = _bar_axes(ax, len(drawn))
    _label(ax, title, "share of cells that differ (%)")
    if len(drawn):
        _draw_bars(ax, drawn)
    else:
        _say(ax, "nothing differs" if len(summary) else "no features")
    add_alt_text(ax, _sentence(title, _mismatch_words(drawn)))
    return ax


def plot_feature_pair(pairs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the right value of each row over its left value, and return the axes.

    On the dashed line both are the same. Rows with null, NaN or infinity on a side are counted in the title.

    Parameters
    ----------
    pairs
        ``comparison.pairs(feature)``, of a feature that holds numbers or times; see ``columns.FEATURE_PAIR``.
    ax
        Axes to draw on; those of a new figure if not given.

    Raises
    ------
    InputError
        If a column is missing, or the values are neither numbers nor times.
    """
    _check(pairs, [column.name for column in columns.FEATURE_PAIR], "comparison.pairs(feature)")
    left, right, unit = _values(pairs)
    is_drawn = np.isfinite(left) & np.isfinite(right)
    is_same = pairs["verdict"].isin([columns.EQUAL, columns.WITHIN_TOLERANCE]).to_numpy(dtype=bool)
    title = _pair_title(pairs["feature"], is_same, is_drawn)
    ax = picture_axes(5.4, 5.0) if ax is None else ax
    _label(ax, title, f"left{unit}", f"right{unit}")
    if is_drawn.any():
        _draw_pairs(ax, left, right, is_drawn, is_same)
    else:
        _say(ax, "no pairs of values")
    add_alt_text(
        ax,
        _sentence(title.replace("\n", " "), [_pair_words(left, right, is_drawn & ~is_same)] if is_drawn.any() else []),
    )
    return ax


def plot_drift(summary: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how far the distribution of each feature has moved from left to right, and return the axes.

    Filled circles are population stability indices, open squares Kolmogorov-Smirnov statistics; the features
    that moved most are on top, at most 20. Lines stand at an index of 0.1 (change) and 0.25 (shift).

    Parameters
    ----------
    summary
        ``comparison.summary()``; features without either figure are left out.
    ax
        Axes to draw on; those of a new figure if not given.

    Raises
    ------
    InputError
        If a column is missing.
    """
    _check(summary, ("feature", "psi", "ks_statistic"), "comparison.summary()")
    known = summary.dropna(subset=["psi", "ks_statistic"], how="all")
    drawn = known.sort_values(["psi", "ks_statistic"], ascending=False, kind="stable").head(FEATURE_LIMIT)
    more = f", the {len(drawn)} that moved most" if len(known) > len(drawn) else ""
    title = f"Drift of {_features(len(known))}{more}"
    ax = _bar_axes(ax, len(drawn))
    _label(ax, title, "distance of distributions (no unit)")
    if len(drawn):
        _draw_drift(ax, drawn)
    else:
        _say(ax, "no distributions")
    add_alt_text(ax, _sentence(title, _drift_words(drawn)))
    return ax


def _check(frame: pd.DataFrame, names: Sequence[str], source: str) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Cannot draw {type(frame).__name__}. Pass a frame, such as {source}.")
    for name in names:
        if name not in frame.columns:
            raise InputError(
                f"The frame has no column {quoted(name)}. Columns found: {listed(frame.columns)}."
                f"{did_you_mean(name, frame.columns)} Pass {source}."
            )


def _bar_axes(ax: Axes | None, count: int) -> Axes:
    return picture_axes(7.0, 1.4 + _INCHES_PER_FEATURE * max(count, 4)) if ax is None else ax


def _label(ax: Axes, title: str, x: str, y: str = "") -> None:
    heading = ax.set_title(title, loc="left")
    ax.set_xlabel(x)
    ax.set_ylabel(y or "feature")
    ax.set_axisbelow(True)
    draw_literally([heading, ax.xaxis.label, ax.yaxis.label])


def _say(ax: Axes, words: str) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color=ink(ax), fontsize=14)


def _name_features(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), [label_text(name, _NAME_LIMIT) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=True, axis="x", color=ink(ax), alpha=0.15, linewidth=0.6)
    draw_literally(ax.get_yticklabels())


def _draw_bars(ax: Axes, drawn: pd.DataFrame) -> None:
    start = np.zeros(len(drawn))
    for place, verdict in enumerate(columns.MISMATCH):
        share = (drawn[verdict] / drawn["cells"]).to_numpy(dtype=np.float64) * 100
        if share.any():
            colour = _fill(ax, place)
            bars = ax.barh(
                range(len(drawn)),
                share,
                left=start,
                height=0.72,
                facecolor=colour,
                edgecolor=background(ax),
                hatch=_HATCHES[place],
                linewidth=0.5,
            )
            bars.set_label(verdict.replace("_", " "))
            start = start + share
    _name_features(ax, list(drawn["feature"]))
    ax.set_xlim(0, max(float(start.max()) * 1.04, 0.1))
    _legend(ax)


def _fill(ax: Axes, place: int) -> Colour:
    palette = colours(ax)
    return palette[place % len(palette)]


def _draw_pairs(ax: Axes, left: np.ndarray, right: np.ndarray, is_drawn: np.ndarray, is_same: np.ndarray) -> None:
    palette = colours(ax)
    ends = np.array(
        [min(left[is_drawn].min(), right[is_drawn].min()), max(left[is_drawn].max(), right[is_drawn].max())]
    )
    ax.plot(ends, ends, color=ink(ax), linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    # Many points are one image in vector files.
    is_many = bool(is_drawn.sum() > 2_000)
    for rows, colour, marker, name in (
        (is_drawn & is_same, palette[0], "o", "equal or within tolerance"),
        (is_drawn & ~is_same, palette[1], "x", "different"),
    ):
        if rows.any():
            drawn = ax.scatter(left[rows], right[rows], s=16, marker=marker, color=colour, linewidth=1.0, alpha=0.75)
            drawn.set_label(f"{name} ({rows.sum():,})")
            drawn.set_rasterized(is_many)
    ax.grid(visible=True, color=ink(ax), alpha=0.15, linewidth=0.6)
    _legend(ax)


def _draw_drift(ax: Axes, drawn: pd.DataFrame) -> None:
    palette, rows = colours(ax), np.arange(len(drawn))
    for value in _PSI_MARKS:
        mark = ax.axvline(value, color=ink(ax), linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    mark.set_label("index 0.1 (change) and 0.25 (shift)")
    series = (
        ("psi", "o", palette[0], "population stability index"),
        ("ks_statistic", "s", "none", "Kolmogorov-Smirnov"),
    )
    for place, (column, marker, fill, name) in enumerate(series):
        values = drawn[column].to_numpy(dtype=np.float64, na_value=np.nan)
        # The hollow square is the larger one, so that neither hides the other.
        size = 5 + 3 * place
        ax.plot(values, rows, marker, markersize=size, markerfacecolor=fill, color=palette[place], label=name)
    _name_features(ax, list(drawn["feature"]))
    top = np.nanmax(drawn[["psi", "ks_statistic"]].to_numpy(dtype=np.float64, na_value=np.nan))
    ax.set_xlim(-0.02 * max(0.3, float(top)), max(0.3, float(top) * 1.08))
    _legend(ax)


def _legend(ax: Axes) -> None:
    if isinstance(ax, PictureAxes):
        legend = ax.figure.figure.legend(
            *ax.get_legend_handles_labels(), loc="outside lower center", fontsize=8, frameon=False, ncols=3
        )
    else:
        legend = ax.legend(fontsize=8, framealpha=0.85, facecolor=background(ax), labelcolor=ink(ax))
    draw_literally(legend.get_texts())


def _values(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, str]:
    sides = [pairs[name] for name in ("left", "right")]
    present = [value for side in sides for value in side if value is not None]
    if all(isinstance(value, pd.Timestamp) for value in present) and present:
        return *(_days(side) for side in sides), " (days since 1970-01-01 UTC)"  # type: ignore[return-value]
    if not all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in present):
        odd = next(value for value in present if not isinstance(value, int | float | np.number) or value is True)
        raise InputError(
            f"Cannot draw {quoted(odd)} ({type(odd).__name__}): pairs of numbers or of times can be drawn. "
            "Look at comparison.mismatches() instead."
        )
    left, right = (side.map(_number).to_numpy(dtype=np.float64) for side in sides)
    return left, right, ""


def _number(value: object) -> float:
    return np.nan if value is None else float(value)  # type: ignore[arg-type]  # checked before


def _days(side: pd.Series) -> np.ndarray:
    return np.array([np.nan if value is None else value.timestamp() / 86_400 for value in side])


def _mismatch_title(differing: int, every: int) -> str:
    shown = f", the worst {FEATURE_LIMIT}" if differing > FEATURE_LIMIT else ""
    return f"{differing:,} of {_features(every)} differ{shown}"


def _pair_title(features: pd.Series, is_same: np.ndarray, is_drawn: np.ndarray) -> str:
    name = f"{label_text(features.iloc[0], _NAME_LIMIT)}: " if len(features) else ""
    count, gaps = len(is_same), int((~is_drawn).sum())
    left_out = f",\n{gaps:,} without two finite values" if gaps else ""
    return f"{name}{int((~is_same).sum()):,} of {count:,} {'row differs' if count == 1 else 'rows differ'}{left_out}"


def _mismatch_words(drawn: pd.DataFrame) -> list[str]:
    words = []
    for row in drawn.to_dict("records"):
        kinds = [f"{row[verdict]:,} {verdict.replace('_', ' ')}" for verdict in columns.MISMATCH if row[verdict]]
        share = human_percent(row["mismatches"] / row["cells"])
        words.append(f"{label_text(row['feature'], _NAME_LIMIT)} {share} ({', '.join(kinds)})")
    return words


def _pair_words(left: np.ndarray, right: np.ndarray, differs: np.ndarray) -> str:
    if not differs.any():
        return "every drawn pair is on the line"
    steps = right[differs] - left[differs]
    return f"right minus left is {np.median(steps):,.6g} at the median of {int(differs.sum()):,} drawn rows that differ"


def _drift_words(drawn: pd.DataFrame) -> list[str]:
    words = []
    for name, psi, ks in drawn[["feature", "psi", "ks_statistic"]].itertuples(index=False):
        figures = [f"{label} {value:.3g}" for label, value in (("PSI", psi), ("KS", ks)) if not pd.isna(value)]
        words.append(f"{label_text(name, _NAME_LIMIT)} {', '.join(figures)}")
    return words


def _sentence(title: str, words: Sequence[str]) -> str:
    return f"{title}: {'; '.join(words) if words else 'nothing to draw'}."


def _features(count: int) -> str:
    return "1 feature" if count == 1 else f"{count:,} features"
