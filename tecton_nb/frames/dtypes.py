"""Data type to pandas dtype, and a column of decoded values to a pandas array of that dtype.

Scalars are pandas' nullable dtypes, so that a missing row never changes a column's dtype and an int64
stays exact; arrays, structs and maps are Arrow-backed. NaN is a value and stays apart from missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray, ExtensionDtype

from ..wire.codecs import FeatureValue
from ..wire.timestamps import SECOND, EpochNanoseconds
from ..wire.types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    ArrayType,
    DataType,
    MapType,
    StructType,
    walk,
)

STRING_DTYPE = pd.StringDtype("pyarrow")
UTC_DTYPE = pd.DatetimeTZDtype("ns", "UTC")
_NAT = np.iinfo(np.int64).min

_DTYPES: dict[DataType, ExtensionDtype] = {
    INT64: pd.Int64Dtype(),
    FLOAT64: pd.Float64Dtype(),
    FLOAT32: pd.Float32Dtype(),
    BOOLEAN: pd.BooleanDtype(),
    STRING: STRING_DTYPE,
    TIMESTAMP: UTC_DTYPE,
}
_ARROW: dict[DataType, pa.DataType] = {
    INT64: pa.int64(),
    FLOAT64: pa.float64(),
    FLOAT32: pa.float32(),
    BOOLEAN: pa.bool_(),
    STRING: pa.string(),
    TIMESTAMP: pa.timestamp("ns", tz="UTC"),
}


def dtype_of(data_type: DataType) -> ExtensionDtype:
    """Return the pandas dtype of a feature column.

    ``Int64``, ``Float64``, ``Float32``, ``boolean``, ``string``, ``datetime64[ns, UTC]``, or
    ``pd.ArrowDtype`` for arrays, structs and maps. A type that is missing or unknown becomes
    ``string``: its values are kept as JSON text.
    """
    if isinstance(data_type, ArrayType | StructType | MapType):
        return pd.ArrowDtype(arrow_type(data_type))
    return _DTYPES.get(data_type, STRING_DTYPE)


def arrow_type(data_type: DataType) -> pa.DataType:
    """Return the Arrow type of a data type; missing and unknown ones are text."""
    match data_type:
        case ArrayType(element):
            return pa.list_(arrow_type(element))
        case StructType(fields):
            return pa.struct([pa.field(f.name, arrow_type(f.data_type)) for f in fields])
        case MapType(key, value):
            return pa.map_(pa.int64() if key == INT64 else pa.string(), arrow_type(value))
    return _ARROW.get(data_type, pa.string())


def column_of(values: Sequence[FeatureValue], data_type: DataType) -> ExtensionArray:
    """Return decoded values as a pandas array of ``dtype_of(data_type)``; `None` becomes missing.

    Every timestamp must have passed `fits_nanoseconds`.
    """
    return pandas_of(arrow_of(values, data_type), data_type)


def arrow_of(values: Sequence[FeatureValue], data_type: DataType) -> pa.Array:
    """Return decoded values as an Arrow array; `None` becomes null, and NaN stays a value.

    Text at the top is ``large_string``, so that a column may hold more than 2 GB of it.
    """
    arrow_ready = _arrow_ready(data_type)
    plain = [arrow_ready(value) for value in values] if arrow_ready else values
    return pa.array(plain, type=arrow_column_type(data_type), from_pandas=False)


def arrow_column_type(data_type: DataType) -> pa.DataType:
    """Return the Arrow type of a whole column."""
    found = arrow_type(data_type)
    return pa.large_string() if found == pa.string() else found


def pandas_of(column: pa.Array, data_type: DataType) -> ExtensionArray:
    """Return an Arrow array of `arrow_column_type` as a pandas array of ``dtype_of(data_type)``."""
    if isinstance(data_type, ArrayType | StructType | MapType):
        return pd.arrays.ArrowExtensionArray(column)
    if data_type == TIMESTAMP:
        return _moments(_filled(column.view(pa.int64()), _NAT))
    # Values and mask keep NaN and missing apart; pandas' own conversion would turn NaN into missing.
    mask = np.array(column.is_null())
    if data_type == INT64:
        return pd.arrays.IntegerArray(_filled(column, 0), mask)
    if data_type in (FLOAT64, FLOAT32):
        return pd.arrays.FloatingArray(_filled(column, 0.0), mask)
    if data_type == BOOLEAN:
        return pd.arrays.BooleanArray(_filled(column, False), mask)
    return _text(column)


def moments(nanoseconds: Sequence[int | None]) -> ExtensionArray:
    """Return whole nanoseconds since the epoch as ``datetime64[ns, UTC]``; `None` becomes NaT."""
    numbers = np.fromiter((_NAT if n is None else n for n in nanoseconds), dtype=np.int64, count=len(nanoseconds))
    return _moments(numbers)


def fits_nanoseconds(value: FeatureValue, data_type: DataType) -> bool:
    """Whether every moment inside the value lies in the years 1678 to 2261 that nanoseconds can hold."""
    if isinstance(value, EpochNanoseconds):
        return _NAT < value < -_NAT
    if TIMESTAMP not in walk(data_type):
        return True
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(fits_nanoseconds(part, TIMESTAMP) for part in parts)


def to_timestamp(moment: EpochNanoseconds) -> pd.Timestamp:
    """Return a moment as a UTC ``pd.Timestamp``; years that nanoseconds cannot hold come in microseconds."""
    if _NAT < moment < -_NAT:
        return pd.Timestamp(int(moment), unit="ns", tz="UTC")
    microseconds = np.datetime64(int(moment) // (SECOND // 1_000_000), "us")
    return pd.Timestamp(microseconds).tz_localize("UTC")


def _text(column: pa.Array) -> ExtensionArray:
    from_arrow = STRING_DTYPE.__from_arrow__  # type: ignore[attr-defined]  # the stubs leave it out
    return cast(ExtensionArray, from_arrow(column))


def _moments(numbers: np.ndarray[Any, np.dtype[np.int64]]) -> ExtensionArray:
    return pd.DatetimeIndex(numbers.view("datetime64[ns]"), tz="UTC").array


def _filled(column: pa.Array, missing: object) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the numbers of a column as an array of its own, which may be written to."""
    return np.array(column.fill_null(missing))


def _arrow_ready(data_type: DataType) -> Callable[[Any], Any] | None:
    """Return what turns a decoded value into what Arrow takes, `None` if it takes it as it is."""
    if all(part in _ARROW or isinstance(part, ArrayType | StructType) for part in walk(data_type)):
        return None
    if isinstance(data_type, ArrayType | StructType | MapType):
        return _inside(data_type)
    return _json_text


def _inside(data_type: DataType) -> Callable[[Any], Any]:
    match data_type:
        case ArrayType(element):
            convert = _arrow_ready(element) or _same
            return _if_present(lambda items: [convert(item) for item in items])
        case MapType(_, value):
            convert = _arrow_ready(value) or _same
            return _if_present(lambda pairs: [(key, convert(item)) for key, item in pairs.items()])
        case StructType(fields):
            parts = {f.name: _arrow_ready(f.data_type) or _same for f in fields}
            return _if_present(lambda struct: {name: convert(struct[name]) for name, convert in parts.items()})
    return _json_text


def _if_present(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _json_text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _same(value: Any) -> Any:
    return value
