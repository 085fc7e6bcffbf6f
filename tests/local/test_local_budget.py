"""The latency budget, delays of views and the hard time limit."""

import threading
from asyncio import CancelledError
from time import perf_counter

import httpx
import pytest
from riders import ask, post, responder_of, rows_of

from tecton_nb.local import BatchView, Definitions, Feature, FeatureServer, FeatureService, Field, RealtimeView
from tecton_nb.local.clock import Latency, SimulatedLatency
from tecton_nb.local.serving.rules import Rules
from tecton_nb.wire.types import STRING

ID = Field("id", STRING)
TEXT = (Feature("x", STRING),)
VIEWS = (
    BatchView("near", (ID,), TEXT),
    BatchView("far", (ID,), TEXT),
    RealtimeView("now", TEXT, lambda *_: {"x": "n"}),
    RealtimeView("of_far", TEXT, lambda _, given: {"x": given["far.x"]}, sources=("far",)),
)
SERVICES = (FeatureService("s", tuple(view.name for view in VIEWS)), FeatureService("w", ("near",), wildcard_key="id"))
DATA = {"near": rows_of({"a": "A", "b": "B"}), "far": rows_of({"a": "A", "b": "B"})}
ALL = {"includeServingStatus": True, "includeSloInfo": True, "includeEffectiveTimes": True}


class Delays:
    """Seconds by view; those not named are in time."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds

    def of_view(self, service: str, view: str) -> float:
        """Return the seconds of a view."""
        return self.seconds.get(view, 0.0)


def responder(**seconds: float):
    """A responder with late views."""
    return responder_of(Definitions(VIEWS, SERVICES), DATA, delays=Delays(**seconds))


def answer(responder, **options):
    """Values, statuses, metadata and how long the answer is held."""
    params = {
        "featureServiceName": "s",
        "joinKeyMap": {"id": "a"},
        "metadataOptions": ALL,
        "requestOptions": options,
    }
    body = ask(responder, "get-features", params)
    held = post(responder, "get-features", {"params": params}).held_seconds
    return body["result"]["features"], [item["status"] for item in body["metadata"]["features"]], body["metadata"], held


def test_view_that_is_not_ready_within_the_budget_is_null_with_time_out():
    """The answer leaves at the budget with what is ready; the late view and what is computed from it are TIME_OUT."""
    values, statuses, metadata, held = answer(responder(far=0.7), latencyBudgetMs=100)

    assert values == ["n", None, None, "A"]
    assert statuses == ["PRESENT", "TIME_OUT", "TIME_OUT", "PRESENT"]
    assert held == pytest.approx(0.1, abs=0.02)
    assert metadata["sloInfo"]["serverTimeSeconds"] == 0.1
    assert ["effectiveTime" in item for item in metadata["features"]] == [False, False, False, True]


def test_late_view_without_a_budget_is_waited_for():
    """Without a budget the answer waits for the slowest view, and reports what that took."""
    values, statuses, metadata, held = answer(responder(far=0.7))

    assert values == ["n", "A", "A", "A"]
    assert statuses == ["PRESENT"] * 4
    assert held == pytest.approx(0.7, abs=0.05)
    assert metadata["sloInfo"]["storeMaxLatency"] == pytest.approx(0.7, abs=0.05)
    assert metadata["sloInfo"]["serverTimeSeconds"] >= 0.7


def test_budget_that_suffices_changes_nothing():
    """When everything is ready in time the answer leaves as soon as it is."""
    values, statuses, _, held = answer(responder(far=0.2), latencyBudgetMs=400)

    assert values == ["n", "A", "A", "A"]
    assert statuses == ["PRESENT"] * 4
    assert held == pytest.approx(0.2, abs=0.05)


def test_views_are_retrieved_side_by_side():
    """Two views that are both late are late once."""
    assert answer(responder(far=0.3, near=0.3))[3] == pytest.approx(0.3, abs=0.05)


def test_realtime_view_waits_for_what_it_reads():
    """The delay of a realtime view comes on top of that of its source, and does not count for the objective."""
    _, statuses, metadata, _ = answer(responder(far=0.2, of_far=0.2), latencyBudgetMs=300)
    slo = metadata["sloInfo"]

    assert statuses == ["PRESENT", "TIME_OUT", "PRESENT", "PRESENT"]
    assert slo["sloServerTimeSeconds"] == pytest.approx(0.2, abs=0.05)
    assert slo["serverTimeSeconds"] == 0.3


def test_simulated_latency_is_cut_too():
    """A simulated read that takes longer than the budget is TIME_OUT, and the budget is what is reported."""

    class Slow(SimulatedLatency):
        def of_row(self, identity: str, measured: Latency) -> Latency:
            """Return a slow store."""
            return Latency(total=0.5, store=0.45, realtime=0.01)

    slow = responder_of(Definitions(VIEWS, SERVICES), DATA, latency=Slow(0))
    values, statuses, metadata, held = answer(slow, latencyBudgetMs=150)

    assert (values, statuses) == (["n", None, None, None], ["PRESENT", "TIME_OUT", "TIME_OUT", "TIME_OUT"])
    assert metadata["sloInfo"]["serverTimeSeconds"] == 0.15
    assert held == pytest.approx(0.15, abs=0.02)


def test_batch_leaves_at_the_budget_with_a_status_per_row():
    """In a batch every row has until the budget, and so has the whole."""
    params = {
        "featureServiceName": "s",
        "requestData": [{"joinKeyMap": {"id": key}} for key in ("a", "b")],
        "metadataOptions": ALL,
        "requestOptions": {"latencyBudgetMs": "100"},
    }
    body = ask(responder(near=9.0), "get-features-batch", params)

    assert [row["features"] for row in body["result"]] == [["n", "A", "A", None], ["n", "B", "B", None]]
    assert body["metadata"]["features"][3]["status"] == ["TIME_OUT", "TIME_OUT"]
    assert body["metadata"]["batchSloInfo"]["serverTimeSeconds"] == 0.1


def test_query_leaves_at_the_budget_too():
    """A wildcard query keeps the rows it knows; what is late in them is TIME_OUT."""
    params = {"featureServiceName": "w", "metadataOptions": ALL, "requestOptions": {"latencyBudgetMs": 100}}
    body = ask(responder(near=9.0), "query-features", params)

    assert body["results"] == [{"features": [None], "joinKeys": ["a"]}, {"features": [None], "joinKeys": ["b"]}]
    assert body["metadata"]["features"][0]["status"] == "TIME_OUT"


def test_function_that_really_hangs_is_given_up_at_the_budget():
    """A realtime function that does not return is left behind: the answer comes at the budget with the rest."""
    release = threading.Event()
    hanging = RealtimeView("hanging", TEXT, lambda *_: {"x": str(release.wait(30))})
    views = (*VIEWS, hanging)
    services = (FeatureService("s", tuple(view.name for view in views)),)
    slow = responder_of(Definitions(views, services), DATA)
    params = {
        "featureServiceName": "s",
        "joinKeyMap": {"id": "a"},
        "metadataOptions": ALL,
        "requestOptions": {"latencyBudgetMs": 150},
    }
    began = perf_counter()
    body = ask(slow, "get-features", params)
    took = perf_counter() - began
    release.set()

    assert body["result"]["features"] == [None, "n", "A", "A", "A"]
    assert [item["status"] for item in body["metadata"]["features"]] == ["TIME_OUT", *["PRESENT"] * 4]
    assert 0.15 <= took < 5


@pytest.mark.parametrize(
    ("budget", "status"),
    [(1, "TIME_OUT"), (50, "TIME_OUT"), ("99", "TIME_OUT"), (100.0, "TIME_OUT"), (2**31 - 1, "PRESENT")],
)
def test_budget_under_100_ms_is_taken_at_its_word(budget, status):
    """The documents advise 100 ms or more; less is no error, and what is late then is cut."""
    assert answer(responder(far=0.5), latencyBudgetMs=budget)[1][2] == status


@pytest.mark.parametrize("budget", [0, -1, 2**31, 250.5, True, "soon", [100]])
def test_budget_that_is_no_positive_int32_is_refused(budget):
    """Zero, a fraction, a word or more than an int32 is 400."""
    params = {"featureServiceName": "s", "joinKeyMap": {"id": "a"}, "requestOptions": {"latencyBudgetMs": budget}}
    refused = post(responder(), "get-features", {"params": params})

    assert refused.status == 400
    assert b"latencyBudgetMs" in refused.body


def test_request_longer_than_two_seconds_is_504():
    """The server gives up after its time limit, with the documented text and code."""
    params = {"featureServiceName": "s", "joinKeyMap": {"id": "a"}}
    refused = post(responder(near=2.1), "get-features", {"params": params})

    assert refused.status == 504
    assert refused.body == b'{"error":"Timed out","message":"Timed out","code":4}'
    assert refused.held_seconds == pytest.approx(2.0, abs=0.1)


def test_time_limit_is_a_rule():
    """Another limit may be set."""
    late = responder_of(Definitions(VIEWS, SERVICES), DATA, delays=Delays(near=0.2), rules=Rules(timeout_seconds=0.1))

    assert post(late, "get-features", {"params": {"featureServiceName": "s", "joinKeyMap": {"id": "a"}}}).status == 504


def test_budget_cuts_over_the_socket():
    """A client with a budget has its answer when the budget ends, although a view hangs."""
    release = threading.Event()
    views = (BatchView("near", (ID,), TEXT), RealtimeView("hanging", TEXT, lambda *_: {"x": str(release.wait(30))}))
    definitions = Definitions(views, (FeatureService("s", ("near", "hanging")),))
    with FeatureServer(definitions, data={"near": rows_of({"a": "A"})}, api_key="k" * 16) as server:
        began = perf_counter()
        found = httpx.post(
            f"{server.url}/v1/feature-service/get-features",
            json={
                "params": {
                    "featureServiceName": "s",
                    "joinKeyMap": {"id": "a"},
                    "requestOptions": {"latencyBudgetMs": 200},
                }
            },
            headers={"Authorization": f"Tecton-key {server.api_key}"},
        )
        took = perf_counter() - began
        release.set()

    assert found.json() == {"result": {"features": [None, "A"]}}
    assert 0.2 <= took < 5


@pytest.mark.parametrize("options", [{}, {"latencyBudgetMs": 10_000}])
@pytest.mark.parametrize("error", [SystemExit, CancelledError])
def test_function_that_wants_to_end_the_process_fails_alone(error, options):
    """What ends a process or a task elsewhere is a failure of the realtime view; the server goes on."""

    def stop(context, features):
        raise error

    definitions = Definitions(
        (RealtimeView("stopping", (Feature("out", STRING),), stop),), (FeatureService("svc", ("stopping",)),)
    )
    with FeatureServer(definitions, api_key="budget-test-key") as server:
        replies = [
            httpx.post(
                f"{server.url}/v1/feature-service/get-features",
                headers={"Authorization": "Tecton-key budget-test-key"},
                json={
                    "params": {
                        "featureServiceName": "svc",
                        "metadataOptions": {"includeServingStatus": True},
                        "requestOptions": options,
                    }
                },
            )
            for _ in range(2)
        ]

    assert [reply.status_code for reply in replies] == [200, 200]
    assert all(reply.json()["metadata"]["features"] == [{"status": "UNKNOWN_STATUS"}] for reply in replies)
