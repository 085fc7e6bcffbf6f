"""What a batch leaves behind: errors in the caller's order, whole key columns, no threads."""

from __future__ import annotations

import pickle
import threading
from datetime import UTC, datetime

import httpx
import pandas as pd
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb

KEYS = [typed("k", "int64")]
FEATURES = [typed("v.n", "int64")]


def test_errors_stand_in_the_order_of_the_rows(service):
    """Rows fail in any order; the table of errors has them in that of the caller, and the first is raised."""
    last_came = threading.Event()

    def answer(asked):
        # The engine sends eight at once: the last row is asked for when an earlier one has failed.
        if asked.join_keys["k"] == "8":
            last_came.set()
        if asked.join_keys["k"] == "0":
            last_came.wait(10)
        return Reply({"message": f"row {asked.join_keys['k']}"}, status=500)

    found = service(answer, FEATURES, KEYS)

    errors = found.get_features_batch([{"k": k} for k in range(9)]).errors()

    assert errors.index.tolist() == list(range(9))
    assert [f"row {k}" in errors["message"][k] for k in range(9)] == [True] * 9


def test_keys_of_a_query_stand_in_every_row(service):
    """Each row of a query has the key that was asked for, then its own wildcard key, then its values."""
    results = [{"features": [str(n)], "joinKeys": [f"w{n}"]} for n in range(3)]
    answer = {"results": results, "metadata": {"features": FEATURES, "joinKeys": [typed("w", "string")]}}
    more = {"featureServiceType": "WILDCARD", "outputJoinKeys": [typed("w", "string")]}
    found = service(answer, FEATURES, KEYS, **more)

    frame = found.query_features({"k": 7})

    assert frame.to_dict("list") == {"k": [7, 7, 7], "w": ["w0", "w1", "w2"], "v.n": [0, 1, 2]}


def test_batch_goes_through_a_pickle_with_everything_but_the_key(service):
    """Caches and worker processes get the same frames, failed rows among them."""
    answers = {"0": vector(["1"], *FEATURES), "1": Reply({"message": "no"}, status=400), "2": vector(["x"], *FEATURES)}
    found = service(lambda asked: answers[asked.join_keys["k"]], FEATURES, KEYS)
    batch = found.get_features_batch([{"k": k} for k in range(3)])

    pickled = pickle.dumps(batch)
    again = pickle.loads(pickled)  # noqa: S301

    assert KEY.encode() not in pickled
    for name in ("to_pandas", "statuses", "effective_times", "slo_info", "calls", "errors"):
        pd.testing.assert_frame_equal(getattr(again, name)(), getattr(batch, name)())
    assert str(again) == str(batch)


def test_batch_through_the_user_s_client_leaves_no_threads(canned):
    """The threads that lend themselves to a client of the user's end with the batch."""
    metadata = {"inputJoinKeys": KEYS, "featureValues": FEATURES}
    server = canned(
        lambda asked: Reply(metadata if asked.operation == "metadata" else vector(["1"], typed("v.n", "int64")))
    )

    with httpx.Client() as own:
        client = tnb.TectonClient(server.url, KEY, "prod", client=own)
        client.feature_service("s").get_features_batch([{"k": k} for k in range(20)])

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("tecton-nb-httpx")] == []


def test_calls_say_when_they_were_started(service):
    """Every call has the time at which it was sent."""
    found = service(vector(["1"], *FEATURES), FEATURES, KEYS)

    before = datetime.now(UTC)
    started = found.get_features_batch([{"k": 1}, {"k": 2}]).calls()["started_at"]

    assert before <= started.min() <= started.max() <= datetime.now(UTC)
