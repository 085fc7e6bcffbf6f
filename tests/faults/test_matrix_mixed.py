"""The fault matrix, B17-B19 and B30: many rows, many faults, and every row its own answer."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pandas as pd
import pytest
from canned import KEY
from fault_server import Steps
from feature_plan import QUIET, SERVICE, Fault, Features, missing_rows, rows, status, wrong_rows

import tecton_nb as tnb
from tecton_nb.exceptions import BatchStoppedError, TectonError

pytestmark = pytest.mark.faults

BUSY = [status(503)]
STALL = [{"sleep": 60, "fault": "stall"}]
RESETS: tuple[Steps, ...] = (
    [{"rst": True, "fault": "reset"}],
    [{"right": 1, "cut": 90, "fault": "reset"}, {"rst": True}],
)
GARBAGE: tuple[Steps, ...] = (
    [{"right": 1, "cut": 200, "fault": "garbage"}, {"close": True}],
    [{"send": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\xff\xfe\x00{]}\r\n", "ends": True, "fault": "garbage"}],
    [{"send": b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"result"', "ends": True, "fault": "garbage"}],
    [{"send": b"\x8f\x01 no http\r\n", "fault": "garbage"}, {"close": True}],
)
# 5 % 503, 2 % reset, 1 % stall, 1 % garbage.
MIX = (
    Fault(0.05, BUSY),
    *(Fault(0.02 / len(RESETS), steps) for steps in RESETS),
    Fault(0.01, STALL),
    *(Fault(0.01 / len(GARBAGE), steps) for steps in GARBAGE),
)
# In one packet, and in two.
DOUBLED = (
    Fault(0.005, [{"right": 2, "fault": "doubled"}]),
    Fault(0.005, [{"right": 1}, {"right": 1, "fault": "doubled"}]),
)


def _kinds(batch: tnb.FeatureBatch) -> set[type[Exception]]:
    return {getattr(tnb.exceptions, name) for name in batch.errors()["exception"]}


def test_mix_of_faults_loses_no_row_and_mixes_up_none(far, take):
    """10,000 rows, 32 in flight, 9 % of all requests fail in nine ways: every row has its value, or one has not.

    Nothing is asked for much more often than it must be, and the server never has more than 32 requests.
    """
    asked = rows(10_000)
    server = far(Features(faults=MIX))

    batch = take(server).get_features_batch(asked, concurrency=32, rows_per_call=1, deadline_seconds=5.0)

    counts, frame, report = server.counts(), batch.to_pandas(), batch.report
    assert wrong_rows(frame, asked) == []
    assert missing_rows(frame) == batch.errors().index.tolist()
    assert len(batch.errors()) <= 1
    assert all(issubclass(kind, TectonError) for kind in _kinds(batch))
    assert report.attempts <= 1.15 * len(asked)
    # What the engine sends once more by itself, because a kept connection has died, counts for the server only.
    assert report.attempts <= counts.requests <= 1.15 * len(asked)
    assert counts.most_in_flight <= 32
    assert len(counts.asked) == len(asked)
    assert min(counts.faults[name] for name in ("503", "reset", "stall", "garbage")) > 50
    assert sum(report.retries.values()) == report.attempts - len(asked)
    assert len(batch.calls()) == report.attempts


def test_mix_of_faults_loses_no_row_of_calls_with_many(far, take):
    """The same when calls ask for several rows at once and their number is found by the run."""
    asked = rows(3_000)
    server = far(Features(latency_seconds=0.005, faults=tuple(f for f in MIX if f.steps is not STALL)))

    batch = take(server).get_features_batch(asked)

    frame = batch.to_pandas()
    assert wrong_rows(frame, asked) == []
    assert missing_rows(frame) == batch.errors().index.tolist()
    assert len(batch.errors()) <= 1
    assert set(map(int, server.counts().asked)) == set(range(3_000))


@pytest.mark.parametrize("rows_per_call", [1, "auto"])
def test_doubled_answers_reach_no_other_row(far, take, rows_per_call):
    """1 % of 10,000 answers come twice on their connection: every row still has its own."""
    asked = rows(10_000)
    server = far(Features(faults=DOUBLED))

    batch = take(server).get_features_batch(asked, concurrency=8, rows_per_call=rows_per_call)

    assert wrong_rows(batch.to_pandas(), asked) == missing_rows(batch.to_pandas()) == []
    assert rows_per_call == "auto" or server.counts().faults["doubled"] > 50


@pytest.mark.parametrize("rows_per_call", [1, 5])
@pytest.mark.parametrize("seconds", [0.005, 0.02, 0.08])
def test_answers_too_many_that_come_late_reach_no_row_for_good(far, take, seconds, rows_per_call):
    """An answer that comes again long after its time is taken for the next one, but not kept: its row is asked again.

    The right answer comes behind it unasked, which shows that all before it on that connection are in doubt.
    """
    asked = rows(3_000)
    late = Fault(0.005, [{"right": 1}, {"sleep": seconds}, {"right": 1, "fault": "doubled"}])
    server = far(Features(latency_seconds=0.001, faults=(late,)))

    batch = take(server).get_features_batch(asked, concurrency=8, rows_per_call=rows_per_call)

    assert wrong_rows(batch.to_pandas(), asked) == missing_rows(batch.to_pandas()) == []
    assert server.counts().faults["doubled"] > 0
    assert batch.report.retries.get("doubted", 0) > 0


@pytest.mark.parametrize("concurrency", ["auto", 32])
@pytest.mark.parametrize("code", [503, 502])
def test_outage_is_over_soon_and_every_row_says_why(far, take, concurrency, code):
    """When every answer is a 503, 10,000 rows end within 5 s, and hardly a request was more than one a row."""
    server = far(Features(faults=(Fault(1.0, [{"sleep": 0.005}, status(code)]),)))
    service = take(server)

    begun = monotonic()
    batch = service.get_features_batch(rows(10_000), concurrency=concurrency, rows_per_call=1)
    seconds = monotonic() - begun

    counts, errors = server.counts(), batch.errors()
    assert seconds < 5
    assert len(errors) == 10_000
    assert counts.requests <= len(counts.asked) + 40
    assert batch.report.is_stopped
    assert "requests failed" in batch.report.stop_reason
    asked_for = errors["exception"] != BatchStoppedError.__name__
    assert errors["status"][asked_for].tolist() == [code] * len(counts.asked)
    assert (batch.statuses()[~asked_for.to_numpy()] == "NOT_FETCHED").all(axis=None)

    server.change(Features())
    assert missing_rows(service.get_features_batch(rows(50)).to_pandas()) == []


def test_outage_in_the_middle_keeps_what_came_before(far, take):
    """A server that dies under a run ends it; the rows that came stay, the others say why they did not."""
    asked = rows(4_000)
    dead = dict.fromkeys(range(1000, 4000), (BUSY,))
    server = far(Features(by_key=dead))

    batch = take(server).get_features_batch(asked, concurrency=8, rows_per_call=1)

    frame = batch.to_pandas()
    assert wrong_rows(frame, asked) == []
    assert missing_rows(frame) == batch.errors().index.tolist() == list(range(1_000, 4_000))
    assert batch.report.is_stopped
    assert server.counts().requests <= len(server.counts().asked) + 80


def test_32_threads_on_one_client_mix_up_nothing(far, take):
    """32 threads fetch 100 rows each through one client while 7 % fail: no wrong row, and the quota holds."""
    server = far(Features(faults=MIX[:3]))
    service = take(server)

    def fetch(thread: int) -> tnb.FeatureBatch:
        return service.get_features_batch(rows(100, 100 * thread), concurrency=4, rows_per_call=1)

    with ThreadPoolExecutor(32) as pool:
        batches = list(pool.map(fetch, range(32)))

    for thread, batch in enumerate(batches):
        assert wrong_rows(batch.to_pandas(), rows(100, 100 * thread)) == []
        assert 0 <= batch.report.quota_left <= 500
    whole = pd.concat([batch.to_pandas() for batch in batches])
    assert len(missing_rows(whole)) <= 3
    assert set(map(int, server.counts().asked)) == set(range(3_200))


# Processes that share what one of them made. They report by their exit code and what they print.
WORKERS = """
import os

def fetch(service, worker):
    asked = rows(500, 1_000 * worker)
    batch = service.get_features_batch(asked, concurrency=4, rows_per_call=1)
    frame = batch.to_pandas()
    return wrong_rows(frame, asked), missing_rows(frame), len(batch.errors())
"""
FORKED = """
with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
    service = client.feature_service(SERVICE)
    assert fetch(service, 9) == ([], [], 0)
    children = []
    for worker in range(4):
        child = os.fork()
        if child == 0:
            os._exit(0 if fetch(service, worker) == ([], [], 0) else 1)
        children.append(child)
    assert fetch(service, 8) == ([], [], 0)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.parametrize("faults", [(), DOUBLED], ids=["sound", "doubled"])
def test_forked_workers_never_share_a_connection(far, program, faults):
    """Four workers forked from a process that has a client, and their parent, fetch 500 rows each: all right.

    Each row is asked for once. Where answers come twice, those that may be another row's are asked for once more.
    """
    server = far(Features(faults=faults))

    said = program(WORKERS + FORKED, "-W", "ignore:.*fork.*:DeprecationWarning", first=QUIET, url=server.url).over()

    assert said == "[0, 0, 0, 0]\n"
    counts = server.counts()
    times = Counter(counts.asked.values())
    # An answer too many puts at most the eight before it on its connection in doubt, once.
    assert set(times) <= {1, 2}
    assert times.total() == 3_000
    assert times[2] <= 8 * counts.faults.get("doubled", 0)


def test_stopped_run_says_where_it_stood(far, take):
    """Every row of a stopped run is in exactly one of: fetched, failed by itself, not asked for."""
    server = far(Features(by_key=dict.fromkeys(range(200, 1000), (BUSY,))))

    batch = take(server).get_features_batch(rows(1_000), concurrency=8, rows_per_call=1)

    states = batch.statuses().iloc[:, 0]
    asked = set(map(int, server.counts().asked))
    assert set(states.index[states == "PRESENT"]) == set(range(200))
    assert set(states.index[states == "FAILED"]) == asked - set(range(200))
    assert set(states.index[states == "NOT_FETCHED"]) == set(range(1_000)) - asked


def test_client_that_is_closed_under_a_run_ends_it(far):
    """Closing a client from another thread ends its runs at once with a typed error on every row left."""
    server = far(Features(latency_seconds=0.01))
    client = tnb.TectonClient(server.url, KEY, "prod")
    service = client.feature_service(SERVICE)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(service.get_features_batch, rows(5_000), concurrency=4, rows_per_call=1)
        while server.number("requests") < 50:
            assert not running.done()
        client.close()
        batch = running.result(timeout=20)

    assert wrong_rows(batch.to_pandas(), rows(5_000)) == []
    assert set(missing_rows(batch.to_pandas())) == set(batch.errors().index)
    assert server.counts().requests < 5_000
