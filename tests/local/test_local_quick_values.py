"""The short way for plain values, beside the codecs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tecton_nb.exceptions import DecodeError, InputError
from tecton_nb.local.serving.quick_values import read_input, wire_writer
from tecton_nb.local.storage.wire_columns import wire_value
from tecton_nb.wire.types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    ArrayType,
    MapType,
    StructField,
    StructType,
)
from tecton_nb.wire.values import decode_input

INNER = StructType((StructField("a", INT64), StructField("b", STRING)))
TYPES = (
    BOOLEAN,
    INT64,
    FLOAT64,
    FLOAT32,
    STRING,
    TIMESTAMP,
    ArrayType(FLOAT64),
    MapType(STRING, INT64),
    StructType((StructField("a", FLOAT64), StructField("b", BOOLEAN), StructField("inner", INNER))),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["0", "00", "-1", "9223372036854775808", "٣", "1.5", "", "\ud800", -0.0, 2.0**53, -(2**63), 2**63]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "inner"]), inner),
    max_leaves=6,
)


def outcome(function, *args, **options):
    """What a function returns, with its type and the sign of zero, or the sentence it refuses with."""
    try:
        return repr(function(*args, **options))
    except (InputError, DecodeError) as error:
        return str(error)


@given(value=VALUES, data_type=st.sampled_from(TYPES))
def test_quick_writer_agrees_with_the_codec(value, data_type):
    """Whatever a realtime function returns is written, or refused, as the codec does."""
    quick = outcome(wire_writer(data_type, where="it"), value)

    assert quick == outcome(wire_value, value, data_type, where="it")


@given(value=VALUES, data_type=st.sampled_from(TYPES), lax=st.booleans())
def test_quick_reader_agrees_with_the_codec(value, data_type, lax):
    """Whatever a request brings is read, or refused, as the codec does."""
    options = {"where": "it", "ignore_extra_fields": lax}

    assert outcome(read_input, value, data_type, **options) == outcome(decode_input, value, data_type, **options)


@pytest.mark.parametrize("number", [0.0, -0.0, 1.5, 216409.0, 2.0**60, math.inf, -math.inf, math.nan])
def test_float_of_a_realtime_function_is_written_as_the_server_writes_floats(number):
    """A whole float loses its point, special ones become words."""
    assert repr(wire_writer(FLOAT64, where="it")(number)) == repr(wire_value(number, FLOAT64, where="it"))
