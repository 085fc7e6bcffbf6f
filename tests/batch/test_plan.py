"""Rows to requests: each different row once, every value as the codec writes it."""

from __future__ import annotations

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tecton_nb.batch import plan as planning
from tecton_nb.batch.plan import labels_of, parts_of, plan_rows
from tecton_nb.batch.quick_keys import quick_column
from tecton_nb.exceptions import InputError
from tecton_nb.wire.responses import NameAndType, ServiceMetadata
from tecton_nb.wire.types import BOOLEAN, FLOAT64, INT64, STRING
from tecton_nb.wire.values import encode_value

METADATA = ServiceMetadata(
    input_join_keys=(NameAndType("user", STRING), NameAndType("shop", INT64)),
    input_request_context_keys=(NameAndType("amount", FLOAT64),),
)
INT64S = st.integers(-(2**63), 2**63 - 1)
COLUMNS = st.one_of(
    st.lists(INT64S).map(lambda values: (pd.Series(values, dtype="int64"), INT64)),
    st.lists(st.integers(0, 255)).map(lambda values: (pd.Series(values, dtype="uint8"), INT64)),
    st.lists(st.booleans()).map(lambda values: (pd.Series(values, dtype="bool"), BOOLEAN)),
    st.lists(st.floats()).map(lambda values: (pd.Series(values, dtype="float64"), FLOAT64)),
    st.lists(st.text()).map(lambda values: (pd.Series(values, dtype=object), STRING)),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(
        lambda values: (pd.Series(values, dtype="string"), STRING)
    ),
    st.lists(st.one_of(st.text(), st.none(), st.integers())).map(
        lambda values: (pd.Series(values, dtype=object), STRING)
    ),
)


def _exact(values, data_type):
    return [encode_value(value, data_type, where="x") for value in values]


@given(COLUMNS)
def test_quick_column_is_what_the_codec_writes(column):
    """Where a whole column is written at once, it is what the codec writes value by value."""
    values, data_type = column

    quick = quick_column(values, data_type)

    assert quick is None or quick == _exact(values, data_type)


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        (pd.Series([1, 2]), INT64),
        (pd.Series([True, False]), BOOLEAN),
        (pd.Series([1.5, -0.0]), FLOAT64),
        (pd.Series(["a", "b"]), STRING),
    ],
    ids=["int64", "boolean", "float64", "string"],
)
def test_plain_columns_are_quick(values, data_type):
    """The usual dtypes take the short way, so the test above checks something."""
    assert quick_column(values, data_type) == _exact(values, data_type)


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        (pd.Series([2**63], dtype="uint64"), INT64),
        (pd.Series([1.0, np.nan]), FLOAT64),
        (pd.Series([1.0]), INT64),
        (pd.Series([1, None], dtype="Int64"), INT64),
        (pd.Series(["a", None]), STRING),
        (pd.Series(["\ud800"], dtype=object), STRING),
        (pd.Series([1]), STRING),
        ([1, 2], INT64),
    ],
    ids=["uint64", "nan", "float for int64", "nullable", "null text", "surrogate", "number for text", "list"],
)
def test_columns_that_need_a_look_at_each_value_are_not_quick(values, data_type):
    """Missing values, other types and what may be none of its type go to the codec one by one."""
    assert quick_column(values, data_type) is None


def test_plan_asks_for_each_different_row_once():
    """Equal rows share a request; the positions say which answer is whose."""
    rows = pd.DataFrame({"user": ["a", "b", "a"], "shop": [1, 2, 1], "amount": [0.5, 0.5, 0.5]}, index=list("xyz"))

    plan = plan_rows(rows, METADATA, "s")

    assert [orjson.loads(request) for request in plan.requests] == [
        {"joinKeyMap": {"user": "a", "shop": "1"}, "requestContextMap": {"amount": 0.5}},
        {"joinKeyMap": {"user": "b", "shop": "2"}, "requestContextMap": {"amount": 0.5}},
    ]
    assert plan.positions.tolist() == [0, 1, 0]
    assert plan.index.equals(rows.index)


def test_rows_that_mean_the_same_are_equal_whatever_their_python_type():
    """1, 1.0 and '1' are one int64; 0.0 and -0.0 are two floats."""
    shops = [{"user": "a", "shop": shop, "amount": 0.0} for shop in (1, 1.0, "1", np.int64(1))]
    amounts = [{"user": "a", "shop": 1, "amount": amount} for amount in (0.0, -0.0)]

    assert len(plan_rows(shops, METADATA, "s").requests) == 1
    assert len(plan_rows(amounts, METADATA, "s").requests) == 2


def test_row_with_two_bad_values_has_the_error_of_the_first():
    """Join keys are looked at before the request context, in the order of the metadata."""
    rows = [{"user": "a", "shop": "x", "amount": "y"}, {"user": "a", "shop": 1, "amount": 1}]

    plan = plan_rows(rows, METADATA, "s")

    assert list(plan.errors) == [0]
    assert "as int64 for join key 'shop'" in str(plan.errors[0])
    assert plan.positions.tolist() == [-1, 0]


def test_plan_raises_the_first_error_on_demand():
    """A plan knows what cannot be sent before anything is."""
    metadata = ServiceMetadata(input_join_keys=(NameAndType("k", STRING),))

    plan = plan_rows([{"k": "a"}, {"k": 7}, {"k": 8}], metadata, "s")

    with pytest.raises(InputError, match="Row 1: Cannot send '7'"):
        plan.raise_first()
    assert plan.first_request().join_key_map == {"k": "a"}


@pytest.mark.parametrize("rows", [0, 1, 10, 11, 25])
def test_parts_are_all_the_rows_in_order(rows, monkeypatch):
    """Parts of a frame, or of a list of dicts, put together again are what went in."""
    monkeypatch.setattr(planning, "PART_ROWS", 10)
    frame = pd.DataFrame({"k": range(rows)})
    dicts = frame.to_dict("records")

    assert pd.concat(part for _, part in parts_of(frame)).equals(frame)
    assert [row for _, part in parts_of(dicts) for row in part] == dicts


def test_parts_of_dicts_carry_the_numbers_of_their_rows(monkeypatch):
    """Labels, and the row numbers in errors about names and values, count from the first row of the whole list."""
    monkeypatch.setattr(planning, "PART_ROWS", 2)
    metadata = ServiceMetadata(input_join_keys=(NameAndType("k", STRING), NameAndType("n", INT64)))
    rows = [{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "c", "n": 3}, {"k": 4, "n": 4}, {"k": "e", "n": 5}]

    plans = [plan_rows(part, metadata, "s", first) for first, part in parts_of(rows)]

    assert [label for plan in plans for label in plan.index] == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="Row 3: Cannot send '4'"):
        plans[1].raise_first()
    with pytest.raises(InputError, match="Row 41 lacks the join key 'n'"):
        plan_rows([{"k": "a", "n": 1}, {"k": "b"}], metadata, "s", 40)


def test_labels_come_after_a_look_at_every_name():
    """The labels of all rows are known without reading a value, and a name that is wrong anywhere is an error."""
    metadata = ServiceMetadata(input_join_keys=(NameAndType("k", STRING),))
    frame = pd.DataFrame({"k": [7, object()]}, index=["x", "y"])

    assert labels_of(frame, metadata, "s").equals(frame.index)
    assert labels_of([{"k": 7}] * 3, metadata, "s").equals(pd.RangeIndex(3))
    with pytest.raises(InputError, match="Row 2 lacks the join key 'k'"):
        labels_of([{"k": "a"}, {"k": "b"}, {}], metadata, "s")
