"""Which series and which stretch of time a question is about: the same for a history and for a Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import orjson
import pandas as pd

from ..exceptions import InputError, did_you_mean, listed, quoted
from ..wire.metrics_page import Series
from .described import Described
from .identity import identity_of

Moment: TypeAlias = str | datetime | timedelta | pd.Timestamp | None
Label: TypeAlias = str | float | Sequence[str | float]
_NUMBERS = ("quantile", "le")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS)})\b", re.ASCII)
_DURATION = re.compile(r"(\s*\d+(\.\d+)?\s*[a-zA-Z]+)+\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A series that was asked for: its number in the store, what it is, and its metric."""

    number: int
    series: Series
    owner: Described

    @property
    def sample(self) -> str:
        """``value``, ``sum``, ``count``, ``bucket`` or another part."""
        return self.owner.heading.parts().get(self.series.name, "value")


def chosen(candidates: Iterable[Chosen], wanted: Mapping[str, Label]) -> list[Chosen]:
    """Return the series whose labels are those that are wanted, sorted by name and labels.

    Raises
    ------
    InputError
        If none of the candidates has a label of a name that is asked for.
    """
    every = list(candidates)
    names = {"sample", *(name for one in every for name, value in one.series.labels.items() if value)}
    for name in wanted:
        if every and name not in names:
            raise InputError(
                f"No series of {quoted(every[0].owner.heading.name)} has a label {quoted(name)}; they have "
                f"{listed(sorted(names))}.{did_you_mean(name, names)}"
            )
    texts = {name: _texts(name, value) for name, value in wanted.items()}
    found = [one for one in every if all(_told(one, name) in values for name, values in texts.items())]
    return sorted(found, key=lambda one: identity_of(one.series))


def milliseconds(
    moment: Moment, *, before: pd.Timestamp | None = None, after: pd.Timestamp | None = None
) -> int | None:
    """Return a moment in milliseconds since the epoch; `None` stays.

    Parameters
    ----------
    moment
        A time (naive is UTC), or a duration such as ``"24h"``.
    before, after
        What a duration is counted back or forth from.

    Raises
    ------
    InputError
        If it is neither.
    """
    if moment is None:
        return None
    try:
        if isinstance(moment, timedelta) or (isinstance(moment, str) and _DURATION.fullmatch(moment)):
            found = _shifted(_duration(moment), before, after)
        else:
            found = pd.Timestamp(moment)
        found = found.tz_localize("UTC") if found.tzinfo is None else found
        return int(found.tz_convert("UTC").as_unit("ns").value // 1_000_000)
    except (ValueError, TypeError, OverflowError, AttributeError):
        raise InputError(
            f"Cannot read {quoted(moment)} as a time; write such as '2024-05-01T12:00Z', a datetime, or a duration "
            "such as '24h'."
        ) from None


def _duration(text: str | timedelta) -> timedelta:
    """Return the duration that text such as ``1h30min`` or ``60d`` names."""
    if isinstance(text, timedelta):
        return text
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(f"{text!r} is no duration")
    return timedelta(milliseconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def _shifted(duration: timedelta, before: pd.Timestamp | None, after: pd.Timestamp | None) -> pd.Timestamp:
    if after is not None:
        return after + duration
    # Without a sample there is nothing to count back from, and nothing to find.
    return (before if before is not None else pd.Timestamp(0, tz="UTC")) - duration


def duration_ms(text: str | timedelta, name: str) -> int:
    """Return a duration in milliseconds, at least one.

    Raises
    ------
    InputError
        If it is no duration above zero; `name` says which one.
    """
    try:
        whole = _duration(text) // timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError):
        whole = 0
    if whole < 1:
        raise InputError(f"Cannot read {name}={quoted(text)} as a duration; write such as '30s', '5min' or '2h'.")
    return whole


def series_of(name: str, labels: str) -> Series:
    """Return the series that a history knows by a name and labels as JSON."""
    found = orjson.loads(labels)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"labels {labels!r}")
    return Series(str(name), found)


def _texts(name: str, value: Label) -> set[str | float]:
    values = [value] if isinstance(value, str | int | float) else list(value)
    try:
        return {float(v) if name in _NUMBERS else str(v) for v in values}
    except ValueError:
        raise InputError(f"Cannot read {name}={quoted(value)} as a number.") from None


def _told(one: Chosen, name: str) -> str | float | None:
    if name == "sample":
        return one.sample
    text = one.series.labels.get(name)
    try:
        return float(text) if name in _NUMBERS and text is not None else text
    except ValueError:
        return None
