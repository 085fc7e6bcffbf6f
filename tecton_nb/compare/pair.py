"""One feature on both sides: its columns, statuses and effective times, over joined rows or any others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from .join import Join
from .sides import Side
from .vectors import Rows, Vector, vector_of, vector_of_arrow

_NAT = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class FeaturePair:
    """A feature of two sides; either may lack it."""

    name: str
    left: Side
    right: Side
    join: Join

    @property
    def left_column(self) -> pd.Series | None:
        """The left's values, all rows; `None` if it has none."""
        return _column(self.left.values, self.name)

    @property
    def right_column(self) -> pd.Series | None:
        """The right's values, all rows; `None` if it has none."""
        return _column(self.right.values, self.name)

    @property
    def is_common(self) -> bool:
        """Whether both sides have the feature."""
        return self.left_column is not None and self.right_column is not None

    def vectors(self) -> tuple[Vector, Vector]:
        """Return both columns of a common feature over the joined rows."""
        left, right = self._whole(self.left_column), self._whole(self.right_column)
        return (
            left if self.join.left is None else left.take(self.join.left),
            right if self.join.right is None else right.take(self.join.right),
        )

    def statuses(self) -> tuple[pa.Array, pa.Array] | None:
        """Return the serving statuses over the joined rows as Arrow text, null where a side has none.

        `None` if neither side has any.
        """
        left, right = _column(self.left.statuses, self.name), _column(self.right.statuses, self.name)
        if left is None and right is None:
            return None
        unknown = _no_texts(self.join.count)
        return (
            unknown if left is None else _texts(left, self.join.left),
            unknown if right is None else _texts(right, self.join.right),
        )

    def left_at(self, rows: Rows) -> Vector:
        """Return the left's values at rows numbered as in ``join.labels``, null where it has none."""
        return _vector_at(self.left_column, self.join.on_left(rows))

    def right_at(self, rows: Rows) -> Vector:
        """Return the right's values at rows numbered as in ``join.labels``, null where it has none."""
        return _vector_at(self.right_column, self.join.on_right(rows))

    def left_statuses(self, rows: Rows) -> pa.Array:
        """Return the left's statuses, null where it has none."""
        return _taken(_column(self.left.statuses, self.name), self.join.on_left(rows))

    def right_statuses(self, rows: Rows) -> pa.Array:
        """Return the right's statuses, null where it has none."""
        return _taken(_column(self.right.statuses, self.name), self.join.on_right(rows))

    def left_times(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the left's effective times in nanoseconds, NaT where it has none."""
        return _times(_column(self.left.effective_times, self.name), self.join.on_left(rows))

    def right_times(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the right's effective times in nanoseconds, NaT where it has none."""
        return _times(_column(self.right.effective_times, self.name), self.join.on_right(rows))

    def _whole(self, column: pd.Series | None) -> Vector:
        assert column is not None  # noqa: S101  # asked for common features only
        return vector_of(column)


def column_text(name: Any) -> str:
    """Return the name of a feature for a column label of any type; lone surrogates, which no file holds, escaped."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def _column(frame: pd.DataFrame | None, name: str) -> pd.Series | None:
    if frame is None:
        return None
    if name in frame.columns:
        return frame[name]
    # Labels that are no text, such as the numbers of a frame without names.
    same = [place for place, label in enumerate(frame.columns) if column_text(label) == name]
    return frame.iloc[:, same[0]] if same else None


def _vector_at(column: pd.Series | None, places: Rows) -> Vector:
    is_there = places >= 0
    if column is None or not is_there.any():
        return vector_of_arrow(pa.nulls(len(places)))
    taken = np.maximum(places, 0)
    # The kind of a column of Python objects is that of all of them, not of a few.
    found = vector_of(column).take(taken) if column.dtype == object else vector_of(column.iloc[taken])
    return found if is_there.all() else replace(found, is_null=found.nulls | ~is_there)


def _texts(column: pd.Series, rows: Rows | None) -> pa.Array:
    texts = vector_of(column if rows is None else column.iloc[rows])
    return texts.values if isinstance(texts.values, pa.StringArray | pa.LargeStringArray) else _no_texts(len(texts))


def _taken(column: pd.Series | None, places: Rows) -> pa.Array:
    if column is None:
        return _no_texts(len(places))
    return _texts(column, None).take(pa.array(places, mask=places < 0))


def _times(column: pd.Series | None, places: Rows) -> npt.NDArray[np.int64]:
    times = np.full(len(places), _NAT, dtype=np.int64)
    is_there = places >= 0
    if column is not None and is_there.any():
        moments = pd.DatetimeIndex(column.iloc[places[is_there]]).as_unit("ns")
        times[is_there] = moments.asi8
    return times


def _no_texts(count: int) -> pa.Array:
    return pa.nulls(count, pa.large_string())
