"""An explorer of a canned server, ready to fetch."""

import threading

import pandas as pd
from canned import Reply, typed, vector

import tecton_nb as tnb

WAIT = 20
ECHO = [typed("v.k", "string")]
KEYS = [typed("k", "string")]


def explorer_of(ours, answer, keys=KEYS, features=ECHO):
    """Return an explorer of a canned server with its one service chosen and its first key filled in."""

    def plan(asked):
        if asked.operation == "metadata":
            return Reply({"inputJoinKeys": keys, "featureValues": features})
        if asked.operation == "metrics":
            return Reply({"message": "no"}, 403)
        return answer(asked)

    found = tnb.explore(ours(plan, feature_service_names=["s"]))
    found.picker.choose("s")
    found.wait(WAIT)
    found.value = {"service": "s", "values": {item["name"]: "1" for item in keys}}
    return found.wait(WAIT)


def held_batch(ours, rows=("a", "late", "later")):
    """Return an explorer whose batch has one row and waits for the others, and the event that lets them come."""
    hold = threading.Event()

    def answer(asked):
        if asked.join_keys["k"] in rows[1:]:
            hold.wait(WAIT)
        return Reply(vector([asked.join_keys["k"]], *ECHO))

    found = explorer_of(ours, answer)
    came = threading.Event()
    bar = found._batch_box._bar
    bar.observe(lambda change: came.set() if change["new"] > 0 else None, "value")
    found.fetch_batch(pd.DataFrame({"k": rows}))
    assert came.wait(WAIT)
    return found, hold
