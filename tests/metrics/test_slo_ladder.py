"""Objectives seen through quantiles and error rates."""

import numpy as np
import pandas as pd
import pytest
from metric_frames import START, samples, summary

from tecton_nb import columns
from tecton_nb.exceptions import InputError
from tecton_nb.metrics.slo import Objective, attainment, budget, burn_rates, slices_from_metrics

LATENCY, RATE, ERRORS = "feature_service_latency", "feature_service_requests_rate", "feature_server_errors_rate"
TOTAL_RATE = "feature_service_requests_total_rate"
FAST = Objective("latency", 0.99, 0.1)
RUNGS = (0.5, 0.9, 0.95, 0.99)
SLICES = 96


def simulated(seed: int) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Return metrics of two services over eight hours with an incident, all latencies, and the p99 of each slice."""
    random = np.random.default_rng(seed)
    frames, every, p99 = [], [], {}
    for name, median, busy in (("a", 0.020, 900), ("b", 0.012, 200)):
        slow = np.ones(SLICES)
        begin, length = random.integers(20, 80), random.integers(6, 12)
        slow[begin : begin + length] = random.uniform(4, 10, length)
        # Most is asked during the incident: everybody tries again.
        seconds = [
            random.lognormal(np.log(median * factor), 0.5, random.poisson(busy * min(factor, 3))) for factor in slow
        ]
        ladder = np.array([np.quantile(each, RUNGS) for each in seconds]).T
        frames.append(simulated_page(name, ladder, np.cumsum([each.size for each in seconds])))
        # The first slice has no count before it, so nobody can weigh it.
        every += seconds[1:]
        p99[name] = ladder[-1]
    return pd.concat(frames, ignore_index=True), np.concatenate(every), pd.DataFrame(p99)


def simulated_page(name: str, ladder: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    """Return what a history of five-minute scrapes holds of one service: its rungs, then its count."""
    times = START + pd.Timedelta("5min") * np.arange(1, SLICES + 1)
    return pd.DataFrame(
        {
            "timestamp": np.tile(times, len(RUNGS) + 1),
            "metric": LATENCY,
            "sample": np.repeat(["value"] * len(RUNGS) + ["count"], SLICES),
            "quantile": np.repeat([*RUNGS, np.nan], SLICES),
            "value": np.concatenate([ladder.ravel(), counts]),
            "feature_service_name": name,
        }
    )


def test_interval_holds_the_truth_and_averaged_p99_does_not():
    """In 100 simulated incidents the interval holds the true share 99 times or more, and is no wider than needed.

    The mean of the p99s is never within a tenth of the p99.
    """
    held, told, widths = 0, 0, []
    for seed in range(100):
        frame, seconds, p99 = simulated(seed)
        found = attainment(slices_from_metrics(frame, FAST), FAST).loc[0]
        held += found["good_min_ratio"] <= (seconds <= 0.1).mean() <= found["good_max_ratio"]
        widths.append(found["good_max_ratio"] - found["good_min_ratio"])
        told += abs(p99.mean(axis=None) / np.quantile(seconds, 0.99) - 1) <= 0.1

    assert held >= 99
    assert told == 0
    assert max(widths) < 0.2


def test_interval_lies_between_two_rungs_and_one_request():
    """Within 100 ms are at least the rung below and less than the rung above, give or take one request."""
    ladder = {0.5: [0.02], 0.9: [0.08], 0.95: [0.1], 0.99: [0.3]}
    rate = samples(RATE, [200 / 300], feature_service_name="a")

    found = slices_from_metrics(pd.concat([summary(LATENCY, ladder, feature_service_name="a"), rate]), FAST)

    assert found.loc[0, ["good_min_ratio", "good_max_ratio"]].tolist() == pytest.approx([0.945, 0.995])
    assert found.loc[0, "requests"] == pytest.approx(200)
    assert found.loc[0, ["service", "source"]].tolist() == ["a", "latency quantiles"]


def test_slices_have_described_columns():
    """Columns and dtypes are those of the reference."""
    found = slices_from_metrics(summary(LATENCY, {0.5: [0.02]}), FAST)

    assert found.dtypes.astype(str).to_dict() == columns.by_name(columns.SLO_SLICES)


def test_all_rungs_within_or_above_leave_an_open_end():
    """Where even the highest rung is fast all may be good; where the lowest is slow none may be."""
    found = slices_from_metrics(summary(LATENCY, {0.5: [0.02, 0.2], 0.9: [0.08, 0.3]}, every="5min"), FAST)

    assert found[["good_min_ratio", "good_max_ratio"]].to_numpy().tolist() == [[0.9, 1.0], [0.0, 0.5]]


def test_slice_without_traffic_has_no_share():
    """Quantiles of NaN and a count that stands still are no traffic, and neither good nor bad."""
    nan = float("nan")
    frame = summary(LATENCY, {0.5: [0.02, nan, 0.02], 0.99: [0.05, nan, 0.05]}, [100, 100, 150], every="5min")

    found = slices_from_metrics(frame, FAST)
    result = attainment(found, Objective("latency", 0.9, 0.1))

    assert found["good_min_ratio"].isna().tolist() == [False, True, False]
    assert found["requests"].tolist()[1:] == [0, 50]
    assert result.loc[0, "is_met"]
    assert result.loc[0, "coverage_ratio"] == pytest.approx(2 * 300 / (30 * 86_400))


def test_nan_with_traffic_may_be_anything():
    """Requests that no quantile describes may be all good or all bad."""
    frame = summary(LATENCY, {0.5: [0.02, float("nan")]}, [100, 150], every="5min")

    found = slices_from_metrics(frame, FAST)

    assert found.loc[1, ["good_min_ratio", "good_max_ratio"]].tolist() == [0, 1]


def test_requests_are_counted_across_a_restart():
    """A counter that falls has begun anew: what it shows is what came since."""
    frame = summary(LATENCY, {0.5: [0.02] * 3}, [100, 160, 20], every="5min")

    found = slices_from_metrics(frame, FAST)

    assert found["requests"].tolist()[1:] == [60, 20]


def test_last_reading_of_five_minutes_counts():
    """Of ten readings that overlap in what they tell, each slice takes the last, so nothing is counted twice."""
    frame = summary(LATENCY, {0.5: [0.5] * 9 + [0.02] + [0.03] * 10}, np.arange(0, 200, 10))

    found = slices_from_metrics(frame, FAST)

    assert found["good_min_ratio"].tolist() == pytest.approx([0.49, 0.49])
    assert found["requests"].tolist() == pytest.approx([100, 100])
    assert found["timestamp"].tolist() == [START + pd.Timedelta("5min"), START + pd.Timedelta("10min")]


def test_requests_across_a_gap_belong_to_no_slice():
    """What was counted while nobody looked is given to no slice; its weight is that of what was seen."""
    frame = summary(LATENCY, {0.5: [0.02] * 40}, np.arange(0, 400, 10))
    frame = frame[
        (frame["timestamp"] <= START + pd.Timedelta("5min")) | (frame["timestamp"] > START + pd.Timedelta("15min"))
    ]

    found = slices_from_metrics(frame, FAST)

    assert found["requests"].tolist() == pytest.approx([100, 100])


def test_services_of_one_name_stay_apart():
    """Two services of one name, in two workspaces, are told apart by their ids."""
    frame = pd.concat(
        [
            summary(LATENCY, {0.5: [value]}, feature_service_name="same", feature_service_id=one)
            for one, value in (("1", 0.02), ("2", 0.5))
        ]
    )

    found = slices_from_metrics(frame, FAST)

    assert found["good_min_ratio"].tolist() == [0.5, 0.0]
    assert found["service_id"].tolist() == ["1", "2"]
    assert attainment(found, Objective("latency", 0.9, 0.1, method="ratio_timeslices"), by_service=True)[
        "good_min_ratio"
    ].tolist() == [0.5, 0.0]


def test_summary_of_all_services_is_read_when_named():
    """The total over all services is one series, weighed by the total rate."""
    total = summary("feature_service_total_latency", {0.5: [0.02], 0.99: [0.2]})
    frame = pd.concat([total, samples("feature_service_requests_total_rate", [1.0], aws_region="local")])

    found = slices_from_metrics(frame, FAST, metric="feature_service_total_latency")

    assert found.loc[0, "requests"] == 300
    assert found.loc[0, ["good_min_ratio", "good_max_ratio"]].tolist() == pytest.approx([0.5 - 1 / 300, 0.99 + 1 / 300])


def test_series_that_differ_in_another_label_are_not_mixed():
    """Two series of one service, told apart by something else, are refused: their quantiles do not add up."""
    frame = pd.concat([summary(LATENCY, {0.5: [0.02]}, server_group=group) for group in ("a", "b")])

    with pytest.raises(InputError, match="several series of 'feature_service_latency' that differ in 'server_group'"):
        slices_from_metrics(frame, FAST)


@pytest.mark.parametrize(
    ("timeouts", "least", "most"),
    [("count", 0.9, 0.9), ("exclude", 90 / 96, 90 / 96), ("if_eligible", 0.9, 90 / 96)],
)
def test_error_rates_are_shares_of_the_answers(timeouts, least, most):
    """6 % of 500 and 4 % of 504 leave 90 % good; 429 is no failure of the server."""
    rates = [("500", 6.0), ("504", 4.0), ("429", 20.0)]
    frame = pd.concat([samples(ERRORS, [percent], status=status) for status, percent in rates])

    found = slices_from_metrics(frame, Objective("availability", 0.99, timeouts=timeouts))

    assert found.loc[0, ["good_min_ratio", "good_max_ratio"]].tolist() == pytest.approx([least, most])
    assert found["source"].tolist() == ["error rates"]


def test_error_rates_as_shares_are_read_when_said_so():
    """A server that states 0.06 for 6 % is read with percent_of=1."""
    found = slices_from_metrics(samples(ERRORS, [0.06], status="500"), Objective("availability", 0.9), percent_of=1)

    assert found.loc[0, "good_min_ratio"] == pytest.approx(0.94)


def test_times_without_a_zone_are_utc():
    """A frame that lost its zone on the way, as in a CSV file, is read as UTC."""
    frame = summary(LATENCY, {0.5: [0.02]})

    naive = slices_from_metrics(frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None)), FAST)

    pd.testing.assert_frame_equal(naive, slices_from_metrics(frame, FAST))


def test_metrics_without_the_metric_are_refused_in_words():
    """A history that lacks the metric is answered with those it has."""
    with pytest.raises(InputError, match=r"The metrics hold no 'feature_service_latency'\. Metrics found: 'up'"):
        slices_from_metrics(samples("up", [1]), FAST)


def test_unknown_numbers_of_requests_cannot_be_weighed():
    """Without counts or rates slices cannot be added up by requests, and the error says what helps."""
    slices = slices_from_metrics(summary(LATENCY, {0.5: [0.02], 0.99: [0.05]}), FAST)

    with pytest.raises(InputError, match=r"lacks 'feature_service_requests_rate' \(or .*pandas\.concat"):
        attainment(slices, FAST)

    assert attainment(slices, Objective("latency", 0.99, 0.1, method="ratio_timeslices")).loc[0, "is_met"]


def test_error_rates_without_the_total_rate_say_what_the_frame_lacks():
    """A history's frame of one metric has no requests; the sentence names the metric that has, and it helps."""
    objective = Objective("availability", 0.99)
    errors, rate = samples(ERRORS, [1.0], status="500"), samples(TOTAL_RATE, [2.0])

    with pytest.raises(InputError, match="lacks 'feature_service_requests_total_rate'"):
        attainment(slices_from_metrics(errors, objective), objective)

    both = slices_from_metrics(pd.concat([errors, rate]), objective)
    assert attainment(both, objective).loc[0, "requests"] == 600


def error_page(*slices: dict[str, float], rate: float = 100 / 300) -> pd.DataFrame:
    """Return error rates in percent by status, one reading per slice of five minutes, and the rate of requests."""
    statuses = sorted({status for each in slices for status in each})
    errors = [samples(ERRORS, [each.get(one, 0.0) for each in slices], every="5min", status=one) for one in statuses]
    return pd.concat([*errors, samples(TOTAL_RATE, [rate] * len(slices), every="5min")], ignore_index=True)


@pytest.mark.parametrize(
    ("timeouts", "least", "most", "certain"),
    [
        ("exclude", 105 / 110, 105 / 110, [10, 100]),
        # With all of the 90 counted, 105 of 200 are good; with none, 105 of 110.
        ("if_eligible", 105 / 200, 105 / 110, [10, 100]),
        ("count", 105 / 200, 105 / 200, [100, 100]),
    ],
)
def test_timeouts_that_may_not_count_weigh_nothing(timeouts, least, most, certain):
    """Of 100 requests 90 time out and 5 fail, then 100 are good: without time-outs 105 of 110 are good."""
    objective = Objective("availability", 0.99, timeouts=timeouts)

    found = slices_from_metrics(error_page({"504": 90.0, "500": 5.0}, {"504": 0.0, "500": 0.0}), objective)

    result, course = attainment(found, objective).loc[0], budget(found, objective).iloc[-1]
    assert found["certain_requests"].tolist() == pytest.approx(certain)
    assert result[["good_min_ratio", "good_max_ratio"]].tolist() == pytest.approx([least, most])
    assert course[["attained_min_ratio", "attained_max_ratio"]].tolist() == pytest.approx([least, most])


def test_slice_of_nothing_but_timeouts_leaves_the_result_an_interval():
    """All 504, then all good: half of the requests are good if time-outs count, and all of them if they do not."""
    objective = Objective("availability", 0.9995, timeouts="if_eligible")

    found = slices_from_metrics(error_page({"504": 100.0}, {"504": 0.0}), objective)

    result = attainment(found, objective).loc[0]
    assert found[["good_min_ratio", "good_max_ratio"]].to_numpy().tolist() == [[0, 1], [1, 1]]
    assert result[["good_min_ratio", "good_max_ratio"]].tolist() == pytest.approx([0.5, 1])
    assert result["is_met"] is pd.NA


@pytest.mark.parametrize("method", ["occurrences", "ratio_timeslices"])
def test_nothing_but_timeouts_can_be_no_shortfall(method):
    """Where all there is are time-outs that may not count, anything from none to all is good, in every result."""
    objective = Objective("availability", 0.9995, timeouts="if_eligible", method=method)

    found = slices_from_metrics(error_page({"504": 100.0}, {"504": 100.0}), objective)

    rates = burn_rates(found, objective)
    assert attainment(found, objective).loc[0, ["good_min_ratio", "good_max_ratio"]].tolist() == [0, 1]
    assert budget(found, objective)["attained_max_ratio"].tolist() == [1, 1]
    assert rates["long_min"].tolist() == [0] * 4
    assert set(rates["alert"]) == {"possible"}


def test_timeouts_left_out_are_no_traffic():
    """Where time-outs are left out a slice of nothing else has no share and weighs nothing."""
    objective = Objective("availability", 0.9995, timeouts="exclude")

    found = slices_from_metrics(error_page({"504": 100.0}, {"504": 0.0, "500": 2.0}), objective)

    assert found["good_min_ratio"].isna().tolist() == [True, False]
    assert found["requests"].tolist() == pytest.approx([0, 100])
    assert attainment(found, objective).loc[0, "good_max_ratio"] == pytest.approx(0.98)


def test_statuses_read_at_different_times_of_a_slice_all_count():
    """Where 500 is at 50 % and 404 comes a millisecond later, half of the slice is bad all the same."""
    page = error_page({"500": 50.0, "404": 3.0})
    later = page["timestamp"].where(page["status"].ne("404").fillna(True), page["timestamp"] - pd.Timedelta("1ms"))
    sooner = page.assign(timestamp=later.where(page["status"].ne("500").fillna(True), later - pd.Timedelta("2ms")))

    found = slices_from_metrics(sooner, Objective("availability", 0.99))

    assert found[["good_min_ratio", "good_max_ratio", "requests"]].to_numpy().tolist() == [[0.5, 0.5, 100]]


def test_last_reading_of_a_status_counts():
    """Of 50 % and then 10 % in one slice the 10 % are what the slice ends with."""
    frame = samples(ERRORS, [50.0, 10.0], status="500")

    found = slices_from_metrics(frame, Objective("availability", 0.99))

    assert found["good_min_ratio"].tolist() == pytest.approx([0.9])


def test_error_rates_of_two_regions_are_not_mixed():
    """Half failed in one region and nothing in the other: without their traffic nobody can add that up."""
    frame = pd.concat(
        [samples(ERRORS, [rate], status="500", aws_region=one) for one, rate in (("a", 50.0), ("b", 0.0))]
    )

    with pytest.raises(InputError, match=r"'feature_server_errors_rate' that differ in 'aws_region'\. Their shares do"):
        slices_from_metrics(frame, Objective("availability", 0.99))


@pytest.mark.parametrize(
    ("page", "rate", "expected"),
    [
        ({"500": float("nan")}, 1.0, [0, 1]),
        ({"500": float("nan"), "404": 3.0}, 1.0, [0, 1]),
        ({"500": float("nan"), "502": 20.0}, 1.0, [0, 0.8]),
        ({"404": 3.0}, 1.0, [1, 1]),
        ({"500": float("nan")}, 0.0, [pd.NA, pd.NA]),
    ],
)
def test_error_rate_of_nan_is_unknown_and_not_good(page, rate, expected):
    """NaN with traffic may be any number of failures; without traffic there is no share."""
    found = slices_from_metrics(error_page(page, rate=rate), Objective("availability", 0.99))

    assert found.loc[0, ["good_min_ratio", "good_max_ratio"]].tolist() == expected


def test_count_of_nan_takes_nothing_away():
    """Where a reading of the count is NaN the next one tells what came since the last: ten requests every 30 s."""
    counts = [10.0 * place for place in range(20)]
    counts[14] = float("nan")

    found = slices_from_metrics(summary(LATENCY, {0.5: [0.02] * 20}, counts), FAST)

    assert found["requests"].tolist() == pytest.approx([100, 100])
