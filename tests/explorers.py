"""An explorer of a canned server, ready to fetch."""

from canned import Reply, typed

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
