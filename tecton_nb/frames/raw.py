"""Raw values of regular answers to Arrow arrays, a column at a time, exactly or not at all.

Arrow reads numbers and times faster than anything here could, but more kinds of text than the codecs do.
So only text of one form goes to it and the rest to the codecs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..wire.codecs import Misfit, codec
from ..wire.quick_messages import Irregular
from ..wire.scalars import WORDS
from ..wire.types import FLOAT32, FLOAT64, INT64, STRING, TIMESTAMP, ArrayType, DataType, MapType, StructType
from .dtypes import arrow_column_type, arrow_type, fits_nanoseconds

# Years that certainly fit into nanoseconds, as proto-JSON writes times.
_TIME = r"^(1[7-9]|2[01])\d\d-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z$"


def raw_column(values: Sequence[Any], data_type: DataType) -> pa.Array:
    """Return a column of raw values, as a `QuickRow` has them, as an array of `arrow_column_type`.

    Raises
    ------
    Irregular
        If a value is none of its type, or times do not fit into nanoseconds.
    """
    found = raw_array(values, data_type)
    return found.cast(arrow_column_type(data_type)) if data_type == STRING else found


def raw_array(values: Sequence[Any], data_type: DataType) -> pa.Array:
    """Return raw values as an array of `arrow_type`; errors as `raw_column`."""
    match data_type:
        case ArrayType(element):
            return _array(values, element, arrow_type(data_type))
        case StructType(fields):
            return _struct(values, [field.data_type for field in fields], arrow_type(data_type))
        case MapType(key, value):
            return _map(values, key, value)
    if data_type == INT64:
        return _int64s(values)
    if data_type == TIMESTAMP:
        return _times(values)
    if data_type in (FLOAT64, FLOAT32):
        return _floats(values, arrow_type(data_type))
    return pa.array(values, type=arrow_type(data_type))


def _int64s(texts: Sequence[str | None]) -> pa.Array:
    found = pa.array(texts, type=pa.string())
    try:
        numbers = found.cast(pa.int64())
    except pa.ArrowInvalid:
        return _by_codec(texts, INT64)
    # Arrow also reads "007" and "0x1F"; written again they differ.
    return numbers if numbers.cast(pa.string()).equals(found) else _by_codec(texts, INT64)


def _times(texts: Sequence[str | None]) -> pa.Array:
    found = pa.array(texts, type=pa.string())
    if pc.all(pc.match_substring_regex(found, _TIME)).as_py() is False:
        return _by_codec(texts, TIMESTAMP)
    try:
        return found.cast(arrow_type(TIMESTAMP))
    except pa.ArrowInvalid:  # there is no such day
        raise Irregular from None


def _by_codec(texts: Sequence[str | None], data_type: DataType) -> pa.Array:
    decode = codec(data_type).decode
    try:
        values = [decode(text) for text in texts]
    except Misfit:
        raise Irregular from None
    if not all(value is None or fits_nanoseconds(value, data_type) for value in values):
        raise Irregular
    return pa.array(values, type=arrow_type(data_type))


def _floats(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, type=kind, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a word is among them
        return pa.array(
            [WORDS[value] if type(value) is str else value for value in values], type=kind, from_pandas=False
        )


def _array(values: Sequence[list[Any] | None], element: DataType, kind: pa.DataType) -> pa.Array:
    elements = raw_array([*chain.from_iterable(filter(None, values))], element)
    return pa.ListArray.from_arrays(_offsets(values), elements, type=kind, mask=_nulls(values))


def _struct(values: Sequence[tuple[Any, ...] | None], parts: Sequence[DataType], kind: pa.DataType) -> pa.Array:
    if not parts:
        return pa.array([None if value is None else {} for value in values], type=kind)
    nothing = (None,) * len(parts)
    columns: Iterable[Any] = zip(*[nothing if value is None else value for value in values], strict=True)
    arrays = [raw_array(*pair) for pair in zip(list(columns) or [()] * len(parts), parts, strict=True)]
    return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=_nulls(values))


def _map(values: Sequence[dict[str, Any] | None], key: DataType, value: DataType) -> pa.Array:
    present = [pairs for pairs in values if pairs]
    keys = [*chain.from_iterable(present)]
    if key == INT64 and "-0" in keys:  # it may be the same key as another
        raise Irregular
    names = raw_array(keys, INT64 if key == INT64 else STRING)
    items = raw_array([*chain.from_iterable(pairs.values() for pairs in present)], value)
    # A null is a null offset here.
    offsets = pa.array(_offsets(values), mask=np.append([value is None for value in values], [False]))
    return pa.MapArray.from_arrays(offsets, names, items)


def _offsets(values: Sequence[Any]) -> Any:
    return np.cumsum([0, *[len(value) if value else 0 for value in values]], dtype=np.int32)


def _nulls(values: Sequence[Any]) -> pa.Array:
    return pa.array([value is None for value in values], type=pa.bool_())
