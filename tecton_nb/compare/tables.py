"""The frames a comparison hands out, built column by column as ``columns`` describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from .. import columns
from .cells import CODES, FIRST_MISMATCH, Cells, Codes
from .drift import drift
from .join import Join
from .pair import FeaturePair, column_text
from .vectors import DURATION, FLOAT, INTEGER, TIME, Rows, Vector, is_comparable, same_unit, vector_of

STRING_DTYPE = pd.StringDtype("pyarrow")
_NAMED_FEATURES = 10


def counts_of(pair: FeaturePair, cells: Cells | None) -> dict[str, int]:
    """Return how many cells of a feature have each verdict, in the order of ``columns.VERDICTS``."""
    counts = dict.fromkeys(columns.VERDICTS, 0)
    if cells is None:
        left = pair.left_column
        only = columns.ONLY_RIGHT if left is None else columns.ONLY_LEFT
        counts[only] = len(pair.right.values) if left is None else len(left)
        return counts
    found = np.bincount(cells.codes, minlength=len(CODES))
    counts |= {verdict: int(found[code]) for verdict, code in CODES.items()}
    counts[columns.EQUAL] = pair.join.count - len(cells.rows)
    counts[columns.ONLY_LEFT] = len(pair.join.left_only)
    counts[columns.ONLY_RIGHT] = len(pair.join.right_only)
    return counts


def mismatches_of(counts: Mapping[str, int]) -> int:
    """Return how many cells are mismatches."""
    return sum(count for verdict, count in counts.items() if CODES[verdict] >= FIRST_MISMATCH)


def match_ratio(counts: Mapping[str, int]) -> float | None:
    """Return the share of the cells that are equal or within tolerance; `None` without cells."""
    cells = sum(counts.values())
    return (counts[columns.EQUAL] + counts[columns.WITHIN_TOLERANCE]) / cells if cells else None


def summary_frame(pairs: Iterable[FeaturePair], cells: Mapping[str, Cells]) -> pd.DataFrame:
    """Return one row per feature; see ``columns.COMPARISON_SUMMARY``."""
    return typed_frame([_summary_row(pair, cells.get(pair.name)) for pair in pairs], columns.COMPARISON_SUMMARY)


def mismatch_frame(
    pairs: Iterable[FeaturePair], cells: Mapping[str, Cells], join: Join, limit: int | None = None
) -> pd.DataFrame:
    """Return one row per mismatch under its key, feature by feature; see ``columns.MISMATCHES``.

    With a `limit` only the first so many of each feature.
    """
    found = ((pair, *_mismatching(pair, cells.get(pair.name))) for pair in pairs)
    parts = [(pair, rows[:limit], codes[:limit]) for pair, rows, codes in found if len(rows)]
    every = np.concatenate([np.empty(0, dtype=np.intp), *(rows for _, rows, _ in parts)])
    sizes = [len(rows) for _, rows, _ in parts]
    names = np.repeat(np.arange(len(parts)), sizes)
    codes = np.concatenate([np.empty(0, dtype=np.uint8), *(codes for *_, codes in parts)])
    index = join.labels.take(every)
    sides = [(pair.left_at(rows), pair.right_at(rows)) for pair, rows, _ in parts]
    arrays: dict[str, Any] = {
        "feature": _repeated([pair.name for pair, *_ in parts], names),
        "verdict": _repeated(columns.VERDICTS, codes),
        "left": _object_series([left.objects() for left, _ in sides], index),
        "right": _object_series([right.objects() for _, right in sides], index),
        "difference": _masked(_joined([_differences(left, right) for left, right in sides], np.float64)),
        "left_status": _text_array([pair.left_statuses(rows) for pair, rows, _ in parts]),
        "right_status": _text_array([pair.right_statuses(rows) for pair, rows, _ in parts]),
        "left_effective_time": _moments([pair.left_times(rows) for pair, rows, _ in parts]),
        "right_effective_time": _moments([pair.right_times(rows) for pair, rows, _ in parts]),
    }
    return pd.DataFrame(arrays, index=index, copy=False)


def worst_rows_frame(cells: Mapping[str, Cells], join: Join, n: int) -> pd.DataFrame:
    """Return the joined rows with the most mismatches; see ``columns.WORST_ROWS``."""
    counts = np.zeros(join.count, dtype=np.int64)
    for found in cells.values():
        counts[found.mismatches] += 1
    worst = np.argsort(-counts, kind="stable")[:n]
    worst = worst[counts[worst] > 0]
    named: list[list[str]] = [[] for _ in worst]
    for name, found in cells.items():
        for place in np.flatnonzero(np.isin(worst, found.mismatches)):
            named[place].append(name)
    rows = [
        {"mismatches": int(counts[row]), "cells": len(cells), "features": ", ".join(names[:_NAMED_FEATURES])}
        for row, names in zip(worst, named, strict=True)
    ]
    return typed_frame(rows, columns.WORST_ROWS).set_axis(join.labels.take(worst), axis=0)


def dtypes_frame(pairs: Iterable[FeaturePair]) -> pd.DataFrame:
    """Return the dtypes of every feature on both sides; see ``columns.COMPARED_DTYPES``."""
    return typed_frame([_dtypes_row(pair) for pair in pairs], columns.COMPARED_DTYPES)


def pair_frame(pair: FeaturePair, cells: Cells) -> pd.DataFrame:
    """Return the joined rows of one feature; see ``columns.FEATURE_PAIR``."""
    rows = np.arange(pair.join.count)
    index = pair.join.labels.take(rows)
    arrays: dict[str, Any] = {
        "feature": _repeated([pair.name], np.zeros(len(rows))),
        "left": _object_series([pair.left_at(rows).objects()], index),
        "right": _object_series([pair.right_at(rows).objects()], index),
        "verdict": _repeated(columns.VERDICTS, cells.dense(len(rows))),
    }
    return pd.DataFrame(arrays, index=index)


def with_keys(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the keys of its rows as first columns, under names that no other column has."""
    taken = {str(name) for name in frame.columns}
    keys: dict[str, Any] = {}
    for level, name in enumerate(frame.index.names):
        text = "key" if name is None else column_text(name)
        while text in taken:
            text += "_"
        taken.add(text)
        values = frame.index.get_level_values(level)
        keys[text] = pd.Series(values.array, dtype=values.dtype)
    return pd.concat([pd.DataFrame(keys), frame.reset_index(drop=True)], axis=1)


def typed_frame(rows: Sequence[Mapping[str, Any]], described: tuple[columns.Column, ...]) -> pd.DataFrame:
    """Return rows as a frame of the described columns, in their order and dtypes."""
    arrays = {column.name: _array([row.get(column.name) for row in rows], column.dtype) for column in described}
    return pd.DataFrame(arrays, index=pd.RangeIndex(len(rows)))


def _array(values: list[Any], dtype: str) -> Any:
    if dtype.startswith("datetime64"):
        return pd.DatetimeIndex(values, dtype="datetime64[ns, UTC]").array
    return pd.array(values, dtype=cast(Any, STRING_DTYPE if dtype == "string" else dtype))


def _summary_row(pair: FeaturePair, cells: Cells | None) -> dict[str, Any]:
    counts = counts_of(pair, cells)
    left, right = (None if column is None else vector_of(column) for column in (pair.left_column, pair.right_column))
    row: dict[str, Any] = {
        "feature": pair.name,
        "cells": sum(counts.values()),
        "match_ratio": match_ratio(counts),
        "mismatches": mismatches_of(counts),
        **counts,
        "left_null_ratio": _null_ratio(left),
        "right_null_ratio": _null_ratio(right),
    }
    if left is not None and right is not None:
        row |= _magnitudes(*pair.vectors())
        row |= drift(left, right)
    return row


def _null_ratio(vector: Vector | None) -> float | None:
    return float(vector.nulls.mean()) if vector is not None and len(vector) else None


def _magnitudes(left: Vector, right: Vector) -> dict[str, float]:
    if not is_comparable(left, right) or left.kind not in {INTEGER, FLOAT, TIME, DURATION}:
        return {}
    one, other = left.floats(), right.floats()
    is_finite = np.isfinite(one) & np.isfinite(other)
    if not is_finite.any():
        return {}
    absolute = np.abs(_subtracted(left, right)[is_finite])
    found = {"mean_absolute_difference": float(absolute.mean()), "max_absolute_difference": float(absolute.max())}
    if left.kind in {INTEGER, FLOAT}:
        scale = np.maximum(np.abs(one[is_finite]), np.abs(other[is_finite]))
        relative = np.divide(absolute, scale, out=np.zeros_like(absolute), where=scale > 0)
        found |= {"mean_relative_difference": float(relative.mean()), "max_relative_difference": float(relative.max())}
    return found


def _differences(left: Vector, right: Vector) -> np.ndarray:
    """Return right minus left where both are numbers or times, NaN elsewhere."""
    if left.kind != right.kind or left.kind not in {INTEGER, FLOAT, TIME, DURATION}:
        return np.full(len(left), np.nan)
    return _subtracted(left, right)


def _subtracted(left: Vector, right: Vector) -> np.ndarray:
    """Return right minus left as floats: whole numbers subtracted before they are rounded."""
    if left.kind in {TIME, DURATION}:
        left, right = same_unit(left, right)
    if left.kind == FLOAT or right.kind == FLOAT:
        with np.errstate(invalid="ignore", over="ignore"):
            return right.floats() - left.floats()
    difference = (
        right.values.astype(object) - left.values.astype(object)
        if _may_overflow(left, right)
        else (right.values.astype(np.int64) - left.values.astype(np.int64))
    )
    found = difference.astype(np.float64) * (1e-9 if left.unit else 1.0)
    found[left.nulls | right.nulls] = np.nan
    return np.asarray(found)


def _may_overflow(left: Vector, right: Vector) -> bool:
    limit = 2**62
    return any(
        side.values.dtype == object
        or (len(side) and (int(side.values.max()) > limit or int(side.values.min()) < -limit))
        for side in (left, right)
    )


def _mismatching(pair: FeaturePair, cells: Cells | None) -> tuple[Rows, Codes]:
    join = pair.join
    left_only = np.arange(join.count, join.count + len(join.left_only))
    right_only = np.arange(join.count + len(join.left_only), join.count + len(join.left_only) + len(join.right_only))
    if cells is None:
        is_left = pair.left_column is not None
        rows = np.concatenate([np.arange(join.count), left_only if is_left else right_only])
        return rows, np.full(len(rows), CODES[columns.ONLY_LEFT if is_left else columns.ONLY_RIGHT], dtype=np.uint8)
    is_mismatch = cells.codes >= FIRST_MISMATCH
    rows = np.concatenate([cells.rows[is_mismatch], left_only, right_only])
    one_sided = np.repeat([CODES[columns.ONLY_LEFT], CODES[columns.ONLY_RIGHT]], [len(left_only), len(right_only)])
    return rows, np.concatenate([cells.codes[is_mismatch], one_sided.astype(np.uint8)])


def _dtypes_row(pair: FeaturePair) -> dict[str, Any]:
    left, right = pair.left_column, pair.right_column
    names = [None if column is None else str(column.dtype) for column in (left, right)]
    is_fit = left is not None and right is not None and is_comparable(vector_of(left), vector_of(right))
    return {
        "feature": pair.name,
        "left_dtype": names[0],
        "right_dtype": names[1],
        "is_same": names[0] == names[1],
        "is_comparable": is_fit,
    }


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype=dtype), *parts])


def _object_series(parts: list[np.ndarray], index: pd.Index) -> pd.Series:
    # A plain array of objects would become texts or times where all of them are.
    return pd.Series(_joined(parts, object), index=index, dtype=object)


def _masked(numbers: np.ndarray) -> pd.arrays.FloatingArray:
    # No difference is missing, not NaN; one that is NaN comes from infinities and says as little.
    gaps = np.isnan(numbers)
    return pd.arrays.FloatingArray(np.where(gaps, 0.0, numbers), gaps)


def _repeated(words: Sequence[str], places: np.ndarray) -> Any:
    indices = pa.array(places.astype(np.int32))
    texts = pa.DictionaryArray.from_arrays(indices, pa.array(list(words), pa.large_string())).dictionary_decode()
    return _string_array(texts)


def _text_array(parts: list[pa.Array]) -> Any:
    return _string_array(pa.chunked_array(parts, pa.large_string()))


def _string_array(texts: pa.Array | pa.ChunkedArray) -> Any:
    return pd.arrays.ArrowStringArray(texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts]))


def _moments(parts: list[np.ndarray]) -> Any:
    return pd.DatetimeIndex(_joined(parts, np.int64).view("datetime64[ns]"), tz="UTC").array
