"""What the latency pictures say in words: titles, threshold shares, alt text."""

from __future__ import annotations

import numpy as np

from ..reprs import human_percent, human_seconds
from .columns_of import Floats
from .latency import QUANTILES, LatencySeries
from .text import label_text

_TITLE_NAME_LIMIT = 60


def latency_title(count: int, every: list[LatencySeries], by: str | None) -> str:
    """Return the number of calls, what they are grouped by, and how many have no time."""
    grouped = "" if by is None else f" by {label_text(by, _TITLE_NAME_LIMIT)}"
    return f"Latency of {calls_words(count)}{grouped}{''.join(_gaps(count, every, by))}"


def latency_sentence(title: str, drawn: list[LatencySeries], by: str | None, threshold_seconds: float | None) -> str:
    """Return the alt text: the title, and the quantiles of each series."""
    if not drawn:
        return f"{title}: nothing to draw."
    within = [] if threshold_seconds is None else [share_within(drawn, by, threshold_seconds)]
    return f"{title}: {'; '.join([*(_quantiles(series, by) for series in drawn), *within])}."


def share_within(drawn: list[LatencySeries], by: str | None, seconds: float) -> str:
    """Return the share of the calls within the threshold: of each time, or of all groups together."""
    if by is None:
        shares = [f"{human_percent(series.share_within(seconds))} of {series.name}s" for series in drawn]
    else:
        pooled = LatencySeries("", np.sort(np.concatenate([series.seconds for series in drawn])), 0)
        shares = [f"{human_percent(pooled.share_within(seconds))} of calls"]
    return f"within {threshold_words(seconds)}: {', '.join(shares)}"


def share_of_calls(seconds: Floats, threshold: float) -> str:
    """Return the share of the calls within the threshold."""
    return f"within {threshold_words(threshold)}: {human_percent(float((seconds <= threshold).mean()))} of calls"


def over_time_title(count: int, left_out: int) -> str:
    """Return the number of calls that are drawn over time, and how many have no time."""
    return f"Latency of {calls_words(count)} over time" + (f", {left_out:,} without a time" if left_out else "")


def threshold_words(seconds: float) -> str:
    """Return the threshold as it was given, in milliseconds."""
    return f"{seconds * 1_000:,.6g} ms"


def _quantiles(series: LatencySeries, by: str | None) -> str:
    count = "" if by is None else f" ({calls_words(series.seconds.size)})"
    values = (f"p{round(ratio * 100)} {human_seconds(series.quantile(ratio))}" for ratio in QUANTILES)
    return f"{label_text(series.name)}{count} {', '.join(values)}"


def _gaps(count: int, every: list[LatencySeries], by: str | None) -> list[str]:
    missing = {series.name: series.missing for series in every}
    if by is not None:
        missing = {"client time": sum(missing.values())}
    return [
        f", none with a {name}" if gaps == count else f", {gaps:,} without a {name}"
        for name, gaps in missing.items()
        if gaps
    ]


def calls_words(count: int) -> str:
    """Return a number of calls in words."""
    return "1 call" if count == 1 else f"{count:,} calls"
