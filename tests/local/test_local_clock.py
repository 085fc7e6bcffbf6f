"""Clocks and latencies: real ones, and ones that repeat."""

import time

import httpx

from tecton_nb.local.clock import FixedClock, Latency, MeasuredLatency, SimulatedLatency, SystemClock, http_date

MEASURED = Latency(total=0.5, store=0.2, realtime=0.1)


def test_fixed_clock_stands_still():
    """A fixed clock always tells its instant."""
    assert FixedClock(7).now() == FixedClock(7).now() == 7


def test_system_clock_tells_the_machines_time():
    """The system clock is the machine's."""
    before = time.time_ns()

    assert before <= SystemClock().now() <= time.time_ns()


def test_answers_are_dated_by_the_server_s_clock(demo):
    """Every answer tells the time of the server's own clock, the first on a connection and those after it."""
    call = {"params": {"workspaceName": "prod", "featureServiceName": "flight_delay_service"}}
    with httpx.Client(headers={"Authorization": f"Tecton-key {demo.api_key}"}) as http:
        dates = [http.post(f"{demo.url}/api/v1/feature-service/metadata", json=call).headers["Date"] for _ in range(3)]

    assert dates == ["Wed, 01 May 2024 12:00:00 GMT"] * 3


def test_date_of_a_clock_is_whole_seconds():
    """A date has no fractions; they are cut, so no answer is dated into the future."""
    assert http_date(FixedClock(1_999_999_999)) == "Thu, 01 Jan 1970 00:00:01 GMT"


def test_measured_latency_is_reported_as_it_is():
    """Without a simulation the server reports what it measured."""
    source = MeasuredLatency()

    assert source.of_row("a", MEASURED) is MEASURED
    assert source.of_batch([MEASURED], 0.75) == 0.75


def test_simulated_latencies_repeat_whatever_the_order_of_requests():
    """The same seed draws the same latencies for the same keys, however requests interleave."""
    one, two = SimulatedLatency(3), SimulatedLatency(3)
    first = {name: [one.of_row(name, MEASURED) for _ in range(2)] for name in ("a", "b")}
    mixed = [two.of_row(name, MEASURED) for name in ("b", "a", "a", "b")]

    assert first == {"a": [mixed[1], mixed[2]], "b": [mixed[0], mixed[3]]}
    assert mixed[1] != mixed[2]
    assert SimulatedLatency(4).of_row("a", MEASURED) != mixed[1]


def test_simulated_latencies_look_like_a_cluster():
    """Some milliseconds, store inside total, and a batch a little above its slowest row."""
    source = SimulatedLatency(0)
    rows = [source.of_row(str(i), MEASURED) for i in range(200)]

    assert all(0 < row.store < row.total < 1 and 0 < row.slo < row.total for row in rows)
    assert source.of_batch(rows[:10], 0.0) > max(row.total for row in rows[:10])
    assert source.of_batch([], 0.0) == 0.0


def test_simulation_forgets_before_it_fills_the_memory(monkeypatch):
    """The memory of what was asked is bounded."""
    monkeypatch.setattr("tecton_nb.local.clock._REMEMBERED", 1)
    source = SimulatedLatency(0)

    assert source.of_row("a", MEASURED) == source.of_row("a", MEASURED)
