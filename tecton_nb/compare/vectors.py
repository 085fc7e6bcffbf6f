"""One column as plain arrays of one kind, whatever its storage: numpy, nullable, Arrow or Python objects.

Kinds are what values can be compared by: an int64 and an Int64 column are both ``integer``.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Bools: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = npt.NDArray[np.intp]

BOOLEAN, INTEGER, FLOAT, STRING = "boolean", "integer", "float", "string"
TIME, DURATION, NESTED, NULL, OBJECT = "time", "duration", "nested", "null", "object"
_BY_NUMPY_KIND = {"b": BOOLEAN, "i": INTEGER, "u": INTEGER, "f": FLOAT}
_BY_INFERENCE = {
    "string": STRING,
    "boolean": BOOLEAN,
    "integer": INTEGER,
    "floating": FLOAT,
    "mixed-integer-float": FLOAT,
    "datetime": TIME,
    "datetime64": TIME,
    "date": TIME,
    "timedelta": DURATION,
    "timedelta64": DURATION,
    "empty": NULL,
}
_EXACT = 2**53
_TICKS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True, slots=True)
class Vector:
    """Values of one kind.

    Parameters
    ----------
    kind
        One of the names above.
    values
        numpy array, or an Arrow array for strings and nested values. Times and durations are int64 ticks. What
        stands at a null is of no meaning.
    is_null
        Where it is null; `None` if it is nowhere.
    unit
        Of times and durations: ``s``, ``ms``, ``us`` or ``ns``.
    """

    kind: str
    values: Any
    is_null: Bools | None = None
    unit: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nulls(self) -> Bools:
        """Where it is null, as an array in any case."""
        return np.zeros(len(self), dtype=bool) if self.is_null is None else self.is_null

    @property
    def is_nan(self) -> Bools:
        """Where it is a NaN that is not null."""
        if self.kind != FLOAT:
            return np.zeros(len(self), dtype=bool)
        nan: Bools = np.isnan(self.values)
        return nan if self.is_null is None else nan & ~self.is_null

    def take(self, rows: Rows) -> Vector:
        """Return the values of these rows in this order."""
        values = self.values[rows] if isinstance(self.values, np.ndarray) else self.values.take(pa.array(rows))
        return Vector(self.kind, values, None if self.is_null is None else self.is_null[rows], self.unit)

    def objects(self) -> npt.NDArray[np.object_]:
        """Return the values as Python objects, `None` for null; times as UTC ``pd.Timestamp``."""
        found: npt.NDArray[np.object_] = np.empty(len(self), dtype=object)
        found[:] = self._plain()
        if self.is_null is not None:
            found[self.is_null] = None
        return found

    def floats(self) -> npt.NDArray[np.float64]:
        """Return numbers, times (seconds) and booleans as float64; NaN where null, and everywhere for other kinds."""
        if self.kind not in {BOOLEAN, INTEGER, FLOAT, TIME, DURATION}:
            return np.full(len(self), np.nan)
        numbers: npt.NDArray[np.float64] = self.values.astype(np.float64)
        if self.unit:
            numbers = numbers * (_TICKS[self.unit] / 1e9)
        if self.is_null is not None:
            numbers[self.is_null] = np.nan
        return numbers

    def _plain(self) -> Any:
        if self.kind == TIME:
            return list(pd.DatetimeIndex(self.values.view(f"datetime64[{self.unit}]"), tz="UTC"))
        if self.kind == DURATION:
            return list(pd.TimedeltaIndex(self.values.view(f"timedelta64[{self.unit}]")))
        if self.kind == NESTED:
            return _nested_objects(self.values)
        if isinstance(self.values, np.ndarray):
            return self.values.astype(object)
        return self.values.to_numpy(zero_copy_only=False)


def vector_of(column: pd.Series) -> Vector:
    """Return a column as a vector."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_categories(column.array)
    if isinstance(dtype, pd.SparseDtype):
        return vector_of(column.astype(dtype.subtype))
    if isinstance(dtype, pd.ArrowDtype | pd.StringDtype):
        return vector_of_arrow(_one_chunk(pa.array(column.array, from_pandas=True)))
    if isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind in "mM":
        return _moments(column)
    if dtype.kind in _BY_NUMPY_KIND:
        return _numbers(column)
    return _of_objects(column)


def vector_of_arrow(values: pa.Array) -> Vector:
    """Return an Arrow array as a vector."""
    kind = arrow_kind(values.type)
    if pa.types.is_dictionary(values.type):
        return vector_of_arrow(values.dictionary_decode())
    mask = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    if kind == STRING:
        return Vector(STRING, values.cast(pa.large_string()), mask)
    if kind in {TIME, DURATION}:
        return _arrow_moments(values, kind, mask)
    if kind in {BOOLEAN, INTEGER, FLOAT}:
        filled = values.fill_null(False if kind == BOOLEAN else 0) if values.null_count else values
        return Vector(kind, filled.to_numpy(zero_copy_only=False), mask)
    if kind == OBJECT:
        return Vector(OBJECT, np.array([*values.to_pylist(), None], dtype=object)[:-1], mask)
    return Vector(kind, values, mask)


def arrow_kind(arrow_type: pa.DataType) -> str:
    """Return the kind of an Arrow type."""
    tests = {
        BOOLEAN: pa.types.is_boolean,
        INTEGER: pa.types.is_integer,
        FLOAT: pa.types.is_floating,
        TIME: lambda t: pa.types.is_timestamp(t) or pa.types.is_date(t),
        DURATION: pa.types.is_duration,
        NULL: pa.types.is_null,
        STRING: lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t),
        NESTED: pa.types.is_nested,
    }
    if pa.types.is_dictionary(arrow_type):
        return arrow_kind(arrow_type.value_type)
    return next((kind for kind, is_kind in tests.items() if is_kind(arrow_type)), OBJECT)


def is_comparable(left: Vector, right: Vector) -> bool:
    """Whether values of the two can be equal; null fits everything."""
    if NULL in {left.kind, right.kind}:
        return True
    if left.kind == right.kind == NESTED:
        return _fits(left.values.type, right.values.type)
    return left.kind == right.kind


def same_unit(left: Vector, right: Vector) -> tuple[Vector, Vector]:
    """Return two vectors of times in nanoseconds; Python integers where nanoseconds do not hold them."""
    return _in_nanoseconds(left), _in_nanoseconds(right)


def is_list(arrow_type: pa.DataType) -> bool:
    """Whether it is a list of whatever kind of offsets; a map is none."""
    return bool(
        pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type) or pa.types.is_fixed_size_list(arrow_type)
    )


def struct_names(arrow_type: pa.DataType) -> list[str]:
    """Return the names of a struct's fields, in order."""
    return [arrow_type.field(i).name for i in range(arrow_type.num_fields)]


def _fits(one: pa.DataType, other: pa.DataType) -> bool:
    kinds = {arrow_kind(one), arrow_kind(other)}
    if NULL in kinds:
        return True
    if kinds != {NESTED}:
        return len(kinds) == 1
    if is_list(one) and is_list(other):
        return _fits(one.value_type, other.value_type)
    if pa.types.is_map(one) and pa.types.is_map(other):
        return _fits(one.key_type, other.key_type) and _fits(one.item_type, other.item_type)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        names = struct_names(one)
        same = sorted(names) == sorted(struct_names(other)) and len(set(names)) == len(names)
        return same and all(_fits(one.field(name).type, other.field(name).type) for name in names)
    return False


def _numbers(column: pd.Series) -> Vector:
    kind = _BY_NUMPY_KIND[column.dtype.kind]
    if isinstance(column.dtype, np.dtype):
        return Vector(kind, column.to_numpy())
    mask = column.isna().to_numpy(dtype=bool)
    numpy_dtype = np.dtype("bool" if kind == BOOLEAN else str(column.dtype).lower())
    if not mask.any():
        return Vector(kind, column.to_numpy(dtype=numpy_dtype))
    return Vector(kind, column.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0)), mask)


def _of_categories(values: Any) -> Vector:
    # Not by the dtype of the categories: that of whole numbers has no null.
    is_null = values.codes < 0
    if is_null.all():
        return vector_of_arrow(pa.nulls(len(values)))
    found = vector_of(pd.Series(values.categories)).take(np.maximum(values.codes, 0).astype(np.intp))
    return replace(found, is_null=found.nulls | is_null) if is_null.any() else found


def _moments(column: pd.Series) -> Vector:
    array: Any = column.array
    mask = np.asarray(column.isna())
    kind = DURATION if column.dtype.kind == "m" else TIME
    return Vector(kind, array.asi8, mask if mask.any() else None, array.unit)


def _arrow_moments(values: pa.Array, kind: str, mask: Bools | None) -> Vector:
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s" if pa.types.is_date32(values.type) else "ms"))
    ticks = pc.fill_null(values.cast(pa.int64()), 0)
    return Vector(kind, ticks.to_numpy(zero_copy_only=False), mask, values.type.unit)


def _in_nanoseconds(vector: Vector) -> Vector:
    factor = _TICKS[vector.unit]
    limit = np.iinfo(np.int64).max // factor
    ticks = vector.values if vector.is_null is None else np.where(vector.is_null, 0, vector.values)
    if factor > 1 and len(ticks) and (ticks.max() > limit or ticks.min() < -limit):
        return Vector(vector.kind, ticks.astype(object) * factor, vector.is_null, "ns")
    return Vector(vector.kind, ticks * factor if factor > 1 else ticks, vector.is_null, "ns")


def _of_objects(column: pd.Series) -> Vector:
    kind = _BY_INFERENCE.get(pd.api.types.infer_dtype(column, skipna=True), OBJECT)
    if kind == FLOAT and any(isinstance(value, int) and abs(value) >= _EXACT for value in column.array):
        # Whole numbers among floats that no float tells from their neighbours.
        kind = OBJECT
    # NaN among texts, times and the like is how pandas of old says null; among numbers it is a number.
    nulls = _null_objects(column, nan_is_null=kind not in {FLOAT, INTEGER, OBJECT})
    plain = [None if gap else value for gap, value in zip(nulls, column.array, strict=True)]
    if kind == OBJECT and not any(isinstance(v, list | tuple | dict | np.ndarray) for v in plain):
        return _as_they_are(plain, nulls)
    try:
        return vector_of_arrow(_arrow_of(plain, kind))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, ValueError):
        return _as_they_are([_plain_nested(value) for value in plain], nulls)


def _arrow_of(plain: list[Any], kind: str) -> pa.Array:
    if kind == STRING:
        # A lone surrogate, which neither Arrow nor a file can hold, is escaped.
        return pa.array([v if v is None else v.encode("utf-8", "backslashreplace") for v in plain]).cast(pa.string())
    if kind == FLOAT:
        return pa.array([None if value is None else float(value) for value in plain], pa.float64(), from_pandas=False)
    if kind == TIME:
        return pa.array([None if v is None else _utc(v) for v in plain], pa.timestamp("ns", "UTC"), from_pandas=False)
    return pa.array([_plain_nested(value) for value in plain], from_pandas=False)


def _utc(value: Any) -> pd.Timestamp:
    moment = pd.Timestamp(value)
    return (moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")).as_unit("ns")


def _plain_nested(value: Any) -> Any:
    """Return arrays within as lists, which is how pandas reads lists from parquet."""
    if isinstance(value, np.ndarray) and value.dtype.kind in _BY_NUMPY_KIND:
        # Numbers as Python has them, so that an array and a list are alike.
        return value.tolist()
    if isinstance(value, np.ndarray | list):
        return [_plain_nested(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain_nested(item) for key, item in value.items()}
    return None if value is pd.NA or value is pd.NaT else value


def _as_they_are(plain: list[Any], nulls: Bools) -> Vector:
    values = np.empty(len(plain), dtype=object)
    values[:] = plain
    return Vector(OBJECT, values, nulls if nulls.any() else None)


def _null_objects(column: pd.Series, *, nan_is_null: bool) -> Bools:
    values = column.array
    gaps = (None, pd.NA, pd.NaT)
    found = [any(v is gap for gap in gaps) or (nan_is_null and isinstance(v, float) and v != v) for v in values]
    return np.array(found, dtype=bool)


def _nested_objects(values: pa.Array) -> list[Any]:
    return [_readable(value, values.type) for value in values.to_pylist()]


def _readable(value: Any, arrow_type: pa.DataType) -> Any:
    """Return maps, which Arrow gives as pairs, as dicts; times in UTC."""
    if value is None:
        return None
    if pa.types.is_map(arrow_type):
        return {key: _readable(item, arrow_type.item_type) for key, item in value}
    if is_list(arrow_type):
        return [_readable(item, arrow_type.value_type) for item in value]
    if pa.types.is_struct(arrow_type):
        return {name: _readable(item, arrow_type.field(name).type) for name, item in value.items()}
    return value.astimezone(datetime.UTC) if isinstance(value, datetime.datetime) and value.tzinfo else value


def _one_chunk(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
