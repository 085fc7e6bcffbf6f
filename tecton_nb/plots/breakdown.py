"""Where the time of a call goes: the store, the rest of the server, the way and the client."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from ..reprs import human_percent, human_seconds
from .axes import head, say
from .columns_of import Floats, seconds_of
from .labels import legend_below
from .latency import CLIENT_TIME, SERVER_TIME
from .picture import add_alt_text, picture_axes
from .style import WHITE, background, colours, contrast, ink
from .text import draw_literally
from .words import calls_words

STORE_TIME = "store_max_latency_seconds"
PARTS = ("online store", "rest of the server", "network and client")
_PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
_BLACK = (0.0, 0.0, 0.0)
_LABELLED_PERCENT = 6.0


def plot_latency_breakdown(calls: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which part of a call's time the store, the server and the rest had, percentile by percentile.

    Percentiles of parts do not add up to those of the whole. So each bar is the mean of real calls: the one
    percent of all calls (at least one) that stand nearest to the percentile of the client's time.

    Parameters
    ----------
    calls
        One row per call with ``client_time_seconds``, ``server_time_seconds`` and ``store_max_latency_seconds``,
        such as ``batch.calls()``. Calls that lack one of them are left out and counted.
    ax
        Axes to draw on; those of a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        `describe` puts it in a sentence, `save_figure` in a file.

    Raises
    ------
    InputError
        If `calls` is no frame, a column is missing, or a time is not a number of seconds.
    """
    client, server, store = (seconds_of(calls, name) for name in (CLIENT_TIME, SERVER_TIME, STORE_TIME))
    complete = np.isfinite(client) & np.isfinite(server) & np.isfinite(store)
    title = _title(len(calls), int((~complete).sum()))
    bars = breakdown(client[complete], server[complete], store[complete])
    odd = int(((store > server) | (server > client))[complete].sum())
    ax = picture_axes() if ax is None else ax
    head(ax, title, "share of a call's time (%)", "percentile of calls")
    ax.grid(visible=False, axis="y")
    if bars:
        _draw(ax, bars)
    else:
        say(ax, "no calls" if calls.empty else "no complete times")
    add_alt_text(ax, _sentence(title, bars, odd))
    return ax


def breakdown(client: Floats, server: Floats, store: Floats) -> dict[str, tuple[float, Floats]]:
    """Return by percentile the client's time in seconds, and the shares of store, rest of the server, and rest.

    A server may report more for its store than for itself, or more than the client measured:
    then the inner part keeps its time and the outer one has none.
    """
    if not client.size:
        return {}
    order = np.argsort(client, kind="stable")
    parts = np.stack([store, np.maximum(server - store, 0), np.maximum(client - np.maximum(server, store), 0)])[
        :, order
    ]
    near = math.ceil(client.size / 100)
    found: dict[str, tuple[float, Floats]] = {}
    for ratio in _PERCENTILES:
        if ratio < 0.9 or client.size * (1 - ratio) >= 1 - 1e-9:
            rank = math.ceil(ratio * client.size) - 1
            start = min(max(rank - near // 2, 0), client.size - near)
            means = parts[:, start : start + near].mean(axis=1)
            shares = means / means.sum() if means.sum() else means
            found[f"p{ratio * 100:g}"] = float(client[order[rank]]), shares
    return found


def _draw(ax: Axes, bars: dict[str, tuple[float, Floats]]) -> None:
    palette = colours(ax)
    for row, (seconds, shares) in enumerate(bars.values()):
        left = 0.0
        for place, share in enumerate(shares * 100):
            ax.barh(row, share, left=left, height=0.66, color=palette[place], edgecolor=background(ax), linewidth=1.0)
            if share >= _LABELLED_PERCENT:
                _write(ax, left + share / 2, row, f"{share:.0f} %", palette[place])
            left += share
        total = ax.text(101.5, row, human_seconds(seconds), va="center", fontsize=8, color=ink(ax))
        draw_literally([total])
    ax.set_xlim(0, 100)
    ax.set_ylim(len(bars) - 0.5, -0.5)
    ax.set_yticks(range(len(bars)), list(bars))
    legend_below(ax, [Patch(facecolor=palette[place]) for place in range(len(PARTS))], list(PARTS))


def _write(ax: Axes, x: float, y: float, words: str, behind: object) -> None:
    colour = to_rgb(behind)  # type: ignore[arg-type]
    text_colour = max((WHITE, _BLACK), key=lambda each: contrast(each, colour))
    draw_literally([ax.text(x, y, words, ha="center", va="center", fontsize=8, color=text_colour)])


def _title(count: int, incomplete: int) -> str:
    left_out = f", {incomplete:,} left out that lack{'s' if incomplete == 1 else ''} a time" if incomplete else ""
    return f"Where the time of {calls_words(count)} goes{left_out}"


def _sentence(title: str, bars: dict[str, tuple[float, Floats]], odd: int) -> str:
    if not bars:
        return f"{title}: nothing to draw."
    each = [
        f"{name} {human_seconds(seconds)} ({', '.join(_share(*pair) for pair in zip(PARTS, shares, strict=True))})"
        for name, (seconds, shares) in bars.items()
    ]
    doubt = f" {odd:,} report more for a part than for the whole." if odd else ""
    return f"{title}: {'; '.join(each)}.{doubt}"


def _share(part: str, share: float) -> str:
    return f"{part} {human_percent(float(share))}"
