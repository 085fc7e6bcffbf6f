"""One input per data type: what is typed is what is sent, and what cannot be is told."""

import math

import pandas as pd
import pytest
from canned import ARRAY, INT_ARRAY, INT_MAP, MAP, STRUCT, typed

from tecton_nb.client.replies import GetFeatureServiceMetadataResponse
from tecton_nb.exceptions import InputError
from tecton_nb.widgets import JoinKeyForm

KINDS = {
    "int64": "int64",
    "float64": "float64",
    "float32": "float32",
    "boolean": "boolean",
    "string": "string",
    "timestamp": "timestamp",
    "array": ARRAY,
    "int array": INT_ARRAY,
    "map": MAP,
    "int map": INT_MAP,
    "struct": STRUCT,
}


def form_of(kind: str) -> JoinKeyForm:
    """Return the form of a service with one key, ``k``."""
    return JoinKeyForm(GetFeatureServiceMetadataResponse([typed("k", KINDS[kind])], None, []))


def control(form):
    """Return the input widget of the only key."""
    return form.children[0].children[0].children[0]


def null_box(form):
    """Return the check box for null of the only key."""
    return form.children[0].children[0].children[1]


TYPED = [
    ("int64", "9007199254740993", "9007199254740993", 2**53 + 1),
    ("int64", " -9223372036854775808 ", "-9223372036854775808", -(2**63)),
    ("float64", "NaN", "NaN", math.nan),
    ("float64", "inf", "Infinity", math.inf),
    ("float64", "-Infinity", "-Infinity", -math.inf),
    ("float32", "1.5", 1.5, 1.5),
    ("string", "", "", ""),
    ("string", " a ", " a ", " a "),
    ("timestamp", "2024-05-01T12:00:00.123456789Z", "2024-05-01T12:00:00.123456789Z", "2024-05-01T12:00:00.123456789Z"),
    ("array", "[1.5, null, NaN]", [1.5, None, "NaN"], [1.5, None, math.nan]),
    ("int array", "[9007199254740993, null]", ["9007199254740993", None], [2**53 + 1, None]),
    ("map", '{"a": 1}', {"a": 1.0}, {"a": 1.0}),
    ("int map", '{"7": 9007199254740993}', {"7": "9007199254740993"}, {7: 2**53 + 1}),
    ("struct", '{"n": 7, "x": null}', ["7", None], {"n": 7, "x": None}),
]


@pytest.mark.parametrize(("kind", "text", "wire", "python"), TYPED)
def test_typed_text_means_one_value_exactly(kind, text, wire, python):
    """What is typed becomes the JSON value and the Python value of the key's type, no digit lost."""
    form = form_of(kind)

    control(form).value = text

    assert form.error == ""
    assert form.value == {"k": wire}
    assert repr(form.row) == repr({"k": python})


@pytest.mark.parametrize(("kind", "text", "wire", "python"), TYPED)
def test_value_that_is_set_is_typed_as_it_would_be_read(kind, text, wire, python):
    """Setting the value of a form fills in text that means the same value again."""
    form = form_of(kind)

    form.value = {"k": wire}

    assert form.value == {"k": wire}
    assert repr(form.row) == repr({"k": python})


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("int64", "12.5", "Cannot send '12.5' (str) as int64 for join key 'k'."),
        ("int64", "9223372036854775808", "Cannot send '9223372036854775808' (str) as int64 for join key 'k'."),
        ("int64", "", "Give a value for the join key 'k' (int64), or tick null."),
        ("float64", "a lot", "Cannot send 'a lot' (str) as float64 for join key 'k'."),
        ("timestamp", "yesterday", "Cannot send 'yesterday' (str) as timestamp for join key 'k'."),
        ("array", "[1", "Cannot read '[1' as JSON for the join key 'k':"),
        ("array", "[" * 100_000, "as JSON for the join key 'k'"),
        ("array", '["a"]', "at `[0]` inside it"),
        ("struct", '{"m": 1}', "a field of the struct"),
        ("string", "\ud800", "it holds half of a surrogate pair"),
    ],
)
def test_text_that_is_no_value_is_told_beside_the_input(kind, text, sentence):
    """Text that is none of the type is told in words in the form, marked, and never sent."""
    form = form_of(kind)

    control(form).value = text if text else "x"
    control(form).value = text

    assert sentence in form.error
    assert form.value == {}
    assert "tnb-wrong" in form.children[0]._dom_classes
    with pytest.raises(InputError):
        form.row  # noqa: B018


@pytest.mark.parametrize("kind", KINDS)
def test_null_is_a_value_of_its_own(kind):
    """Ticking null sends null, whatever the type, and locks the input."""
    form = form_of(kind)

    null_box(form).value = True

    assert form.value == {"k": None}
    assert form.row == {"k": None}
    assert control(form).disabled


def test_check_box_is_true_false_or_null():
    """A boolean is ticked or not, beside null."""
    form = form_of("boolean")
    seen = [form.row["k"]]

    for value in (True, None, False):
        form.fill({"k": value})
        seen.append(form.row["k"])

    assert seen == [False, True, None, False]


def test_row_of_a_frame_fills_the_form():
    """Values as a frame holds them, missing and numpy's numbers among them, are filled in."""
    metadata = GetFeatureServiceMetadataResponse(
        [typed("n", "int64"), typed("x", "float64")], [typed("t", "timestamp")], []
    )
    form = JoinKeyForm(metadata)
    rows = pd.DataFrame({"n": pd.array([2**53 + 1], "Int64"), "x": [None], "t": [pd.Timestamp("2024-05-01", tz="UTC")]})

    form.fill({name: rows[name].iloc[0] for name in rows})

    assert form.row == {"n": 2**53 + 1, "x": None, "t": "2024-05-01T00:00:00Z"}


def test_form_tells_its_observers_once_per_change():
    """One edit is one change of `value`."""
    form = form_of("int64")
    seen = []
    form.observe(lambda change: seen.append(change["new"]), "value")

    control(form).value = "5"

    assert seen == [{"k": "5"}]


def test_static_form_tells_null_from_what_cannot_be_read():
    """The plain table in place of a form says null where null is sent, and names what is not a value yet."""
    form = JoinKeyForm(GetFeatureServiceMetadataResponse([typed("n", "int64"), typed("s", "string")], None, []))
    form.fill({"s": None})

    assert [row[-1] for row in table_of(form)] == ["✗ no value", "∅ null"]


def table_of(form):
    """Return the cells of the form's plain table, row by row."""
    return [[cell.text for cell in row] for row in form._card().sections[0].cells()]
