"""What each data type takes from the wire, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tecton_nb.exceptions import DecodeError
from tecton_nb.wire.body import read_json
from tecton_nb.wire.codecs import codec, untyped_codec
from tecton_nb.wire.timestamps import EpochNanoseconds
from tecton_nb.wire.types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    MAX_DEPTH,
    MISSING_TYPE,
    STRING,
    TIMESTAMP,
    ArrayType,
    DataType,
    MapType,
    StructField,
    StructType,
    UnknownType,
    data_type_to_json,
    legacy_type,
    parse_data_type,
    walk,
)
from tecton_nb.wire.values import decode_input, decode_value

PAIR = StructType((StructField("a", INT64), StructField("b", STRING)))
SECOND = 1_000_000_000


def _read(raw: Any, data_type: DataType) -> Any:
    return decode_value(raw, data_type, where="result.features[4]", name="view.feature")


def _refused(raw: Any, data_type: DataType) -> str:
    with pytest.raises(DecodeError) as caught:
        _read(raw, data_type)
    return str(caught.value)


def test_decode_int64_beyond_float_precision_is_exact() -> None:
    """An int64 larger than 2**53 comes back digit for digit."""
    value = decode_value("9007199254740993", INT64, where="result.features[0]")

    assert value == 9007199254740993


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("-7", -7),
        (7, 7),
        (0, 0),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (None, None),
    ],
    ids=str,
)
def test_int64_takes_decimal_text_and_json_integers(raw: object, expected: int | None) -> None:
    """An int64 may come as decimal text or as a JSON integer, up to the limits of 64 bits."""
    value = _read(raw, INT64)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "raw",
    [
        " 7",
        "7 ",
        "7\n",
        "1_000",
        "1,000",
        "007",
        "-07",
        "--7",
        "-",
        "+5",
        "",
        "NaN",
        "Infinity",
        "٣",
        "７",
        "²",
        "0x10",
        "7.0",
        "7.9",
        "1e3",
        "null",
        "true",
        "9223372036854775808",
        "-9223372036854775809",
        "9" * 5000,
        True,
        False,
        7.0,
        7.9,
        1e3,
        2**63,
        -(2**63) - 1,
        1.8446744073709552e19,
        [],
        ["7"],
        {},
    ],
    ids=lambda raw: f"{type(raw).__name__}-{str(raw)[:24]!r}",
)
def test_int64_refuses_what_is_no_whole_number_of_64_bits(raw: object) -> None:
    """Nothing is trimmed, rounded or guessed into an int64; the refusal names feature, value and place."""
    sentence = _refused(raw, INT64)

    assert sentence.startswith("Cannot read feature 'view.feature' as int64: got ")
    assert sentence.endswith(" at `result.features[4]`.")
    assert len(sentence) < 200


@pytest.mark.parametrize("kind", [FLOAT64, FLOAT32], ids=str)
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (0, 0.0),
        (216409, 216409.0),
        (0.5, 0.5),
        (-0.0, -0.0),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        (None, None),
    ],
    ids=str,
)
def test_float_takes_numbers_and_the_two_infinities(kind: DataType, raw: object, expected: float | None) -> None:
    """A float may come as an integer token and always leaves as a float."""
    value = _read(raw, kind)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("kind", [FLOAT64, FLOAT32], ids=str)
def test_float_nan_word_is_a_number_and_not_missing(kind: DataType) -> None:
    """ "NaN" leaves as the float NaN, which null does not."""
    value = _read("NaN", kind)

    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize("kind", [FLOAT64, FLOAT32], ids=str)
@pytest.mark.parametrize(
    "raw",
    ["nan", "NAN", "inf", "-inf", "infinity", "+Infinity", "1.5", "0", "", " NaN", "1e400", True, False, [], {}, [0.5]],
    ids=repr,
)
def test_float_refuses_other_words_text_and_booleans(kind: DataType, raw: object) -> None:
    """A response float is a JSON number or one of three words, nothing else."""
    sentence = _refused(raw, kind)

    assert sentence.startswith(f"Cannot read feature 'view.feature' as {kind}: got ")


@pytest.mark.parametrize("raw", [3.4028235e38, -3.4028235e38, 3.4028234663852886e38], ids=repr)
def test_float32_takes_its_largest_number_as_servers_print_it(raw: float) -> None:
    """The largest float32 is printed 3.4028235e+38, a little above itself as a float64, and still is one."""
    assert _read(raw, FLOAT32) == raw


@pytest.mark.parametrize("raw", [3.4028236e38, -3.5e38, 1e39], ids=repr)
def test_float32_refuses_what_overflows(raw: float) -> None:
    """A number that no float32 can hold is no float32; a float64 holds it."""
    assert "as float32" in _refused(raw, FLOAT32)
    assert _read(raw, FLOAT64) == raw


@pytest.mark.parametrize("raw", [True, False, None], ids=repr)
def test_boolean_takes_true_false_and_null(raw: bool | None) -> None:
    """A boolean comes as JSON has it."""
    assert _read(raw, BOOLEAN) is raw


@pytest.mark.parametrize("raw", [1, 0, "true", "false", "True", "", 1.0, []], ids=repr)
def test_boolean_refuses_numbers_and_text(raw: object) -> None:
    """1 is no boolean and neither is "true"."""
    assert "as boolean" in _refused(raw, BOOLEAN)


@pytest.mark.parametrize(
    "raw", ["", "NaN", "null", "7", "😀", "\x00", "\u202e", "A" * 200_000, None], ids=lambda r: str(r)[:8]
)
def test_string_is_kept_whole(raw: str | None) -> None:
    """Text stays the text it is, whatever it spells and however long it is."""
    assert _read(raw, STRING) == raw


@pytest.mark.parametrize("raw", [7, 0.5, True, [], {}, ["a"]], ids=repr)
def test_string_refuses_everything_but_text(raw: object) -> None:
    """A number is not turned into text behind anyone's back."""
    assert "as string" in _refused(raw, STRING)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01", 0),
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01 00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T00:00:00+00:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T05:30:00+0530", 0),
        ("1969-12-31T16:00:00-08:00", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T00:00:00.1Z", 100_000_000),
        ("1970-01-01T00:00:00.12Z", 120_000_000),
        ("1970-01-01T00:00:00.123Z", 123_000_000),
        ("1970-01-01T00:00:00.1234Z", 123_400_000),
        ("1970-01-01T00:00:00.123456Z", 123_456_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("2024-02-29T12:00:00Z", 1_709_208_000 * SECOND),
        ("0001-01-01T00:00:00Z", -62_135_596_800 * SECOND),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799 * SECOND + 999_999_999),
    ],
)
def test_timestamp_reads_rfc_3339_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    """Times with or without offset and fraction are exact nanoseconds; without an offset they are UTC."""
    value = _read(text, TIMESTAMP)

    assert value == nanoseconds
    assert type(value) is EpochNanoseconds


@pytest.mark.parametrize(
    "raw",
    [
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00.Z",
        "2016-12-31T23:59:60Z",
        "2024-01-01T24:00:00Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2024-1-1",
        "20240101",
        "2024-W01-1",
        "2024-01-01T10",
        "2024-01-01T10:00:00 UTC",
        "2024-01-01T10:00:00+25:00",
        "٢٠٢٤-01-01",
        "1714557600",
        "now",
        "",
        " 2024-01-01",
        1714557600,
        1714557600.5,
        True,
        [],
        {},
    ],
    ids=repr,
)
def test_timestamp_refuses_what_names_no_moment(raw: object) -> None:
    """A bare number has no unit, a leap second no place, and ten fraction digits no room."""
    assert "as timestamp" in _refused(raw, TIMESTAMP)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], []),
        (None, None),
        (["1", None, 3], [1, None, 3]),
    ],
    ids=repr,
)
def test_array_keeps_its_nulls_and_an_empty_one_is_not_missing(raw: object, expected: object) -> None:
    """An empty array is empty, a null array is missing, and a null element stays in its place."""
    assert _read(raw, ArrayType(INT64)) == expected


@pytest.mark.parametrize("raw", ["12", 12, {"0": "1"}, True], ids=repr)
def test_array_refuses_what_is_no_list(raw: object) -> None:
    """The text "12" is not the list of its characters."""
    assert "as array" in _refused(raw, ArrayType(INT64))


def test_array_misfit_names_the_element() -> None:
    """The error for one bad element in nested arrays says which one."""
    sentence = _refused([["1"], None, ["2", "x"]], ArrayType(ArrayType(INT64)))

    assert sentence == "Cannot read feature 'view.feature' as int64: got 'x' at `result.features[4][2][1]`."


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (["7", "x"], {"a": 7, "b": "x"}),
        ([None, None], {"a": None, "b": None}),
        ({"a": "7", "b": "x"}, {"a": 7, "b": "x"}),
        ({"b": "x", "a": 7}, {"a": 7, "b": "x"}),
        ({"b": "x"}, {"a": None, "b": "x"}),
        ({}, {"a": None, "b": None}),
        (None, None),
    ],
    ids=repr,
)
def test_struct_reads_a_list_in_field_order_or_an_object(raw: object, expected: object) -> None:
    """A struct comes as a list in the order of its fields or as an object, and leaves as a dict in field order."""
    value = _read(raw, PAIR)

    assert value == expected
    assert value is None or list(value) == ["a", "b"]


@pytest.mark.parametrize("raw", [["7"], ["7", "x", "y"], []], ids=["short", "long", "empty"])
def test_struct_of_another_length_is_refused(raw: list[object]) -> None:
    """A list that is shorter or longer than the struct's fields is never cut or filled."""
    assert "as struct with the 2 fields 'a', 'b': got '[" in _refused(raw, PAIR)


def test_struct_object_with_unknown_field_is_refused_with_a_hint() -> None:
    """A field the struct does not have is an error that names it and the fields there are."""
    sentence = _refused({"a": "1", "bb": "x"}, PAIR)

    assert "a field of the struct with 'a', 'b' (did you mean 'b'?): got 'bb'" in sentence


def test_struct_misfit_names_the_field() -> None:
    """The error for one bad field inside an array of structs says which row and which field."""
    sentence = _refused([["1", "x"], ["y", "x"]], ArrayType(PAIR))

    assert sentence.endswith("as int64: got 'y' at `result.features[4][1].a`.")


@pytest.mark.parametrize("raw", ["ab", 7, True], ids=repr)
def test_struct_refuses_scalars(raw: object) -> None:
    """Text of two characters is no struct of two fields."""
    assert "as struct" in _refused(raw, PAIR)


def test_struct_without_fields_is_an_empty_list() -> None:
    """A struct type may have no fields; its only value is empty."""
    assert _read([], StructType(())) == {}


@pytest.mark.parametrize(
    ("raw", "key", "expected"),
    [
        ({}, STRING, {}),
        (None, STRING, None),
        ({"a": "1", "": None}, STRING, {"a": 1, "": None}),
        ({"7": "1", "-9223372036854775808": "2"}, INT64, {7: 1, -(2**63): 2}),
    ],
    ids=repr,
)
def test_map_reads_text_and_int64_keys(raw: object, key: DataType, expected: object) -> None:
    """Map keys are text on the wire and become whole numbers where the type says so."""
    assert _read(raw, MapType(key, INT64)) == expected


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ([["a", "1"]], STRING),
        ("a", STRING),
        ({"a": "x"}, STRING),
        ({"07": "1"}, INT64),
        ({"x": "1"}, INT64),
        ({"0": "1", "-0": "2"}, INT64),
    ],
    ids=repr,
)
def test_map_refuses_lists_bad_keys_and_keys_that_meet(raw: object, key: DataType) -> None:
    """A map is an object whose keys read as their type and stay different."""
    _refused(raw, MapType(key, INT64))


def test_map_misfit_names_the_key() -> None:
    """The error for one bad value in a map says under which key it stands."""
    sentence = _refused({"a": "1", "b": 0.5}, MapType(STRING, INT64))

    assert sentence == "Cannot read feature 'view.feature' as int64: got 0.5 at `result.features[4]['b']`."


@pytest.mark.parametrize("data_type", [UnknownType("decimal"), MISSING_TYPE], ids=str)
@pytest.mark.parametrize("raw", [None, True, 7, 0.5, "7", [1, "2"], {"a": [None]}], ids=repr)
def test_value_of_an_unknown_type_is_kept_as_it_came(data_type: DataType, raw: object) -> None:
    """A type this version does not know costs nothing but its conversion."""
    assert _read(raw, data_type) == raw


@pytest.mark.parametrize("data_type", [INT64, STRING, ArrayType(STRING), PAIR, UnknownType("x")], ids=str)
def test_deeply_nested_value_is_refused_and_exhausts_no_stack(data_type: DataType) -> None:
    """Nesting as deep as the JSON reader allows is a typed refusal for every type, never a RecursionError."""
    raw = read_json(b"[" * 1000 + b"]" * 1000)

    assert len(_refused(raw, data_type)) < 400


def test_untyped_value_may_be_nested_as_deep_as_a_type() -> None:
    """Untyped values are kept up to the depth that data types may have, and refused beyond."""
    deepest = read_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))

    assert untyped_codec().decode(deepest) == deepest
    _refused([deepest], UnknownType("x"))


def test_misfit_deep_inside_nested_arrays_is_found_once() -> None:
    """A bad value under many array levels costs one pass, not one per level."""
    data_type: DataType = INT64
    raw: Any = "x"
    for _ in range(MAX_DEPTH - 1):
        data_type, raw = ArrayType(data_type), [raw]

    assert "[0]" * (MAX_DEPTH - 1) in _refused(raw, data_type)


def test_equal_types_share_one_codec() -> None:
    """Codecs are made once per data type, because every value of every row asks for one."""
    assert codec(ArrayType(INT64)) is codec(ArrayType(parse_data_type({"type": "int64"}, where="")))


@pytest.mark.parametrize(
    ("raw", "data_type", "expected"),
    [("1.5", FLOAT64, 1.5), ("8", FLOAT32, 8.0), ("-1e3", FLOAT64, -1000.0), ("NaN", STRING, "NaN"), (7, INT64, 7)],
    ids=repr,
)
def test_server_takes_floats_as_decimal_text(raw: Any, data_type: DataType, expected: object) -> None:
    """Some clients send every whole number as text, so a server reads a float from text too."""
    assert decode_input(raw, data_type, where="params.requestContextMap.x") == expected


@pytest.mark.parametrize(
    ("raw", "data_type"),
    [
        ("1e400", FLOAT64),
        ("abc", FLOAT64),
        ("nan", FLOAT64),
        ("", FLOAT64),
        (" 1", FLOAT64),
        ("1_0", FLOAT64),
        ("9" * 5000, FLOAT64),
        ("1e39", FLOAT32),
        (1.5, INT64),
        (True, INT64),
        ("abc", INT64),
        ("true", BOOLEAN),
        (5, STRING),
    ],
    ids=lambda value: str(value)[:12],
)
def test_server_refuses_inputs_of_another_type(raw: Any, data_type: DataType) -> None:
    """A server's tolerance ends at text that is a number."""
    with pytest.raises(DecodeError, match=r"at `params\.joinKeyMap\.x`"):
        decode_input(raw, data_type, where="params.joinKeyMap.x")


def test_server_ignores_extra_struct_fields_only_when_asked() -> None:
    """Fields that a struct lacks are an error, unless the request says to ignore them."""
    raw: Any = {"a": "1", "b": "x", "c": True}

    assert decode_input(raw, PAIR, where="x", ignore_extra_fields=True) == {"a": 1, "b": "x"}
    with pytest.raises(DecodeError, match="got 'c'"):
        decode_input(raw, PAIR, where="x")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"type": "int64"}, INT64),
        ({"type": "INT64"}, INT64),
        ("int64", INT64),
        ("string_array", ArrayType(STRING)),
        ({"type": "string_array"}, ArrayType(STRING)),
        ({"type": "array", "elementType": {"type": "float32"}}, ArrayType(FLOAT32)),
        ({"type": "array", "element_type": {"type": "array", "elementType": "string"}}, ArrayType(ArrayType(STRING))),
        ({"type": "map", "key_type": {"type": "string"}, "valueType": {"type": "int64"}}, MapType(STRING, INT64)),
        ({"type": "struct", "fields": [{"name": "a", "type": "int64"}, {"name": "b", "data_type": "string"}]}, PAIR),
        ({"type": "struct"}, StructType(())),
        ({"type": "decimal"}, UnknownType("decimal")),
        ({"type": "missing_type"}, MISSING_TYPE),
    ],
    ids=str,
)
def test_data_type_reads_in_every_spelling(raw: Any, expected: DataType) -> None:
    """A data type is read in camelCase, snake_case and as the deprecated flat text; unknown kinds are kept."""
    assert parse_data_type(raw, where="metadata.features[0].dataType") == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, "There is no data type at"),
        (7, "got 7 instead of an object"),
        ([], "got '[]' instead of an object"),
        ({}, "it has no 'type'"),
        ({"type": 7}, "it has no 'type'"),
        ({"type": "array"}, "'array' has no 'elementType'"),
        ({"type": "map", "keyType": "string"}, "'map' has no 'valueType'"),
        ({"type": "struct", "fields": {}}, "'fields' is no list"),
        ({"type": "struct", "fields": [{"type": "int64"}]}, "it has no name"),
        ({"type": "struct", "fields": ["a"]}, "it has no name"),
        ({"type": "struct", "fields": [{"name": "a"}]}, "There is no data type at"),
        ({"type": "struct", "fields": [{"name": "a", "type": "int64"}] * 2}, "names the field 'a' twice"),
    ],
    ids=str,
)
def test_data_type_with_a_missing_part_is_refused(raw: Any, words: str) -> None:
    """A data type that lacks a part is an error that says which part and where."""
    with pytest.raises(DecodeError, match=r"metadata\.features") as caught:
        parse_data_type(raw, where="metadata.features[0].dataType")

    assert words in str(caught.value)


def test_data_type_nested_too_deep_is_refused() -> None:
    """Hostile nesting of types ends in a typed error."""
    raw: Any = {"type": "int64"}
    for _ in range(500):
        raw = {"type": "array", "elementType": raw}

    with pytest.raises(DecodeError, match=f"nested deeper than {MAX_DEPTH}"):
        parse_data_type(raw, where="dataType")


@pytest.mark.parametrize(
    ("data_type", "text", "flat"),
    [
        (INT64, "int64", "int64"),
        (ArrayType(STRING), "array<string>", "string_array"),
        (ArrayType(INT64), "array<int64>", None),
        (PAIR, "struct<a: int64, b: string>", None),
        (MapType(STRING, ArrayType(FLOAT64)), "map<string, array<float64>>", None),
        (UnknownType("decimal"), "decimal", "decimal"),
    ],
    ids=str,
)
def test_data_type_has_a_readable_text_and_its_flat_form(data_type: DataType, text: str, flat: str | None) -> None:
    """A data type prints as people write it; the deprecated flat form exists only where servers sent one."""
    assert str(data_type) == text
    assert legacy_type(data_type) == flat
    assert parse_data_type(data_type_to_json(data_type), where="") == data_type


def test_walk_yields_every_inner_type() -> None:
    """All types inside a type are found, outermost first."""
    data_type = ArrayType(StructType((StructField("m", MapType(STRING, INT64)), StructField("x", FLOAT64))))

    assert [str(found) for found in walk(data_type)] == [
        "array<struct<m: map<string, int64>, x: float64>>",
        "struct<m: map<string, int64>, x: float64>",
        "map<string, int64>",
        "string",
        "int64",
        "float64",
    ]
