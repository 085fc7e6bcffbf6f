"""How much two values may differ and still be the same."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ..exceptions import InputError, did_you_mean, listed, quoted

# A number for floats, a timedelta for times.
Atol: TypeAlias = "float | datetime.timedelta | np.timedelta64"
PerFeature: TypeAlias = "Mapping[str, Mapping[str, Atol]]"
_KNOWN = ("rtol", "atol")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Bounds for floats (relative and absolute) and for times (nanoseconds); whole numbers have none."""

    rtol: float = 0.0
    atol: float = 0.0
    nanoseconds: int = 0

    def allows(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Whether floats are close, as ``math.isclose`` has it: symmetric, infinities only to themselves."""
        if not (self.rtol or self.atol):
            return np.zeros(len(left), dtype=bool)
        with np.errstate(invalid="ignore", over="ignore"):
            bound = np.maximum(self.rtol * np.maximum(np.abs(left), np.abs(right)), self.atol)
            close: np.ndarray = (np.abs(left - right) <= bound) & np.isfinite(left) & np.isfinite(right)
        return close

    def allows_times(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Whether whole nanoseconds since the epoch are close."""
        if not self.nanoseconds:
            return np.zeros(len(left), dtype=bool)
        if left.dtype == object or right.dtype == object:
            return np.array([abs(a - b) <= self.nanoseconds for a, b in zip(left, right, strict=True)], dtype=bool)
        # Unsigned, the distance of any two int64 fits.
        distance = np.maximum(left, right).astype(np.uint64) - np.minimum(left, right).astype(np.uint64)
        close: np.ndarray = distance <= np.uint64(self.nanoseconds)
        return close


def tolerances(
    rtol: float, atol: Atol, per_feature: PerFeature | None, features: Iterable[str]
) -> dict[str, Tolerance]:
    """Return the tolerance of every feature.

    Raises
    ------
    InputError
        If a bound is negative, NaN or none at all, or `per_feature` names no feature or no bound.
    """
    names = list(features)
    everywhere = _tolerance({"rtol": rtol, "atol": atol}, "")
    own: dict[str, Tolerance] = {}
    for name, bounds in (per_feature or {}).items():
        if name not in names:
            raise InputError(
                f"per_feature names {quoted(name)}, which is no feature of either side.{did_you_mean(name, names)}"
            )
        own[name] = _own(name, bounds, rtol, atol)
    return {name: own.get(name, everywhere) for name in names}


def _own(name: str, bounds: Any, rtol: float, atol: Atol) -> Tolerance:
    where = f" of {quoted(name)}"
    if not isinstance(bounds, Mapping) or not bounds.keys() <= set(_KNOWN):
        raise InputError(
            f"Cannot use {quoted(bounds)} as the tolerance{where}: give a dict with {listed(_KNOWN)}, "
            "such as {'rtol': 1e-6}."
        )
    return _tolerance({"rtol": rtol, "atol": atol} | dict(bounds), where)


def _tolerance(bounds: Mapping[str, Any], where: str) -> Tolerance:
    rtol = _number("rtol", bounds["rtol"], where)
    atol = bounds["atol"]
    if isinstance(atol, datetime.timedelta | np.timedelta64):
        return Tolerance(rtol, 0.0, _nanoseconds(atol, where))
    return Tolerance(rtol, _number("atol", atol, where))


def _number(name: str, value: Any, where: str) -> float:
    # NaN is not at least 0 either.
    if isinstance(value, int | float | np.number) and not isinstance(value, bool) and value >= 0:
        return float(value)
    hint = ", or a timedelta for times" if name == "atol" else ""
    raise InputError(f"Cannot use {name}={quoted(value)}{where}: give a number from 0 on{hint}.")


def _nanoseconds(value: datetime.timedelta | np.timedelta64, where: str) -> int:
    delta = pd.Timedelta(value)
    if not delta >= pd.Timedelta(0):  # NaT neither
        raise InputError(f"Cannot use atol={quoted(value)}{where}: give a timedelta from 0 on.")
    return int(delta.as_unit("ns").value)
