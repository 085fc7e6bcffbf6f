"""What a caller may pass as a join key or request context, and the sentence for what cannot be sent."""

from __future__ import annotations

import array
import math
from collections import OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest

from tecton_nb.exceptions import InputError
from tecton_nb.wire.timestamps import EpochNanoseconds
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
)
from tecton_nb.wire.values import encode_value

PAIR = StructType((StructField("a", INT64), StructField("b", STRING)))
WHERE = "join key 'user_id'"


def _sent(value: object, data_type: DataType | None) -> Any:
    encoded = encode_value(value, data_type, where=WHERE)
    assert orjson.loads(orjson.dumps(encoded)) == encoded
    return encoded


def _refused(value: object, data_type: DataType | None) -> str:
    with pytest.raises(InputError) as caught:
        encode_value(value, data_type, where=WHERE)
    assert caught.value.__cause__ is None
    return str(caught.value)


def _named(value: object) -> str:
    return f"{type(value).__name__}-{str(value)[:24]!r}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, "7"),
        (-(2**63), "-9223372036854775808"),
        (2**53 + 1, "9007199254740993"),
        ("7", "7"),
        ("9007199254740993", "9007199254740993"),
        (7.0, "7"),
        (-0.0, "0"),
        (2.0**53, "9007199254740992"),
        (Decimal("9007199254740993"), "9007199254740993"),
        (Decimal("7.00"), "7"),
        (Decimal("7E2"), "700"),
        (np.int8(-7), "-7"),
        (np.uint64(2**63 - 1), "9223372036854775807"),
        (np.int64(2**53 + 1), "9007199254740993"),
        (np.float32(7), "7"),
        (np.str_("7"), "7"),
        (np.array(7), "7"),
        (pd.Series([7, None], dtype="Int64")[0], "7"),
        (pd.array([7], dtype="Int8")[0], "7"),
        (pa.scalar(2**53 + 1), "9007199254740993"),
    ],
    ids=_named,
)
def test_int64_is_sent_as_decimal_text(value: object, expected: str) -> None:
    """A whole number of any library is sent digit for digit, as the documents ask for int64."""
    assert _sent(value, INT64) == expected


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.bool_(True),
        7.5,
        2.0**53 + 2,
        1e300,
        math.inf,
        2**63,
        -(2**63) - 1,
        np.uint64(2**63),
        10**5000,
        Decimal("7.5"),
        Decimal("NaN"),
        Decimal("1e999999999"),
        Decimal("1e-999999999"),
        " 7",
        "+7",
        "7.0",
        "1_000",
        "٣",
        "",
        "abc",
        b"7",
        [7],
        {"a": 7},
        EpochNanoseconds(7),
        np.timedelta64(7, "ns"),
        timedelta(7),
        np.datetime64(7, "ns"),
        pd.Timestamp(7),
        1 + 0j,
        object,
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_int64_refuses_what_would_change(value: object) -> None:
    """A value that is no whole number of 64 bits is refused with the value, its type, the place and what to pass."""
    sentence = _refused(value, INT64)

    assert sentence.startswith("Cannot send '")
    assert f"({type(value).__name__}) as int64 for join key 'user_id'. Pass a whole number" in sentence
    assert len(sentence) < 260


@pytest.mark.parametrize(
    "data_type", [BOOLEAN, INT64, STRING, TIMESTAMP, ArrayType(INT64), PAIR, MapType(STRING, INT64)], ids=str
)
@pytest.mark.parametrize(
    "value",
    [
        None,
        pd.NA,
        pd.NaT,
        math.nan,
        np.float64("nan"),
        np.datetime64("NaT"),
        np.timedelta64("NaT"),
        np.ma.masked,
        np.array(None),
        pa.scalar(None),
        pa.scalar(None, pa.int64()),
    ],
    ids=_named,
)
def test_every_kind_of_missing_is_sent_as_null(value: object, data_type: DataType) -> None:
    """None, NA, NaT, a masked element and NaN outside floats are all the null of the wire."""
    assert _sent(value, data_type) is None


@pytest.mark.parametrize("data_type", [FLOAT64, FLOAT32, None], ids=str)
@pytest.mark.parametrize(
    "value", [None, pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked, pa.scalar(None, pa.float64())], ids=_named
)
def test_missing_float_is_null_and_not_nan(value: object, data_type: DataType | None) -> None:
    """A missing float is null; only NaN itself is the word NaN."""
    assert _sent(value, data_type) is None


@pytest.mark.parametrize("data_type", [FLOAT64, FLOAT32, None], ids=str)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (np.float32("nan"), "NaN"),
        (np.float64("-inf"), "-Infinity"),
        (np.longdouble("nan"), "NaN"),
        (np.longdouble("inf"), "Infinity"),
        (np.float16("inf"), "Infinity"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("-Infinity"), "-Infinity"),
    ],
    ids=_named,
)
def test_special_floats_are_sent_as_words(value: object, expected: str, data_type: DataType | None) -> None:
    """JSON has no NaN and no infinity, so they are sent as the three words of the documents."""
    assert _sent(value, data_type) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (31.5, 31.5),
        (8, 8.0),
        (-0.0, -0.0),
        ("31.5", 31.5),
        ("1e3", 1000.0),
        ("NaN", "NaN"),
        (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int32(8), 8.0),
        (Decimal("0.1"), 0.1),
        (Fraction(1, 4), 0.25),
        (pd.array([0.5], dtype="Float64")[0], 0.5),
        (pa.scalar(0.5), 0.5),
    ],
    ids=_named,
)
def test_float64_is_sent_as_a_number(value: object, expected: object) -> None:
    """A number of any library is sent as a JSON number, a whole one too."""
    sent = _sent(value, FLOAT64)

    assert sent == expected
    assert type(sent) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.bool_(False),
        "nan",
        "inf",
        "abc",
        "",
        "1e400",
        2**53 + 1,
        10**400,
        Decimal("1e400"),
        Fraction(10**400),
        b"1",
        [1.5],
        1j,
        timedelta(1),
        np.timedelta64(1, "s"),
        EpochNanoseconds(1),
        datetime(2024, 1, 1, tzinfo=UTC),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_float64_refuses_what_would_change(value: object) -> None:
    """Text that is no number, a boolean, a time, and a whole number that no float is exactly are refused."""
    sentence = _refused(value, FLOAT64)

    assert f"({type(value).__name__}) as float64 for join key 'user_id'. Pass a number" in sentence


@pytest.mark.parametrize("value", [3.5e38, -1e39, "1e39", Decimal("1e39"), 10**39], ids=_named)
def test_float32_overflow_is_refused(value: object) -> None:
    """A number that no float32 holds would become infinite on the other side."""
    assert "as float32" in _refused(value, FLOAT32)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), (np.bool_(True), True), (pd.array([False], dtype="boolean")[0], False)],
    ids=_named,
)
def test_boolean_is_sent_as_json_boolean(value: object, expected: bool) -> None:
    """A boolean of any library is sent as true or false."""
    assert _sent(value, BOOLEAN) is expected


@pytest.mark.parametrize("value", [1, 0, "true", 1.0, np.int64(1), "", []], ids=_named)
def test_boolean_refuses_everything_else(value: object) -> None:
    """1 is not sent as true: whoever means true says so."""
    assert _refused(value, BOOLEAN).endswith("as boolean for join key 'user_id'. Pass True or False.")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("C1", "C1"), ("", ""), ("NaN", "NaN"), (np.str_("C1"), "C1"), ("😀\u202e", "😀\u202e")],
    ids=_named,
)
def test_string_is_sent_as_it_is(value: object, expected: str) -> None:
    """Text is sent unchanged."""
    assert _sent(value, STRING) == expected


@pytest.mark.parametrize("value", [7, 7.5, True, b"C1", ["C1"], date(2024, 1, 1), np.bytes_(b"x")], ids=_named)
def test_string_refuses_everything_but_text(value: object) -> None:
    """A number for a text key is refused: 7 and 7.0 would be two different keys."""
    assert _refused(value, STRING).endswith("as string for join key 'user_id'. Pass text.")


@pytest.mark.parametrize("data_type", [STRING, None, ArrayType(STRING), MapType(STRING, STRING)], ids=str)
def test_lone_surrogate_is_refused_before_it_is_sent(data_type: DataType | None) -> None:
    """Half of a surrogate pair cannot be UTF-8; the error says so and can itself be printed."""
    value: Any = {"ArrayType": ["\ud800"], "MapType": {"\ud800": "x"}}.get(type(data_type).__name__, "\ud800")

    sentence = _refused(value, data_type)

    assert "half of a surrogate pair" in sentence
    assert sentence.encode()


@pytest.mark.parametrize("data_type", [TIMESTAMP, None], ids=str)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2024, 5, 1), "2024-05-01T00:00:00Z"),
        (date(1, 1, 1), "0001-01-01T00:00:00Z"),
        (datetime(2024, 5, 1, 10), "2024-05-01T10:00:00Z"),  # noqa: DTZ001  # a naive time is the case
        (datetime(2024, 5, 1, 10, tzinfo=UTC), "2024-05-01T10:00:00Z"),
        (datetime(2024, 5, 1, 10, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2024-05-01T04:30:00Z"),
        (datetime(2024, 7, 1, 10, tzinfo=ZoneInfo("America/New_York")), "2024-07-01T14:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
        (datetime(2024, 5, 1, 10, 0, 0, 250000, tzinfo=UTC), "2024-05-01T10:00:00.250Z"),
        (pd.Timestamp("2024-05-01T10:00:00.123456789"), "2024-05-01T10:00:00.123456789Z"),
        (pd.Timestamp("1969-12-31T23:59:59.999999999"), "1969-12-31T23:59:59.999999999Z"),
        (pd.Timestamp("2024-05-01T10:00:00", tz="US/Eastern"), "2024-05-01T14:00:00Z"),
        (pd.Timestamp("0001-01-01").as_unit("s"), "0001-01-01T00:00:00Z"),
        (np.datetime64("2024-05-01T10:00:00.123456789"), "2024-05-01T10:00:00.123456789Z"),
        (np.datetime64("1970-01-01T10:00:00.123456789000"), "1970-01-01T10:00:00.123456789Z"),
        (np.datetime64("2024-05-01T10:00:00.5"), "2024-05-01T10:00:00.500Z"),
        (np.datetime64("2024-05-01T10:00"), "2024-05-01T10:00:00Z"),
        (np.datetime64("2024-05-01T10"), "2024-05-01T10:00:00Z"),
        (np.datetime64("2024-05-01"), "2024-05-01T00:00:00Z"),
        (np.datetime64("2024-05"), "2024-05-01T00:00:00Z"),
        (np.datetime64("2024"), "2024-01-01T00:00:00Z"),
        (np.array(np.datetime64("2024-05-01T10:00:00", "ns")), "2024-05-01T10:00:00Z"),
        (pa.scalar(datetime(2024, 5, 1, 10, tzinfo=UTC)), "2024-05-01T10:00:00Z"),
        (EpochNanoseconds(1), "1970-01-01T00:00:00.000000001Z"),
    ],
    ids=_named,
)
def test_time_of_any_library_is_sent_as_rfc_3339_in_utc(
    value: object, expected: str, data_type: DataType | None
) -> None:
    """Times keep their instant and every digit; one without a zone is UTC."""
    assert _sent(value, data_type) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"),
        ("2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00Z"),
        ("2024-05-01", "2024-05-01T00:00:00Z"),
    ],
)
def test_timestamp_text_is_sent_in_utc(value: str, expected: str) -> None:
    """RFC 3339 text for a timestamp is sent as the same instant in UTC; without a type text stays as it is."""
    assert _sent(value, TIMESTAMP) == expected
    assert _sent(value, None) == value


@pytest.mark.parametrize(
    "value",
    [
        1714557600,
        1714557600.5,
        "yesterday",
        "",
        "2024-01-01T00:00:00.0000000001Z",
        time(10),
        timedelta(1),
        np.timedelta64(1, "ns"),
        np.datetime64("1970-01-01T10:00:00.123456789012"),
        np.datetime64("12024-05-01"),
        np.datetime64(2**62, "s"),
        pa.scalar(2**50, pa.timestamp("s")),
        EpochNanoseconds(10**30),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        True,
        [],
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_timestamp_refuses_what_names_no_moment(value: object) -> None:
    """A bare number has no unit, a span is no moment, and what is finer than a nanosecond would be cut."""
    sentence = _refused(value, TIMESTAMP)

    assert "as timestamp for join key 'user_id'. Pass a datetime" in sentence


@pytest.mark.parametrize(
    "value",
    [
        [1, None, 3],
        (1, None, 3),
        deque([1, None, 3]),
        np.array([1, None, 3], dtype=object),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1, None, 3]),
        pd.array([1, None, 3], dtype="Int64"),
        pd.Index([1, None, 3]),
        pa.array([1, None, 3]),
        np.ma.masked_array([1, 2, 3], [False, True, False]),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)
def test_array_of_any_kind_is_sent_as_a_list_with_its_nulls(value: object) -> None:
    """Lists, tuples, numpy arrays, Series and Arrow arrays are one list on the wire, nulls in place."""
    assert _sent(value, ArrayType(INT64)) == ["1", None, "3"]


def test_array_of_numpy_times_keeps_nanoseconds() -> None:
    """Elements of a datetime64 array are sent as times, not as the bare numbers that tolist() gives."""
    value = np.array(["2024-05-01T10:00:00.000000001", "NaT"], dtype="datetime64[ns]")

    assert _sent(value, ArrayType(TIMESTAMP)) == ["2024-05-01T10:00:00.000000001Z", None]
    assert _sent(value, None) == ["2024-05-01T10:00:00.000000001Z", None]


def test_two_dimensional_array_is_sent_as_lists_of_lists() -> None:
    """A matrix is a list of rows."""
    assert _sent(np.array([[0.25, np.nan], [1, 2]]), ArrayType(ArrayType(FLOAT32))) == [[0.25, "NaN"], [1.0, 2.0]]


def test_range_and_typed_array_are_sent_as_lists() -> None:
    """Other sequences of numbers are lists too."""
    assert _sent(range(2), ArrayType(INT64)) == ["0", "1"]
    assert _sent(array.array("d", [0.5]), ArrayType(FLOAT64)) == [0.5]


@pytest.mark.parametrize(
    "value",
    ["12", b"12", bytearray(b"12"), memoryview(b"12"), {"a": 1}, {1, 2}, iter([1]), 12],
    ids=lambda v: type(v).__name__,
)
def test_array_refuses_text_bytes_sets_and_objects(value: object) -> None:
    """Text is not a list of characters, and a set has no order to keep."""
    assert _refused(value, ArrayType(INT64)).endswith("as array for join key 'user_id'. Pass a list.")


@pytest.mark.parametrize(
    "value",
    [
        {"a": 7, "b": "x"},
        {"b": "x", "a": 7},
        OrderedDict(a=7, b="x"),
        [7, "x"],
        (np.int64(7), "x"),
        pa.scalar({"a": 7, "b": "x"}),
        np.array([(7, "x")], dtype=[("a", "i8"), ("b", "U1")])[0],
    ],
    ids=lambda value: type(value).__name__,
)
def test_struct_is_sent_as_a_list_in_field_order(value: object) -> None:
    """A struct is passed by field or by position and sent by position."""
    assert _sent(value, PAIR) == ["7", "x"]


def test_struct_field_left_out_is_null() -> None:
    """A field that a dict leaves out is sent as null."""
    assert _sent({"b": "x"}, PAIR) == [None, "x"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": 7, "c": "x"}, "Cannot send 'c' (str) as a field of the struct with 'a', 'b' for join key"),
        ({"a": 7, "bb": 1}, "(did you mean 'b'?)"),
        ({pd.NA: 7}, "Cannot send '<NA>' (NAType) as a field of the struct"),
        ([7], "as struct with the 2 fields 'a', 'b' for join key 'user_id'. Pass a dict by field"),
        ([7, "x", 1], "as struct with the 2 fields"),
        ("7x", "Cannot send '7x' (str) as struct for join key"),
        (7, "as struct for join key"),
        ([7, 7], "Cannot send '7' (int) as string for join key 'user_id' at `b` inside it. Pass text."),
    ],
    ids=repr,
)
def test_struct_misfit_says_what_and_where(value: object, words: str) -> None:
    """A struct of the wrong shape is refused by a sentence that names the fields."""
    assert words in _refused(value, PAIR)


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ({"a": 1}, STRING, {"a": "1"}),
        ({}, STRING, {}),
        ([], STRING, {}),
        ([("a", 1), ["b", None]], STRING, {"a": "1", "b": None}),
        (pa.scalar([("a", 1)], pa.map_(pa.string(), pa.int64())), STRING, {"a": "1"}),
        ({7: 1, "8": 2, np.int64(9): 3}, INT64, {"7": "1", "8": "2", "9": "3"}),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_map_is_sent_as_an_object(value: object, key: DataType, expected: object) -> None:
    """A dict, or the pairs that an Arrow-backed column hands out, is an object with text keys."""
    assert _sent(value, MapType(key, INT64)) == expected


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("a", STRING),
        (["a"], STRING),
        ([("a", 1), ("a", 2)], STRING),
        ([(["a"], 1)], STRING),
        ([("a", 1, 2)], STRING),
        ({1: 1}, STRING),
        ({None: 1}, STRING),
        ({pd.NA: 1}, INT64),
        ({1: 1, "1": 2}, INT64),
        ({"a": "x"}, STRING),
        ({"x": 1}, INT64),
    ],
    ids=repr,
)
def test_map_refuses_missing_and_meeting_keys(value: object, key: DataType) -> None:
    """Keys are of their type, present and different; values are of theirs."""
    assert "for join key 'user_id'" in _refused(value, MapType(key, INT64))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5"),
        (2**53 + 1, "9007199254740993"),
        (5.5, 5.5),
        (5.0, 5.0),
        (True, True),
        ("5", "5"),
        (None, None),
        (Decimal("1.50"), 1.5),
        (np.int64(5), "5"),
        (np.bool_(False), False),
        ([1, 2.5, "x", None, math.nan], ["1", 2.5, "x", None, "NaN"]),
        (np.array([1, 2]), ["1", "2"]),
        ({"a": 1, "b": [{"c": math.inf}]}, {"a": "1", "b": [{"c": "Infinity"}]}),
        (pd.Series([1.5, np.nan]), [1.5, "NaN"]),
        (pa.scalar([1, None]), ["1", None]),
    ],
    ids=_named,
)
def test_value_without_a_known_type_is_sent_by_its_python_type(value: object, expected: object) -> None:
    """Without a schema whole numbers go as text and other numbers as numbers, as the documents rule."""
    sent = _sent(value, None)

    assert sent == expected
    assert type(sent) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        {1, 2},
        frozenset(),
        object(),
        1j,
        timedelta(1),
        time(10),
        pd.Timedelta(1),
        np.timedelta64(1, "ns"),
        pd.DataFrame({"a": [1]}),
        pd.Interval(0, 1),
        lambda: 0,
        ZoneInfo,
        range,
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_of_a_foreign_type_is_refused_in_one_sentence(value: object) -> None:
    """What has no form on the wire is named with its type and what to pass instead."""
    sentence = _refused(value, None)

    assert f"({type(value).__name__}) as a feature value for join key 'user_id'. Pass text, a number" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300


def test_misfit_inside_an_untyped_value_says_where() -> None:
    """The place inside nested lists and dicts is part of the sentence."""
    sentence = _refused({"a": [1, {"b": {1, 2}}]}, None)

    assert " for join key 'user_id' at `['a'][1]['b']` inside it. Pass " in sentence


def test_list_that_holds_itself_is_refused() -> None:
    """A value without end is a typed refusal, not a RecursionError."""
    value: list[object] = []
    value.append(value)

    sentence = _refused(value, None)

    assert sentence == "Cannot send the value for join key 'user_id': it holds itself, or is nested too deep."


def test_value_whose_text_fails_is_still_named() -> None:
    """A value that cannot even be printed is refused by the name of its type."""

    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    assert _refused(Silent(), None).startswith("Cannot send '<Silent>' (Silent) as a feature value")


def test_refusal_shows_no_control_characters() -> None:
    """Foreign text in a sentence is escaped and cut, so a log line stays one line."""
    sentence = _refused("\x1b[2J\u202e\n" + "x" * 5000, INT64)

    assert "\\x1b[2J\\u202e\\nxxx" in sentence
    assert len(sentence) < 260
