"""Offline values by key and time, to look up what was known when."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .. import columns
from ..compare import Side
from ..exceptions import InputError, did_you_mean, listed, quoted

Rows: TypeAlias = npt.NDArray[np.intp]

_EXACT = 2**53
_NOT_THERE = -1
_NULLABLE: dict[str, Any] = {"i": "Int64", "u": "UInt64", "b": "boolean"}


@dataclass(frozen=True)
class History:
    """One row per key and time.

    Parameters
    ----------
    values
        The features, typed like those online.
    places
        Row by (key values ..., time).
    """

    values: pd.DataFrame
    places: pd.MultiIndex

    @classmethod
    def of(cls, offline: pd.DataFrame, keys: list[str], time: str, dtypes: Mapping[str, Any]) -> History:
        """Return the history in an offline frame.

        Raises
        ------
        InputError
            If a key or the time is missing, the time holds no times, or a key and time stand twice.
        """
        for name in (*keys, time):
            if name not in offline.columns:
                raise InputError(
                    f"The offline frame has no column {quoted(name)}. Columns found: {listed(offline.columns)}."
                    f"{did_you_mean(name, offline.columns)}"
                )
        places = pd.MultiIndex.from_arrays([*(_plain(offline[name]) for name in keys), _utc(offline[time])])
        if not places.is_unique:
            twice = places[places.duplicated()][0]
            raise InputError(
                f"The offline frame has {listed(twice)} ({listed([*keys, time])}) more than once. Keep one row of each."
            )
        typed = {name: _like_online(offline[name], dtype) for name, dtype in dtypes.items()}
        return cls(pd.DataFrame(typed).reset_index(drop=True), places)

    def side_at(self, keys: pd.DataFrame, online: Side, until: pd.Timestamp) -> Side:
        """Return the offline values for the rows of `online`, each at the effective time of the value served.

        A null without an effective time is looked up in the newest row of its keys that is not after `until` (NaT:
        the newest of all); the time is then since when offline has had that value. Where the offline frame has no row
        the status is NOT_FETCHED, or that of the null; else that of the value served.
        """
        assert online.effective_times is not None  # noqa: S101  # made with them
        assert online.statuses is not None  # noqa: S101
        self._refuse_other_kinds(keys)
        newest = self._newest_rows(keys, until)
        is_timeless = {
            name: (online.effective_times[name].isna() & online.values[name].isna()).to_numpy()
            for name in self.values.columns
        }
        rows = {
            name: np.where(is_null, newest, self._rows_at(keys, online.effective_times[name]))
            for name, is_null in is_timeless.items()
        }
        values = {name: _at(self.values[name], at).set_axis(online.values.index) for name, at in rows.items()}
        statuses = {
            # A null of which offline knows nothing either is the same on both sides.
            name: online.statuses[name].mask((at == _NOT_THERE) & ~is_timeless[name], columns.NOT_FETCHED)
            for name, at in rows.items()
        }
        times = {
            name: pd.Series(self._times_of(name, at, is_timeless[name]), online.values.index)
            for name, at in rows.items()
        }
        return Side(pd.DataFrame(values), pd.DataFrame(statuses), pd.DataFrame(times))

    def _refuse_other_kinds(self, keys: pd.DataFrame) -> None:
        for level, name in enumerate(keys.columns):
            kinds = [_kind(column) for column in (keys[name], self.places.get_level_values(level).to_series())]
            if None not in kinds and kinds[0] != kinds[1]:
                raise InputError(
                    f"Cannot look up by {quoted(name)}: it is {kinds[0]} in the batch and {kinds[1]} in the offline "
                    "frame. Convert one of them."
                )

    def _rows_at(self, keys: pd.DataFrame, times: pd.Series) -> Rows:
        levels: list[Any] = [*(_plain(keys[key]) for key in keys.columns), _utc(times)]
        rows = self.places.get_indexer(pd.MultiIndex.from_arrays(levels))
        # No time, no row: a missing time would match a missing one.
        return np.where(times.isna().to_numpy(), _NOT_THERE, rows)

    def _times_of(self, feature: str, rows: Rows, is_timeless: npt.NDArray[np.bool_]) -> pd.DatetimeIndex:
        since = [
            self._since(feature, row) if old and row >= 0 else row for row, old in zip(rows, is_timeless, strict=True)
        ]
        times = pd.DatetimeIndex(self.places.get_level_values(-1))
        return pd.DatetimeIndex(times.append(pd.DatetimeIndex([pd.NaT], tz="UTC"))[since], dtype=times.dtype)

    def _since(self, feature: str, newest: int) -> int:
        """Return the first row of those up to the newest one of its key that all have the same value."""
        key, column = self.places[newest][:-1], self.values[feature]
        rows = self._rows_by_key[_hashable(key)]
        rows = rows[self._nanoseconds[rows] <= self._nanoseconds[newest]]
        older = rows[np.argsort(-self._nanoseconds[rows], kind="stable")]
        same = takewhile(lambda row: _equal(column.iloc[row], column.iloc[newest], 0.0), older)
        return int(list(same)[-1:][0]) if _is_there(column.iloc[newest]) else newest

    def _newest_rows(self, keys: pd.DataFrame, until: pd.Timestamp) -> Rows:
        times = self._nanoseconds
        is_past = np.ones(len(times), dtype=bool) if pd.isna(until) else times <= until.value
        past = {key: rows[is_past[rows]] for key, rows in self._rows_by_key.items()}
        newest = {key: int(rows[np.argmax(times[rows])]) for key, rows in past.items() if len(rows)}
        levels = [_plain(keys[key]) for key in keys.columns]
        return np.array([newest.get(_hashable(key), _NOT_THERE) for key in zip(*levels, strict=True)], dtype=np.intp)

    def nearest_same(self, feature: str, key: tuple[Any, ...], value: Any, at: pd.Timestamp, rtol: float) -> Any:
        """Return the time nearest to `at`, but not `at`, at which the key had this value; NaT if there is none."""
        if pd.isna(at):
            return pd.NaT
        rows = self._rows_by_key.get(_hashable(key), np.empty(0, dtype=np.intp))
        times, values = self._nanoseconds[rows].tolist(), self.values[feature].iloc[rows]
        same = [t for t, v in zip(times, values, strict=True) if t != at.value and _equal(v, value, rtol)]
        return pd.Timestamp(min(same, key=lambda time: abs(time - at.value)), tz="UTC") if same else pd.NaT

    @cached_property
    def _nanoseconds(self) -> npt.NDArray[np.int64]:
        return pd.DatetimeIndex(self.places.get_level_values(-1)).asi8

    @cached_property
    def _rows_by_key(self) -> dict[Hashable, Rows]:
        keys = self.places.droplevel(-1) if self.places.nlevels > 1 else None
        if keys is None:
            return {(): np.arange(len(self.places))}
        found: dict[Hashable, list[int]] = {}
        for row, key in enumerate(keys):
            found.setdefault(_hashable(key if isinstance(key, tuple) else (key,)), []).append(row)
        return {key: np.array(rows) for key, rows in found.items()}


def _at(column: pd.Series, rows: Rows) -> pd.Series:
    """Return the values of these rows, null where there is none."""
    if column.dtype != object:
        return column.reindex(rows)
    # pandas would put NaN, which among numbers is a value.
    values = column.to_numpy()
    return pd.Series([values[row] if row != _NOT_THERE else None for row in rows], dtype=object)


def _like_online(column: pd.Series, dtype: Any) -> pd.Series:
    """Return an offline column as the online dtype has it, where nothing is lost by that."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in _NULLABLE:
        # In numpy's own a row that is missing would make floats of whole numbers, and objects of booleans.
        return column.astype(_NULLABLE[column.dtype.kind])
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        gaps = column.isna().to_numpy()
        if dtype == "Int64" and _is_whole(column.to_numpy()[~gaps]):
            return pd.Series(pd.arrays.IntegerArray(np.where(gaps, 0, column).astype(np.int64), gaps), column.index)
        return column.astype("Float32" if column.dtype == np.float32 else "Float64")
    return _utc(column).to_series(index=column.index) if column.dtype.kind == "M" else column


def _is_whole(numbers: np.ndarray) -> bool:
    return bool(np.all((numbers == np.floor(numbers)) & (np.abs(numbers) <= _EXACT)))


def _utc(times: pd.Series) -> pd.DatetimeIndex:
    if times.dtype.kind in "iuf" and times.notna().any():
        raise InputError(
            f"The column {quoted(times.name)} holds numbers, and numbers are no times until their unit is said. "
            "Convert it with pd.to_datetime(column, unit='s', utc=True), or what its unit is."
        )
    try:
        moments = pd.DatetimeIndex(pd.to_datetime(times, utc=True))
    except (TypeError, ValueError) as error:
        raise InputError(f"The column {quoted(times.name)} holds values that are no times: {error}.") from error
    return moments.as_unit("ns")


def _kind(column: pd.Series) -> str | None:
    """Return text or number, between which no key is found; `None` for other keys."""
    found = pd.api.types.infer_dtype(column, skipna=True)
    return {"string": "text", "integer": "a whole number", "floating": "a float"}.get(found)


def _plain(keys: pd.Series) -> pd.Series:
    """Return keys in dtypes that find each other: whatever holds whole numbers or texts."""
    if keys.dtype.kind in "iu":
        return keys.astype("Int64")
    return keys.astype("string") if pd.api.types.is_string_dtype(keys) else keys


def _hashable(key: tuple[Any, ...]) -> Hashable:
    return tuple(None if pd.isna(part) else part for part in key)


def _is_there(value: Any) -> bool:
    return not (value is None or value is pd.NA or value is pd.NaT)


def _equal(one: Any, other: Any, rtol: float) -> bool:
    if not _is_there(one):
        return False
    if isinstance(one, list | dict | np.ndarray):
        return bool((one if isinstance(one, dict) else list(one)) == other)
    if isinstance(one, float | np.floating):
        if not isinstance(other, float | int | np.number):
            return False
        return math.isclose(one, other, rel_tol=rtol) or (math.isnan(one) and math.isnan(other))
    return bool(np.all(one == other))
