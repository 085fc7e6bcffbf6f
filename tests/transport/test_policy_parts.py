"""The parts of the policy, each by itself: quota, backoff, breaker, concurrency, rate, pause, sleep."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tecton_nb.exceptions import InputError
from tecton_nb.transport.policy.breaker import Breaker
from tecton_nb.transport.policy.concurrency import Concurrency
from tecton_nb.transport.policy.pacing import Pause, RateGate, SleepWatch
from tecton_nb.transport.policy.quota import RetryQuota, backoff_seconds
from tecton_nb.transport.policy.report import Timeline

RATES = st.sampled_from([0.2, 0.5, 1.0, 1.5, 3.0, 10.0, 19.0, 20.0, 24.0, 33.0, 34.0, 50.0, 99.0, 200.0, 1_000.0])


# Quota


class QuotaMachine(RuleBasedStateMachine):
    """Any order of taking and giving back, beside a model of what must be left."""

    def __init__(self) -> None:
        super().__init__()
        self.quota = RetryQuota(60)
        self.left = 60

    @rule(cost=st.integers(0, 80))
    def take(self, cost: int) -> None:
        """A retry is paid for, or nothing is taken."""
        assert self.quota.take(cost) == (cost <= self.left)
        self.left -= cost if cost <= self.left else 0

    @rule(amount=st.integers(0, 80))
    def give_back(self, amount: int) -> None:
        """What comes back never overfills it."""
        self.quota.give_back(amount)
        self.left = min(60, self.left + amount)

    @invariant()
    def is_what_the_model_says(self) -> None:
        """Never below 0, never above its size."""
        assert self.quota.left == self.left
        assert 0 <= self.quota.left <= self.quota.size


TestQuotaMachine = QuotaMachine.TestCase


def test_quota_shared_by_32_threads_stays_within_its_bounds():
    """Threads that take and give back at once neither overdraw nor overfill it, and lose nothing."""
    quota = RetryQuota(500)

    def work(seed: int) -> bool:
        rng, held = random.Random(seed), 0
        for _ in range(500):
            cost = rng.choice((5, 14))
            held += cost if quota.take(cost) else 0
            assert 0 <= quota.left <= 500
        quota.give_back(held)
        return True

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(work, range(32)))

    assert quota.left == 500


def test_quota_of_a_client_pays_for_35_retries():
    """500 at 14 each."""
    quota = RetryQuota()

    assert sum(quota.take(14) for _ in range(100)) == 35
    assert quota.left == 10


# Backoff


@pytest.mark.parametrize(("failures", "most"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (6, 3.2), (7, 5.0), (60, 5.0)])
def test_backoff_has_full_jitter_up_to_its_bound(failures, most):
    """Waits spread evenly from nothing to 0.1 s, doubled for each failure, at most 5 s."""
    rng = random.Random(1)

    waits = [backoff_seconds(failures, rng) for _ in range(2_000)]

    assert 0 <= min(waits) < 0.02 * most
    assert 0.98 * most < max(waits) <= most
    assert sum(waits) / len(waits) == pytest.approx(most / 2, rel=0.05)


# Breaker


def _breaker(outcomes: str, seconds: float) -> Breaker:
    breaker = Breaker()
    for i, outcome in enumerate(outcomes):
        breaker.started(i * seconds)
        if outcome == "+":
            breaker.succeeded(i * seconds)
        else:
            breaker.failed(i * seconds, i * seconds, is_first=True)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "is_open"),
    [
        ("-" * 49, False),
        ("-" * 50, True),
        ("+-" * 25, True),
        ("+-" * 24 + "+", False),
        ("+" * 26 + "-" * 24, False),
        ("+" * 26 + "-" * 26, True),
        ("+" * 1_000 + "-" * 999, False),
        ("+" * 1_000 + "-" * 1_000, True),
    ],
)
def test_breaker_opens_when_half_of_fifty_or_more_fail(outcomes, is_open):
    """Fewer than 50 outcomes, or less than half of them bad, say too little."""
    assert _breaker(outcomes, 0.001).is_open == is_open


def test_breaker_forgets_what_is_older_than_ten_seconds():
    """Failures spread over a longer time do not add up, successes of long ago do not excuse."""
    assert not _breaker("-+" * 200, 0.3).is_open
    assert _breaker("+" * 1_000 + "-" * 60, 0.15).is_open
    assert not _breaker("+" * 1_000 + "-" * 60, 0.001).is_open


def test_breaker_stays_open_and_keeps_its_first_reason():
    """What was said when it opened stays true: successes that come late do not close it."""
    breaker = _breaker("-" * 50, 0.001)
    for i in range(500):
        breaker.succeeded(1 + i)
        breaker.failed(1 + i, 1 + i, is_first=True)

    assert breaker.is_open
    assert breaker.reason == "50 of the last 50 requests failed"


@pytest.mark.parametrize(
    ("rows", "rounds", "seconds", "is_open"),
    [(5, 5, 10.0, True), (4, 5, 10.0, False), (5, 4, 10.0, False), (5, 5, 9.9, False), (5, 5, 60.0, True)],
)
@pytest.mark.parametrize("kind", ["failed", "throttled"])
def test_breaker_opens_after_silence_of_five_rows_and_rounds_and_ten_seconds(rows, rounds, seconds, is_open, kind):
    """Requests that hang cannot fill a window; a single bad row, or one crowd sent away, is not enough."""
    breaker = Breaker()
    breaker.started(100.0)
    for i in range(rounds):
        at = 100.0 + seconds * i / (rounds - 1)
        for _ in range(3):
            getattr(breaker, kind)(at, at - 0.001, is_first=False)
        getattr(breaker, kind)(at, at - 0.001, is_first=i < rows)
    for _ in range(rows - rounds):
        getattr(breaker, kind)(100.0 + seconds, 100.0, is_first=True)

    assert breaker.is_open == is_open
    assert breaker.reason == (f"no request succeeded for {seconds:.0f} s" if is_open else "")


def test_success_ends_the_silence():
    """One success in between, and everything is counted anew."""
    breaker = Breaker()
    for i in range(100):
        breaker.started(i * 4.0)
        if i % 5 == 4:
            breaker.succeeded(i * 4.0)
        else:
            breaker.throttled(i * 4.0, i * 4.0, is_first=True)

    assert not breaker.is_open


# Concurrency


def _answers(concurrency: Concurrency, successes: int) -> None:
    for _ in range(successes):
        concurrency.started(concurrency.limit)
        concurrency.succeeded()


def test_limit_starts_at_8_and_grows_by_one_a_window_up_to_64():
    """Each time as many successes came as may be in flight, one more is allowed."""
    concurrency = Concurrency.of("auto")

    assert concurrency.limit == 8
    _answers(concurrency, 7)
    assert concurrency.limit == 8
    _answers(concurrency, 1)
    assert concurrency.limit == 9
    _answers(concurrency, 9 + 10)
    assert concurrency.limit == 11
    _answers(concurrency, 10_000)
    assert concurrency.limit == 64


def test_limit_that_is_not_reached_does_not_grow():
    """Successes of a run that sends little say nothing about sending more."""
    concurrency = Concurrency.of("auto")
    for _ in range(500):
        concurrency.started(7)
        concurrency.succeeded()

    assert concurrency.limit == 8


def test_limit_is_cut_once_a_round_trip_and_never_below_one():
    """A crowd of refusals is one piece of news."""
    concurrency = Concurrency.of("auto")
    for _ in range(8):
        concurrency.overloaded(1.0, 0.9, is_certain=True)

    assert concurrency.limit == 5
    concurrency.overloaded(1.1, 1.0, is_certain=True)
    assert concurrency.limit == 5
    concurrency.overloaded(1.1, 1.001, is_certain=True)
    assert concurrency.limit == 3
    for i in range(50):
        concurrency.overloaded(2.0 + i, 2.0 + i, is_certain=True)
    assert concurrency.limit == 1


def test_failures_now_and_then_do_not_cut_the_limit():
    """One failure in eight of a window is bad luck, one more is overload; a refusal counts at once."""
    concurrency = Concurrency(64)
    for _ in range(8):
        concurrency.overloaded(1.0, 0.9, is_certain=False)
    assert concurrency.limit == 64

    concurrency.overloaded(1.0, 0.9, is_certain=False)
    assert concurrency.limit == 44

    for i in range(5):
        concurrency.overloaded(2.0, 1.9, is_certain=False)
        _answers(concurrency, concurrency.limit)
        assert concurrency.limit == 45 + i


def test_limit_that_failed_twice_is_tried_again_only_after_a_long_hold():
    """The run holds below a limit that failed twice in a row, for 100 successes or 20 windows, then tries it."""
    concurrency = Concurrency(4)
    for at in (1.0, 2.0):
        while concurrency.limit < 5:
            _answers(concurrency, 1)
        concurrency.overloaded(at, at, is_certain=True)

    assert concurrency.limit == 3
    _answers(concurrency, 3)
    assert concurrency.limit == 4
    _answers(concurrency, 99)
    assert concurrency.limit == 4
    _answers(concurrency, 1)
    assert concurrency.limit == 5
    _answers(concurrency, 5)
    assert concurrency.limit == 6


def test_hold_of_a_large_limit_is_counted_in_windows():
    """At 20 in flight a hold takes 400 successes."""
    concurrency = Concurrency(20)
    for at in (1.0, 2.0):
        while concurrency.limit < 21:
            _answers(concurrency, 1)
        concurrency.overloaded(at, at, is_certain=True)
    while concurrency.limit < 20:
        _answers(concurrency, 1)

    _answers(concurrency, 399)
    assert concurrency.limit == 20
    _answers(concurrency, 1)
    assert concurrency.limit == 21


def test_hold_ends_when_a_lower_limit_fails():
    """A failure somewhere else shows that the remembered limit was not the reason."""
    concurrency = Concurrency(4)
    for at in (1.0, 2.0):
        while concurrency.limit < 5:
            _answers(concurrency, 1)
        concurrency.overloaded(at, at, is_certain=True)
    concurrency.overloaded(3.0, 3.0, is_certain=True)

    _answers(concurrency, 60)

    assert concurrency.limit > 5


@pytest.mark.parametrize("wanted", [1, 5, 100, 1_000])
def test_fixed_concurrency_never_changes(wanted):
    """A number that a user gives holds whatever happens."""
    concurrency = Concurrency.of(wanted)
    for i in range(50):
        concurrency.overloaded(i, i, is_certain=True)
        assert concurrency.limit == wanted
    _answers(concurrency, 3 * wanted)

    assert concurrency.limit == wanted


@pytest.mark.parametrize("wanted", [0, -1, 1.0, True, "8", "AUTO", None])
def test_concurrency_that_is_none_is_refused_in_words(wanted):
    """What cannot be meant is said before anything is sent."""
    with pytest.raises(InputError, match=r"Cannot run with concurrency '.*'. Give a whole number from 1 or 'auto'\."):
        Concurrency.of(wanted)


# Rate


class GateMachine(RuleBasedStateMachine):
    """Requests that come in any pattern and start as soon as the gate lets them."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: RateGate | None = None
        self.starts: list[float] = []
        self.now = 0.0
        self.rate = 0.0

    @precondition(lambda self: self.gate is None)
    @rule(rate=RATES, now=st.sampled_from([0.0, 1e6]))
    def begin(self, rate: float, now: float) -> None:
        """Any rate, any clock."""
        self.gate, self.rate, self.now = RateGate(rate), rate, now

    @precondition(lambda self: self.gate is not None)
    @rule(seconds=st.floats(0, 1.5))
    def idle(self, seconds: float) -> None:
        """Nothing comes for a while."""
        self.now += seconds

    @precondition(lambda self: self.gate is not None)
    @rule(many=st.integers(1, 300), lateness=st.sampled_from([0.0, 0.001, 0.01, 0.05]))
    def crowd(self, many: int, lateness: float) -> None:
        """Many come at once; the loop that starts them may be late."""
        assert self.gate is not None
        for _ in range(many):
            while wait := self.gate.wait(self.now):
                self.now += wait + lateness
            self.gate.take(self.now)
            self.starts.append(self.now)

    @invariant()
    def no_second_has_too_many(self) -> None:
        """In no second do more than 5 % too many start, nor more than one too many for a small rate."""
        first = 0
        for last, at in enumerate(self.starts):
            while at - self.starts[first] >= 1.0 - 1e-9:
                first += 1
            assert last - first + 1 <= max(math.ceil(self.rate), 1.05 * self.rate)

    @invariant()
    def no_burst_is_large(self) -> None:
        """At one moment at most 5 % of a second's requests start, or one."""
        for at in set(self.starts[-400:]):
            assert self.starts.count(at) <= max(1.0, 0.05 * self.rate)


GateMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
TestGateMachine = GateMachine.TestCase


@settings(deadline=None)
@given(RATES, st.sampled_from([0.0, 0.001, 0.005]))
def test_gate_lets_nearly_all_of_the_rate_through(rate, lateness):
    """A run that could send more reaches at least 95 % of its rate, also when its loop is late by some ms."""
    gate, now, begun = RateGate(rate), 5.0, 5.0
    many = int(max(20, 10 * rate))
    # Lateness beyond what may be made up for is lost; a loop that is late by more than it can sleep is no loop.
    lateness = min(lateness, 0.02 / rate) if rate > 4 else lateness

    for _ in range(many):
        while wait := gate.wait(now):
            now += wait + lateness
        gate.take(now)

    assert (many - 1) / (now - begun) >= 0.95 * rate


@pytest.mark.parametrize("wanted", [0, -1, math.inf, math.nan, True, "5"])
def test_rate_that_is_none_is_refused_in_words(wanted):
    """What cannot be meant is said before anything is sent."""
    with pytest.raises(InputError, match=r"Cannot send '.*' requests per second. Give a number above 0, or None\."):
        RateGate.of(wanted)


def test_no_rate_is_no_gate():
    """Without a limit there is nothing to ask; a whole number is a rate too."""
    assert RateGate.of(None) is None
    assert isinstance(RateGate.of(3), RateGate)


def test_first_request_starts_at_once_and_the_second_waits_its_turn():
    """Half a request a second is one every two seconds, a little more."""
    gate = RateGate(0.5)

    assert gate.wait(7.0) == 0
    gate.take(7.0)

    assert gate.wait(7.0) == pytest.approx(2 / 0.98 - 0.01)
    assert gate.wait(9.1) == 0


# Pause


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 60)), min_size=1, max_size=20))
def test_pause_lasts_until_the_latest_time_asked_for(asked):
    """However many answers ask for a pause, nothing starts before each of them is content."""
    pause, now, until = Pause(), 0.0, 0.0
    for later, seconds in asked:
        now += later
        pause.hold(now, seconds)
        until = max(until, now + seconds)

        assert pause.wait(now) == pytest.approx(until - now, abs=1e-8)
    assert pause.wait(until) == 0
    assert pause.wait(until - 1e-12) == 0


# Sleep


def test_sleep_is_a_gap_while_requests_are_in_flight():
    """A second without a sign of life is sleep; idleness is not."""
    watch = SleepWatch()
    watch.look(0.0, is_busy=True)
    watch.look(1.0, is_busy=True)
    assert not watch.slept_since(0.0)

    watch.look(50.0, is_busy=False)
    assert not watch.slept_since(0.0)

    watch.look(53.0, is_busy=True)
    assert watch.slept_since(0.0)
    assert watch.slept_since(52.9)
    assert not watch.slept_since(53.0)
    assert watch.seconds == 3


# Timeline


def test_timeline_keeps_every_change_of_a_short_run():
    """Each change has its time; what stays the same is not repeated."""
    timeline = Timeline()
    assert timeline.samples() == ()

    for seconds, value in ((0.0, 8), (1.0, 8), (2.0, 9), (2.5, 9), (3.0, 6)):
        timeline.note(seconds, value)

    assert timeline.samples() == ((0.0, 8), (2.0, 9), (3.0, 6))


def test_timeline_of_a_long_run_stays_small_and_ends_with_the_last_change():
    """A million changes are at most 512 samples in order, from the first to the last, spread over the whole time."""
    timeline = Timeline()
    for i in range(100_000):
        timeline.note(i * 0.01, i % 57)

    samples = timeline.samples()
    times = [at for at, _ in samples]
    assert 200 < len(samples) <= 512
    assert samples[0] == (0.0, 0)
    assert samples[-1] == (999.99, 99_999 % 57)
    assert times == sorted(set(times))
    assert max(b - a for a, b in pairwise(times)) < 10
