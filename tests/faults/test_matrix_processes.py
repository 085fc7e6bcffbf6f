"""The fault matrix, B22, B24 and B26-B31: interrupts, sleep, kills, full disks, other processes, a long day."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from canned import KEY
from feature_plan import QUIET, SERVICE, Fault, Features, missing_rows, rows, status, wrong_rows
from jupyter_client.manager import start_new_kernel

import tecton_nb as tnb

pytestmark = pytest.mark.faults

STALL = [{"sleep": 60, "fault": "stall"}]


def _until(condition, seconds: float = 30) -> None:
    """Wait for what another process does."""
    never, begun = threading.Event(), time.monotonic()
    while not condition():
        assert time.monotonic() < begun + seconds, "it did not happen"
        never.wait(0.01)


# B22

KILLS = 20
# A run commits every 0.2 s, looks every 0.1 s whether it is time, and shares two cores with a server and others.
COMMIT_SECONDS = 0.5
ROWS = 3_200
# One process has imported everything and forks a run whenever it is told to.
RESUMING = """
import os
tnb.TectonClient

def run():
    with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
        service = client.feature_service(SERVICE)
        asked = rows(<count>)
        batch = service.get_features_batch(asked, resume=<path>, concurrency=8, rows_per_call=1)
        frame = batch.to_pandas()
        print(wrong_rows(frame, asked), missing_rows(frame), batch.report.resumed, flush=True)

for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("over", flush=True)
"""


def _start(forker) -> int:
    forker.process.stdin.write("run\n")
    forker.process.stdin.flush()
    return int(forker.line())


def test_killed_run_goes_on_where_it_was(far, program, tmp_path):
    """20 kills at any moment: no row is lost, doubled or wrong, and only what was not yet committed is asked again."""
    concurrency = 8
    server = far(Features(latency_seconds=0.02))
    path = str(tmp_path / "run.tecton")
    forker = program(RESUMING, "-W", "ignore:.*fork.*:DeprecationWarning", url=server.url, path=path, count=ROWS)
    rng, uncommitted = random.Random(22), 0
    for _ in range(KILLS):
        child, target = _start(forker), server.number("requests") + rng.randrange(40, 240)
        _until(lambda target=target: server.number("requests") >= target)
        late = time.monotonic() - COMMIT_SECONDS
        os.kill(child, signal.SIGKILL)
        assert forker.line() == "over"
        uncommitted += sum(came > late for _, came in server.counts().arrivals)

    _start(forker)
    wrong_and_missing, _, resumed = forker.line().rpartition(" ")

    asked = server.counts().asked
    assert wrong_and_missing == "[] []"
    assert 0 < int(resumed) < ROWS
    assert set(map(int, asked)) == set(range(ROWS))
    assert asked.total() - ROWS <= uncommitted + KILLS * concurrency


# B24

FULL = """
import shutil, sqlite3
from pathlib import Path
from tecton_nb.exceptions import LedgerError

asked = rows(6_000)
with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
    service = client.feature_service(SERVICE)
    try:
        service.get_features_batch(asked, resume=<path>, concurrency=8)
    except LedgerError as error:
        print(error, *error.__notes__)
    batch = tnb.FeatureBatch.last()
    print(wrong_rows(batch.to_pandas(), asked), missing_rows(batch.to_pandas()), len(batch.errors()))
    for file in Path(<path>).parent.iterdir():
        shutil.copy(file, <elsewhere>)
    if <is_limited>:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    again = service.get_features_batch(asked, resume=Path(<elsewhere>, Path(<path>).name))
    print(wrong_rows(again.to_pandas(), asked), missing_rows(again.to_pandas()), again.report.resumed)
"""
ON_A_SMALL_DISK = """
from own_mounts import separate, small_disk
if not separate():
    print("refused", flush=True)
    sys.exit()
small_disk(<folder>, "400k")
print("small", flush=True)
"""
WITH_A_LIMIT = """
import resource
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (200 * 1_024, hard))
print("small", flush=True)
"""


@pytest.mark.parametrize("first", [ON_A_SMALL_DISK, WITH_A_LIMIT], ids=["disk", "limit"])
def test_full_disk_costs_no_row_and_nothing_that_was_kept(far, program, tmp_path, first):
    """A resume file that can grow no more is told in words; every row is there, what was committed is used again."""
    server = far(Features(latency_seconds=0.005))
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()
    run = program(
        FULL,
        first=first,
        url=server.url,
        folder=str(small),
        path=str(small / "run.tecton"),
        elsewhere=str(large),
        is_limited=first is WITH_A_LIMIT,
    )
    if run.line() == "refused":
        pytest.skip("This machine lets nobody have mounts of his own.")

    sentence, outcome, again = run.over().splitlines()

    assert "run.tecton" in sentence
    assert "FeatureBatch.last()" in sentence
    assert outcome == "[] [] 0"
    assert again.startswith("[] [] ")
    kept = int(again.removeprefix("[] [] "))
    assert 0 < kept < 6_000
    assert server.counts().asked.total() == 12_000 - kept


# B26


@pytest.fixture
def kernel():
    """A notebook kernel: run code in it, or start code and interrupt it."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _run(client, code: str) -> str:
    """Run code in the kernel and return what it printed."""
    said: list[str] = []

    def hear(message) -> None:
        content = message["content"]
        said.append(content.get("text") or "\n".join(content.get("traceback", ())))

    client.execute_interactive(code, output_hook=hear, timeout=60)
    return "".join(said)


def test_interrupt_frees_the_kernel_and_keeps_what_came(far, kernel, take):
    """Stopping a cell whose requests hang frees the kernel at once; what came is kept and nothing more is sent."""
    manager, client = kernel
    server = far(Features(by_key=dict.fromkeys(range(100, 10000), (STALL,))))
    setup = f"""
import sys
sys.path[:0] = {[*map(str, _paths())]!r}
import tecton_nb as tnb
from feature_plan import SERVICE, missing_rows, rows, wrong_rows
service = tnb.TectonClient({server.url!r}, "k" * 20, "prod").feature_service(SERVICE)
print("ready")
"""
    assert _run(client, setup) == "ready\n"

    cell = client.execute(
        "service.get_features_batch(rows(10_000), concurrency=8, rows_per_call=1, deadline_seconds=60)"
    )
    _until(lambda: server.number("in_flight") == 8 and server.number("requests") >= 108)
    begun = time.monotonic()
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=30)
    while reply["parent_header"].get("msg_id") != cell:
        reply = client.get_shell_msg(timeout=30)
    seconds = time.monotonic() - begun

    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert seconds < 1.0
    _until(lambda: server.number("in_flight") == 0)
    before = server.counts().requests
    kept = _run(
        client,
        "frame = tnb.FeatureBatch.last().to_pandas()\n"
        "print(len(frame), wrong_rows(frame, rows(10_000)), len(missing_rows(frame)))",
    )
    assert kept.endswith(f"10000 [] {10_000 - 100}\n")
    assert server.counts().requests == before
    assert _run(client, "print(len(service.get_features(rows(5))))").endswith("5\n")


def _paths() -> list[str]:
    return [os.path.dirname(os.path.dirname(tnb.__file__)), os.path.dirname(__file__)]


# B27


def test_sleep_of_the_computer_costs_no_row(far, program):
    """Deadlines that run out while the process is stopped are tried once more and reported by nobody."""
    server = far(Features(latency_seconds=1.0))
    run = program(
        """
with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
    service = client.feature_service(SERVICE)
    print("ready", flush=True)
    batch = service.get_features_batch(rows(8), concurrency=8, rows_per_call=1, deadline_seconds=2.0)
print(missing_rows(batch.to_pandas()), wrong_rows(batch.to_pandas(), rows(8)), len(batch.errors()))
print({str(cause) for cause in batch.report.retries} <= {"asleep"}, batch.report.attempts)
print(batch.report.asleep_seconds > 2)
""",
        url=server.url,
    )
    assert run.line() == "ready"
    _until(lambda: server.number("in_flight") == 8)

    os.kill(run.process.pid, signal.SIGSTOP)
    threading.Event().wait(3.0)
    os.kill(run.process.pid, signal.SIGCONT)

    outcome, retries, asleep = run.over().splitlines()
    assert outcome == "[] [] 0"
    assert retries.startswith("True ")
    assert int(retries.removeprefix("True ")) <= 16
    assert asleep == "True"
    assert max(server.counts().asked.values()) <= 2


# B28

CALL = """
def fetch(service):
    batch = service.get_features_batch(rows(100))
    return wrong_rows(batch.to_pandas(), rows(100)) + missing_rows(batch.to_pandas())
"""


def test_same_call_works_in_a_script(far, program):
    """In a plain script there is no loop and nothing to set up."""
    server = far(Features())
    script = CALL + "print(fetch(tnb.TectonClient(<url>, 'k' * 20, 'prod').feature_service(SERVICE)))"

    assert program(script, url=server.url).over() == "[]\n"


def _fetch(service: tnb.FeatureService) -> list[int]:
    batch = service.get_features_batch(rows(100))
    return wrong_rows(batch.to_pandas(), rows(100)) + missing_rows(batch.to_pandas())


def test_same_call_works_in_pytest_and_in_a_thread(far, take):
    """In a test, and in a thread of one, the same call does the same."""
    service = take(far(Features()))

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_fetch, service).result(60) == []
    assert _fetch(service) == []


async def test_same_call_works_where_a_loop_is_running(far, take):
    """In a cell a loop is running already: the plain call works there, and so does the awaited one."""
    server = far(Features())
    service = take(server)

    assert asyncio.get_running_loop().is_running()
    assert _fetch(service) == []
    async with tnb.AsyncTectonClient(server.url, KEY, "prod") as client:
        batch = await (await client.feature_service(SERVICE)).get_features_batch(rows(100))
    assert wrong_rows(batch.to_pandas(), rows(100)) + missing_rows(batch.to_pandas()) == []


# B29


def _in_worker(url: str, worker: int) -> tuple[list[int], list[int]]:
    asked = rows(500, 1_000 * worker)
    with tnb.TectonClient(url, KEY, "prod") as client:
        frame = client.feature_service(SERVICE).get_features_batch(asked, concurrency=4, rows_per_call=1).to_pandas()
    return wrong_rows(frame, asked), missing_rows(frame)


def test_spawned_workers_fetch_their_own_rows(far):
    """Four workers that start afresh fetch 500 rows each, all right."""
    server = far(Features())

    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(_in_worker, [server.url] * 4, range(4)))

    assert outcomes == [([], [])] * 4


# B31


@pytest.mark.parametrize("steps", [None, [status(503)], [{"rst": True}]])
def test_row_that_is_done_is_freed_without_the_collector(far, take, steps):
    """Ten times as many rows leave no more to the cyclic collector, which walks the whole heap where they do."""
    service = take(far(Features(faults=(Fault(0.1, steps),) if steps else ())))
    service.get_features_batch(rows(60), rows_per_call=1)
    left = []

    for count in (60, 600):
        gc.collect()
        gc.disable()
        try:
            service.get_features_batch(rows(count), rows_per_call=1)
            left.append(gc.collect())
        finally:
            gc.enable()

    assert left[1] < left[0] + 300


def test_thousand_batches_leave_nothing_behind(far, program):
    """A long day: 1,000 batches, some of them stopped, hanging or refused, and 50 clients leave nothing open."""
    bad = ([status(503)], [status(404)], [{"rst": True}], [{"right": 2}], [{"right": 1, "cut": 80}, {"close": True}])
    server = far(Features(faults=tuple(Fault(0.003, steps) for steps in bad)))

    said = program(
        """
import asyncio, gc, os, threading

def open_now():
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))

def other_client():
    with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
        client.feature_service(SERVICE).get_features_batch(rows(3))

async def awaited():
    async with tnb.AsyncTectonClient(<url>, "k" * 20, "prod") as client:
        service = await client.feature_service(SERVICE)
        await service.get_features_batch(rows(3))
        return len(asyncio.all_tasks())

with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
    service = client.feature_service(SERVICE)
    for i in range(1_000):
        if i == 100:
            before = open_now()
        asked = rows(4, 10 * i)
        # One at a time keeps at most two connections: what is open beyond them was left behind.
        found = service.get_features_batch(asked, concurrency=1).to_pandas()["fv.b"].dropna()
        assert found.tolist() == [f"row {10 * i + k}" for k in found.index], i
        if i % 20 == 0:
            other_client()
        if i % 100 == 50:
            assert asyncio.run(awaited()) == 1
    after = open_now()
print(after[0] - before[0], after[1] - before[1])
""",
        first=QUIET,
        url=server.url,
    ).over()

    threads, files = map(int, said.split())
    assert abs(threads) <= 2
    assert abs(files) <= 2
