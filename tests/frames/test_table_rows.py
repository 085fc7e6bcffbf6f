"""A table of features as its user sees it: rows shown, rows that fail late, the SLO information of a call."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from canned import typed, vector

from tecton_nb.exceptions import DecodeError
from tecton_nb.frames.assemble import FeatureColumns
from tecton_nb.wire.responses import NameAndType, read_get_features
from tecton_nb.wire.types import INT64, STRING

SCHEMA = (NameAndType("n", INT64), NameAndType("s", STRING))
TIME = "2024-05-01T00:00:00Z"


def answer(n: Any, s: Any = "x", **slo: Any) -> bytes:
    """A get-features answer of one row."""
    items = [typed("n", "int64", status="PRESENT", effectiveTime=TIME), typed("s", "string", status="MISSING_DATA")]
    return json.dumps(vector([n, s], *items, **({"sloInfo": slo} if slo else {})), separators=(",", ":")).encode()


def batch(numbers: list[Any], slo_infos: list[Any] | None = None, **metadata: Any) -> bytes:
    """A get-features-batch answer."""
    items = [typed("n", "int64", status=["PRESENT"] * len(numbers)), typed("s", "string")]
    message = {
        "result": [{"features": [n, "x"]} for n in numbers],
        "metadata": {"features": items, **({"sloInfo": slo_infos} if slo_infos else {}), **metadata},
    }
    return json.dumps(message, separators=(",", ":")).encode()


def table_of(*bodies: bytes) -> FeatureColumns:
    """A table that has taken the answers, in order."""
    table = FeatureColumns(SCHEMA, len(bodies))
    for i, body in enumerate(bodies):
        table.put_body(body, [i], is_batch=False)
    return table


def test_frame_shows_the_rows_asked_for():
    """A row may stand in a frame several times, in any order; where it could not be sent it is missing and FAILED."""
    table = table_of(answer("1", serverTimeSeconds=0.5), answer("2", serverTimeSeconds=0.25))
    rows, index = np.array([1, -1, 0, 1]), pd.Index(list("abcd"))

    features, statuses = table.features(index, rows), table.statuses(index, rows)

    assert features["n"].tolist() == [2, pd.NA, 1, 2]
    assert features.index.tolist() == list("abcd")
    assert statuses["n"].tolist() == ["PRESENT", "FAILED", "PRESENT", "PRESENT"]
    assert statuses["s"].tolist() == ["MISSING_DATA", "FAILED", "MISSING_DATA", "MISSING_DATA"]
    assert table.effective_times(index, rows)["n"].isna().tolist() == [False, True, False, False]
    assert table.slo_info(index, rows)["server_time_seconds"].tolist() == [0.25, pd.NA, 0.5, 0.25]


def test_frame_of_no_row_has_its_dtypes():
    """A table of no rows, shown as two rows that could not be sent, has the dtypes of any other."""
    table, full = FeatureColumns(SCHEMA, 0), table_of(answer("1"))
    index, rows = pd.RangeIndex(2), np.array([-1, -1])

    frames = [table.features(index, rows), table.statuses(index, rows), table.slo_info(index, rows)]
    one = pd.RangeIndex(1)

    assert all(frame[list(frame)].notna().to_numpy().sum() == 0 for frame in (frames[0], frames[2]))
    assert frames[1]["n"].tolist() == ["FAILED", "FAILED"]
    for frame, other in zip(frames, (full.features(one), full.statuses(one), full.slo_info(one)), strict=True):
        assert frame.dtypes.tolist() == other.dtypes.tolist()


def test_frames_can_be_made_while_answers_arrive():
    """Frames made twice are equal, and one made earlier does not change when further rows arrive."""
    table = FeatureColumns(SCHEMA, 2)
    index = pd.RangeIndex(2)
    table.put_body(answer("1"), [1], is_batch=False)

    early, again = table.features(index), table.features(index)
    early.loc[1, "n"] = 99
    table.put_body(answer("2"), [0], is_batch=False)

    assert again["n"].tolist() == [pd.NA, 1]
    assert table.features(index)["n"].tolist() == [2, 1]
    assert table.statuses(index)["n"].tolist() == ["PRESENT", "PRESENT"]


def test_many_blocks_keep_their_rows_apart():
    """Thousands of rows in random order come out where they belong, with their own statuses and SLO numbers."""
    count = 3_000
    order = np.random.default_rng(5).permutation(count)
    table = FeatureColumns(SCHEMA, count)

    for position in order.tolist():
        table.put_body(
            answer(str(position), f"row {position}", storeResponseSizeBytes=position), [position], is_batch=False
        )
    index = pd.RangeIndex(count)

    assert table.features(index)["n"].tolist() == list(range(count))
    assert table.features(index)["s"].tolist() == [f"row {i}" for i in range(count)]
    assert table.slo_info(index)["store_response_size_bytes"].tolist() == list(range(count))


@pytest.mark.parametrize("wrong", ["12.5", "1e3", "null", "007", " 7", "0x1F", "9223372036854775808", "٣", ""])
def test_wrong_number_fails_its_row_only(wrong):
    """A text that is no int64 is that row's error, with the sentence of the exact way; its neighbours stay."""
    table = table_of(answer("1"), answer(wrong), answer("3"))
    with pytest.raises(DecodeError) as exact:
        FeatureColumns(SCHEMA, 1).put(read_get_features(answer(wrong)), [0])

    late, again = table.settle(), table.settle()

    assert list(late) == [1]
    assert (str(late[1]), late[1].where) == (str(exact.value), "result.features[0]")
    assert again.keys() == late.keys()
    index = pd.RangeIndex(3)
    assert table.features(index)["n"].tolist() == [1, pd.NA, 3]
    assert table.features(index)["s"].tolist() == ["x", pd.NA, "x"]
    assert table.statuses(index)["s"].tolist() == ["MISSING_DATA", "FAILED", "MISSING_DATA"]


def test_wrong_number_of_a_batch_names_its_row():
    """In an answer of several rows a late error tells which one is wrong."""
    table = FeatureColumns(SCHEMA, 2)

    table.put_body(batch(["1", "x"]), [1, 0], is_batch=True)
    late = table.settle()

    assert {position: str(error) for position, error in late.items()} == {
        0: "Cannot read feature 'n' as int64: got 'x' at `result[1].features[0]`."
    }
    assert table.features(pd.RangeIndex(2))["n"].tolist() == [pd.NA, 1]


def test_minus_zero_is_zero():
    """The text "-0" is the int64 0, as the codec has it, and no error."""
    table = table_of(answer("5"), answer("-0"))

    assert table.settle() == {}
    assert table.features(pd.RangeIndex(2))["n"].tolist() == [5, 0]


def test_better_answer_replaces_a_failure():
    """A row that was taken out or came wrong is as its last answer says."""
    table = FeatureColumns(SCHEMA, 2)
    table.put_body(answer("7"), [0], is_batch=False)
    table.take_out([0])
    table.put_body(answer("x"), [1], is_batch=False)
    assert list(table.settle()) == [1]

    table.put_body(answer("1"), [0], is_batch=False)
    table.put_body(answer("2"), [1], is_batch=False)

    assert table.settle() == {}
    assert table.features(pd.RangeIndex(2))["n"].tolist() == [1, 2]
    assert table.statuses(pd.RangeIndex(2))["n"].tolist() == ["PRESENT", "PRESENT"]


def test_row_taken_out_leaves_nothing_behind():
    """Values, statuses, times and SLO information of a row go together; the others stay."""
    table = FeatureColumns(SCHEMA, 2)
    for i, text in enumerate("78"):
        table.put_body(answer(text), [i], is_batch=False)

    table.take_out([0])

    index = pd.RangeIndex(2)
    for frame in (table.features(index), table.statuses(index), table.effective_times(index), table.slo_info(index)):
        assert frame.iloc[0].isna().all()
    assert table.features(index)["n"].iloc[1] == 8


def test_unwanted_rows_of_a_batch_are_left_out():
    """Where nobody wants a row of an answer it is not taken, and not even a wrong value in it matters."""
    table = FeatureColumns(SCHEMA, 1)

    table.put_body(batch(["x", "7", "8"]), [None, 0, None], is_batch=True)

    assert table.settle() == {}
    assert table.features(pd.RangeIndex(1))["n"].tolist() == [7]


@pytest.mark.parametrize(
    ("body", "positions", "is_batch", "sentence"),
    [
        (b"", [0], False, "The body is empty"),
        (answer("1")[:-1], [0], False, "The text is not JSON"),
        (b"<html>", [0], True, "The text is not JSON"),
        (answer("1"), [0, 1], False, "The answer has 1 rows for 2 requested."),
        (batch(["1", "2"]), [0], True, "The answer has 2 rows for 1 requested."),
        (answer("1", 5), [0], False, "Cannot read feature 's' as string: got 5"),
        (b'{"error":"no","message":"no","code":3}', [0], False, "The server answered 200 with an error body"),
    ],
)
def test_garbage_is_told_at_once(body, positions, is_batch, sentence):
    """A body that is no answer for these rows is refused when it comes, and nothing of it is taken."""
    table = FeatureColumns(SCHEMA, 2)

    with pytest.raises(DecodeError, match=sentence.replace(".", r"\.")):
        table.put_body(body, positions, is_batch=is_batch)

    assert table.features(pd.RangeIndex(2)).isna().all(axis=None)
    assert table.settle() == {}


def test_call_s_slo_information_is_its_row_s():
    """A single answer's SLO information is what its body says; there is none where the body has none."""
    table = FeatureColumns(SCHEMA, 1)

    info = table.put_body(answer("1", serverTimeSeconds=0.25, dynamodbResponseSizeBytes=9), [0], is_batch=False)

    assert (info.server_time_seconds, info.store_max_latency) == (0.25, None)
    assert table.slo_info(pd.RangeIndex(1))["store_response_size_bytes"].tolist() == [9]
    assert table.put_body(answer("1"), [0], is_batch=False) is None


@pytest.mark.parametrize("spaces", [False, True], ids=["regular", "irregular"])
def test_batch_call_s_slo_information_is_the_whole_or_the_slowest(spaces):
    """A batch answer's SLO information is ``batchSloInfo``, or without it that of the slowest row."""
    rows = [{"serverTimeSeconds": 0.1}, {"serverTimeSeconds": 0.3}, {}]
    bodies = batch(["1"] * 3, rows, batchSloInfo={"serverTimeSeconds": 0.5}), batch(["1"] * 3, rows), batch(["1"] * 3)
    table = FeatureColumns(SCHEMA, 3)

    sent = [body.replace(b'"serverTimeSeconds"', b'"server_time_seconds"') if spaces else body for body in bodies]
    infos = [table.put_body(body, range(3), is_batch=True) for body in sent]

    assert [info and info.server_time_seconds for info in infos] == [0.5, 0.3, None]
    assert table.slo_info(pd.RangeIndex(3))["server_time_seconds"].tolist() == [0.1, 0.3, pd.NA]


@pytest.mark.parametrize("member", ["effectiveTime", "description", "tags"])
def test_table_keeps_no_foreign_megabytes(member):
    """Text that stands beside the values is not remembered, however much of it a server sends with each row."""
    table = FeatureColumns(SCHEMA, 50)
    tracemalloc.start()

    try:
        for i in range(50):
            message = json.loads(answer("1"))
            text = f"{i}" + "x" * 200_000
            message["metadata"]["features"][0][member] = {"k": text} if member == "tags" else text
            table.put_body(json.dumps(message, separators=(",", ":")).encode(), [i], is_batch=False)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert table.features(pd.RangeIndex(50))["n"].tolist() == [1] * 50
    assert held < 6_000_000
