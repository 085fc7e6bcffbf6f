"""Attainment, budget and burn rates of slices."""

import numpy as np
import pandas as pd
import pytest
from metric_frames import START

from tecton_nb import columns
from tecton_nb.exceptions import InputError
from tecton_nb.metrics.slo import BurnRate, Objective, attainment, budget, burn_rates

DAY = Objective("availability", 0.99, window="1d")


def slices(
    least, most=None, requests=100, *, every="5min", service=None, service_id=None, source="replies"
) -> pd.DataFrame:
    """Return slices of these shares."""
    length = pd.Timedelta(every)
    frame = pd.DataFrame(
        {
            "timestamp": START + length * np.arange(1, len(least) + 1),
            "slice_seconds": length.total_seconds(),
            "service": service,
            "service_id": service_id,
            "requests": requests,
            "certain_requests": requests,
            "good_min_ratio": least,
            "good_max_ratio": least if most is None else most,
            "source": source,
        }
    )
    return frame.astype(columns.by_name(columns.SLO_SLICES))


@pytest.mark.parametrize(
    ("method", "expected"),
    [({"method": "occurrences"}, 0.95), ({"method": "ratio_timeslices"}, 0.75), ({"method": "timeslices"}, 0.5)],
)
def test_methods_differ_on_the_same_slices_and_say_so(method, expected):
    """900 requests all good and 100 half good are 95 % of requests, 75 % on average, and one slice of two."""
    if method["method"] == "timeslices":
        method = {**method, "slice_target": 0.9}
    objective = Objective("availability", 0.99, **method)

    found = attainment(slices([1.0, 0.5], requests=[900, 100]), objective)

    assert found.loc[0, "good_min_ratio"] == pytest.approx(expected)
    assert found.loc[0, "method"] == method["method"]


@pytest.mark.parametrize(
    ("least", "most", "verdict"), [(0.995, 1, True), (0.5, 0.98, False), (0.98, 1, None), (0.99, 0.99, True)]
)
def test_interval_that_holds_the_target_decides_nothing(least, most, verdict):
    """An objective is met or missed only if the whole interval says so."""
    found = attainment(slices([least], [most]), DAY)

    assert (found.loc[0, "is_met"] is pd.NA) if verdict is None else found.loc[0, "is_met"] == verdict
    assert found.dtypes.astype(str).to_dict() == columns.by_name(columns.SLO_ATTAINMENT)


def test_budget_that_is_spent_is_counted_in_budgets():
    """97 % good where 99 % are asked for spend three budgets."""
    found = attainment(slices([0.97]), DAY)

    assert found.loc[0, "budget_spent_max_ratio"] == pytest.approx(3)


def test_only_the_window_counts():
    """What was bad before the window is forgotten, and coverage says how much of the window was seen."""
    objective = Objective("availability", 0.99, window="10m")

    found = attainment(
        slices([0.0, 1.0]).iloc[[0, 1]].assign(timestamp=[START, START + pd.Timedelta("15min")]), objective
    )

    assert found.loc[0, "good_min_ratio"] == 1
    assert found.loc[0, "coverage_ratio"] == 0.5


def test_services_are_told_apart_or_added():
    """By service each has its row; without, requests of both are one share."""
    both = pd.concat([slices([1.0], requests=300, service="a"), slices([0.6], requests=100, service="b")])

    assert attainment(both, DAY, by_service=True)["good_min_ratio"].tolist() == [1.0, 0.6]
    assert attainment(both, DAY)["good_min_ratio"].tolist() == pytest.approx([0.9])
    assert attainment(both, DAY)["service"].isna().all()


@pytest.mark.parametrize("function", [attainment, budget, burn_rates])
def test_services_of_one_name_have_a_row_each(function):
    """Two services of one name, in two workspaces, are told apart by their ids in every result."""
    both = pd.concat([slices([1.0], service="s", service_id="1"), slices([0.5], service="s", service_id="2")])

    found = function(both, DAY, by_service=True).drop_duplicates(["service", "service_id"])

    assert found["service_id"].tolist() == ["1", "2"]


def test_budget_follows_the_window_slice_by_slice():
    """A bad slice spends the budget when it comes and gives it back when it leaves the window."""
    objective = Objective("availability", 0.9, window="10m")

    found = budget(slices([1.0, 0.8, 1.0, 1.0]), objective)

    assert found["good_min_ratio"].tolist() == [1.0, 0.8, 1.0, 1.0]
    assert found["attained_min_ratio"].tolist() == pytest.approx([1.0, 0.9, 0.9, 1.0])
    assert found["left_max_ratio"].tolist() == pytest.approx([1.0, 0.0, 0.0, 1.0])
    assert found.dtypes.astype(str).to_dict() == columns.by_name(columns.SLO_BUDGET)


def test_budget_keeps_the_length_of_each_slice():
    """Slices that stand an hour apart are still five minutes long."""
    found = budget(slices([1.0, 0.5]).assign(timestamp=[START, START + pd.Timedelta("1h")]), DAY)

    assert found["slice_seconds"].tolist() == [300, 300]


def test_budget_and_attainment_agree_on_the_last_slice():
    """The end of the course is the result, for random slices with gaps and intervals."""
    random = np.random.default_rng(3)
    least = random.uniform(0.5, 1, 300)
    least[random.random(300) < 0.1] = np.nan
    frame = slices(least, np.minimum(least + 0.1, 1), random.integers(1, 99, 300)).sample(frac=0.7, random_state=3)

    course, result = budget(frame, DAY), attainment(frame, DAY)

    for end in ("min", "max"):
        assert course[f"attained_{end}_ratio"].iloc[-1] == pytest.approx(result.loc[0, f"good_{end}_ratio"])


def test_burn_rate_is_one_where_the_budget_lasts_exactly():
    """Errors at exactly the allowed rate burn at 1 in every window."""
    found = burn_rates(slices([0.99] * 900), Objective("availability", 0.99))

    assert found["long_min"].tolist() == pytest.approx([1.0] * 4)
    assert found["factor"].tolist() == pytest.approx([14.4, 6, 3, 1])
    assert found["alert"].tolist()[:3] == ["quiet"] * 3
    assert found.dtypes.astype(str).to_dict() == columns.by_name(columns.SLO_BURN_RATES)


def test_fast_burn_fires_and_a_past_one_does_not():
    """An hour of 20 % errors fires the fast rule while it lasts; after five good minutes it is quiet again."""
    objective = Objective("availability", 0.99)

    burning, over = (burn_rates(slices([1.0] * 500 + [0.8] * 12 + rest), objective) for rest in ([], [1.0]))

    assert burning["alert"].tolist()[0] == "firing"
    assert burning["short_min"].tolist()[0] == pytest.approx(20)
    assert over["alert"].tolist()[0] == "quiet"


def test_wide_interval_makes_an_alert_possible_only():
    """Where the best case is quiet and the worst is not, the alert is possible."""
    found = burn_rates(slices([0.5] * 20, [1.0] * 20), Objective("availability", 0.99))

    assert found["alert"].tolist()[0] == "possible"


def test_burn_rate_out_of_reach_is_said():
    """At a target of 90 % everything bad burns at 10, so a rule of 14.4 can never fire, and says so."""
    found = burn_rates(slices([0.0] * 20), Objective("availability", 0.9))

    assert found["alert"].tolist()[0] == "never"


@pytest.mark.parametrize(
    ("window", "alerts"),
    [
        ("30d", ["quiet"] * 4),
        # Over 7 days the factors are 3.36, 1.4, 0.7 and 0.233; over one day 0.48, 0.2, 0.1 and 0.033.
        ("7d", ["quiet", "quiet", "never", "never"]),
        ("1d", ["never"] * 4),
    ],
)
def test_service_within_its_budget_fires_nothing_over_any_window(window, alerts):
    """A service that spends 80 % of its budget is healthy, however short the objective's window is."""
    found = burn_rates(slices([0.992] * 900), Objective("availability", 0.99, window=window))

    assert found["long_min"].tolist() == pytest.approx([0.8] * 4)
    assert found["alert"].tolist() == alerts


def test_window_longer_than_the_objectives_never_fires():
    """A rule that looks back over three days says nothing of an objective over two."""
    found = burn_rates(
        slices([0.0] * 900), Objective("availability", 0.9, window="2d"), policy=[BurnRate(2, "3d", "6h")]
    )

    assert found.loc[0, "factor"] == pytest.approx(4 / 3)
    assert found.loc[0, "alert"] == "never"


def test_short_window_of_one_reading_is_told():
    """A five-minute window holds one slice of five minutes, and the frame says so."""
    found = burn_rates(slices([1.0] * 20), DAY, policy=[BurnRate(0.02, "1h", "5m")])

    assert found.loc[0, "short_slices"] == 1
    assert found.loc[0, "long_coverage_ratio"] == 1


def test_windows_without_traffic_have_no_data():
    """Slices without traffic alone decide nothing."""
    found = burn_rates(slices([np.nan] * 12, requests=0), Objective("availability", 0.99))

    assert set(found["alert"]) == {"no data"}


@pytest.mark.parametrize("function", [attainment, budget, burn_rates])
def test_no_slices_give_no_rows_of_the_same_dtypes(function):
    """An empty frame gives an empty one of the same columns."""
    empty, full = function(slices([]), DAY), function(slices([1.0]), DAY)

    assert len(empty) == 0
    assert empty.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()


def test_sources_are_not_mixed():
    """Replies and metrics tell different things, so they are not added up."""
    mixed = pd.concat([slices([1.0]), slices([1.0], source="error rates")])

    with pytest.raises(InputError, match="The slices come from replies and error rates"):
        attainment(mixed, DAY)


def test_frame_that_is_no_slices_is_refused_in_words():
    """A frame of something else is refused with the column it lacks."""
    with pytest.raises(InputError, match="The slices have no column 'slice_seconds'"):
        attainment(pd.DataFrame({"timestamp": []}), DAY)
