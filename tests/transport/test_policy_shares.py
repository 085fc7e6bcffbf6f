"""Limits divided among runs that do not see each other: together they never pass what a user asked for."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest

from tecton_nb.exceptions import InputError
from tecton_nb.transport.policy import Concurrency, Governor, RateGate, equal_shares, most_at_once

RATES = (0.5, 1, 2, 7, 10, 40, 99.5, 250, 1_000)


def _starts(gate, begin, rows):
    """Times at which a run of so many rows starts its requests, each as early as its gate allows."""
    now = begin
    for _ in range(rows):
        # As a driver does: it may be woken a little early, and asks again.
        while wait := gate.wait(now):
            now += wait
        gate.take(now)
        yield now


def _most_in_a_second(times):
    times = sorted(times)
    return max(bisect_left(times, begin + 1) - i for i, begin in enumerate(times))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("workers", [1, 3, 4, 16])
def test_runs_after_and_beside_each_other_keep_one_rate(rate, workers):
    """Many small partitions on many workers start no more requests in any second than asked for, and 5 % at most."""
    shares = equal_shares("auto", rate, workers)
    sizes = random.Random(7)
    times = []
    for _ in range(shares):
        now = 0.0
        for _ in range(60):
            times += _starts(RateGate.of(rate, shares), now, sizes.randint(1, 6))
            now = times[-1]

    assert _most_in_a_second(times) <= max(1, 1.05 * rate)
    assert len(times) >= 60


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 16, 200])
@pytest.mark.parametrize("concurrency", ["auto", 1, 2, 5, 6, 8, 64, 100])
def test_runs_beside_each_other_have_no_more_in_flight_than_one(concurrency, workers):
    """The shares of all workers together are no more than what was asked for, and at least nine tenths of it."""
    shares = equal_shares(concurrency, None, workers)
    most = Concurrency.of(concurrency, shares)
    for _ in range(10_000):
        most.started(most.limit)
        most.succeeded()

    assert 1 <= shares <= workers
    assert 0.9 * most_at_once(concurrency) <= shares * most.limit <= most_at_once(concurrency)


def test_auto_begins_with_the_same_load_however_it_is_divided():
    """With "auto" all workers together begin with 8 requests in flight, or with one each."""
    begins = {shares: Concurrency.of("auto", shares).limit for shares in (1, 2, 4, 8, 16)}

    assert begins == {1: 8, 2: 4, 4: 2, 8: 1, 16: 1}


def test_limit_that_cannot_be_divided_stays_in_one_piece():
    """Of 7 requests a second four workers could have one each, so that one worker has all seven."""
    assert equal_shares("auto", 7, 4) == 1
    assert equal_shares("auto", 8, 4) == 4
    assert equal_shares(6, None, 4) == 3


def test_one_run_by_itself_does_not_wait_for_another():
    """A run that is no part of others starts its first request at once."""
    alone = Governor(random.Random(7), requests_per_second=2)
    one_of_many = Governor(random.Random(7), requests_per_second=2, shares=1)

    assert alone.wait_before_start(5.0) == 0
    assert one_of_many.wait_before_start(5.0) > 1 / 2


@pytest.mark.parametrize(("concurrency", "rate"), [(0, None), (2.5, None), ("most", None), (4, 0), (4, float("nan"))])
def test_limits_that_are_none_are_refused(concurrency, rate):
    """A limit that is no number above zero is refused before it is divided."""
    with pytest.raises(InputError, match=r"Cannot (run with|send)"):
        equal_shares(concurrency, rate, 4)
