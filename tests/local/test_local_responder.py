"""The responder: bodies as the contract prints them, written here by hand."""

import json
import logging
from dataclasses import replace

import pandas as pd
import pytest
from riders import AUTHORIZATION, KEY, NOW, ask, post, rider_responder

from tecton_nb.local.clock import FixedClock, MeasuredLatency
from tecton_nb.local.definitions.views import BatchView, Definitions, Feature, FeatureService, Field
from tecton_nb.local.keys import Access, Account, ApiKey
from tecton_nb.local.serving.responder import Responder
from tecton_nb.local.storage.store import Store
from tecton_nb.wire.types import STRING

ROW = {"joinKeyMap": {"rider_id": "R-77"}, "requestContextMap": {"basket_value": 31.5}}
ETA = {"workspaceName": "prod", "featureServiceName": "rider_eta_service", **ROW}
EVERYTHING = {
    "includeNames": True,
    "includeDataTypes": True,
    "includeEffectiveTimes": True,
    "includeServingStatus": True,
    "includeSloInfo": True,
    "includeFeatureDescriptions": True,
    "includeFeatureTags": True,
}
VALUES = [
    True,
    ["near", "12", 0.5],
    [0.25, None, "-Infinity"],
    "2024-04-30T21:14:05.250Z",
    ["a", None],
    "NaN",
    "9007199254740993",
    {"501": "4", "502": "1"},
]
QUOTE_TYPE = {
    "type": "struct",
    "fields": [
        {"name": "band", "dataType": {"type": "string"}},
        {"name": "minutes", "dataType": {"type": "int64"}},
        {"name": "score", "dataType": {"type": "float64"}},
    ],
}
STRINGS, FLOATS = ({"type": "array", "elementType": {"type": kind}} for kind in ("string", "float32"))
COUNTS = {"type": "map", "keyType": {"type": "string"}, "valueType": {"type": "int64"}}
MIDNIGHT = "2024-05-01T00:00:00Z"


@pytest.fixture
def responder():
    """The rider service with one key for workspace prod."""
    return rider_responder()


def refused(responder, endpoint, body):
    """Status and parsed body of a refusal."""
    answer = post(responder, endpoint, body)
    return answer.status, json.loads(answer.body)


def error(text, code):
    """An error body as the contract prints it."""
    return {"error": text, "message": text, "code": code}


def test_get_features_with_everything_is_the_contracts_body(responder):
    """Values, names, types, statuses, effective times, descriptions, tags and SLO stand where the contract has them."""
    body = ask(responder, "get-features", {**ETA, "metadataOptions": EVERYTHING})
    sizes = {body["metadata"]["sloInfo"].pop(key) for key in ("dynamodbResponseSizeBytes", "storeResponseSizeBytes")}

    assert body == {
        "result": {"features": VALUES},
        "metadata": {
            "features": [
                {
                    "name": "eta_realtime.is_late",
                    "dataType": {"type": "boolean"},
                    "status": "PRESENT",
                    "description": "whether the order is late",
                },
                {"name": "eta_realtime.quote", "dataType": QUOTE_TYPE, "status": "PRESENT"},
                {
                    "name": "rider_history.embedding",
                    "effectiveTime": MIDNIGHT,
                    "dataType": FLOATS,
                    "status": "PRESENT",
                },
                {
                    "name": "rider_history.last_stop_at",
                    "effectiveTime": MIDNIGHT,
                    "dataType": {"type": "timestamp"},
                    "status": "PRESENT",
                },
                {
                    "name": "rider_history.last_zones",
                    "effectiveTime": MIDNIGHT,
                    "dataType": STRINGS,
                    "status": "PRESENT",
                },
                {
                    "name": "rider_history.ratio",
                    "effectiveTime": MIDNIGHT,
                    "dataType": {"type": "float64"},
                    "status": "PRESENT",
                },
                {
                    "name": "rider_history.trips",
                    "effectiveTime": MIDNIGHT,
                    "dataType": {"type": "int64"},
                    "status": "PRESENT",
                    "description": "trips so far",
                    "tags": {"owner": "logistics"},
                },
                {
                    "name": "rider_history.zone_counts",
                    "effectiveTime": MIDNIGHT,
                    "dataType": COUNTS,
                    "status": "PRESENT",
                },
            ],
            "sloInfo": {
                "sloEligible": True,
                "sloServerTimeSeconds": 0.003,
                "serverTimeSeconds": 0.004,
                "storeMaxLatency": 0.001,
            },
        },
    }
    assert len(sizes) == 1
    assert sizes.pop() > 50


def test_get_features_without_options_has_no_metadata_key(responder):
    """When nothing about the features is asked for, the answer holds the values alone."""
    assert post(responder, "get-features", {"params": ETA}).body == (
        b'{"result":{"features":[true,["near","12",0.5],[0.25,null,"-Infinity"],"2024-04-30T21:14:05.250Z",'
        b'["a",null],"NaN","9007199254740993",{"501":"4","502":"1"}]}}'
    )


@pytest.mark.parametrize(
    ("option", "members"),
    [
        ("includeNames", {"name"}),
        ("includeDataTypes", {"dataType"}),
        ("includeEffectiveTimes", {"effectiveTime"}),
        ("includeServingStatus", {"status"}),
        ("includeFeatureDescriptions", {"description"}),
        ("includeFeatureTags", {"tags"}),
    ],
)
def test_each_option_brings_its_member_and_no_other(responder, option, members):
    """An option that is on brings exactly what it names."""
    metadata = ask(responder, "get-features", {**ETA, "metadataOptions": {option: True}})["metadata"]

    assert set(metadata) == {"features"}
    assert len(metadata["features"]) == len(VALUES)
    assert set().union(*metadata["features"]) == members


def test_slo_info_alone_brings_no_features(responder):
    """Asking for SLO information only brings nothing else."""
    metadata = ask(responder, "get-features", {**ETA, "metadataOptions": {"includeSloInfo": True}})["metadata"]

    assert set(metadata) == {"sloInfo"}


def test_snake_case_request_means_the_same(responder):
    """A request in snake_case gets the answer of the one in camelCase, in camelCase."""
    camel = {**ETA, "metadataOptions": {"includeNames": True, "includeDataTypes": True}}
    snake = {
        "workspace_name": "prod",
        "feature_service_name": "rider_eta_service",
        "join_key_map": ROW["joinKeyMap"],
        "request_context_map": ROW["requestContextMap"],
        "metadata_options": {"include_names": True, "include_data_types": True},
    }

    assert ask(responder, "get-features", snake) == ask(responder, "get-features", camel)


def test_service_is_found_by_its_id_and_workspace_defaults_to_prod(responder):
    """A service may be named by its id, and without a workspace prod is meant."""
    service_id = responder.plan("rider_eta_service", "prod").service.id

    assert ask(responder, "get-features", {"featureServiceId": service_id, **ROW})["result"] == {"features": VALUES}
    assert ask(responder, "get-features", {"featureServiceName": "rider_eta_service", **ROW})["result"]


def test_both_mounts_answer(responder):
    """The endpoints answer with and without /api."""
    body = json.dumps({"params": ETA}).encode()
    answers = [
        responder.respond("POST", f"{mount}/v1/feature-service/get-features", AUTHORIZATION, body)
        for mount in ("", "/api")
    ]

    assert [answer.status for answer in answers] == [200, 200]


def test_unknown_entity_is_missing_data_of_size_zero(responder):
    """Keys that nobody stored are null and MISSING_DATA; realtime features are still computed."""
    params = {**ETA, "joinKeyMap": {"rider_id": "R-404"}, "metadataOptions": EVERYTHING}
    body = ask(responder, "get-features", params)

    assert body["result"]["features"] == [True, ["near", "40", 0.5], None, None, None, None, None, None]
    assert [item["status"] for item in body["metadata"]["features"]] == ["PRESENT"] * 2 + ["MISSING_DATA"] * 6
    assert not any("effectiveTime" in item for item in body["metadata"]["features"])
    assert body["metadata"]["sloInfo"]["storeResponseSizeBytes"] == 0


def test_null_inputs_are_legal(responder):
    """A join key and a context value may be null."""
    params = {**ETA, "joinKeyMap": {"rider_id": None}, "requestContextMap": {"basket_value": None}}

    assert ask(responder, "get-features", params)["result"]["features"][:3] == [False, ["near", "40", 0.5], None]


@pytest.mark.parametrize("zone", ["501", 501])
def test_int64_join_key_may_be_text_or_number(responder, zone):
    """An int64 key is taken as decimal text and as JSON integer."""
    params = {"featureServiceName": "rider_zone_service", "joinKeyMap": {"rider_id": "R-77", "zone_id": zone}}

    assert ask(responder, "get-features", params)["result"] == {"features": ["2", 10, 12.5]}


def test_int64_join_key_above_2_to_the_53_is_exact(responder):
    """Neighbouring keys above 2**53 are different keys."""
    found = {}
    for zone in ("9007199254740993", "9007199254740992"):
        params = {"featureServiceName": "rider_zone_service", "joinKeyMap": {"rider_id": "R-77", "zone_id": zone}}
        found[zone] = ask(responder, "get-features", params)["result"]["features"]

    assert found == {"9007199254740993": ["1", None, 7], "9007199254740992": [None, None, None]}


def test_status_is_per_feature_of_an_aggregated_view(responder):
    """A window without events is missing while a longer one is present; both have the view's effective time."""
    params = {
        "featureServiceName": "rider_zone_service",
        "joinKeyMap": {"rider_id": "R-77", "zone_id": "9007199254740993"},
        "metadataOptions": {"includeNames": True, "includeServingStatus": True, "includeEffectiveTimes": True},
    }

    assert ask(responder, "get-features", params)["metadata"]["features"] == [
        {"name": "zone_visits.wait_count_7d_1d", "effectiveTime": MIDNIGHT, "status": "PRESENT"},
        {"name": "zone_visits.wait_mean_1d_1d", "effectiveTime": MIDNIGHT, "status": "MISSING_DATA"},
        {"name": "zone_visits.wait_mean_7d_1d", "effectiveTime": MIDNIGHT, "status": "PRESENT"},
    ]


def test_null_counts_become_zero_only_on_request(responder):
    """coerceNullCountsToZero turns counts over nothing into 0 and leaves means null."""
    params = {"featureServiceName": "rider_zone_service", "joinKeyMap": {"rider_id": "R-404", "zone_id": "1"}}
    coerced = {**params, "requestOptions": {"coerceNullCountsToZero": True}}

    assert ask(responder, "get-features", params)["result"] == {"features": [None, None, None]}
    assert ask(responder, "get-features", coerced)["result"] == {"features": ["0", None, None]}


def test_extra_struct_fields_of_context_are_refused_unless_ignored(responder):
    """An extra field inside a struct of the context fails, and passes with ignoreExtraRequestContextFields."""
    params = {
        "featureServiceName": "basket_service",
        "requestContextMap": {"basket": {"value": 1.5, "items": "3", "coupon": "X"}},
    }
    status, body = refused(responder, "get-features", {"params": params})
    ignored = {**params, "request_options": {"ignore_extra_request_context_fields": True}}

    assert (status, body["code"]) == (400, 3)
    assert "'coupon'" in body["message"]
    assert ask(responder, "get-features", ignored)["result"] == {"features": ["3"]}


def test_known_request_options_are_accepted_and_fake_no_status(responder):
    """Cache flags, a latency budget and partial results are taken; nothing claims to come from a cache."""
    params = {
        **ETA,
        "metadataOptions": {"includeServingStatus": True},
        "requestOptions": {"readFromCache": True, "writeToCache": False, "latencyBudgetMs": 250},
        "allowPartialResults": True,
        "isCallerBatch": True,
    }
    body = ask(responder, "get-features", params)

    assert {item["status"] for item in body["metadata"]["features"]} == {"PRESENT"}
    assert "partialResults" not in body["metadata"]


def test_realtime_function_that_fails_is_a_status_and_not_an_error(responder, caplog):
    """When a realtime function raises, its features are null with UNKNOWN_STATUS and the rest is served."""
    params = {**ETA, "requestContextMap": {"basket_value": 13}, "metadataOptions": {"includeServingStatus": True}}
    with caplog.at_level(logging.WARNING):
        body = ask(responder, "get-features", params)

    assert body["result"]["features"][:3] == [None, None, [0.25, None, "-Infinity"]]
    assert [item["status"] for item in body["metadata"]["features"]][:3] == ["UNKNOWN_STATUS"] * 2 + ["PRESENT"]
    assert "'eta_realtime' failed" in caplog.text


def test_realtime_function_that_returns_a_wrong_type_is_a_status_too(responder, caplog):
    """A value that does not fit the output schema is UNKNOWN_STATUS."""
    view = responder.plan("basket_service", "prod").realtime[0]
    object.__setattr__(view, "function", lambda *_: {"items": "many"})
    params = {"featureServiceName": "basket_service", "requestContextMap": {"basket": [1.5, "3"]}}

    assert ask(responder, "get-features", params)["result"] == {"features": [None]}
    assert "does not declare" in caplog.text


def test_batch_is_the_contracts_body(responder):
    """A batch answers row by row, with a status and SLO per row and one of the whole."""
    rows = [ROW, {"joinKeyMap": {"rider_id": "R-404"}, "requestContextMap": {"basket_value": 8}}]
    params = {
        "workspaceName": "prod",
        "featureServiceName": "rider_eta_service",
        "requestData": rows,
        "metadataOptions": {
            "includeNames": True,
            "includeServingStatus": True,
            "includeSloInfo": True,
            "includeEffectiveTimes": True,
        },
    }
    body = ask(responder, "get-features-batch", params)
    size = body["metadata"]["sloInfo"][0]["storeResponseSizeBytes"]
    missing = [
        {"name": f"rider_history.{name}", "effectiveTime": MIDNIGHT, "status": ["PRESENT", "MISSING_DATA"]}
        for name in ("embedding", "last_stop_at", "last_zones", "ratio", "trips", "zone_counts")
    ]

    assert body == {
        "result": [
            {"features": VALUES},
            {"features": [False, ["near", "40", 0.5], None, None, None, None, None, None]},
        ],
        "metadata": {
            "features": [
                {"name": "eta_realtime.is_late", "status": ["PRESENT", "PRESENT"]},
                {"name": "eta_realtime.quote", "status": ["PRESENT", "PRESENT"]},
                *missing,
            ],
            "sloInfo": [
                {
                    "sloEligible": True,
                    "sloServerTimeSeconds": 0.003,
                    "dynamodbResponseSizeBytes": size,
                    "serverTimeSeconds": 0.004,
                    "storeMaxLatency": 0.001,
                    "storeResponseSizeBytes": size,
                },
                {
                    "sloEligible": True,
                    "sloServerTimeSeconds": 0.007,
                    "dynamodbResponseSizeBytes": 0,
                    "serverTimeSeconds": 0.008,
                    "storeMaxLatency": 0.002,
                    "storeResponseSizeBytes": 0,
                },
            ],
            "batchSloInfo": {
                "sloEligible": True,
                "sloServerTimeSeconds": 0.007,
                "serverTimeSeconds": 0.0625,
                "storeMaxLatency": 0.002,
            },
        },
    }


def test_effective_time_of_a_batch_is_the_newest_of_its_rows():
    """Rows share one effective time on the wire: that of the newest value."""
    responder = rider_responder(FixedClock(pd.Timestamp("2024-03-05T00:00:00Z").value))
    params = {
        "featureServiceName": "rider_eta_service",
        "requestData": [ROW, {**ROW, "joinKeyMap": {"rider_id": "R-OLD"}}],
        "metadataOptions": {"includeEffectiveTimes": True},
    }
    features = ask(responder, "get-features-batch", params)["metadata"]["features"]

    assert features == [{}, {}, *[{"effectiveTime": "2024-03-01T00:00:00Z"}] * 6]


def test_query_is_the_contracts_body(responder):
    """A wildcard query answers one row per known value of the wildcard key, with the keys described."""
    params = {
        "workspaceName": "prod",
        "featureServiceName": "rider_recent_zones",
        "joinKeyMap": {"rider_id": "R-77"},
        "metadataOptions": {"includeNames": True, "includeDataTypes": True, "includeServingStatus": True},
    }

    assert ask(responder, "query-features", params) == {
        "results": [
            {"features": ["2", 10, 12.5], "joinKeys": ["501"]},
            {"features": ["1", None, 7], "joinKeys": ["9007199254740993"]},
        ],
        "metadata": {
            "features": [
                {"name": "zone_visits.wait_count_7d_1d", "dataType": {"type": "int64"}, "status": "PRESENT"},
                {"name": "zone_visits.wait_mean_1d_1d", "dataType": {"type": "float64"}, "status": "PRESENT"},
                {"name": "zone_visits.wait_mean_7d_1d", "dataType": {"type": "float64"}, "status": "PRESENT"},
            ],
            "joinKeys": [{"name": "zone_id", "dataType": {"type": "int64"}}],
        },
    }


def test_wildcard_joins_views_without_the_key_and_keys_in_any_order():
    """A wildcard service may mix views: those without the wildcard key give every row the same values."""
    zone, rider = Field("zone", STRING), Field("rider", STRING)
    time = [pd.Timestamp(0, tz="UTC")] * 3
    data = {
        "pairs": pd.DataFrame({"zone": ["z1", "z2", "z3"], "rider": ["a", "b", "a"], "x": ["1", "2", "3"]}),
        "riders": pd.DataFrame({"rider": ["a", "b", "c"], "y": ["A", "B", "C"]}),
    }
    views = (
        BatchView("pairs", (zone, rider), (Feature("x", STRING),)),
        BatchView("riders", (rider,), (Feature("y", STRING),)),
    )
    definitions = Definitions(views, (FeatureService("s", ("pairs", "riders"), wildcard_key="zone"),))
    store = Store(views)
    for view, frame in data.items():
        store.append(view, frame.assign(timestamp=time))
    access = Access([Account("test", ApiKey(KEY).digest())])
    responder = Responder(definitions, store, access, clock=FixedClock(NOW), latency=MeasuredLatency())

    assert ask(responder, "query-features", {"featureServiceName": "s", "joinKeyMap": {"rider": "a"}})["results"] == [
        {"features": ["1", "A"], "joinKeys": ["z1"]},
        {"features": ["3", "A"], "joinKeys": ["z3"]},
    ]


def test_query_that_finds_nothing_is_an_empty_object(responder):
    """Empty lists are left out, so a query without results answers {}."""
    params = {"featureServiceName": "rider_recent_zones", "joinKeyMap": {"rider_id": "R-404"}}

    assert post(responder, "query-features", {"params": params}).body == b"{}"
    assert ask(responder, "query-features", {**params, "metadataOptions": {"includeServingStatus": True}}) == {
        "metadata": {"features": [{}, {}, {}]}
    }


def test_query_slo_is_one_object_over_all_rows(responder):
    """A query's SLO is one object: the slowest row, the size of all."""
    params = {
        "featureServiceName": "rider_recent_zones",
        "joinKeyMap": {"rider_id": "R-77"},
        "metadataOptions": {"includeSloInfo": True},
    }
    metadata = ask(responder, "query-features", params)["metadata"]

    assert metadata["sloInfo"]["serverTimeSeconds"] == 0.0625
    assert metadata["sloInfo"]["storeResponseSizeBytes"] > 0
    assert set(metadata) == {"sloInfo"}


def test_metadata_is_the_contracts_body(responder):
    """The metadata endpoint lists inputs and features in vector order; empty lists are left out."""
    locator = {"featureServiceName": "rider_eta_service", "workspaceName": "prod"}

    assert ask(responder, "metadata", locator) == {
        "featureServiceType": "DEFAULT",
        "inputJoinKeys": [{"name": "rider_id", "dataType": {"type": "string"}, "type": "string"}],
        "inputRequestContextKeys": [{"name": "basket_value", "dataType": {"type": "float64"}, "type": "float64"}],
        "featureValues": [
            {"name": "eta_realtime.is_late", "dataType": {"type": "boolean"}, "type": "boolean"},
            {"name": "eta_realtime.quote", "dataType": QUOTE_TYPE},
            {"name": "rider_history.embedding", "dataType": FLOATS},
            {"name": "rider_history.last_stop_at", "dataType": {"type": "timestamp"}, "type": "timestamp"},
            {"name": "rider_history.last_zones", "dataType": STRINGS, "type": "string_array"},
            {"name": "rider_history.ratio", "dataType": {"type": "float64"}, "type": "float64"},
            {"name": "rider_history.trips", "dataType": {"type": "int64"}, "type": "int64"},
            {"name": "rider_history.zone_counts", "dataType": COUNTS},
        ],
    }


def test_metadata_of_a_wildcard_service_names_its_output_key(responder):
    """A WILDCARD service says which key it answers with, and leaves out what it does not have."""
    body = ask(responder, "metadata", {"feature_service_name": "rider_recent_zones"})

    assert list(body) == ["featureServiceType", "inputJoinKeys", "outputJoinKeys", "featureValues"]
    assert body["featureServiceType"] == "WILDCARD"
    assert body["outputJoinKeys"] == [{"name": "zone_id", "dataType": {"type": "int64"}, "type": "int64"}]


def test_state_of_a_known_service_is_an_empty_object(responder):
    """A service that is there is ready."""
    body = {"featureServiceLocator": {"featureServiceName": "rider_eta_service", "workspaceName": "prod"}}

    assert post(responder, "get-feature-service-state", body).body == b"{}"


UNAUTHORIZED = (
    "Missing or invalid 'Tecton-key' authorization header. "
    "It may take up to 60 seconds for a newly created API key to be usable."
)
NOT_AUTHORIZED = (
    "Not Authorized. The Service Account must have the Consumer role on workspace `dev`. "
    "It may take up to 60 seconds for a new role to take effect."
)


@pytest.mark.parametrize("path", ["/api/v1/feature-service/get-features", "/api/v1/observability/metrics", "/nowhere"])
@pytest.mark.parametrize("authorization", [[], ["Tecton-key wrong"]])
def test_without_a_known_key_everything_is_401(responder, path, authorization):
    """Without a known key nothing is told, not even which addresses exist."""
    answer = responder.respond("POST", path, authorization, b"{")

    assert answer.status == 401
    assert json.loads(answer.body) == error(UNAUTHORIZED, 16)


@pytest.mark.parametrize(
    ("method", "path", "status", "text", "code"),
    [
        ("POST", "/api/v1/feature-service/get-feature", 404, "Not Found", 5),
        ("POST", "/api/v2/feature-service/get-features", 404, "Not Found", 5),
        ("GET", "/api/v1/feature-service/get-features", 405, "Method Not Allowed", 12),
        ("POST", "/api/v1/observability/metrics", 405, "Method Not Allowed", 12),
        ("TRACE", "/", 405, "Method Not Allowed", 12),
    ],
)
def test_unknown_address_or_method_is_refused(responder, method, path, status, text, code):
    """An unknown address is 404 and a wrong method 405, in JSON."""
    answer = responder.respond(method, path, AUTHORIZATION, b"")

    assert (answer.status, json.loads(answer.body)) == (status, error(text, code))


def test_workspace_that_the_key_may_not_read_is_403(responder):
    """Without the role on a workspace its services are closed, by name and by id, on every endpoint."""
    by_name = {"featureServiceName": "rider_history_service", "workspaceName": "dev"}
    by_id = {"featureServiceId": responder.plan("rider_history_service", "dev").service.id}
    unknown = {"featureServiceName": "nothing", "workspaceName": "dev"}

    for locator in (by_name, by_id, unknown):
        for endpoint in ("get-features", "metadata"):
            assert refused(responder, endpoint, {"params": locator}) == (403, error(NOT_AUTHORIZED, 7))
    state = {"featureServiceLocator": by_name}
    assert refused(responder, "get-feature-service-state", state) == (403, error(NOT_AUTHORIZED, 7))


def test_workspace_is_open_to_a_key_with_the_role():
    """With the role the same request is answered."""
    responder = rider_responder(workspaces=frozenset({"dev"}))
    params = {"featureServiceName": "rider_history_service", "workspaceName": "dev", "joinKeyMap": {"rider_id": "R-77"}}

    assert ask(responder, "get-features", params)["result"]["features"] == VALUES[2:]


CANNOT_QUERY = (
    "Unable to query FeatureService `{}` for workspace `{}`. "
    "It may take up to 60 seconds for a new FeatureService to be queryable; only live workspaces can be queried."
)


@pytest.mark.parametrize(
    ("endpoint", "locator", "text"),
    [
        ("get-features", {"featureServiceName": "eta"}, CANNOT_QUERY.format("eta", "prod")),
        (
            "query-features",
            {"featureServiceName": "eta", "workspaceName": "test"},
            CANNOT_QUERY.format("eta", "test"),
        ),
        ("get-features", {"featureServiceId": "my_feature_service"}, "Unknown feature_service_id: my_feature_service"),
        (
            "metadata",
            {"featureServiceName": "my_feature_service"},
            "Unknown feature_service_name: my_feature_service for workspace: prod",
        ),
        ("metadata", {"featureServiceId": "5f2a"}, "Unknown feature_service_id: 5f2a"),
        ("metadata", {"featureViewName": "v"}, "Unknown feature_view_name: v for workspace: prod"),
        ("get-features", {"featurePackageId": "p"}, "Unknown feature_package_id: p"),
    ],
)
def test_unknown_service_is_404_with_the_documented_text(responder, endpoint, locator, text):
    """An unknown service is 404 with code 5 and the text that the documents print."""
    assert refused(responder, endpoint, {"params": locator}) == (404, error(text, 5))


def test_state_of_an_unknown_service_is_404(responder):
    """A service that is not there is 404, as while it is not ready."""
    body = {"featureServiceLocator": {"featureServiceName": "x"}}

    assert refused(responder, "get-feature-service-state", body) == (
        404,
        error("Unknown feature_service_name: x for workspace: prod", 5),
    )


ZONE = {"featureServiceName": "rider_zone_service"}


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({**ZONE, "joinKeyMap": {"rider_id": "R-77"}}, "Missing required join key: `zone_id`"),
        (
            {**ZONE, "joinKeyMap": {"rider_id": "R-77", "zone_id": "1", "zone": "1"}},
            "Unknown join key: zone, expected one of: [rider_id zone_id]",
        ),
        (
            {**ZONE, "joinKeyMap": {"rider_id": "R-77", "zone_id": 1.5}},
            "Unexpected JSON type for zone_id in joinKeyMap. Expected int64 or null.",
        ),
        (
            {**ZONE, "joinKeyMap": {"rider_id": "R-77", "zone_id": "abc"}},
            "Unexpected JSON type for zone_id in joinKeyMap. Expected int64 or null.",
        ),
        (
            {**ZONE, "joinKeyMap": {"rider_id": "R-77", "zone_id": True}},
            "Unexpected JSON type for zone_id in joinKeyMap. Expected int64 or null.",
        ),
        (
            {**ZONE, "joinKeyMap": {"rider_id": 77, "zone_id": "1"}},
            "Unexpected JSON type for rider_id in joinKeyMap. Expected string or null.",
        ),
        ({**ETA, "requestContextMap": {}}, "Expected key not found: [basket_value] in requestContextMap"),
        (
            {**ETA, "requestContextMap": {"basket_value": "much"}},
            "Unexpected JSON type for basket_value in requestContextMap. Expected float64 or null.",
        ),
        (
            {"featureServiceName": "rider_recent_zones", "joinKeyMap": {"rider_id": "R-77"}},
            "FeatureService `rider_recent_zones` is WILDCARD; use query-features.",
        ),
    ],
)
def test_wrong_inputs_are_400_with_the_documented_text(responder, params, text):
    """Wrong join keys and context are 400 with code 3 and the text that the documents print."""
    assert refused(responder, "get-features", {"params": params}) == (400, error(text, 3))


def test_query_of_a_default_service_is_400(responder):
    """query-features answers for WILDCARD services only."""
    text = "FeatureService `rider_eta_service` is DEFAULT; use get-features."

    assert refused(responder, "query-features", {"params": ETA}) == (400, error(text, 3))


def test_batch_of_eleven_rows_is_refused_and_ten_are_answered(responder):
    """The server takes ten rows at once."""
    params = {"featureServiceName": "rider_eta_service", "requestData": [ROW] * 11}
    text = "Batch size 11 exceeds maximum of 10."

    assert refused(responder, "get-features-batch", {"params": params}) == (400, error(text, 3))
    assert len(ask(responder, "get-features-batch", {**params, "requestData": [ROW] * 10})["result"]) == 10


def test_one_bad_row_fails_the_batch(responder):
    """There is no place for an error of one row, so the call fails."""
    params = {"featureServiceName": "rider_eta_service", "requestData": [ROW, {**ROW, "joinKeyMap": {}}]}

    assert refused(responder, "get-features-batch", {"params": params}) == (
        400,
        error("Missing required join key: `rider_id`", 3),
    )


def test_batch_without_rows_is_refused(responder):
    """A batch needs a row."""
    params = {"featureServiceName": "rider_eta_service"}

    assert refused(responder, "get-features-batch", {"params": params}) == (
        400,
        error("requestData must not be empty.", 3),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"params": 1}',
        b'{"params": {}}',
        b'{"params": {"featureServiceName": 7}}',
        b'{"params": {"featureServiceName": "a", "featureServiceId": "b"}}',
        b'{"params": {"featureServiceName": "a", "feature_service_name": "a"}}',
        b'{"params": {"featureServiceName": "rider_eta_service", "joinKeyMap": []}}',
        b'{"params": {"featureServiceName": "rider_eta_service", "metadataOptions": {"includeNames": "yes"}}}',
        b'{"params": {"featureServiceName": "rider_eta_service", "requestOptions": {"readFromCache": "no"}}}',
        b'{"params": {"featureServiceName": "rider_eta_service", "joinKeyMap": {"rider_id": NaN}}}',
        b'{"params": {"featureServiceName": "\\ud800"}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=range(17),
)
def test_malformed_request_is_400_with_code_3(responder, body):
    """Whatever is no request gets one sentence, status 400 and code 3."""
    status, said = refused(responder, "get-features", body)

    assert (status, said["code"]) == (400, 3)
    assert said["error"] == said["message"] != ""


def test_response_above_two_mebibytes_is_answered_and_not_eligible():
    """A vector whose data is larger than 2 MiB is served, and does not count for the latency objective."""
    view = BatchView("texts", (Field("id", STRING),), (Feature("text", STRING),))
    definitions = Definitions((view,), (FeatureService("s", ("texts",)),))
    store = Store([view])
    big = "x" * (2 * 1024 * 1024)
    store.append("texts", pd.DataFrame({"id": ["a"], "text": [big], "timestamp": [pd.Timestamp(0, tz="UTC")]}))
    access = Access([Account("test", ApiKey(KEY).digest())])
    responder = Responder(definitions, store, access, clock=FixedClock(NOW), latency=MeasuredLatency())
    row = {"joinKeyMap": {"id": "a"}}
    options = {"featureServiceName": "s", "metadataOptions": {"includeSloInfo": True}}

    single = ask(responder, "get-features", {**options, **row})
    batch = ask(responder, "get-features-batch", {**options, "requestData": [row, {"joinKeyMap": {"id": "b"}}]})

    reasons = ["DYNAMODB_RESPONSE_SIZE_LIMIT_EXCEEDED"]
    assert single["result"]["features"] == [big]
    assert single["metadata"]["sloInfo"]["sloEligible"] is False
    assert single["metadata"]["sloInfo"]["sloIneligibilityReasons"] == reasons
    assert [info["sloEligible"] for info in batch["metadata"]["sloInfo"]] == [False, True]
    assert batch["metadata"]["batchSloInfo"]["sloIneligibilityReasons"] == reasons


def test_failure_inside_the_server_is_500_without_a_traceback(responder, monkeypatch, caplog):
    """When the server itself fails, the answer says so and nothing else; the log has the rest."""
    monkeypatch.setattr("tecton_nb.local.serving.vectors.Reader.vector", lambda *_: 1 / 0)
    status, body = refused(responder, "get-features", {"params": ETA})

    assert (status, body) == (500, error("Internal error", 13))
    assert "ZeroDivisionError" in caplog.text


def test_no_answer_holds_the_key(responder):
    """Not even a request that sends the key in its body gets it back in an error."""
    answers = [post(responder, "get-features", body) for body in (b"{", b"{}", json.dumps({"params": ETA}).encode())]

    assert not any(KEY.encode() in answer.body for answer in answers)


def metrics(responder):
    """The samples of the metrics page by name and labels."""
    answer = responder.respond("GET", "/api/v1/observability/metrics", AUTHORIZATION, b"")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {line.rsplit(" ", 2)[0]: float(line.rsplit(" ", 2)[1]) for line in lines}


def test_metrics_page_tells_the_servers_own_traffic(responder):
    """Rates over five minutes, latencies, errors and load come from the requests that were made."""
    for _ in range(3):
        ask(responder, "get-features", ETA)
    ask(responder, "get-features-batch", {"featureServiceName": "rider_eta_service", "requestData": [ROW] * 3})
    post(responder, "get-features", {"params": {"featureServiceName": "nothing"}})
    responder.respond("POST", "/v1/feature-service/get-features", [], b"")
    found = metrics(responder)
    service_id = responder.plan("rider_eta_service", "prod").service.id
    labels = f'feature_service_id="{service_id}",feature_service_name="rider_eta_service"'

    assert found['feature_service_requests_total_rate{aws_region="local"}'] == pytest.approx(8 / 300)
    assert found[f'feature_service_requests_rate{{aws_region="local",{labels}}}'] == pytest.approx(6 / 300)
    assert found[f"feature_service_latency_count{{{labels}}}"] == 4
    assert found[f"feature_service_latency_sum{{{labels}}}"] == pytest.approx(0.004 + 0.008 + 0.012 + 0.0625)
    assert found[f'feature_service_latency{{{labels},quantile="0.99"}}'] == 0.0625
    assert found['feature_service_total_latency{quantile="0.5"}'] == 0.012
    assert found['feature_server_errors_rate{status="404"}'] == pytest.approx(100 / 6)
    assert found['feature_server_errors_rate{status="401"}'] == pytest.approx(100 / 6)
    assert found['feature_server_utilization{aws_region="local"}'] > 0


def test_metrics_page_names_every_readable_service_even_unused(responder):
    """A scrape finds every service that the key may read, with rate 0 where nobody asked, and no other."""
    text = responder.respond("GET", "/v1/observability/metrics", AUTHORIZATION, b"").body.decode()
    rates = [line for line in text.splitlines() if line.startswith("feature_service_requests_rate{")]

    assert [line.split('feature_service_name="')[1].split('"')[0] for line in rates] == [
        "rider_eta_service",
        "rider_zone_service",
        "rider_recent_zones",
        "basket_service",
    ]
    assert {line.split(" ", 1)[1] for line in rates} == {f"0 {NOW // 1_000_000}"}


def test_metrics_page_is_prometheus_text_with_stage_and_type(responder):
    """Every metric has HELP with its release stage, TYPE, and the content type of Prometheus text."""
    answer = responder.respond("GET", "/api/v1/observability/metrics", AUTHORIZATION, b"")
    lines = answer.body.decode().splitlines()

    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert [line.split()[2:4] for line in lines if line.startswith("# TYPE")][:6] == [
        ["feature_service_requests_total_rate", "gauge"],
        ["feature_service_requests_rate", "gauge"],
        ["feature_service_total_latency", "summary"],
        ["feature_service_latency", "summary"],
        ["feature_server_errors_rate", "gauge"],
        ["feature_server_utilization", "gauge"],
    ]
    assert [line.split()[3] for line in lines if line.startswith("# HELP")] == ["[GA]"] * 6 + ["[Preview]"] * 34


class Moving:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        """Return where it stands."""
        return self.at


def test_rates_forget_what_is_older_than_five_minutes():
    """A rate is over the last five minutes."""
    clock = Moving()
    responder = rider_responder(clock)
    name = 'feature_service_requests_total_rate{aws_region="local"}'
    rates = []
    for minutes in (0, 4, 2):
        clock.at += minutes * 60 * 10**9
        ask(responder, "get-features", ETA)
        rates.append(metrics(responder)[name] * 300)

    assert rates == pytest.approx([1, 2, 2])


def test_definitions_are_not_changed_by_serving(responder):
    """Plans are plain data: the same service plans the same again."""
    plan = responder.plan("rider_eta_service", "prod")

    assert replace(plan) == plan
