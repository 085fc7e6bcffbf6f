"""An objective over time: what was attained, and what is left of the error budget."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import num2date
from matplotlib.typing import ColorType

from ..columns import SLO_BUDGET
from ..exceptions import InputError, listed, quoted
from ..reprs import human_percent
from .axes import DAY_SECONDS, note, say, shade, time_axis
from .columns_of import Floats, column_of, moments_of, numbers_of, zone_of
from .picture import add_alt_text, picture_axes
from .style import colours, ink
from .text import draw_literally, label_text

_WHAT = ("budget rows", "metrics.slo.budget(slices, objective)")
_TITLE_LIMIT = 70
_UPPER, _STRIP = (0.0, 0.40, 1.0, 0.60), (0.0, 0.0, 1.0, 0.30)
_WIDTH, _HEIGHT = 7.0, 4.8
MISSED = "slices that miss the target"


def plot_slo(budget: pd.DataFrame, *, tz: str = "UTC", ax: Axes | None = None) -> Axes:
    """Draw what an objective's window attained over time and, in a strip below, its error budget; return the axes.

    A band between two lines is an interval: what can have been attained. Slices that miss the target for
    certain are shaded. Below 0 % the budget is overspent.

    Parameters
    ----------
    budget
        Of ``metrics.slo.budget``, for one objective and one service; see ``columns.SLO_BUDGET``.
    tz
        Time zone of the axis.
    ax
        Axes whose place both parts take; those of a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes around both; what was attained and the strip are its ``child_axes``. `describe` puts it in a sentence.

    Raises
    ------
    InputError
        If the frame lacks a column or holds several objectives or services, or there is no such time zone.
    """
    zone = zone_of(tz)
    for each in SLO_BUDGET:
        column_of(budget, each.name, _WHAT)
    objective = _only(budget, "objective") or "an objective"
    service = _only(budget, "service")
    _only(budget, "service_id")
    method = f"{_only(budget, 'method')}, from {_only(budget, 'source')}"
    times = moments_of(budget, "timestamp", _WHAT)
    order = np.argsort(times, kind="stable")
    values = {
        name: numbers_of(budget, f"{name}_ratio", _WHAT)[order] * 100
        for name in ("target", "good_max", "attained_min", "attained_max", "left_min", "left_max")
    }
    values["days"] = numbers_of(budget, "slice_seconds", _WHAT)[order] / DAY_SECONDS
    title = label_text(objective, _TITLE_LIMIT) + (f" ({label_text(service, _TITLE_LIMIT)})" if service else "")
    ax = picture_axes(_WIDTH, _HEIGHT) if ax is None else ax
    ax.set_axis_off()
    # With the axis off the title and the note are all that is drawn of the axes themselves.
    draw_literally([ax.set_title(title, loc="left", pad=18, color=ink(ax))])
    if np.isfinite(values["attained_max"]).any():
        note(ax, f"counted by {method}; shaded: {MISSED}")
        upper, strip = (_panel(ax, place) for place in (_UPPER, _STRIP))
        _draw_attained(upper, times[order], values)
        _draw_budget(strip, times[order], values)
        for panel in (upper, strip):
            time_axis(panel, times, zone)
        upper.set_xlabel("")
        upper.tick_params(labelbottom=False)
        upper.xaxis.get_offset_text().set_visible(False)
    else:
        say(ax, "no slices" if budget.empty else "no traffic")
    add_alt_text(ax, _sentence(title, method, values, times[order]))
    return ax


def _panel(ax: Axes, place: tuple[float, float, float, float]) -> Axes:
    panel = ax.inset_axes(place)
    panel.set_facecolor("none")
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(ink(ax))
    panel.grid(visible=True, axis="y", color=ink(ax), alpha=0.15, linewidth=0.6)
    panel.tick_params(labelsize=8, colors=ink(ax))
    for label, size in ((panel.xaxis.label, 9), (panel.yaxis.label, 9), (panel.xaxis.get_offset_text(), 8)):
        label.set_fontsize(size)
        label.set_color(ink(ax))
    return panel


def _draw_attained(ax: Axes, times: Floats, values: dict[str, Floats]) -> None:
    blue, vermillion = colours(ax)[:2]
    low, high, target = values["attained_min"], values["attained_max"], values["target"]
    shade(ax, _missed(times, values), vermillion, MISSED)
    _band(ax, times, low, high, blue)
    ax.plot(times, target, color=ink(ax), linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5)
    ax.set_ylabel("good in the window (%)")
    draw_literally([ax.yaxis.label])
    known = np.concatenate([low, high, target])
    known = known[np.isfinite(known)]
    span = max(float(known.max() - known.min()), 0.02)
    ax.set_ylim(float(known.min()) - 0.12 * span, min(float(known.max()) + 0.12 * span, 100 + 0.06 * span))
    last = ax.annotate(
        f"target\n{target[-1]:.6g} %",
        (1, float(target[-1])),
        xycoords=ax.get_yaxis_transform(),
        xytext=(5, 0),
        textcoords="offset points",
        fontsize=8,
        va="center",
        color=ink(ax),
        annotation_clip=False,
    )
    draw_literally([last])


def _draw_budget(strip: Axes, times: Floats, values: dict[str, Floats]) -> None:
    green, vermillion = colours(strip)[2], colours(strip)[1]
    low, high = values["left_min"], values["left_max"]
    middle = (low + high) / 2
    strip.fill_between(times, 0, np.maximum(middle, 0), color=green, alpha=0.25, linewidth=0, step="post")
    strip.fill_between(times, 0, np.minimum(middle, 0), color=vermillion, alpha=0.35, linewidth=0, step="post")
    _band(strip, times, low, high, green)
    strip.axhline(0, color=ink(strip), linewidth=0.8)
    known = np.concatenate([low, high])[np.isfinite(np.concatenate([low, high]))]
    strip.set_ylim(min(float(known.min()) * 1.08, -8.0), 108)
    strip.set_ylabel("error budget\nleft (%)")
    draw_literally([strip.yaxis.label])


def _band(ax: Axes, times: Floats, low: Floats, high: Floats, colour: ColorType) -> None:
    for values, style in ((low, "solid"), (high, (0, (2, 1.5)))):
        (line,) = ax.plot(times, values, color=colour, linestyle=style, linewidth=1.6, drawstyle="steps-post")
        line.set_marker("" if np.isfinite(values).sum() > 1 else "o")
        if np.array_equal(low, high, equal_nan=True):
            return
    ax.fill_between(times, low, high, color=colour, alpha=0.18, linewidth=0, step="post")


def _missed(times: Floats, values: dict[str, Floats]) -> list[tuple[float, float]]:
    """Return the spans of slices that miss the target even at their best; each ends at its time."""
    is_missed = values["good_max"] < values["target"]
    spans: list[tuple[float, float]] = []
    for end, length in zip(times[is_missed], values["days"][is_missed], strict=True):
        joined = bool(spans) and end - length <= spans[-1][1] + length / 100
        spans[-1:] = [(spans[-1][0], float(end))] if joined else [*spans[-1:], (float(end - length), float(end))]
    return spans


def _only(budget: pd.DataFrame, name: str) -> str:
    found = [*budget[name].dropna().unique()]
    if len(found) > 1 or (found and budget[name].isna().any()):
        raise InputError(
            f"The budget rows hold several values of {quoted(name)}: {listed(found, 5)}. Draw one at a time, such as "
            f"budget[budget[{name!r}] == {str(found[0])!r}]."
        )
    return str(found[0]) if found else ""


def _sentence(title: str, method: str, values: dict[str, Floats], times: Floats) -> str:
    known = np.flatnonzero(np.isfinite(values["attained_max"]))
    if not known.size:
        return f"{title}: nothing to draw."
    last = known[-1]
    attained = _interval(values["attained_min"][last], values["attained_max"][last])
    left = _points(values["left_min"][last], values["left_max"][last])
    missed = len(_missed(times, values))
    end = num2date(times[last]).strftime("%Y-%m-%d %H:%M")  # type: ignore[no-untyped-call]
    return (
        f"{title}, counted by {method}: {attained} attained in the window that ends at {end} UTC, "
        f"target {human_percent(float(values['target'][last]) / 100)}; error budget left {left}; "
        f"the target was missed for certain in {missed:,} span{'' if missed == 1 else 's'} of time."
    )


def _interval(low: float, high: float) -> str:
    least, most = human_percent(low / 100), human_percent(high / 100)
    return least if least == most else f"{least} to {most}"


def _points(low: float, high: float) -> str:
    least, most = f"{low:.3g}", f"{high:.3g}"
    return f"{least} %" if least == most else f"{least} to {most} %"
