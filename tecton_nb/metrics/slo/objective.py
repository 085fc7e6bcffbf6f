"""Objectives as data: what is promised, over which time, and how it is counted."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ...exceptions import InputError, listed, quoted

Kind = Literal["availability", "latency"]
Method = Literal["occurrences", "ratio_timeslices", "timeslices"]
Timeouts = Literal["count", "if_eligible", "exclude"]

KINDS = ("availability", "latency")
METHODS = ("occurrences", "ratio_timeslices", "timeslices")
TIMEOUTS = ("count", "if_eligible", "exclude")
# What a quotient of durations may lack to be 1.
_ROUNDING = 1e-9
_DURATION = re.compile("([1-9][0-9]{0,5})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def duration(text: str, what: str) -> pd.Timedelta:
    """Return a duration as Prometheus writes it, such as ``5m`` or ``30d``."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InputError(f"The {what} {quoted(text)} is no duration above 0; write it as '30s', '5m', '1h' or '30d'.")
    return pd.Timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InputError(f"{name}={value!r} is no share between 0 and 1; write 99.9 % as 0.999.")


def _check_only(name: str, value: float | None, is_wanted: bool, where: str) -> None:
    if (value is not None) != is_wanted:
        raise InputError(f"{name} belongs to {where}, and to nothing else; got {value!r}.")


@dataclass(frozen=True)
class Objective:
    """A share of requests, or of slices of time, that is to be good.

    Parameters
    ----------
    kind
        ``availability``: a request is good if its status is below 500. ``latency``: an eligible request
        is good if its server time is at most `threshold_seconds`.
    target
        Share that is to be good, between 0 and 1.
    threshold_seconds
        For latency only.
    window
        Over which time, such as ``30d``; it rolls.
    method
        In OpenSLO's words: ``occurrences`` (the share of requests), ``ratio_timeslices`` (the mean of the
        slices' shares, every slice alike) or ``timeslices`` (the share of slices in which at least
        `slice_target` of the requests were good). They differ on the same data, so each result names its own.
    slice_target
        For timeslices only, such as 0.99.
    timeouts
        What a 504 is to availability: ``count`` as bad, ``if_eligible`` (bad if the request was eligible, which
        a 504 does not tell: it widens the interval) or ``exclude``.
    name
        What results call it.

    Raises
    ------
    InputError
        If a field has a value it cannot have.
    """

    kind: Kind
    target: float
    threshold_seconds: float | None = None
    window: str = "30d"
    method: Method = "occurrences"
    slice_target: float | None = None
    timeouts: Timeouts = "count"
    name: str = ""

    def __post_init__(self) -> None:
        for field, value, known in (
            ("kind", self.kind, KINDS),
            ("method", self.method, METHODS),
            ("timeouts", self.timeouts, TIMEOUTS),
        ):
            if value not in known:
                raise InputError(f"An objective's {field} cannot be {quoted(value)}; choose one of {listed(known)}.")
        _check_share("target", self.target)
        _check_only("threshold_seconds", self.threshold_seconds, self.kind == "latency", "kind 'latency'")
        _check_only("slice_target", self.slice_target, self.method == "timeslices", "method 'timeslices'")
        if self.threshold_seconds is not None and not 0 < self.threshold_seconds < math.inf:
            raise InputError(f"threshold_seconds={self.threshold_seconds!r} is no time; give seconds above 0.")
        if self.slice_target is not None:
            _check_share("slice_target", self.slice_target)
        if not self.name:
            object.__setattr__(self, "name", self._words())
        _ = self.period

    @property
    def period(self) -> pd.Timedelta:
        """The window as a duration."""
        return duration(self.window, "window")

    @property
    def error_budget(self) -> float:
        """Share of requests, or of slices, that may be bad."""
        return 1.0 - self.target

    def _words(self) -> str:
        good = "below 500" if self.threshold_seconds is None else f"within {self.threshold_seconds * 1_000:g} ms"
        return f"{self.target * 100:g} % {good} over {self.window}"


@dataclass(frozen=True)
class BurnRate:
    """A rule of an alert: so much of the budget gone in the long window, and the short one says it goes on.

    Parameters
    ----------
    budget_ratio
        Part of the budget of the whole window.
    long, short
        Durations, such as ``1h`` and ``5m``.
    """

    budget_ratio: float
    long: str
    short: str

    def factor(self, objective: Objective) -> float:
        """Return the burn rate at which this part of the budget is gone in the long window."""
        return self.budget_ratio * (objective.period / duration(self.long, "long"))

    def misfit(self, objective: Objective) -> str:
        """Return why the rule means nothing for an objective, in words; empty if it fits."""
        if duration(self.long, "long") > objective.period:
            return f"its window of {self.long} is longer than the objective's"
        factor = self.factor(objective)
        if factor < 1 - _ROUNDING:
            return f"its factor is {factor:.3g}, and below 1 no budget runs out"
        if factor > 1 / objective.error_budget:
            return f"its factor is {factor:.3g}, and all bad burns at {1 / objective.error_budget:.3g}"
        return ""


# Google's SRE workbook, chapter 5; over 30 days the factors are 14.4, 6, 3 and 1.
BURN_RATE_POLICY = (
    BurnRate(0.02, "1h", "5m"),
    BurnRate(0.05, "6h", "30m"),
    BurnRate(0.10, "1d", "2h"),
    BurnRate(0.10, "3d", "6h"),
)

# What Tecton's documents promise, by their version. Those of 0.7 to 0.9 were not seen.
OBJECTIVES: dict[str, tuple[Objective, ...]] = {
    "0.3-0.6": (
        Objective("availability", 0.9995, timeouts="if_eligible", name="Tecton 0.3-0.6: 99.95 % below 500"),
        Objective("latency", 0.99, 0.1, name="Tecton 0.3-0.6: 99 % of eligible requests within 100 ms"),
    ),
    "1.x": (Objective("availability", 0.9995, timeouts="exclude", name="Tecton 1.x: 99.95 % below 500"),),
}
_VERSIONS = dict.fromkeys(("0.3", "0.4", "0.5", "0.6"), "0.3-0.6") | {"1.0": "1.x", "1.1": "1.x"}


def tecton_objectives(version: str) -> tuple[Objective, ...]:
    """Return what Tecton's documents of a version promise.

    The documents of 0.3 to 0.6 promise availability and latency, those of 1.0 and 1.1 availability alone. Which
    requests went to Redis (1.x leaves them out) no answer tells: take those services out yourself.

    Raises
    ------
    InputError
        If nothing is known of the version.
    """
    key = _VERSIONS.get(version, version)
    if key not in OBJECTIVES:
        raise InputError(
            f"No objectives are known of Tecton {quoted(version)}. Known: {listed([*OBJECTIVES, *_VERSIONS])}."
        )
    return OBJECTIVES[key]
