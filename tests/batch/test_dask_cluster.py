"""A Dask DataFrame on a cluster of four processes: keys stay where they are, and limits hold for all together."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cloudpickle
import dask
import dask.dataframe as dd
import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector
from distributed import Client, LocalCluster, futures_of, wait

import tecton_nb as tnb
from tecton_nb.connect import settings_path
from tecton_nb.exceptions import BatchStoppedError, SettingsError
from tecton_nb.transport.secret import KeyPlace

WORKERS = 4
KEYS = [typed("k", "string")]
ECHO = [typed("v.text", "string"), typed("v.length", "int64")]
METADATA = {"inputJoinKeys": KEYS, "featureValues": ECHO}
# Workers take them over from here. No test asks the keyring of the machine it runs on.
ENVIRONMENT = {"TECTON_API_KEY": KEY, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """A client of four worker processes on this computer, each with one thread; all are gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as found:
            patch.delenv("TECTON_API_KEY")
            with Client(found) as client:
                pids = list(client.run(os.getpid).values())
                yield client
    assert not any(_is_alive(pid) for pid in pids)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _echo(asked):
    key = asked.join_keys["k"]
    return Reply({"message": f"no key {key}"}, 400) if key.startswith("bad") else Reply(vector([key, "1"], *ECHO))


@dataclass
class Counting:
    """Counts what is in flight and when it came; holds every answer until more than `limit` are there, or a moment."""

    limit: int = 0
    most: int = 0
    times: list[float] = field(default_factory=list)
    here: int = 0
    change: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, asked):
        """Answer as `_echo`."""
        with self.change:
            self.here += 1
            self.times.append(time.monotonic())
            self.most = max(self.most, self.here)
            self.change.notify_all()
            self.change.wait_for(lambda: self.here > self.limit, timeout=0.1)
            self.here -= 1
        return _echo(asked)


@pytest.fixture
def far(service, cluster):
    """Take a canned service in hand; its client lives in this process, as if the workers were elsewhere."""
    return lambda answer=_echo: service(answer, ECHO, KEYS)


def _keys(texts, partitions):
    return dd.from_pandas(pd.DataFrame({"k": pd.array(list(texts), dtype="string")}), npartitions=partitions)


def _many(count):
    return [f"{i:03}" for i in range(count)]


def _sent_keys(found):
    asked = [asked for asked in found.client.server.asked if asked.operation == "get-features"]
    return {asked.headers["authorization"] for asked in asked}


def test_workers_give_what_the_pandas_path_gives(demo, cluster, monkeypatch, tmp_path):
    """Four processes bring the frame of one: values, dtypes, index and order. The profile says where the key is."""
    for variable in ("XDG_CONFIG_HOME", "HOME", "APPDATA", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    settings_path().parent.mkdir(parents=True, exist_ok=True)
    settings_path().write_text(f'[profiles.demo]\nurl = "{demo.url}"\nworkspace = "prod"\napi_key_env = "DEMO_KEY"\n')
    monkeypatch.setenv("DEMO_KEY", demo.api_key)
    cluster.run(_set_variable, "DEMO_KEY", demo.api_key)
    rows = demo.example_rows("flight_delay_service", 600, workspace="prod")
    with tnb.connect("demo") as client:
        flights = client.feature_service("flight_delay_service")
        whole = flights.get_features_batch(rows).to_pandas(include=["statuses"])

        found = flights.get_features_batch(dd.from_pandas(rows, npartitions=8), include=["statuses"])

        pd.testing.assert_frame_equal(found.compute(), whole)
        assert found.dtypes.equals(whole.dtypes)


def test_no_more_requests_are_in_flight_than_asked_for(far):
    """Four processes together never have more in flight than one was allowed, and use what they have."""
    counting = Counting(limit=8)
    found = far(counting.answer)

    found.get_features_batch(_keys(_many(96), 8), concurrency=8, rows_per_call=1).compute()

    assert 2 < counting.most <= 8


def test_no_more_requests_are_started_than_asked_for(far):
    """Four processes together keep one rate: 60 rows at 30 a second take two seconds, not half of one."""
    counting = Counting()
    found = far(counting.answer)

    found.get_features_batch(_keys(_many(60), 12), requests_per_second=30, rows_per_call=1).compute()

    assert len(counting.times) == 60
    assert counting.times[-1] - counting.times[0] > 1.5


def test_all_workers_share_the_work(far, cluster):
    """Every worker fetches: the limits are divided, the work is not left to one."""
    found = far(Counting(limit=99).answer)
    lazy = found.get_features_batch(_keys(_many(64), 16), concurrency=8, rows_per_call=1)

    pids = lazy.map_partitions(_whose, meta={"pid": "int64"}).compute()

    assert pids["pid"].nunique() == WORKERS


def test_failed_rows_spoil_no_partition(far):
    """Rows that the server refuses are missing and FAILED; all others of their partition have their values."""
    found = far()
    keys = ["a", "bad 1", "b", "bad 2", "c", "d"]

    frame = found.get_features_batch(_keys(keys, 3), include="statuses").compute()

    assert frame["v.text"].tolist() == ["a", pd.NA, "b", pd.NA, "c", "d"]
    assert frame["v.text.status"].eq("FAILED").fillna(False).tolist() == [False, True, False, True, False, False]
    assert frame.index.tolist() == list(range(6))


def test_key_comes_from_the_workers_environment_and_never_travels(far, cluster):
    """The worker's own key is sent; graph, frame, futures, results and logs hold none."""
    found = far()
    lazy = found.get_features_batch(_keys(["a", "bad", "c"], 3))

    kept = lazy.persist()
    result = kept.compute()

    travelled = [lazy, lazy.__dask_graph__(), kept.__dask_graph__(), *kept.__dask_keys__(), result]
    logs = repr([cluster.get_worker_logs(), cluster.get_scheduler_logs(), cluster.get_events()])
    assert _sent_keys(found) == {f"Tecton-key {KEY}"}
    assert not any(KEY.encode() in dump(part) for part in travelled for dump in (cloudpickle.dumps, pickle.dumps))
    assert KEY not in logs


def test_worker_without_a_key_says_what_to_set(far, cluster):
    """Where a worker has no key the error names the worker and the variable, and nothing is sent."""
    found = far()
    _look_at(found, "KEY_THAT_NO_WORKER_HAS")

    with pytest.raises(
        SettingsError, match=r"No API key for http://127.* is on the Dask worker 'tcp://127.*"
    ) as caught:
        found.get_features_batch(_keys(["a"], 1)).compute()

    assert "Set KEY_THAT_NO_WORKER_HAS in the environment in which the workers start" in str(caught.value)
    assert _sent_keys(found) == set()


def test_worker_that_cannot_read_the_key_file_says_so(far, tmp_path):
    """Where the file that a profile names is not on the worker, the error names the worker and the file."""
    found = far()
    found.client._core.connection.key.place = KeyPlace(file=str(tmp_path / "key"))

    with pytest.raises(SettingsError, match=r"On the Dask worker 'tcp://127.*: Cannot read the API key from .*key"):
        found.get_features_batch(_keys(["a"], 1)).compute()


def test_key_may_stand_in_the_workers_dask_configuration(far, cluster):
    """A key under tecton_nb.api_key in the workers' own configuration is used where the environment has none."""
    found = far()
    _look_at(found, "KEY_THAT_NO_WORKER_HAS")
    cluster.run(dask.config.set, {"tecton_nb.api_key": "KEY-OF-DASK"})

    found.get_features_batch(_keys(["a"], 1)).compute()

    cluster.run(dask.config.set, {"tecton_nb.api_key": None})
    assert _sent_keys(found) == {"Tecton-key KEY-OF-DASK"}


def test_refused_key_stops_the_computation(far):
    """A server that refuses the key of the workers is an error, not a frame of missing values."""
    found = far(Reply({"message": "unknown key"}, 401))

    with pytest.raises(BatchStoppedError, match="The server answered 401 Unauthorized: unknown key"):
        found.get_features_batch(_keys(["a", "b"], 2)).compute()


def test_cancelled_partitions_ask_no_more_and_free_their_workers(service, cluster):
    """Cancelling ends requests that never would be answered: workers and leases are free for what comes next."""
    reached, released = threading.Event(), threading.Event()

    def silent(asked):
        reached.set()
        released.wait(30)
        return _echo(asked)

    found = service(silent, ECHO, KEYS)
    future = cluster.compute(found.get_features_batch(_keys(_many(40), 8), deadline_seconds=60))
    try:
        assert reached.wait(30)
        asked_before = len(found.client.server.asked)
        cluster.cancel(future)
        del future
        pids = cluster.gather(cluster.map(_pid, range(4 * WORKERS), pure=False), direct=False)
    finally:
        released.set()

    assert len(pids) == 4 * WORKERS
    assert len(found.client.server.asked) - asked_before < 40


def test_partition_of_a_lost_worker_is_fetched_again(service, cluster):
    """Killing a worker in the middle costs a second request for its rows, and no row."""
    reached, released = threading.Event(), threading.Event()

    def answer(asked):
        if asked.join_keys["k"] == "held" and not reached.is_set():
            reached.set()
            released.wait(30)
        return _echo(asked)

    found = service(answer, ECHO, KEYS)
    kept = found.get_features_batch(_keys(["held", "b"], 2)).persist()
    try:
        assert reached.wait(30)
        wait(futures_of(kept), timeout=30, return_when="FIRST_COMPLETED")
        (lost,) = [address for address, tasks in cluster.processing().items() if tasks]
        os.kill(cluster.run(os.getpid, workers=[lost])[lost], signal.SIGKILL)
        wait(kept, timeout=30)
    finally:
        released.set()

    asked = [asked.join_keys["k"] for asked in found.client.server.asked if asked.operation == "get-features"]
    assert kept.compute()["v.text"].tolist() == ["held", "b"]
    assert sorted(asked) == ["b", "held", "held"]


def _set_variable(name, value):
    # Not a method of os.environ, which would travel with all that it holds.
    os.environ[name] = value


def _whose(_: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"pid": [os.getpid()]})


def _pid(_: int) -> int:
    return os.getpid()


def _look_at(found, variable: str) -> None:
    """Let the workers look for the key in another variable, as a profile would."""
    found.client._core.connection.key.place = KeyPlace(variable)
