"""A Dask DataFrame of keys in, one of features out: without a cluster. With one: test_dask_cluster.py."""

from __future__ import annotations

import os
import pickle
import threading

import cloudpickle
import dask
import dask.dataframe as dd
import httpx
import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb
from tecton_nb.batch.dask_places import place_of
from tecton_nb.exceptions import BatchStoppedError, InputError, SettingsError

KEYS = [typed("k", "string")]
ECHO = [typed("v.text", "string"), typed("v.length", "int64")]
ONE_BY_ONE = {"rows_per_call": 1}


def _echo(asked):
    key = asked.join_keys["k"]
    if key == "bad":
        return Reply({"message": "no such key"}, 400)
    gone = key == "gone"
    statuses = [{"status": "MISSING_DATA" if gone else "PRESENT"}] * len(ECHO)
    items = [{**item, **status} for item, status in zip(ECHO, statuses, strict=True)]
    return vector([None, None] if gone else [key, str(len(key))], *items)


@pytest.fixture
def echo(service):
    """A service that answers with what was asked."""
    return service(_echo, ECHO, KEYS)


def _keys(*texts, index=None):
    return pd.DataFrame({"k": pd.array(texts, dtype="string")}, index=index)


def _asked_rows(found):
    return sorted(asked.join_keys["k"] for asked in found.client.server.asked if asked.operation == "get-features")


def _local(frame):
    return frame.compute(scheduler="threads")


# The same as the pandas path.


def test_dask_frame_gives_what_the_pandas_frame_gives(client):
    """Values, dtypes, index and order are those of the same rows as a pandas DataFrame, on real flights."""
    flights = client.feature_service("flight_delay_service")
    rows = flights.example_rows(40)
    whole = flights.get_features_batch(rows).to_pandas()

    found = flights.get_features_batch(dd.from_pandas(rows, npartitions=3))

    pd.testing.assert_frame_equal(_local(found), whole)
    assert found.dtypes.equals(whole.dtypes)


INDEXES = {
    "text": pd.Index(["a", "b", "c", "d"], name="id"),
    "time": pd.date_range("2024-05-01", periods=4, name="at", tz="UTC"),
    "twice": pd.Index([1, 1, 2, 2]),
    "unsorted": pd.Index([3, 1, 2, 0]),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES.keys())
def test_index_divisions_and_partitions_are_kept(echo, index):
    """The frame of features lines up with the frame of keys, partition by partition."""
    rows = dd.from_pandas(
        _keys("a", "bb", "ccc", "dddd", index=index), npartitions=2, sort=index.is_monotonic_increasing
    )

    found = echo.get_features_batch(rows)

    assert (found.npartitions, found.divisions) == (rows.npartitions, rows.divisions)
    pd.testing.assert_index_equal(_local(found).index, _local(rows).index)
    assert _local(found)["v.length"].tolist() == [1, 2, 3, 4]


def test_meta_is_what_every_partition_has(client):
    """Dtypes are known before anything is fetched, and every partition has them: full, empty, or all missing."""
    flights = client.feature_service("flight_delay_service")
    rows = flights.example_rows(6)
    rows.loc[4:, "carrier"] = "no such carrier"
    # Two rows that are not in the first partition.
    lazy = dd.from_pandas(rows, npartitions=3)
    lazy = lazy[~lazy["tailnum"].isin(rows["tailnum"].iloc[:2].tolist())]

    found = flights.get_features_batch(lazy, include=("statuses", "slo_info"))

    parts = dask.compute(*found.to_delayed(), scheduler="threads")
    assert [len(part) for part in parts] == [0, 2, 2]
    for part in parts:
        assert part.dtypes.equals(found.dtypes)
        assert part.index.dtype == found.index.dtype


def test_statuses_tell_failed_from_missing(echo):
    """A row that failed spoils no other, and include="statuses" tells it from one without data."""
    rows = dd.from_pandas(_keys("a", "bad", "gone", "bb"), npartitions=2)

    found = _local(echo.get_features_batch(rows, include="statuses"))

    assert found["v.text"].tolist() == ["a", pd.NA, pd.NA, "bb"]
    assert found["v.text.status"].tolist() == ["PRESENT", "FAILED", "MISSING_DATA", "PRESENT"]


def test_failed_rows_are_in_the_log(echo, caplog):
    """The log says how many rows of a partition failed, and why the first did."""
    _local(echo.get_features_batch(dd.from_pandas(_keys("a", "bad"), npartitions=1)))

    assert "1 of 2 rows of a partition failed" in caplog.text
    assert "no such key" in caplog.text


def test_rows_of_the_client_are_fetched_by_its_own_name(echo):
    """``TectonClient.get_features_batch`` takes a Dask DataFrame, too."""
    rows = dd.from_pandas(_keys("a", "bb"), npartitions=2)

    found = echo.client.get_features_batch(feature_service_name="s", rows=rows, include=["statuses"])

    assert _local(found).columns.tolist() == ["v.text", "v.length", "v.text.status", "v.length.status"]


# When it is fetched.


def test_nothing_is_fetched_before_it_is_computed_and_then_each_time(echo):
    """A frame is lazy; computing it twice asks twice."""
    found = echo.get_features_batch(dd.from_pandas(_keys("a", "b"), npartitions=2), **ONE_BY_ONE)
    before = _asked_rows(echo)

    _local(found)
    once = _asked_rows(echo)
    _local(found)

    assert (before, once, _asked_rows(echo)) == ([], ["a", "b"], ["a", "a", "b", "b"])


def test_two_uses_in_one_computation_ask_once(echo):
    """What is used twice in one computation is fetched once."""
    found = echo.get_features_batch(dd.from_pandas(_keys("a", "bb"), npartitions=2), **ONE_BY_ONE)

    total, longest = dask.compute(found["v.length"].sum(), found["v.length"].max(), scheduler="threads")

    assert (total, longest, _asked_rows(echo)) == (3, 2, ["a", "bb"])


def test_two_calls_are_two_frames(echo):
    """Dask does not take a second call for the first one, though rows and options are the same."""
    rows = dd.from_pandas(_keys("a"), npartitions=1)

    first, second = (echo.get_features_batch(rows) for _ in range(2))

    assert set(first.__dask_keys__()).isdisjoint(second.__dask_keys__())


def test_threads_keep_the_limit_together(service):
    """Without a cluster the partitions of one process have no more requests in flight than asked for."""
    counted = _Counted(4)
    found = service(counted.answer, ECHO, KEYS)
    rows = dd.from_pandas(_keys(*(f"{i:02}" for i in range(24))), npartitions=4)

    _local(found.get_features_batch(rows, concurrency=4, rows_per_call=1))

    assert counted.most == 4


class _Counted:
    """Answers when more than `limit` are there, or after a moment: who sends too many is seen."""

    def __init__(self, limit):
        self.limit, self.here, self.most = limit, 0, 0
        self.change = threading.Condition()

    def answer(self, asked):
        with self.change:
            self.here += 1
            self.most = max(self.most, self.here)
            self.change.notify_all()
            self.change.wait_for(lambda: self.here > self.limit, timeout=0.1)
            self.here -= 1
        return _echo(asked)


# What goes wrong.


def test_server_that_refuses_everything_is_an_error(service):
    """A refused key is no frame of missing values: computing raises what the server said."""
    found = service(Reply({"message": "unknown key"}, 401), ECHO, KEYS)
    lazy = found.get_features_batch(dd.from_pandas(_keys("a", "b"), npartitions=1))

    with pytest.raises(BatchStoppedError, match="The server answered 401 Unauthorized: unknown key"):
        _local(lazy)


REFUSED = {
    "unknown column": (pd.DataFrame({"K": ["a"]}), {}, "The rows lack the join key 'k' that 's' needs"),
    "unknown part": (_keys("a"), {"include": "status"}, "Cannot include 'status'.*Did you mean 'statuses'"),
    "resume": (_keys("a"), {"resume": "rows.db"}, "resume is for the rows of one process"),
    "to": (_keys("a"), {"to": "folder"}, "to is for the rows of one process"),
    "concurrency": (_keys("a"), {"concurrency": 0}, "Cannot run with concurrency '0'"),
    "rate": (_keys("a"), {"requests_per_second": -1}, "Cannot send '-1' requests per second"),
    "rows per call": (_keys("a"), {"rows_per_call": 11}, "rows_per_call takes a number from 1 to 10"),
    "deadline": (_keys("a"), {"deadline_seconds": 0}, "deadline_seconds takes a number of seconds above 0"),
    "option": (_keys("a"), {"metadata_options": {"include_name": True}}, "include_name"),
}


@pytest.mark.parametrize(("rows", "options", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_fetched_is_refused_at_once(echo, rows, options, sentence):
    """A wrong column or argument is an error of the call, before anything is computed."""
    with pytest.raises(InputError, match=sentence):
        echo.get_features_batch(dd.from_pandas(rows, npartitions=1), **options)


def test_wildcard_service_is_refused(service):
    """A WILDCARD service has no batch, on a cluster either."""
    found = service(_echo, ECHO, KEYS, featureServiceType="WILDCARD")

    with pytest.raises(InputError, match="is a WILDCARD service"):
        found.get_features_batch(dd.from_pandas(_keys("a"), npartitions=1))


def test_client_of_the_users_own_is_refused(canned):
    """A proxy or transport of the user's own would be lost on the way to a worker, so nothing goes without it."""
    server = canned(Reply({"inputJoinKeys": KEYS, "featureValues": ECHO}))
    with httpx.Client() as own, tnb.TectonClient(server.url, KEY, "prod", own) as client:
        found = client.feature_service("s")

        with pytest.raises(InputError, match=r"An httpx\.Client of your own cannot go to the workers of Dask"):
            found.get_features_batch(dd.from_pandas(_keys("a"), npartitions=1))


def test_other_methods_say_where_a_dask_frame_goes(echo):
    """A Dask DataFrame in the wrong place is told the right one."""
    rows = dd.from_pandas(_keys("a"), npartitions=1)

    with pytest.raises(InputError, match="A Dask DataFrame goes to get_features_batch of a FeatureService"):
        echo.get_features(rows)
    with pytest.raises(InputError, match="A Dask DataFrame goes to get_features_batch of a FeatureService"):
        echo.start_features_batch(rows)


def test_include_is_refused_for_pandas_rows(echo):
    """For a pandas DataFrame the batch has the frames, so that there is one way."""
    with pytest.raises(InputError, match=r"batch\.to_pandas\(include="):
        echo.get_features_batch(_keys("a"), include="statuses")


def test_process_that_nobody_coordinates_is_refused():
    """Processes without a cluster cannot keep one limit; the sentence says what to use."""
    with pytest.raises(SettingsError, match=r"Dask's scheduler 'processes' cannot keep limits.*distributed\.Client"):
        place_of(os.getpid() + 1)


def test_key_is_not_in_what_travels(echo):
    """Neither the graph nor the frame holds the API key, whichever way it is pickled."""
    found = echo.get_features_batch(dd.from_pandas(_keys("a", "b"), npartitions=2))

    for travels in (found.__dask_graph__(), found, found.expr):
        assert KEY.encode() not in cloudpickle.dumps(travels)
    assert KEY.encode() not in pickle.dumps(found)
    assert KEY not in repr(dict(found.__dask_graph__()))
