"""What a run is told: when to start, what to do with a failure, when to stop; alone and in whole runs."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import Outcome, World, always, answer_of, bearing, failing, http_error

from tecton_nb.exceptions import (
    BatchStoppedError,
    CertificateError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    InputError,
    SettingsError,
    TectonError,
    UnauthorizedError,
)
from tecton_nb.transport.policy import Cause, GiveUp, Governor, Pause, Retry, RetryQuota, Stop

RESET = ConnectionFailedError("Cannot reach x: reset. Try again.")
STALL = DeadlineExceededError("No complete answer from x.")
CUT = Outcome(0.02, DecodeError("Cut."), answer_of(200, body=b'{"result": {"fea'))
CHANNELS = st.sampled_from(["ok", 503, 429, 500, 404, "reset", "stall", "leave"])


def _governor(**options: object) -> Governor:
    return Governor(random.Random(1), **options)


def _errors(governor: Governor, *errors: TectonError):
    """Fail one row with these errors in turn; return the verdicts."""
    retry, verdicts = None, []
    for at, error in enumerate(errors):
        verdicts.append(governor.failed(at + 0.5, governor.started(float(at), retry), error))
        retry = verdicts[-1] if isinstance(verdicts[-1], Retry) else None
    return verdicts


def _fill(governor: Governor, now: float) -> list:
    attempts = []
    while governor.wait_before_start(now) == 0:
        attempts.append(governor.started(now))
    return attempts


# One row


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (http_error(503), 4),
        (http_error(502), 4),
        (http_error(504), 4),
        (http_error(429), 4),
        (STALL, 4),
        (RESET, 4),
        (http_error(500), 2),
        (http_error(501), 1),
        (http_error(400), 1),
        (http_error(404), 1),
        (InputError("x."), 1),
    ],
)
def test_row_that_always_fails_is_tried_as_often_as_its_cause_allows(error, attempts):
    """The last failure of a row is handed back as it is."""
    verdicts = _errors(_governor(), *[error] * attempts)

    assert [type(verdict) for verdict in verdicts] == [Retry] * (attempts - 1) + [GiveUp]
    assert verdicts[-1].error is error


def test_row_that_fails_for_different_reasons_gets_a_fifth_attempt():
    """Four different accidents are no property of the row."""
    verdicts = _errors(_governor(), http_error(503), RESET, http_error(503), RESET, http_error(503))

    assert [type(verdict) for verdict in verdicts] == [Retry] * 4 + [GiveUp]


def test_each_cause_has_its_own_count():
    """A row that met a 500 once is not given up for another reason, but for a second 500."""
    verdicts = _errors(_governor(), http_error(500), RESET, http_error(500))

    assert [type(verdict) for verdict in verdicts] == [Retry, Retry, GiveUp]
    assert verdicts[1].causes == (Cause.SERVER, Cause.CONNECTION)
    assert (verdicts[1].cause, verdicts[2].cause) == (Cause.CONNECTION, Cause.SERVER)


def test_backoff_doubles_with_each_failure_of_a_row():
    """The bounds of the waits are 0.1, 0.2 and 0.4 s, and the waits use all of them."""
    many = [_errors(Governor(random.Random(seed)), *[http_error(503)] * 3) for seed in range(300)]

    for i, most in enumerate((0.1, 0.2, 0.4)):
        waits = [verdicts[i].after_seconds for verdicts in many]
        assert 0 <= min(waits) < 0.1 * most
        assert 0.9 * most < max(waits) <= most


# The quota


def test_retry_pays_and_its_success_pays_back():
    """A retry that helped costs nothing in the end; one that did not is lost; a clean success earns 1."""
    quota = RetryQuota()
    governor = _governor(quota=quota)

    first = governor.failed(0.1, governor.started(0.0), http_error(503))
    assert quota.left == 486
    second = governor.failed(0.3, governor.started(0.2, first), http_error(429))
    assert quota.left == 481
    governor.succeeded(0.5, governor.started(0.4, second))
    assert quota.left == 486
    governor.succeeded(0.7, governor.started(0.6))
    assert quota.left == 487


def test_attempt_that_nobody_waits_for_pays_back_its_retry():
    """A cancelled retry has not been used."""
    quota = RetryQuota()
    governor = _governor(quota=quota)
    retry = governor.failed(0.1, governor.started(0.0), http_error(503))

    governor.abandoned(0.3, governor.started(0.2, retry))
    governor.abandoned(0.3, governor.started(0.2))

    assert quota.left == 500
    assert governor.in_flight == 0


def test_spent_quota_ends_a_row_at_its_first_failure():
    """Without means for a retry the row fails with its own error, and the report counts it."""
    governor, error = _governor(quota=RetryQuota(13)), http_error(503)

    assert _errors(governor, error) == [GiveUp(error, Cause.UNAVAILABLE)]
    assert governor.report().refused_by_quota == 1
    assert isinstance(_errors(governor, http_error(429))[0], Retry)


# Starting


def test_start_is_allowed_up_to_the_limit_and_again_after_an_end():
    """At the limit there is nothing to wait for but the end of a request, however it ends."""
    governor = _governor(concurrency=3)
    attempts = _fill(governor, 0.0)

    assert (len(attempts), governor.in_flight, governor.wait_before_start(0.1)) == (3, 3, None)
    governor.succeeded(0.2, attempts[0])
    governor.failed(0.2, attempts[1], http_error(404))
    governor.abandoned(0.2, attempts[2])

    assert (governor.in_flight, governor.wait_before_start(0.3)) == (0, 0.0)


def test_start_waits_for_the_rate():
    """The gate holds the second request back; what was asked for is told."""
    governor = _governor(requests_per_second=1)
    governor.started(0.0)

    wait = governor.wait_before_start(0.2)

    assert wait == pytest.approx(1 / 0.98 - 0.01 - 0.2)
    assert governor.wait_before_start(0.4) == pytest.approx(wait - 0.2)
    assert governor.wait_before_start(0.2 + wait) == 0.0
    governor.started(1.2)
    governor.started(9.0)
    assert governor.report().rate_wait_seconds == pytest.approx(1.0)


def test_retry_after_pauses_every_start():
    """One answer with Retry-After holds back all rows, not only its own; the longest one counts."""
    governor = _governor()
    first, second = governor.started(0.0), governor.started(0.0)

    retry = governor.failed(1.0, first, http_error(429), answer_of(429, ("Retry-After", "20")))
    governor.failed(2.0, second, http_error(503), answer_of(503, ("Retry-After", "3")))

    assert 20.0 <= retry.after_seconds <= 20.1
    assert governor.wait_before_start(2.0) == 19.0
    assert governor.wait_before_start(21.0) == 0.0
    assert governor.report().pause_seconds == 20.0


def test_pauses_that_overlap_are_counted_once():
    """The report's pause is time, not a sum of headers."""
    governor = _governor()
    for now, seconds in ((0.0, 10), (1.0, 2), (5.0, 10), (100.0, 1)):
        governor.failed(now, governor.started(now), http_error(429), answer_of(429, ("Retry-After", str(seconds))))

    assert governor.report().pause_seconds == 16


def test_pause_holds_for_every_run_of_the_client():
    """What one run was asked to wait holds back the others too, and the report of each says for how long."""
    pause = Pause()
    told, other, later = (_governor(pause=pause) for _ in range(3))

    told.failed(1.0, told.started(0.0), http_error(429), answer_of(429, ("Retry-After", "20")))

    assert other.wait_before_start(5.0) == 16.0
    assert other.wait_before_start(21.0) == 0.0
    assert later.wait_before_start(30.0) == 0.0
    assert [each.report().pause_seconds for each in (told, other, later)] == [20.0, 16.0, 0.0]


def test_rate_and_pause_hold_together():
    """The longer of the two counts, and only time that the rate alone takes is the rate's."""
    governor = _governor(requests_per_second=0.1)
    governor.failed(1.0, governor.started(0.0), http_error(429), answer_of(429, ("Retry-After", "40")))

    assert governor.wait_before_start(1.0) == 40.0
    governor.started(41.0)
    assert governor.report().rate_wait_seconds == 0.0


# Stopping


def test_answers_in_doubt_are_asked_for_twice_more_and_then_given_up():
    """A doubt is no failure of the server: it opens no breaker, holds no place in flight and costs a retry of 1."""
    governor, error, retry, verdicts = _governor(), InputError("x."), None, []
    for at in range(3):
        attempt = governor.started(float(at), retry)
        governor.succeeded(at + 0.1, attempt)
        verdicts.append(governor.doubted(at + 0.2, attempt, error))
        retry = verdicts[-1] if isinstance(verdicts[-1], Retry) else None

    assert [type(verdict) for verdict in verdicts] == [Retry, Retry, GiveUp]
    assert {verdict.cause for verdict in verdicts} == {Cause.DOUBTED}
    assert (verdicts[-1].error, verdicts[0].cost, governor.in_flight) == (error, 1, 0)
    assert governor.report().failures == {"doubted": 3}
    assert governor.report().retries == {"doubted": 2}
    assert not governor.report().is_stopped


def test_answer_in_doubt_of_a_run_that_stopped_is_given_up():
    """After a wrong key nothing is asked for again."""
    governor = _governor()
    attempt, other = governor.started(0.0), governor.started(0.0)
    governor.succeeded(0.1, attempt)
    governor.failed(0.2, other, SettingsError("x."))

    assert isinstance(governor.doubted(0.3, attempt, InputError("x.")), GiveUp)


@pytest.mark.parametrize(
    "error", [http_error(401), http_error(403), CertificateError("Cannot trust x."), SettingsError("Not in clear.")]
)
def test_error_that_every_row_would_meet_stops_the_run(error):
    """The row has its own error; every row left has one that says why it was not asked for."""
    governor = _governor()
    other, attempt = governor.started(0.0), governor.started(0.0)

    verdict = governor.failed(0.1, attempt, error)

    assert isinstance(verdict, Stop)
    assert verdict.error is error
    assert verdict.rest is governor.stopped
    assert str(error) in str(verdict.rest)
    assert str(verdict.rest).startswith("Not asked for, because another row met an error that every row would meet.")
    assert str(verdict.rest).endswith(".")
    assert governor.wait_before_start(0.2) is None
    assert isinstance(governor.failed(0.3, other, http_error(503)), GiveUp)
    assert governor.report().is_stopped
    assert governor.report().stop_reason == str(verdict.rest)


@pytest.mark.parametrize("status", [429, 503])
def test_wait_over_the_cap_ends_the_run(status):
    """A host that asks everybody to stay away for an hour gets no more than what is under way; each row says when."""
    answer = answer_of(status, ("Retry-After", "3600"))

    world = World(_governor(concurrency=8), always(0.02, http_error(status), answer)).run(10_000)

    assert len(world.starts) == 8
    assert len(world.errors) == 10_000
    assert all("asks to come back in 3,600 s (60 min)" in str(error) for error in world.errors.values())
    assert str(world.errors[9_999]).startswith("Not asked for, because the server asks to come back in")
    assert world.governor.report().pause_seconds == 0.0
    assert not world.governor.report().retries


def test_wrong_key_costs_no_more_requests_than_are_in_flight():
    """A 401 at the first of 10,000 rows ends the run with what is under way."""
    world = World(_governor(concurrency=32), always(0.02, http_error(401))).run(10_000)

    assert len(world.starts) == 32
    assert Counter(map(type, world.errors.values())) == {UnauthorizedError: 32, BatchStoppedError: 9_968}


@pytest.mark.parametrize("concurrency", ["auto", 1, 32, 100])
@pytest.mark.parametrize("status", [503, 502])
def test_outage_ends_within_5_seconds_and_forty_requests(concurrency, status):
    """When every answer is 503 the run is over soon, each row has an error, and hardly a request was wasted."""
    world = World(_governor(concurrency=concurrency), always(0.02, http_error(status))).run(10_000)

    rows_started = {row for _, row in world.starts}
    assert len(world.starts) <= len(rows_started) + 40
    assert len(world.starts) <= 200
    assert world.now < 5
    assert len(world.errors) == 10_000
    assert "requests failed. Check the feature server" in str(world.errors[9_999])


def test_outage_of_a_short_run_wastes_no_more_than_forty_requests():
    """Rows too few for the breaker are held by the quota."""
    quota = RetryQuota()
    attempts = rows = 0
    for _ in range(20):
        world = World(_governor(concurrency=10, quota=quota), always(0.02, http_error(503))).run(10)
        attempts, rows = attempts + len(world.starts), rows + 10

    assert rows < attempts <= rows + 40


@pytest.mark.parametrize(("concurrency", "seconds"), [("auto", 30), (1, 90), (32, 15), (100, 6)])
def test_server_that_swallows_everything_ends_the_run(concurrency, seconds):
    """Requests that all hang until their deadline of 5 s end a run of 10,000 rows in seconds, not hours."""
    world = World(_governor(concurrency=concurrency), always(5.0, STALL)).run(10_000)

    assert world.now < seconds
    assert len(world.errors) == 10_000


def test_one_row_that_hangs_does_not_end_a_run():
    """With one request at a time a row that never answers holds the others up, and that is all."""

    def serve(now: float, row: int, in_service: int) -> Outcome:
        return Outcome(5.0, STALL) if row in {3, 4} else Outcome(0.02)

    world = World(_governor(concurrency=1), serve).run(50)

    assert world.errors == {3: STALL, 4: STALL}
    assert len(world.starts) == 48 + 8


def test_server_that_only_throttles_ends_the_run():
    """A server that refuses everything with 429 is left alone after some seconds."""
    world = World(_governor(), always(0.005, http_error(429))).run(100_000)

    assert 10 <= world.now < 11
    assert len(world.errors) == 100_000


def test_client_errors_open_no_breaker():
    """A server that refuses every row by itself is up: each row has its own answer."""
    world = World(_governor(), always(0.02, http_error(400))).run(2_000)

    assert len(world.starts) == len(world.errors) == 2_000
    assert world.governor.stopped is None


def test_client_errors_are_signs_of_life():
    """Rows that the server refuses show that it is up, so a third of failures among them ends no run."""

    def serve(now: float, row: int, in_service: int) -> Outcome:
        return Outcome(0.02, http_error((503, 404, 400)[row % 3]))

    world = World(_governor(quota=RetryQuota(0)), serve).run(600)

    assert len(world.starts) == 600
    assert world.governor.stopped is None


def test_deadlines_that_ran_out_in_sleep_are_no_sign_of_life():
    """After sleep the breaker knows as little as before."""
    governor = _governor(concurrency=200, quota=RetryQuota(0))
    slept, failing = _fill(governor, 0.0)[:60], 50

    for attempt in slept:
        governor.failed(60.0, attempt, STALL)
    verdicts = [governor.failed(60.1, governor.started(60.0), http_error(503)) for _ in range(failing)]

    assert isinstance(verdicts[-1], Stop)
    assert all(isinstance(verdict, GiveUp) for verdict in verdicts[:-1])


def test_login_page_in_front_of_the_server_ends_the_run():
    """When every answer is a page, the API key is not shown to it 10,000 times."""
    page = answer_of(200, body=b"<html><title>Sign in</title>")

    world = World(_governor(), always(0.02, DecodeError("A page."), page)).run(10_000)

    assert len(world.starts) < 100
    assert not world.governor.report().retries


# Sleep


def test_deadline_that_ran_out_in_sleep_is_retried_once_and_counts_for_nothing():
    """After sleep a row is asked for again at once, for free, and has all of its attempts still."""
    governor = _governor()
    attempts = _fill(governor, 0.0)
    governor.look(0.4)

    verdicts = [governor.failed(60.0, attempt, STALL) for attempt in attempts]

    assert all(v == Retry(0.0, Cause.ASLEEP, (Cause.ASLEEP,), 0) for v in verdicts)
    report = governor.report()
    assert (governor.limit, report.quota_left, report.asleep_seconds) == (8, 500, 59.6)
    assert report.retries == {Cause.ASLEEP: 8}
    rest = [governor.failed(60.5, governor.started(60.1, verdicts[0]), STALL)]
    for i in range(3):
        rest.append(governor.failed(61.5 + i, governor.started(61 + i, rest[-1]), STALL))
    assert [type(verdict) for verdict in rest] == [Retry] * 3 + [GiveUp]
    assert rest[0].after_seconds <= 0.1


def test_deadline_runs_out_once_for_each_row_in_a_second_sleep():
    """A row that slept twice is not asked for without end."""
    governor = _governor()
    first = governor.failed(10.0, governor.started(0.0), STALL)
    second = governor.failed(20.0, governor.started(10.0, first), STALL)

    assert (first.cause, second.cause) == (Cause.ASLEEP, Cause.TIMEOUT)


def test_other_failures_after_sleep_are_what_they_are():
    """Sleep explains deadlines, not refusals; and not the deadlines of requests that started afterwards."""
    governor = _governor()
    before, other = governor.started(0.0), governor.started(0.0)

    assert governor.failed(10.0, before, http_error(503)).cause is Cause.UNAVAILABLE
    after = governor.started(10.0)
    governor.look(10.5)
    assert governor.failed(11.0, after, STALL).cause is Cause.TIMEOUT
    assert governor.failed(11.0, other, STALL).cause is Cause.ASLEEP


def test_time_without_requests_is_not_sleep():
    """A run that waits, or has not begun, is awake."""
    governor = _governor()
    governor.wait_before_start(0.0)
    governor.wait_before_start(90.0)
    attempt = governor.started(100.0)
    governor.look(101.0)

    assert governor.failed(101.5, attempt, STALL).cause is Cause.TIMEOUT
    assert governor.report().asleep_seconds == 0


# Whole runs


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 8, 20, 48, 64, 100])
@pytest.mark.parametrize("status", [429, 503])
def test_run_finds_what_a_server_bears(capacity, status):
    """Automatic concurrency settles: at least 85 % of the best, at most 2 % refused, no row lost."""
    world = World(_governor(), bearing(capacity, status=status)).run(60_000, until=16)

    successes = sum(at > 8 for at in world.successes)
    refused = sum(at > 8 for at, _ in world.failures)
    assert refused <= 0.02 * (refused + successes)
    assert successes >= 0.85 * min(capacity, 64) * 8 / 0.02
    assert not world.errors
    assert world.most_in_flight <= 64


@pytest.mark.parametrize(("before", "after"), [(20, 5), (6, 48)])
def test_run_follows_a_server_whose_capacity_changes(before, after):
    """A server that shrinks or grows in the middle of a run is found again."""

    def serve(now: float, row: int, in_service: int) -> Outcome:
        return bearing(before if now < 10 else after)(now, row, in_service)

    world = World(_governor(), serve).run(100_000, until=30)

    successes = sum(at > 22 for at in world.successes)
    assert successes >= 0.8 * after * 8 / 0.02
    assert not world.errors


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("concurrency", [32, "auto"])
def test_mixed_faults_lose_no_row(seed, concurrency):
    """5 % 503, 2 % resets, 1 % stalls and 1 % garbage: at most one row of 10,000 in error, 1.15 attempts a row."""
    rng = random.Random(seed)
    kinds = ((0.05, Outcome(0.02, http_error(503))), (0.02, Outcome(0.01, RESET)), (0.01, Outcome(5, STALL)))

    world = World(Governor(rng, concurrency=concurrency), failing(rng, 0.02, *kinds, (0.01, CUT))).run(10_000)

    report = world.governor.report()
    assert len(world.successes) + len(world.errors) == 10_000
    assert len(world.errors) <= 1
    assert len(world.starts) <= 1.15 * 10_000
    assert world.most_in_flight <= (32 if concurrency == 32 else 64)
    assert (report.is_stopped, report.refused_by_quota) == (False, 0)
    assert sum(report.retries.values()) == len(world.starts) - 10_000
    assert world.now < 60


def test_no_request_starts_in_a_pause():
    """While a server asks to wait, no row of any kind is asked for, and afterwards the run goes on."""
    told: dict[int, float] = {}

    def serve(now: float, row: int, in_service: int) -> Outcome:
        if row % 700 == 699 and row not in told:
            told[row] = now + 0.02
            return Outcome(0.02, http_error(429), answer_of(429, ("Retry-After", "2")))
        return Outcome(0.02)

    world = World(_governor(concurrency=16), serve).run(3_000)

    assert len(told) == 4
    times = [at for at, _ in world.starts]
    for at in told.values():
        assert bisect_left(times, at + 2) == bisect_right(times, at)
        assert any(at + 2 <= start <= at + 3.5 for start in times)
    assert not world.errors
    assert len(world.starts) == 3_004


@pytest.mark.parametrize("rate", [3.0, 25.0, 200.0])
def test_run_with_a_rate_keeps_it_and_uses_it(rate):
    """With faults and retries on top, no second has more starts than allowed, and all are used."""
    rng = random.Random(5)
    serve = failing(rng, 0.05, (0.05, Outcome(0.02, http_error(503))))
    governor = Governor(rng, concurrency=50, requests_per_second=rate)

    world = World(governor, serve).run(int(20 * rate))

    times = [at for at, _ in world.starts]
    most = max(bisect_left(times, at + 1 - 1e-9) - i for i, at in enumerate(times))
    assert most <= max(rate, 1.05 * rate)
    assert len(times) / (times[-1] - times[0]) >= 0.95 * rate
    assert governor.report().rate_wait_seconds > 0.5 * world.now


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.floats(0, 3), CHANNELS), max_size=120), st.sampled_from(["auto", 1, 7]))
def test_counts_stay_right_in_any_order_of_events(events, concurrency):
    """Whatever happens in whatever order: never more in flight than the limit at a start, nothing below zero."""
    quota = RetryQuota(100)
    governor, now, flying, waiting = _governor(concurrency=concurrency, quota=quota), 0.0, [], []
    for later, event in events:
        now += later
        while governor.wait_before_start(now) == 0:
            assert governor.in_flight < governor.limit
            flying.append(governor.started(now, waiting.pop() if waiting else None))
        if not flying:
            continue
        attempt = flying.pop(0)
        if event == "ok":
            governor.succeeded(now, attempt)
        elif event == "leave":
            governor.abandoned(now, attempt)
        else:
            error = {"reset": RESET, "stall": STALL}.get(event) or http_error(event)
            verdict = governor.failed(now, attempt, error)
            waiting += [verdict] if isinstance(verdict, Retry) else []

        assert governor.in_flight == len(flying)
        assert 0 <= quota.left <= 100
        assert 1 <= governor.limit <= 64
    report = governor.report()
    assert sum(report.failures.values()) >= sum(report.retries.values())
    assert report.quota_left == quota.left


# The report


def test_report_tells_what_was_done():
    """Attempts, failures, retries, waits and the limit over time are plain numbers."""
    governor = _governor()
    attempts = _fill(governor, 5.0)

    retry = governor.failed(6.0, attempts[0], http_error(429))
    governor.failed(6.0, attempts[1], http_error(404))

    report = governor.report()
    assert report.attempts == 8
    assert report.failures == {Cause.THROTTLED: 1, Cause.NOT_FOUND: 1}
    assert report.retries == {Cause.THROTTLED: 1}
    assert report.backoff_seconds == retry.after_seconds > 0
    assert report.concurrency == ((0.0, 8), (1.0, 5))
    assert (report.is_stopped, report.stop_reason, report.pause_seconds) == (False, "", 0.0)


def test_report_of_a_run_that_grew_has_its_growth():
    """The limit's way up is told with the times of its steps."""
    world = World(_governor(), always(0.02)).run(500)

    samples = world.governor.report().concurrency
    assert samples[0] == (0.0, 8)
    assert [limit for _, limit in samples] == list(range(8, samples[-1][1] + 1))
    assert samples[-1][1] > 20
