"""Times of calls as quantiles."""

import numpy as np
import pandas as pd
import pytest

from tecton_nb.columns import LATENCY_QUANTILES
from tecton_nb.exceptions import InputError
from tecton_nb.plots import latency_quantiles


def calls(client, server=None, **others) -> pd.DataFrame:
    """Return a frame of calls with these times in seconds."""
    server = [None] * len(client) if server is None else server
    times = {"client_time_seconds": client, "server_time_seconds": server}
    return pd.DataFrame({name: pd.array(values, "Float64") for name, values in times.items()} | others)


def test_quantiles_are_measured_times():
    """The p95 of 100 calls is the 95th fastest, not a number between two calls."""
    frame = calls(np.arange(100, 0, -1) / 1_000, np.full(100, 0.001))

    found = latency_quantiles(frame, threshold_seconds=0.0105)

    assert found.loc[0, ["p50_seconds", "p95_seconds", "p99_seconds"]].tolist() == [0.050, 0.095, 0.099]
    assert found["within_ratio"].tolist() == [0.10, 1.0]


def test_quantiles_frame_has_same_columns_and_dtypes_without_calls():
    """A frame without calls gives the columns and dtypes of any other."""
    dtypes = {column.name: column.dtype for column in LATENCY_QUANTILES}

    empty, full = latency_quantiles(calls([])), latency_quantiles(calls([0.1]), threshold_seconds=1)

    assert empty.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict() == dtypes
    assert empty["p50_seconds"].isna().all()


def test_missing_times_are_counted_and_left_out():
    """A call without a time is counted as missing and changes no quantile."""
    found = latency_quantiles(calls([0.1, None, 0.3], [None, None, None]))

    assert found["calls"].tolist() == [2, 0]
    assert found["missing"].tolist() == [1, 3]
    assert found["p99_seconds"].tolist() == [0.3, pd.NA]


def test_time_equal_to_threshold_is_within():
    """A call that takes exactly the threshold keeps it."""
    found = latency_quantiles(calls([0.1, 0.2]), threshold_seconds=0.1)

    assert found.loc[0, "within_ratio"] == 0.5


def test_groups_come_in_order_of_median():
    """Groups are listed as their curves stand, fastest first; a missing key is a group of its own."""
    frame = calls([0.3, 0.1, 0.2, 0.2], status=pd.array([200, 429, None, None], "Int64"))

    found = latency_quantiles(frame, by="status")

    assert found["series"].tolist() == ["429", "missing", "200"]
    assert found["calls"].tolist() == [1, 2, 1]


def test_more_than_ten_groups_are_nine_largest_and_rest():
    """Of 15 groups the nine largest keep their name and the six others are one series."""
    sizes = [count + 1 for count in range(15)]
    names = [f"g{count}" for count in sizes for _ in range(count)]
    frame = calls(np.full(len(names), 0.1), name=names)

    found = latency_quantiles(frame, by="name").set_index("series")

    assert len(found) == 10
    assert found.loc["6 other groups", "calls"] == sum(range(1, 7))
    assert "g7" in found.index


def test_missing_column_names_those_there_are():
    """A frame without client times is refused with its columns and the likely one."""
    frame = calls([0.1]).rename(columns={"client_time_seconds": "client_time_second"})

    with pytest.raises(InputError) as caught:
        latency_quantiles(frame)

    assert str(caught.value) == (
        "The calls have no column 'client_time_seconds'. Columns found: 'client_time_second', 'server_time_seconds'."
        " Did you mean 'client_time_second'?"
    )


def test_group_column_misspelt_is_named():
    """A misspelt group column is answered with the likely one."""
    with pytest.raises(InputError, match="Did you mean 'carrier'"):
        latency_quantiles(calls([0.1], carrier=["UA"]), by="carier")


@pytest.mark.parametrize("value", [-0.001, float("inf")])
def test_impossible_time_is_refused_with_row(value):
    """A negative or infinite time is refused with its value and its row."""
    with pytest.raises(InputError, match=f"'server_time_seconds' holds {value} in row 1"):
        latency_quantiles(calls([0.1, 0.1], [0.1, value]))


def test_durations_are_not_taken_for_seconds():
    """A column of time deltas is refused instead of being read as nanoseconds."""
    frame = calls([0.1])
    frame["client_time_seconds"] = pd.to_timedelta([0.1], unit="s")

    with pytest.raises(InputError, match=r"total_seconds"):
        latency_quantiles(frame)


def test_text_that_is_no_number_is_refused():
    """A column of words is refused in words."""
    frame = calls([0.1]).assign(client_time_seconds=["fast"])

    with pytest.raises(InputError, match="'client_time_seconds' holds values that are no seconds"):
        latency_quantiles(frame)


def test_groups_of_lists_are_refused():
    """A column of lists cannot be grouped by, and the error says so."""
    with pytest.raises(InputError, match="Cannot group the calls by 'path'"):
        latency_quantiles(calls([0.1], path=[[1]]), by="path")


def test_batch_in_place_of_its_calls_is_told():
    """Who passes the batch itself is told which frame is meant."""
    with pytest.raises(InputError) as caught:
        latency_quantiles(object())

    assert str(caught.value) == "Cannot read calls from object. Pass a frame, such as batch.calls()."
