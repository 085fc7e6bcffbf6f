"""Objectives seen through the replies to one's own requests."""

import pandas as pd
import pytest

from tecton_nb import columns
from tecton_nb.exceptions import InputError
from tecton_nb.metrics.slo import Objective, attainment, eligibility, slices_from_replies, tecton_objectives

AT = pd.Timestamp("2026-03-01T12:00:01Z")
AVAILABLE = Objective("availability", 0.99)
FAST = Objective("latency", 0.9, 0.1)


def calls(statuses, *, seconds_apart=1, **more) -> pd.DataFrame:
    """Return calls with these statuses, one after the other."""
    started = AT + pd.to_timedelta([place * seconds_apart for place in range(len(statuses))], unit="s")
    return pd.DataFrame({"status": pd.array(statuses, "Int64"), "started_at": started, **more})


def slo_info(seconds, eligible=None, reasons=None) -> pd.DataFrame:
    """Return SLO rows with these server times."""
    eligible = [value is not None for value in seconds] if eligible is None else eligible
    return pd.DataFrame(
        {
            "slo_eligible": pd.array(eligible, "boolean"),
            "slo_server_time_seconds": pd.array(seconds, "Float64"),
            "slo_ineligibility_reasons": pd.array(reasons or [None] * len(seconds), "string"),
            "store_max_latency_seconds": pd.array([0.004] * len(seconds), "Float64"),
            "store_response_size_bytes": pd.array([2**53 + 1] * len(seconds), "Int64"),
        }
    )


def bounds(slices):
    """Return the interval of the only slice."""
    (row,) = slices.itertuples()
    return row.good_min_ratio, row.good_max_ratio


@pytest.mark.parametrize("objective", [AVAILABLE, FAST])
def test_slices_have_described_columns_with_and_without_requests(objective):
    """Columns and dtypes are those of the reference, for an empty batch, too."""
    full = slices_from_replies(slo_info([0.05]), calls([200]), objective, service="s")
    empty = slices_from_replies(slo_info([]), calls([]), objective)

    expected = columns.by_name(columns.SLO_SLICES)
    assert full.dtypes.astype(str).to_dict() == empty.dtypes.astype(str).to_dict() == expected
    assert (len(full), len(empty)) == (1, 0)
    assert (full["service"][0], full["source"][0]) == ("s", "replies")


def test_availability_counts_server_errors_exactly():
    """Of ten calls two failed in the server; a refused one (429) is none of its failures."""
    found = slices_from_replies(slo_info([]), calls([200] * 7 + [429, 500, 503]), AVAILABLE)

    assert bounds(found) == (0.8, 0.8)
    assert found["requests"].tolist() == [10]


def test_call_without_answer_widens_the_interval():
    """A call that got no answer may have been good or bad, so it is counted as both."""
    found = slices_from_replies(slo_info([]), calls([200] * 8 + [500, None]), AVAILABLE)

    assert bounds(found) == (0.8, 0.9)


def test_call_that_never_began_is_counted():
    """A call without a beginning, because no connection could be had, is unknown like any other without an answer."""
    frame = calls([200] * 9 + [None])
    frame.loc[9, "started_at"] = pd.NaT

    found = slices_from_replies(slo_info([]), frame, AVAILABLE)

    assert bounds(found) == (0.9, 1.0)


def test_each_attempt_is_a_request_of_its_own():
    """A row that was answered at the third attempt was two failures of the server and one good answer."""
    frame = calls([200] * 7 + [503, 503, 200], attempts=pd.array([1] * 8 + [2, 3], "Int64"))

    found = slices_from_replies(slo_info([]), frame, AVAILABLE)

    assert bounds(found) == (0.8, 0.8)


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [("count", (0.8, 0.8)), ("exclude", (8 / 9, 8 / 9)), ("if_eligible", (0.8, 8 / 9))],
)
def test_timeouts_count_as_the_documents_say(timeouts, expected):
    """A 504 is bad, left out, or, where that depends on an eligibility nobody tells, either of them."""
    objective = Objective("availability", 0.99, timeouts=timeouts)

    found = slices_from_replies(slo_info([]), calls([200] * 8 + [500, 504]), objective)

    assert bounds(found) == pytest.approx(expected)


def test_timeouts_that_may_not_count_weigh_nothing_in_the_best_case():
    """5 good, 5 bad and 90 timed out, then 100 good: 105 of 200 are good, or 105 of 110."""
    objective = Objective("availability", 0.99, timeouts="if_eligible")
    statuses = [200] * 5 + [500] * 5 + [504] * 90 + [200] * 100

    found = slices_from_replies(slo_info([]), calls(statuses, seconds_apart=3), objective)

    assert found["certain_requests"].tolist() == [10, 100]
    result = attainment(found, objective).loc[0]
    assert result[["good_min_ratio", "good_max_ratio"]].tolist() == pytest.approx([105 / 200, 105 / 110])


def test_availability_is_cut_into_slices():
    """Calls of different five minutes are different slices, each ending on the clock."""
    found = slices_from_replies(slo_info([]), calls([200, 200, 500], seconds_apart=200), AVAILABLE)

    assert found["timestamp"].dt.strftime("%H:%M:%S").tolist() == ["12:05:00", "12:10:00"]
    assert found["good_max_ratio"].tolist() == [1, 0]


def test_latency_counts_eligible_rows_within_threshold():
    """Of four rows three are eligible and two of them within 100 ms; exactly 100 ms is within."""
    info = slo_info([0.05, 0.1, 0.2, 9.0], eligible=[True, True, True, False])

    found = slices_from_replies(info, calls([200] * 4), FAST)

    assert bounds(found) == pytest.approx((2 / 3, 2 / 3))
    assert found["requests"].tolist() == [3]
    assert found["timestamp"].tolist() == [AT + pd.Timedelta("3s")]


def test_row_that_reports_nothing_widens_latency():
    """A failed row has no time: it may have been fast or slow."""
    found = slices_from_replies(slo_info([0.05] * 9 + [None], eligible=[True] * 9 + [None]), calls([200]), FAST)

    assert bounds(found) == (0.9, 1.0)


def test_attainment_of_replies_says_method_and_source():
    """The result of one's own requests is called that, and covers what it covers of 30 days."""
    found = attainment(
        slices_from_replies(slo_info([]), calls([200] * 99 + [500], seconds_apart=0), AVAILABLE), AVAILABLE
    )

    assert found.loc[0, ["method", "source"]].tolist() == ["occurrences", "replies"]
    assert found.loc[0, "is_met"]
    assert found.loc[0, "budget_spent_min_ratio"] == pytest.approx(1)
    assert found.loc[0, "coverage_ratio"] == pytest.approx(300 / (30 * 86_400))


def test_eligibility_tells_reasons_times_and_sizes():
    """Each outcome has its rows, its share, its times and its size; a row with two reasons counts for both."""
    info = slo_info(
        [0.01, 0.02, 0.3, 0.4, None],
        eligible=[True, True, False, False, None],
        reasons=[None, None, "TOO_LARGE,REDIS_SLOW", "", None],
    )

    found = eligibility(info).set_index("outcome")

    assert found.reset_index().dtypes.astype(str).to_dict() == columns.by_name(columns.SLO_ELIGIBILITY)
    assert found["requests"].to_dict() == {
        "eligible": 2,
        "REDIS_SLOW": 1,
        "TOO_LARGE": 1,
        "not eligible": 1,
        "not reported": 1,
    }
    assert found.loc["eligible", ["p50_slo_server_time_seconds", "p99_slo_server_time_seconds"]].tolist() == [
        0.01,
        0.02,
    ]
    assert found.loc["REDIS_SLOW", "share_ratio"] == 0.2
    assert found.loc["not reported", "p50_slo_server_time_seconds"] is pd.NA
    assert found.loc["eligible", "max_store_response_size_bytes"] == 2**53 + 1


def test_real_answers_of_the_demo_are_counted(demo, client):
    """A batch of the embedded server, whose times repeat, is met exactly as its rows say."""
    service = client.feature_service("fraud_detection_feature_service")
    batch = service.get_features_batch([{"user_id": "C1000262126", "amount": 100}] * 50)
    latency = tecton_objectives("0.6")[1]

    slices = slices_from_replies(batch.slo_info(), batch.calls(), latency)

    seconds = batch.slo_info()["slo_server_time_seconds"]
    assert slices["good_min_ratio"].tolist() == slices["good_max_ratio"].tolist() == [(seconds <= 0.1).mean()]
    assert eligibility(batch.slo_info())["outcome"].tolist() == ["eligible"]


def test_frame_that_lacks_a_column_is_refused_in_words():
    """A frame of something else is refused with what is missing and what is there."""
    with pytest.raises(InputError, match=r"The SLO rows have no column 'slo_eligible'\. Columns found: 'a'"):
        slices_from_replies(pd.DataFrame({"a": []}), calls([200]), FAST)
