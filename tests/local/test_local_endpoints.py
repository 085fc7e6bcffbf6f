"""Limits, partial results, the deprecated type and data that is not there yet."""

import json

import pandas as pd
import pytest
from riders import ask, post, responder_of, rider_data, rider_definitions, rows_of

from tecton_nb.local import BatchView, Definitions, Feature, FeatureService, Field, RealtimeView
from tecton_nb.local.serving.rules import Rules
from tecton_nb.wire.types import INT64, STRING, ArrayType

ID, OTHER = Field("id", STRING), Field("other", STRING)
TEXT = (Feature("x", STRING),)
SMALL = {"a": "s" * 50, "b": "s" * 50}
BIG = {"a": "b" * 400, "b": "b" * 400}
DEFINITIONS = Definitions(
    (
        BatchView("big", (ID,), TEXT),
        BatchView("little", (ID,), TEXT),
        RealtimeView("copy", TEXT, lambda _, given: {"x": given["big.x"]}, sources=("big",)),
        BatchView("pairs", (ID, OTHER), TEXT),
        BatchView("empty", (ID,), TEXT),
    ),
    (
        FeatureService("both", ("big", "little", "copy")),
        FeatureService("rows", ("pairs",), wildcard_key="other"),
        FeatureService("nothing", ("empty",)),
        FeatureService("some", ("empty", "little")),
        FeatureService("unbuilt", ("empty",), wildcard_key="id"),
    ),
)
PAIRS = pd.DataFrame(
    {"id": "a", "other": ["p", "q", "r"], "x": "t" * 100, "timestamp": [pd.Timestamp(0, tz="UTC")] * 3}
)
ROW = {"joinKeyMap": {"id": "a"}}
RIDER = {"joinKeyMap": {"rider_id": "R-77"}, "requestContextMap": {"basket_value": 31.5}}


def responder(limit: int):
    """A server that reads at most so many bytes per request."""
    data = {"big": rows_of(BIG), "little": rows_of(SMALL), "pairs": PAIRS}
    return responder_of(DEFINITIONS, data, rules=Rules(size_limit_bytes=limit))


def refusal(answer):
    """Status, code and text of a refusal."""
    body = json.loads(answer.body)
    return answer.status, body["code"], body["message"]


def test_too_much_data_is_400_unless_partial_results_are_allowed():
    """Beyond the limit the request is refused with code 3; at the limit it is answered."""
    params = {"params": {"featureServiceName": "both", **ROW}}

    assert refusal(post(responder(300), "get-features", params))[:2] == (400, 3)
    assert "exceeds the maximum of 300 bytes" in refusal(post(responder(300), "get-features", params))[2]
    assert post(responder(10_000), "get-features", params).status == 200


def test_partial_results_are_what_fits():
    """With allowPartialResults the views that fit are answered, the rest is unknown, and the answer says so."""
    params = {
        "featureServiceName": "both",
        **ROW,
        "allowPartialResults": True,
        "metadataOptions": {"includeServingStatus": True, "includeSloInfo": True},
    }
    body = ask(responder(300), "get-features", params)

    assert body["result"]["features"] == [None, None, SMALL["a"]]
    assert [item["status"] for item in body["metadata"]["features"]] == ["UNKNOWN_STATUS", "UNKNOWN_STATUS", "PRESENT"]
    assert body["metadata"]["partialResults"] is True
    assert body["metadata"]["sloInfo"]["storeResponseSizeBytes"] < 300


def test_partial_results_are_told_without_any_metadata_option():
    """The flag does not depend on the metadata that was asked for, and is absent when everything fits."""
    params = {"featureServiceName": "both", **ROW, "allow_partial_results": True}

    assert ask(responder(300), "get-features", params)["metadata"] == {"partialResults": True}
    assert "metadata" not in ask(responder(10_000), "get-features", params)


def test_query_answers_the_rows_that_fit():
    """A wildcard query with too many rows is refused, or answered with the first ones."""
    params = {"featureServiceName": "rows", **ROW}
    body = ask(responder(250), "query-features", {**params, "allowPartialResults": True})

    assert refusal(post(responder(250), "query-features", {"params": params}))[:2] == (400, 3)
    assert [row["joinKeys"] for row in body["results"]] == [["p"], ["q"]]
    assert body["metadata"] == {"partialResults": True}


def test_batch_has_no_partial_results():
    """The batch message has no allowPartialResults: a row that is too large fails the call."""
    params = {"featureServiceName": "both", "requestData": [ROW]}

    assert refusal(post(responder(300), "get-features-batch", {"params": params}))[:2] == (400, 3)


def test_service_whose_views_hold_no_data_is_404():
    """Nothing materialized is 404 with code 5 and the documented words, on every endpoint that reads."""
    asked = {"params": {"featureServiceName": "nothing", **ROW}}
    batch = {"params": {"featureServiceName": "nothing", "requestData": [ROW]}}
    state = {"featureServiceLocator": {"featureServiceName": "nothing"}}
    for endpoint, body in (
        ("get-features", asked),
        ("get-features-batch", batch),
        ("query-features", {"params": {"featureServiceName": "unbuilt"}}),
        ("get-feature-service-state", state),
    ):
        status, code, text = refusal(post(responder(10_000), endpoint, body))

        assert (status, code) == (404, 5)
        assert "has no materialized data in the online store" in text


def test_service_is_served_from_its_first_data_on():
    """As soon as one view has data the service answers; a view without any is missing data."""
    empty = responder(10_000)
    asked = {"params": {"featureServiceName": "nothing", **ROW}}
    before = post(empty, "get-features", asked).status
    empty._endpoints._store.append("empty", rows_of({"z": "1"}))

    assert before == 404
    assert ask(empty, "get-features", asked["params"])["result"] == {"features": [None]}
    assert ask(responder(10_000), "get-features", {"featureServiceName": "some", **ROW})["result"] == {
        "features": [None, SMALL["a"]]
    }
    assert ask(empty, "metadata", {"featureServiceName": "nothing"})["featureValues"]


@pytest.mark.parametrize("limit", [1, 25])
def test_batch_limit_is_a_setting(limit):
    """More rows than the limit are refused with the limit in the text."""
    limited = responder_of(DEFINITIONS, {"little": rows_of(SMALL)}, rules=Rules(batch_limit=limit))
    params = {"featureServiceName": "some", "requestData": [ROW] * (limit + 1)}
    text = f"Batch size {limit + 1} exceeds maximum of {limit}."

    assert refusal(post(limited, "get-features-batch", {"params": params})) == (400, 3, text)
    assert len(ask(limited, "get-features-batch", {**params, "requestData": [ROW] * limit})["result"]) == limit


def test_include_types_adds_the_deprecated_type():
    """includeTypes brings the flat type, with or without the data type; a batch has no place for it."""
    riders = responder_of(rider_definitions(), rider_data())
    eta = {"featureServiceName": "rider_eta_service"}
    flat = ask(riders, "get-features", {**eta, **RIDER, "metadataOptions": {"includeTypes": True}})
    both = {"includeTypes": True, "includeDataTypes": True}
    beside = ask(riders, "get-features", {**eta, **RIDER, "metadata_options": both})
    batch = ask(riders, "get-features-batch", {**eta, "requestData": [RIDER], "metadataOptions": both})
    query = {"featureServiceName": "rider_recent_zones", "joinKeyMap": {"rider_id": "R-77"}}
    keys = ask(riders, "query-features", {**query, "metadataOptions": {"includeTypes": True}})["metadata"]["joinKeys"]

    assert [item.get("type") for item in flat["metadata"]["features"]] == [
        "boolean",
        None,
        None,
        "timestamp",
        "string_array",
        "float64",
        "int64",
        None,
    ]
    assert beside["metadata"]["features"][0] == {"dataType": {"type": "boolean"}, "type": "boolean"}
    assert batch["metadata"]["features"][0] == {"dataType": {"type": "boolean"}}
    assert keys == [{"type": "int64"}]


def test_realtime_function_may_change_what_it_is_given():
    """A function that changes a list it was given changes nothing for the next request."""

    def taking(_, given):
        return {"n": len([given["lists.items"].pop() for _ in range(2)]) + len(given["lists.items"])}

    views = (
        BatchView("lists", (ID,), (Feature("items", ArrayType(INT64)),)),
        RealtimeView("taking", (Feature("n", INT64),), taking, sources=("lists",)),
    )
    frame = pd.DataFrame({"id": ["a"], "items": [[1, 2, 3]], "timestamp": [pd.Timestamp(0, tz="UTC")]})
    changing = responder_of(Definitions(views, (FeatureService("s", ("lists", "taking")),)), {"lists": frame})
    answers = [ask(changing, "get-features", {"featureServiceName": "s", **ROW}) for _ in range(2)]

    assert answers == [{"result": {"features": ["3", ["1", "2", "3"]]}}] * 2


@pytest.mark.parametrize("depth", [200, 300, 900])
def test_deep_nesting_in_what_is_ignored_is_no_failure(depth):
    """A field that nobody reads may hold anything that is JSON."""
    riders = responder_of(rider_definitions(), rider_data())
    body = json.dumps({"params": {"featureServiceName": "rider_eta_service", **RIDER}})[:-2].encode()

    assert post(riders, "get-features", body + b',"x":' + b"[" * depth + b"]" * depth + b"}}").status == 200


def test_remembered_options_do_not_mix_up_requests():
    """Requests that differ only in an option, a spelling or a type are told apart."""
    riders = responder_of(rider_definitions(), rider_data())
    eta = {"featureServiceName": "rider_eta_service", **RIDER}
    named = [
        post(riders, "get-features", {"params": {**eta, "metadataOptions": {"includeNames": value}}})
        for value in (True, False, 1, "true", None, True)
    ]

    assert [answer.status for answer in named] == [200, 200, 400, 400, 200, 200]
    assert [b"name" in answer.body for answer in named if answer.status == 200] == [True, False, False, True]
