"""Which row of one side belongs to which of the other: by the index or by key columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ..exceptions import InputError, did_you_mean, listed, quoted
from .vectors import FLOAT, INTEGER, NULL, OBJECT, STRING, TIME, Bools, Rows, Vector, same_unit, vector_of

On: TypeAlias = "str | Sequence[str] | None"
_Codes: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Join:
    """Rows of both sides put together: those in both come first, then those on one side only.

    Parameters
    ----------
    left_index, right_index
        Keys of each side, one per row.
    left, right
        Positions of the joined rows on each side; `None` where that is every row in its order.
    left_only, right_only
        Positions of the others.
    """

    left_index: pd.Index
    right_index: pd.Index
    left: Rows | None
    right: Rows | None
    left_only: Rows
    right_only: Rows

    @property
    def count(self) -> int:
        """Number of joined rows."""
        return len(self.left_index) if self.left is None else len(self.left)

    @cached_property
    def labels(self) -> pd.Index:
        """Keys of the joined rows, then of the rows on the left only, then on the right only."""
        if self.left is None:
            return self.left_index
        own = self.left_index.take(np.concatenate([self.left, self.left_only]))
        return own.append(self.right_index.take(self.right_only)) if len(self.right_only) else own

    def on_left(self, rows: Rows) -> Rows:
        """Return where rows, numbered as in `labels`, stand on the left; -1 for those that do not."""
        return self._places(rows, self.left, self.left_only, self.count)

    def on_right(self, rows: Rows) -> Rows:
        """Return where rows, numbered as in `labels`, stand on the right; -1 for those that do not."""
        return self._places(rows, self.right, self.right_only, self.count + len(self.left_only))

    def _places(self, rows: Rows, joined: Rows | None, only: Rows, first: int) -> Rows:
        if joined is None:
            return rows
        places = np.full(self.count + len(self.left_only) + len(self.right_only), -1, dtype=np.intp)
        places[: self.count] = joined
        places[first : first + len(only)] = only
        return places[rows]


def join(left: pd.DataFrame, right: pd.DataFrame, on: On) -> Join:
    """Return how the rows of two frames belong together.

    Raises
    ------
    InputError
        If a key stands twice on one side, a key column is missing, or keys are of kinds that cannot be equal.
    """
    one, other = _index(left, on, "left"), _index(right, on, "right")
    if one.nlevels != other.nlevels:
        raise InputError(
            f"The left side is indexed by {one.nlevels} columns and the right by {other.nlevels}. "
            "Name key columns of both with on=[...]."
        )
    if isinstance(other, pd.MultiIndex) and _is_reordered(one, other):
        other = other.reorder_levels(one.names)
    nothing = np.empty(0, dtype=np.intp)
    if one.is_unique and _same_kinds(one, other) and one.equals(other):
        return Join(one, other, None, None, nothing, nothing)
    left_codes, right_codes = _codes(one, other)
    size = int(max(left_codes.max(initial=-1), right_codes.max(initial=-1))) + 1
    _refuse_twice(left_codes, size, one, "left")
    _refuse_twice(right_codes, size, other, "right")
    places = np.full(size, -1, dtype=np.intp)
    places[right_codes] = np.arange(len(right_codes))
    found = places[left_codes]
    is_matched: Bools = np.zeros(len(other), dtype=bool)
    is_matched[found[found >= 0]] = True
    return Join(
        one,
        other,
        np.flatnonzero(found >= 0),
        found[found >= 0],
        np.flatnonzero(found < 0),
        np.flatnonzero(~is_matched),
    )


def _is_reordered(one: pd.Index, other: pd.Index) -> bool:
    """Whether the levels of both have the same names in another order."""
    names, others = list(one.names), list(other.names)
    are_unique = len(set(names)) == len(names) == len(set(others))
    return names != others and are_unique and None not in names and set(names) == set(others)


def _same_kinds(one: pd.Index, other: pd.Index) -> bool:
    # pandas takes 2**53 + 1 for equal to the float 2.0**53.
    dtypes = ([index.get_level_values(level).dtype for level in range(one.nlevels)] for index in (one, other))
    return all(a.kind == b.kind for a, b in zip(*dtypes, strict=True))


def key_columns(on: On) -> list[str]:
    """Return the names of the key columns; none where the index is the key."""
    return [] if on is None else [on] if isinstance(on, str) else list(on)


def _index(frame: pd.DataFrame, on: On, where: str) -> pd.Index:
    names = key_columns(on)
    if on is None:
        return frame.index
    if not names:
        raise InputError("on=[] names no key column. Leave it out to join by the index.")
    for name in names:
        if name not in frame.columns:
            raise InputError(
                f"The {where} side has no key column {quoted(name)}. Columns found: {listed(frame.columns)}."
                f"{did_you_mean(name, frame.columns)}"
            )
    return pd.Index(frame[names[0]]) if len(names) == 1 else pd.MultiIndex.from_frame(frame[names])


def _refuse_twice(codes: _Codes, size: int, index: pd.Index, where: str) -> None:
    counts = np.bincount(codes, minlength=size)
    if len(codes) and counts.max() > 1:
        first = int(np.flatnonzero(counts[codes] > 1)[0])
        repeated = int((counts > 1).sum())
        named = f" and {repeated - 1:,} other keys" if repeated > 1 else ""
        raise InputError(
            f"The {where} side has the key {quoted(index[first])}{named} more than once, so its rows cannot be told "
            "apart. Name key columns with on=[...], index the rows so that each label stands once, or drop duplicates."
        )


def _codes(left: pd.Index, right: pd.Index) -> tuple[_Codes, _Codes]:
    """Return whole numbers that are equal where all levels are."""
    codes: _Codes = np.zeros(len(left) + len(right), dtype=np.intp)
    for level in range(left.nlevels):
        one, other = (vector_of(pd.Series(index.get_level_values(level))) for index in (left, right))
        name = left.names[level]
        found = _level_codes(one, other, "the index" if name is None else quoted(name))
        codes = np.unique(codes * (found.max(initial=0) + 1) + found, return_inverse=True)[1] if level else found
    return codes[: len(left)], codes[len(left) :]


def _level_codes(left: Vector, right: Vector, name: str) -> _Codes:
    kinds = {left.kind, right.kind} - {NULL}
    if len(kinds) > 1 and len(left) and len(right):
        raise InputError(
            f"Cannot join by {name}: it is {left.kind} on the left and {right.kind} on the right. Convert one of them."
        )
    nulls = np.concatenate([left.nulls, right.nulls])
    codes: _Codes = np.asarray(pd.factorize(_together(left, right), use_na_sentinel=False)[0], dtype=np.intp)
    return np.where(nulls, codes.max(initial=-1) + 1, codes)


def _together(left: Vector, right: Vector) -> np.ndarray:
    if NULL in {left.kind, right.kind} or left.kind != right.kind or left.kind == OBJECT:
        return np.concatenate([left.objects(), right.objects()])
    if left.kind == STRING:
        both = pa.chunked_array([left.values, right.values]).combine_chunks().dictionary_encode()
        return np.asarray(both.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    if left.kind == TIME:
        left, right = same_unit(left, right)
    if left.kind == INTEGER and left.values.dtype.kind != right.values.dtype.kind:
        # numpy would make floats of signed and unsigned numbers together.
        return np.concatenate([left.values.astype(object), right.values.astype(object)])
    if left.kind == FLOAT:
        return np.concatenate([left.values.astype(np.float64), right.values.astype(np.float64)])
    return np.concatenate([left.values, right.values])
