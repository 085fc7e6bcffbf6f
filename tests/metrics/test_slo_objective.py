"""Objectives as data."""

import pytest

from tecton_nb.exceptions import InputError
from tecton_nb.metrics.slo import BURN_RATE_POLICY, Objective, tecton_objectives


@pytest.mark.parametrize("version", ["0.3", "0.6", "0.3-0.6"])
def test_older_documents_promise_availability_and_latency(version):
    """The documents of 0.3 to 0.6 promise 99.95 % below 500, and 99 % of eligible requests within 100 ms."""
    availability, latency = tecton_objectives(version)

    assert (availability.kind, availability.target, availability.timeouts) == ("availability", 0.9995, "if_eligible")
    assert (latency.kind, latency.target, latency.threshold_seconds) == ("latency", 0.99, 0.1)
    assert {availability.window, latency.window} == {"30d"}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.x"])
def test_newer_documents_promise_availability_only(version):
    """The documents of 1.x promise 99.95 % below 500, time-outs left out, and no latency."""
    (availability,) = tecton_objectives(version)

    assert (availability.kind, availability.target, availability.timeouts) == ("availability", 0.9995, "exclude")


def test_version_nothing_is_known_of_is_refused():
    """No promise is made up for documents that were not seen."""
    with pytest.raises(InputError, match=r"No objectives are known of Tecton '0\.8'\. Known: '0\.3-0\.6', '1\.x'"):
        tecton_objectives("0.8")


def test_burn_rate_factors_are_those_of_the_workbook():
    """Over 30 days the four rules alarm at 14.4, 6, 3 and 1 times the allowed rate."""
    objective = Objective("availability", 0.999)

    assert [round(rule.factor(objective), 9) for rule in BURN_RATE_POLICY] == [14.4, 6, 3, 1]


def test_burn_rate_factors_follow_the_window():
    """Over 28 days the same parts of the budget are gone at lower rates."""
    objective = Objective("availability", 0.999, window="28d")

    assert [round(rule.factor(objective), 2) for rule in BURN_RATE_POLICY] == [13.44, 5.6, 2.8, 0.93]


def test_objective_names_itself():
    """An objective without a name is called by what it asks for."""
    assert Objective("latency", 0.99, 0.1).name == "99 % within 100 ms over 30d"
    assert Objective("availability", 0.9995, window="7d").name == "99.95 % below 500 over 7d"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "speed"}, "kind cannot be 'speed'"),
        ({"target": 99.9}, "write 99.9 % as 0.999"),
        ({"target": float("nan")}, "no share between 0 and 1"),
        ({"threshold_seconds": 0.1}, "threshold_seconds belongs to kind 'latency'"),
        ({"kind": "latency"}, "threshold_seconds belongs to kind 'latency'"),
        ({"kind": "latency", "threshold_seconds": -1}, "is no time"),
        ({"method": "average"}, "method cannot be 'average'"),
        ({"method": "timeslices"}, "slice_target belongs to method 'timeslices'"),
        ({"method": "timeslices", "slice_target": 2}, "slice_target=2 is no share"),
        ({"window": "a month"}, "'a month' is no duration"),
        ({"window": "-1d"}, "'-1d' is no duration"),
        ({"timeouts": "ignore"}, "timeouts cannot be 'ignore'"),
    ],
)
def test_fields_that_cannot_be_are_refused_in_words(fields, words):
    """An objective that means nothing is refused when it is written down."""
    with pytest.raises(InputError) as caught:
        Objective(**{"kind": "availability", "target": 0.999, **fields})

    assert words in str(caught.value)
