"""The fault matrix, B1, B2, B20, B21 and B25: when the next request starts, by the server's own clock."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from fault_server import Counts
from feature_plan import Features, missing_rows, rows, status

pytestmark = pytest.mark.faults

LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
# A server whose clock is a day ahead asks to come back in a second.
AHEAD = {
    "send_template": "HTTP/1.1 429 X\r\nContent-Length: 2\r\nRetry-After: {now+86401:imf-fixdate}\r\n"
    "Date: {now+86400:imf-fixdate}\r\n\r\n{{}}",
    "ends": True,
    "fault": "429",
}
IN_TWO = {
    "send_template": "HTTP/1.1 503 X\r\nContent-Length: 2\r\nRetry-After: {now+2:imf-fixdate}\r\n\r\n{{}}",
    "ends": True,
    "fault": "503",
}


def _starts_after_refusal(counts: Counts) -> list[float]:
    """Return when requests came, in seconds after the one refusal."""
    refused = next(sent for _, sent, is_fault in counts.answers if is_fault)
    return [at - refused for _, at in counts.arrivals if at > refused]


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [(status(429, "Retry-After: 1"), 1.0), (AHEAD, 1.0), (IN_TWO, 1.0)],
    ids=["seconds", "clock a day ahead", "date"],
)
def test_every_worker_waits_as_long_as_the_server_asks(far, take, refusal, seconds):
    """After one Retry-After no worker asks before the time, and the first request comes soon after it."""
    server = far(Features(latency_seconds=0.01, by_key={100: ([refusal], None)}))

    batch = take(server).get_features_batch(rows(400), concurrency=8, rows_per_call=1)

    counts = server.counts()
    # What was on its way when the refusal was sent cannot be called back; a date has no parts of a second.
    after = [at for at in _starts_after_refusal(counts) if at > 0.25]
    assert min(after) >= seconds - 0.01
    assert min(after) <= (2.0 if refusal is IN_TWO else seconds) + 1.5
    assert missing_rows(batch.to_pandas()) == []
    assert batch.report.pause_seconds >= seconds - 0.01
    assert counts.asked["100"] == 2


def test_pause_holds_back_the_other_calls_of_the_client(far, take):
    """A call that begins while a job of the same client was asked to wait, waits with it."""
    server = far(Features(by_key={1: ([status(429, "Retry-After: 2")], None)}))
    service = take(server)

    job = service.start_features_batch(rows(2), concurrency=1, rows_per_call=1)
    while not server.counts().faults["429"]:
        job.progress()
    while not job.partial().report.pause_seconds:
        job.progress()
    other = service.get_features_batch(rows(3, start=10), rows_per_call=1)
    job.result(30)

    assert min(_starts_after_refusal(server.counts())) >= 2 - 0.01
    assert other.report.pause_seconds > 0
    assert not other.report.failures


def test_slow_job_takes_no_place_from_another_call(far, take):
    """Rows of a job that hang do not make a call of the same client queue: each has the places that it asked for."""
    held = [{"sleep": 3.0}, {"right": 1}]
    server = far(Features(by_key={key: [held] for key in range(48)}))
    service = take(server)

    job = service.start_features_batch(rows(24), concurrency=24, rows_per_call=1)
    service.get_features_batch(rows(24, start=24), concurrency=24, rows_per_call=1)
    job.result(30)

    assert server.counts().most_in_flight == 48


@pytest.mark.parametrize("value", ["61", "3600", "99999999999999999999", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_wait_that_nobody_would_want_fails_its_row_at_once(serve, take, value):
    """A Retry-After beyond a minute is told and not waited for; what one row is told costs no other row."""
    server = serve(Features(by_key={1: ([status(503, f"Retry-After: {value}")],)}))

    batch = take(server).get_features_batch(rows(40), concurrency=1, rows_per_call=1)

    assert missing_rows(batch.to_pandas()) == [1]
    assert batch.errors()["message"].str.contains("asks to come back in").all()
    assert set(server.counts().asked.values()) == {1}
    assert batch.report.pause_seconds == 0


def test_server_that_sends_everybody_away_is_asked_for_nothing_more(serve, take):
    """Two rows told to come back in an hour, without a success between, end the run; the others say when, too."""
    away = [status(503, "Retry-After: 3600")]
    server = serve(Features(by_key=dict.fromkeys(range(40), (away,))))

    batch = take(server).get_features_batch(rows(40), concurrency=1, rows_per_call=1)

    assert batch.errors()["message"].str.contains("asks to come back in").all()
    assert set(batch.errors()["exception"].iloc[2:]) == {"BatchStoppedError"}
    assert server.counts().asked == {"0": 1, "1": 1}


@pytest.mark.parametrize(("rate", "count"), [(40, 70), (150, 320)])
def test_rate_is_kept_in_every_second_and_used(far, take, rate, count):
    """Seen from the server no second, wherever it begins, has more requests than asked for and 5 %."""
    server = far(Features())

    batch = take(server).get_features_batch(rows(count), requests_per_second=rate, rows_per_call=1)

    counts = server.counts()
    assert counts.most_within(1.0) <= 1.05 * rate
    assert counts.most_within(0.01) <= max(1, 0.05 * rate) + 1
    assert counts.arrivals[-1][1] - counts.arrivals[0][1] < 1.5 * count / rate
    assert batch.report.rate_wait_seconds > 0
    assert missing_rows(batch.to_pandas()) == []


def _second_half(counts: Counts, capacity: int) -> tuple[float, float]:
    """Return how many of its places a server had in use on average, and the share of requests that it refused."""
    answers = sorted(counts.answers, key=lambda one: one[1])
    # The end, when there is nothing left to ask for, says nothing.
    late = answers[len(answers) // 2 : -capacity]
    begun, seconds = late[0][1], late[-1][1] - late[0][1]
    taken = sum(sent - max(came, begun) for came, sent, is_fault in late if not is_fault)
    return taken / seconds, sum(is_fault for *_, is_fault in late) / len(late)


@pytest.mark.parametrize("capacity", [4, 12])
def test_run_settles_at_what_the_server_bears(far, take, capacity):
    """With 'auto' a server of few places is kept as busy as by whoever knows their number, and refuses hardly any."""
    server = far(Features(latency_seconds=0.03, capacity=capacity))
    service = take(server)
    service.get_features_batch(rows(40 * capacity), concurrency=capacity, rows_per_call=1)
    best, _ = _second_half(server.counts(), capacity)
    server.forget()

    batch = service.get_features_batch(rows(100 * capacity), concurrency="auto", rows_per_call=1)

    taken, refused = _second_half(server.counts(), capacity)
    assert refused <= 0.02
    assert taken >= 0.85 * best
    assert missing_rows(batch.to_pandas()) == []
    assert batch.report.retries == {"throttled": server.counts().faults["429"]}


@pytest.mark.skipif(LIBFAKETIME is None, reason="libfaketime is not here; .ci/tools fetches it with apt.")
def test_clock_that_jumps_a_day_changes_no_wait(far, program, tmp_path):
    """When the computer's clock jumps a day ahead and back, a run goes on as if nothing had happened."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    refusal = status(429, "Retry-After: 1")
    server = far(Features(by_key={30: ([refusal], None), 60: ([refusal], None)}))
    env = {
        **os.environ,
        "LD_PRELOAD": str(LIBFAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    run = program(
        """
with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
    service = client.feature_service(SERVICE)
    print("ready", flush=True)
    batch = service.get_features_batch(rows(80), requests_per_second=80, rows_per_call=1)
frame, calls = batch.to_pandas(), batch.calls()
print(wrong_rows(frame, rows(80)), missing_rows(frame), len(calls), calls["client_time_seconds"].between(0, 5).all())
print((calls["started_at"].max() - calls["started_at"].min()).total_seconds())
print(calls["started_at"].dtype)
""",
        env=env,
        url=server.url,
    )
    assert run.line() == "ready"
    begun = time.monotonic()
    for key, offset in (("20", "+1d"), ("55", "-1d")):
        while server.counts().asked[key] == 0:
            assert time.monotonic() < begun + 60
        clock.write_text(offset)

    first, span, dtype = run.over().splitlines()

    assert first == "[] [] 82 True"
    assert 2 * 86_400 - 60 < float(span) < 2 * 86_400 + 60
    assert dtype == "datetime64[ns, UTC]"
    assert time.monotonic() - begun < 30
