"""Batches in the background, and what an interrupt leaves behind."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from canned import Reply, typed, vector

from tecton_nb import FeatureBatch
from tecton_nb.exceptions import InputError

KEYS = [typed("k", "string")]
ECHO = [typed("v.text", "string")]


class _Gate:
    """Answers at once, but for keys that begin with ``slow``: those wait until the test lets them go."""

    def __init__(self):
        self.open = threading.Event()
        self.came = threading.Event()
        self.asked = []

    def __call__(self, asked):
        key = asked.join_keys["k"]
        self.asked.append(key)
        if key.startswith("slow"):
            self.came.set()
            self.open.wait(30)
        return Reply(vector([key], *ECHO))


@pytest.fixture
def gate():
    """A gate that opens when the test is over, whatever happens."""
    gate = _Gate()
    yield gate
    gate.open.set()


def test_job_goes_on_while_the_caller_does_and_ends_with_the_batch(service, gate):
    """Starting returns at once; the result is what a blocking call would have returned."""
    found = service(gate, ECHO, KEYS)

    job = found.start_features_batch([{"k": "a"}, {"k": "slow"}])
    gate.came.wait(30)
    before = (job.is_over, job.progress().in_flight > 0)
    gate.open.set()
    batch = job.result(30)

    assert before == (False, True)
    assert batch.to_pandas()["v.text"].tolist() == ["a", "slow"]
    assert job.is_over
    progress = job.progress()
    assert (progress.rows, progress.done, progress.failed, progress.in_flight, progress.is_over) == (2, 2, 0, 0, True)


def test_partial_result_of_a_job_tells_what_is_there(service, gate):
    """While a job runs its finished rows can be looked at."""
    job = service(gate, ECHO, KEYS).start_features_batch([{"k": "a"}, {"k": "slow"}], concurrency=1)
    gate.came.wait(30)

    partial = job.partial()

    assert partial.statuses()["v.text"].fillna("").tolist() == ["", "NOT_FETCHED"]
    assert partial.to_pandas()["v.text"].iloc[0] == "a"
    job.cancel()


def test_cancelled_job_ends_at_once_and_keeps_what_came(service, gate):
    """Cancelling does not wait for the server; no request starts afterwards, and the client goes on working."""
    found = service(gate, ECHO, KEYS)
    job = found.start_features_batch([{"k": k} for k in ("a", "slow1", "b", "slow2")], concurrency=1)
    gate.came.wait(30)

    job.cancel()
    batch = job.result(30)

    assert batch.errors()["exception"].tolist() == ["BatchStoppedError"] * 3
    assert gate.asked == ["a", "slow1"]
    assert found.get_features({"k": "next"})["v.text"].tolist() == ["next"]


def test_callback_is_called_when_a_job_is_over(service, gate):
    """A widget is told once, also if it comes too late."""
    job = service(gate, ECHO, KEYS).start_features_batch([{"k": "a"}])
    told = threading.Event()

    job.add_done_callback(lambda _: told.set())

    assert told.wait(30)
    late = []
    job.add_done_callback(late.append)
    assert late == [job]
    assert "finished        1" in str(job)


def test_result_of_a_job_can_be_waited_for_a_while_only(service, gate):
    """A waiting time that runs out leaves the job as it is."""
    job = service(gate, ECHO, KEYS).start_features_batch([{"k": "slow"}])

    with pytest.raises(TimeoutError):
        job.result(0.01)

    assert not job.is_over
    job.cancel()


def test_rows_are_checked_before_a_job_begins(service, gate):
    """A missing key is raised where the job is started, not later in a thread."""
    with pytest.raises(InputError, match="lack the join key 'k'"):
        service(gate, ECHO, KEYS).start_features_batch([{"other": "a"}])


def test_interrupt_frees_the_caller_and_keeps_the_finished_rows(service, gate):
    """Ctrl-C during a batch comes back at once with a note where the rows are; nothing is sent afterwards."""
    found = service(gate, ECHO, KEYS)
    main = threading.main_thread().ident

    def interrupt():
        gate.came.wait(30)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()

    with pytest.raises(KeyboardInterrupt) as caught:
        found.get_features_batch([{"k": k} for k in ("a", "b", "slow", "c")], concurrency=1, progress=False)

    assert time.monotonic() - began < 20
    assert caught.value.__notes__ == ["2 of 4 different rows were finished: FeatureBatch.last()"]
    assert FeatureBatch.last().to_pandas()["v.text"].fillna("-").tolist() == ["a", "b", "-", "-"]
    assert gate.asked == ["a", "b", "slow"]
    assert found.get_features({"k": "next"})["v.text"].tolist() == ["next"]


def test_last_batch_is_kept_only_as_long_as_somebody_has_it(service):
    """A batch that ended by itself is not held in memory by the package."""
    found = service(lambda asked: Reply(vector([asked.join_keys["k"]], *ECHO)), ECHO, KEYS)
    batch = found.get_features_batch([{"k": "a"}])
    assert FeatureBatch.last() is batch

    del batch

    with pytest.raises(InputError, match="no last batch"):
        FeatureBatch.last()


def test_bar_counts_rows_errors_and_what_is_in_flight(service, monkeypatch, capsys):
    """On a terminal a batch shows rows, rows per second, errors and requests in flight."""
    monkeypatch.setattr("tecton_nb.batch.drive._BAR_AFTER_SECONDS", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    def answer(asked):
        return Reply(vector([asked.join_keys["k"]], *ECHO), status=400 if asked.join_keys["k"] == "1" else 200)

    found = service(answer, ECHO, KEYS)

    found.get_features_batch([{"k": str(k)} for k in range(3)])

    shown = capsys.readouterr().err
    assert "3.00/3.00" in shown
    assert "errors=1" in shown
    assert "in flight=0" in shown


def test_bar_is_not_written_into_a_log(service, capsys):
    """Where nobody looks, such as in a pipe, nothing is written."""
    found = service(lambda asked: Reply(vector([asked.join_keys["k"]], *ECHO)), ECHO, KEYS)

    found.get_features_batch([{"k": "a"}], progress=True)

    assert capsys.readouterr().err == ""
