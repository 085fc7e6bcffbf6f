"""Feature vectors become typed columns: dtypes from the metadata, nothing rounded, NaN apart from missing."""

from __future__ import annotations

import math
import time
import tracemalloc

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from canned import ARRAY, MAP, STRUCT, typed
from kinds import KINDS, column_of_kind, reply_of

from tecton_nb import columns
from tecton_nb.exceptions import DecodeError
from tecton_nb.frames.assemble import FeatureColumns, effective_moment, schema_of
from tecton_nb.wire.responses import FeatureItem, FeaturesReply, NameAndType, read_get_features_batch
from tecton_nb.wire.types import INT64

NESTED = {
    "type": "struct",
    "fields": [
        typed("when", "timestamp"),
        typed("many", {"type": "array", "elementType": MAP}),
        typed("flag", "boolean"),
    ],
}
TIMES = {"type": "array", "elementType": {"type": "timestamp"}}


@pytest.mark.parametrize(("kind", "raw", "dtype", "expected"), KINDS.values(), ids=KINDS.keys())
def test_column_has_dtype_and_value_of_its_type(kind, raw, dtype, expected):
    """Each data type has one dtype, and its values come out exactly."""
    column = column_of_kind(kind, [raw])

    assert str(column.dtype) == dtype
    found = column[0]
    assert (list(found) if isinstance(expected, list) else found) == expected


@pytest.mark.parametrize(("kind", "raw", "dtype", "_"), KINDS.values(), ids=KINDS.keys())
def test_dtype_depends_on_the_type_only(kind, raw, dtype, _):
    """No rows, only missing rows, only present rows and a mixture all have one and the same dtype."""
    found = [column_of_kind(kind, raws).dtype for raws in ([], [None, None], [raw, raw], [None, raw, None])]

    assert {str(t) for t in found} == {dtype}
    assert len(set(found)) == 1


@pytest.mark.parametrize(("kind", "raw", "_", "__"), KINDS.values(), ids=KINDS.keys())
def test_null_is_missing_beside_any_value(kind, raw, _, __):
    """A null is missing and leaves its neighbours as they are."""
    column = column_of_kind(kind, [None, raw, None])

    assert column.isna().tolist() == [True, False, True]


@pytest.mark.parametrize("offset", [-1, 0, 1, 2])
def test_int64_near_float_precision_is_exact_beside_null(offset):
    """Whole numbers round 2**53 come out digit for digit though a neighbour is missing."""
    column = column_of_kind("int64", [None, str(2**53 + offset), None, str(-(2**63)), str(2**63 - 1)])

    assert [column[1], column[3], column[4]] == [2**53 + offset, -(2**63), 2**63 - 1]


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_nan_is_a_value_and_null_is_missing(kind):
    """NaN and missing stay two things in a float column."""
    column = column_of_kind(kind, ["NaN", None, "Infinity", 1])

    assert column.isna().tolist() == [False, True, False, False]
    assert math.isnan(column[0])
    assert column[2] == math.inf


@pytest.mark.parametrize(
    ("kind", "raw", "inside"),
    [
        (ARRAY, ["NaN", None], lambda value: list(value)),
        (STRUCT, ["1", "NaN"], lambda value: [value["x"], None]),
        (MAP, {"a": "NaN", "b": None}, lambda value: [dict(value)["a"], dict(value)["b"]]),
    ],
    ids=["array", "struct", "map"],
)
def test_nan_inside_is_a_value_and_null_is_missing(kind, raw, inside):
    """NaN and missing stay two things inside arrays, structs and maps."""
    column = column_of_kind(kind, [raw, None])

    nan, missing = inside(column[0])
    assert math.isnan(nan)
    assert missing is None
    assert column.isna().tolist() == [False, True]


def test_nested_struct_keeps_every_part():
    """A struct of a time, an array of maps and a boolean is kept whole, its time to the nanosecond."""
    raw = ["2024-05-01T10:00:00.000000001Z", [{"a": 1}, None], None]

    column = column_of_kind(NESTED, [raw])

    assert column.dtype == pd.ArrowDtype(
        pa.struct(
            [
                ("when", pa.timestamp("ns", tz="UTC")),
                ("many", pa.list_(pa.map_(pa.string(), pa.float64()))),
                ("flag", pa.bool_()),
            ]
        )
    )
    assert column[0]["when"] == pd.Timestamp("2024-05-01T10:00:00.000000001Z")
    assert (list(column[0]["many"][0]), column[0]["many"][1], column[0]["flag"]) == ([("a", 1.0)], None, None)


@pytest.mark.parametrize(
    ("kind", "raw", "place"),
    [
        ("timestamp", "1500-01-01T00:00:00Z", "result.features[0]"),
        ("timestamp", "9999-12-31T23:59:59Z", "result.features[0]"),
        (TIMES, ["2024-05-01T00:00:00Z", "1500-01-01T00:00:00Z"], "result.features[0]"),
        (NESTED, ["1500-01-01T00:00:00Z", None, True], "result.features[0]"),
    ],
    ids=["early", "late", "array", "struct"],
)
def test_time_beyond_nanoseconds_is_refused(kind, raw, place):
    """A time that datetime64[ns] cannot hold is refused with the years it holds, never wrapped round."""
    with pytest.raises(DecodeError) as caught:
        column_of_kind(kind, [raw])

    assert str(caught.value).startswith("Cannot keep feature 'v.f': ")
    assert str(caught.value).endswith(f"at `{place}` is outside the years 1678 to 2261 that datetime64[ns] holds.")
    assert caught.value.where == place


@pytest.mark.parametrize("raw", ["1677-09-21T00:12:43.145224193Z", "2262-04-11T23:47:16.854775807Z"])
def test_first_and_last_nanosecond_are_kept(raw):
    """The two ends of what nanoseconds can say come out exactly."""
    assert column_of_kind("timestamp", [raw])[0] == pd.Timestamp(raw)


def test_effective_times_are_nat_where_there_is_none():
    """Absent, unreadable and unholdable effective times are NaT; the row itself is kept."""
    texts = ["2024-05-01T00:00:00.5Z", None, "soon", "1500-01-01T00:00:00Z", 7]
    items = [
        typed(f"f{i}", "int64", **({} if text is None else {"effectiveTime": text})) for i, text in enumerate(texts)
    ]
    reply = reply_of(["1"] * 5, *items)
    table = FeatureColumns(schema_of(reply), 1)

    table.put(reply, [0])
    times = table.effective_times(pd.RangeIndex(1))

    assert {str(t) for t in times.dtypes} == {"datetime64[ns, UTC]"}
    assert times.iloc[0].isna().tolist() == [False, True, True, True, True]
    assert times["f0"][0] == pd.Timestamp("2024-05-01T00:00:00.5Z")


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("PRESENT", "PRESENT"),
        ("MISSING_DATA", "MISSING_DATA"),
        ("UNKNOWN", "UNKNOWN_STATUS"),
        ("UNKNOWN_STATUS", "UNKNOWN_STATUS"),
        ("CACHED", "CACHED_PRESENT"),
        ("CACHED_MISSING_DATA", "CACHED_MISSING_DATA"),
        ("TIME_OUT", "TIME_OUT"),
        ("BRAND_NEW", "BRAND_NEW"),
        (1, "MISSING_DATA"),
    ],
)
def test_status_is_kept_in_one_spelling(wire, expected):
    """Every serving status is there as text; old spellings become the new ones, unknown ones stay."""
    reply = reply_of([None], typed("f", "int64", status=wire))
    table = FeatureColumns(schema_of(reply), 1)

    table.put(reply, [0])

    assert table.statuses(pd.RangeIndex(1))["f"].tolist() == [expected]


def test_statuses_are_missing_where_none_came_and_failed_where_there_is_no_row():
    """A row without statuses is missing, a failed row says FAILED in every column."""
    reply = reply_of(["1", "2"], typed("a", "int64"), typed("b", "int64"))
    table = FeatureColumns(schema_of(reply), 2)

    table.put(reply, [0])
    statuses = table.statuses(pd.RangeIndex(2), np.array([0, -1]))

    assert statuses.iloc[0].isna().all()
    assert statuses.iloc[1].tolist() == ["FAILED", "FAILED"]
    assert {str(t) for t in statuses.dtypes} == {"string"}


def test_reordered_features_are_put_by_name():
    """An answer that orders its features differently fills the right columns, statuses too."""
    table = FeatureColumns(schema_of(reply_of(["1", "x"], typed("a", "int64"), typed("b", "string"))), 1)
    other = reply_of(["x", "7"], typed("b", "string", status="PRESENT"), typed("a", "int64", status="MISSING_DATA"))

    table.put(other, [0])

    assert table.features(pd.RangeIndex(1)).iloc[0].to_dict() == {"a": 7, "b": "x"}
    assert table.statuses(pd.RangeIndex(1)).iloc[0].to_dict() == {"a": "MISSING_DATA", "b": "PRESENT"}


@pytest.mark.parametrize(
    ("values", "items", "sentence"),
    [
        (
            ["1", "y"],
            [typed("a", "int64"), typed("c", "string")],
            "The features of the service changed: missing 'b', new 'c'. Read the service's metadata again.",
        ),
        (
            ["1"],
            [typed("a", "int64")],
            "The features of the service changed: missing 'b', new none. Read the service's metadata again.",
        ),
        (
            ["1", "y", 2],
            [typed("a", "int64"), typed("b", "string"), typed("c", "float64")],
            "The features of the service changed: missing none, new 'c'. Read the service's metadata again.",
        ),
        (
            ["1", 2],
            [typed("a", "int64"), typed("b", "float64")],
            "Feature 'b' changed its type from string to float64. Read the service's metadata again.",
        ),
        (["1"], [], "`result.features` has 1 values for the 2 features of the service."),
    ],
    ids=["renamed", "missing", "new", "type", "shorter"],
)
def test_changed_schema_is_refused_and_leaves_nothing_behind(values, items, sentence):
    """An answer of another schema than the frame's is an error; the row stays missing."""
    table = FeatureColumns(schema_of(reply_of(["1", "x"], typed("a", "int64"), typed("b", "string"))), 1)

    with pytest.raises(DecodeError) as caught:
        table.put(reply_of(values, *items), [0])

    assert str(caught.value) == sentence
    assert table.features(pd.RangeIndex(1)).iloc[0].isna().all()


def test_refused_row_leaves_nothing_behind():
    """A row whose last value is bad gives none of its values, statuses, times or SLO information."""
    good = reply_of(["1", "2"], typed("a", "int64"), typed("b", "int64"))
    table = FeatureColumns(schema_of(good), 2)
    bad = reply_of(
        ["7", "x"],
        typed("a", "int64", status="PRESENT", effectiveTime="2024-05-01T00:00:00Z"),
        typed("b", "int64", status="PRESENT"),
        sloInfo={"sloEligible": True},
    )

    table.put(good, [1])
    with pytest.raises(DecodeError, match=r"Cannot read feature 'b' as int64: got 'x' at `result\.features\[1\]`\."):
        table.put(bad, [0])

    index = pd.RangeIndex(2)
    for frame in (table.features(index), table.statuses(index), table.effective_times(index), table.slo_info(index)):
        assert frame.iloc[0].isna().all()
    assert table.features(index).iloc[1].tolist() == [1, 2]


def test_batch_with_one_bad_row_leaves_nothing_behind():
    """Of an answer for several rows all are taken or none."""
    body = {"result": [{"features": ["1"]}, {"features": ["x"]}], "metadata": {"features": [typed("a", "int64")]}}
    reply = read_get_features_batch(orjson.dumps(body))
    table = FeatureColumns(schema_of(reply), 2)

    with pytest.raises(DecodeError, match=r"result\[1\]\.features\[0\]"):
        table.put(reply, [0, 1])

    assert table.features(pd.RangeIndex(2))["a"].isna().all()


def test_answer_with_another_number_of_rows_is_refused():
    """An answer of two rows for one request is refused instead of guessed at."""
    body = {"result": [{"features": ["1"]}, {"features": ["2"]}], "metadata": {"features": [typed("a", "int64")]}}
    reply = read_get_features_batch(orjson.dumps(body))

    with pytest.raises(DecodeError) as caught:
        FeatureColumns(schema_of(reply), 1).put(reply, [0])

    assert str(caught.value) == "The answer has 2 rows for 1 requested."


def test_slo_info_is_aligned_and_typed():
    """Serving times have a row per row, missing where the server sent none, and the dtypes of columns.SLO_INFO."""
    info = {
        "sloEligible": False,
        "serverTimeSeconds": 0.5,
        "storeResponseSizeBytes": 7,
        "sloIneligibilityReasons": ["A", "B"],
    }
    reply = reply_of(["1"], typed("a", "int64"), sloInfo=info)
    table = FeatureColumns(schema_of(reply), 2)

    table.put(reply, [1])
    frame = table.slo_info(pd.Index(["x", "y"]))

    assert {n: str(t) for n, t in frame.dtypes.items()} == columns.by_name(columns.SLO_INFO)
    assert frame.loc["x"].isna().all()
    assert frame.loc["y", "slo_ineligibility_reasons"] == "A, B"
    assert frame.loc["y", ["slo_eligible", "server_time_seconds", "store_response_size_bytes"]].tolist() == [
        False,
        0.5,
        7,
    ]


def _two_rows(slo_info: object) -> FeatureColumns:
    item = typed("v.n", "int64", status=["PRESENT", "MISSING_DATA"])
    metadata = {"features": [item], "sloInfo": slo_info}
    reply = read_get_features_batch(
        orjson.dumps({"result": [{"features": ["1"]}, {"features": [None]}], "metadata": metadata})
    )
    table = FeatureColumns(schema_of(reply), 3)
    table.put(reply, [2, 0])
    return table


def test_rows_of_one_answer_keep_their_own_statuses_and_times():
    """The rows of a batch answer go to their places with the status and the SLO information of each."""
    table = _two_rows([{"sloEligible": True}, {"sloEligible": False}])

    index = pd.RangeIndex(3)
    assert table.features(index)["v.n"].tolist() == [pd.NA, pd.NA, 1]
    assert table.statuses(index)["v.n"].tolist() == ["MISSING_DATA", pd.NA, "PRESENT"]
    assert table.slo_info(index)["slo_eligible"].tolist() == [False, pd.NA, True]


def test_slo_information_of_the_whole_answer_is_no_row_s():
    """Where an answer of several rows has one SLO object, it is not taken for that of the first row."""
    table = _two_rows({"sloEligible": True})

    assert table.slo_info(pd.RangeIndex(3))["slo_eligible"].isna().all()


def test_effective_times_keep_no_foreign_megabytes():
    """Text too long to be a time is not remembered, however often a server sends another one."""
    tracemalloc.start()
    try:
        found = {effective_moment(f"{i}" * 100_000) for i in range(100)}
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert found == {None}
    assert held < 2_000_000


def test_change_of_many_features_is_told_at_once():
    """Comparing thousands of features with thousands of others takes no time by the product of both."""
    count = 30_000
    table = FeatureColumns(tuple(NameAndType(f"old{i}", INT64) for i in range(count)), 1)
    items = tuple(FeatureItem(f"new{i}", INT64) for i in range(count))
    started = time.monotonic()

    with pytest.raises(DecodeError, match="changed"):
        table.put(FeaturesReply(([None] * count,), items), [0])

    assert time.monotonic() - started < 3


@pytest.mark.parametrize("raw", ["1677-09-21T00:12:43.145224192Z", "2262-04-11T23:47:16.854775808Z"])
def test_moment_one_step_beyond_the_ends_is_refused(raw):
    """The number that stands for NaT, and the first one too large, are not taken for moments."""
    reply = reply_of([raw], typed("v.t", "timestamp"))

    with pytest.raises(DecodeError, match="outside the years 1678 to 2261"):
        FeatureColumns(schema_of(reply), 1).put(reply, [0])
