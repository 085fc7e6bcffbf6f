"""Any value of any type survives the way into real JSON bytes and back."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tecton_nb.wire.body import read_json, write_json
from tecton_nb.wire.codecs import FeatureValue
from tecton_nb.wire.timestamps import EpochNanoseconds, format_timestamp
from tecton_nb.wire.types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    ArrayType,
    DataType,
    MapType,
    StructField,
    StructType,
    data_type_to_json,
    parse_data_type,
)
from tecton_nb.wire.values import decode_input, decode_value, encode_value

INT64_LIMITS = (-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SECONDS = st.integers(-62_135_596_800, 253_402_300_799)  # the years 1 to 9999
FRACTIONS = st.integers(0, 9).flatmap(
    lambda digits: st.integers(0, 10**digits - 1).map(lambda n: n * 10 ** (9 - digits))
)
SCALARS: dict[DataType, st.SearchStrategy[Any]] = {
    BOOLEAN: st.booleans(),
    INT64: st.one_of(
        st.integers(*INT64_LIMITS),
        st.sampled_from([*INT64_LIMITS, 0, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1]),
    ),
    FLOAT64: st.one_of(
        st.floats(),
        st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 2.0**53, 2.0**53 + 2, 5e-324, 1.7976931348623157e308]),
    ),
    FLOAT32: st.floats(width=32),
    STRING: st.one_of(TEXT, st.sampled_from(["", "NaN", "null", "1", "true", "\x00", "\u202e", "😀"])),
    TIMESTAMP: st.builds(lambda s, f: EpochNanoseconds(s * 1_000_000_000 + f), SECONDS, FRACTIONS),
}
FIELDS = st.lists(TEXT, max_size=3, unique=True)


def _structs(inner: st.SearchStrategy[DataType]) -> st.SearchStrategy[DataType]:
    def of(names: list[str]) -> st.SearchStrategy[DataType]:
        return st.tuples(*(st.builds(StructField, st.just(name), inner) for name in names)).map(StructType)

    return FIELDS.flatmap(of)


DATA_TYPES: st.SearchStrategy[DataType] = st.recursive(
    st.sampled_from(list(SCALARS)),
    lambda inner: st.one_of(
        inner.map(ArrayType), _structs(inner), st.builds(MapType, st.sampled_from([STRING, INT64]), inner)
    ),
    max_leaves=4,
)


@cache
def _values_of(data_type: DataType) -> st.SearchStrategy[Any]:
    match data_type:
        case ArrayType(element):
            of_type: st.SearchStrategy[Any] = st.lists(_values_of(element), max_size=3)
        case StructType(fields):
            of_type = st.fixed_dictionaries({field.name: _values_of(field.data_type) for field in fields})
        case MapType(key, value):
            of_type = st.dictionaries(SCALARS[key], _values_of(value), max_size=3)
        case _:
            of_type = SCALARS[data_type]
    return st.one_of(of_type, st.none())


TYPED_VALUES = DATA_TYPES.flatmap(lambda data_type: st.tuples(st.just(data_type), _values_of(data_type)))


def _same(left: object, right: object) -> bool:
    """Whether two values are equal and of the same types all the way down; NaN equals NaN, 0.0 is not -0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return left == right


def _through_json(value: FeatureValue, data_type: DataType) -> Any:
    message = read_json(write_json({"value": encode_value(value, data_type, where="the value")}))
    assert isinstance(message, dict)
    return message["value"]


@settings(max_examples=10_000, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(TYPED_VALUES)
def test_any_value_of_any_type_survives_the_way_through_json(typed_value: tuple[DataType, Any]) -> None:
    """10,000 values of nested types come back equal and of the same Python types, for client and server alike."""
    data_type, value = typed_value

    raw = _through_json(value, data_type)

    assert _same(decode_value(raw, data_type, where="value"), value)
    assert _same(decode_input(raw, data_type, where="value"), value)


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(DATA_TYPES)
def test_any_data_type_survives_the_way_through_json(data_type: DataType) -> None:
    """A data type written as JSON is read back as the same data type."""
    raw = read_json(write_json(data_type_to_json(data_type)))

    assert parse_data_type(raw, where="dataType") == data_type


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(SCALARS[TIMESTAMP], st.integers(0, 9))
def test_timestamp_text_of_any_precision_is_read_exactly(moment: EpochNanoseconds, digits: int) -> None:
    """A time printed with 0 to 9 fraction digits is read to the digit."""
    seconds, nanoseconds = divmod(int(moment), 1_000_000_000)
    fraction = f"{nanoseconds:09d}"[:digits]
    text = format_timestamp(seconds * 1_000_000_000).removesuffix("Z") + (f".{fraction}" if fraction else "") + "Z"

    value = decode_value(text, TIMESTAMP, where="value")

    assert value == seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))
