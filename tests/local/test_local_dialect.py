"""Dialects: the same answers as older servers and hand-written documents spell them."""

import json

import pytest
from riders import ask, post, responder_of, rider_data, rider_definitions

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import Dialect, FeatureServer
from tecton_nb.local.serving.rules import Rules
from tecton_nb.wire.responses import read_get_features, read_get_features_batch, read_service_metadata

ROW = {"joinKeyMap": {"rider_id": "R-77"}, "requestContextMap": {"basket_value": 31.5}}
ETA = {"workspaceName": "prod", "featureServiceName": "rider_eta_service", **ROW}
METADATA = {
    "includeNames": True,
    "includeDataTypes": True,
    "includeEffectiveTimes": True,
    "includeServingStatus": True,
    "includeSloInfo": True,
    "includeFeatureTags": True,
}


def speaking(**switches: bool):
    """A rider service with a dialect."""
    return responder_of(rider_definitions(), rider_data(), rules=Rules(dialect=Dialect(**switches)))


def test_snake_case_spells_every_member_of_the_messages_and_no_key_of_the_users():
    """Members are snake_case at every level; map keys, tags and values stay as they are."""
    body = ask(speaking(snake_case=True), "get-features", {**ETA, "metadataOptions": METADATA})
    item = body["metadata"]["features"][6]

    assert body["result"]["features"][7] == {"501": "4", "502": "1"}
    assert item == {
        "name": "rider_history.trips",
        "effective_time": "2024-05-01T00:00:00Z",
        "data_type": {"type": "int64"},
        "status": "PRESENT",
        "tags": {"owner": "logistics"},
    }
    assert body["metadata"]["features"][1]["data_type"]["fields"][0]["data_type"] == {"type": "string"}
    assert {"slo_eligible", "store_response_size_bytes"} <= body["metadata"]["slo_info"].keys()


def test_snake_case_answers_of_the_other_endpoints():
    """Batch, query and metadata are snake_case too."""
    responder = speaking(snake_case=True)
    batch = ask(
        responder,
        "get-features-batch",
        {"featureServiceName": "rider_eta_service", "requestData": [ROW], "metadataOptions": {"includeSloInfo": True}},
    )
    query = ask(
        responder, "query-features", {"featureServiceName": "rider_recent_zones", "joinKeyMap": {"rider_id": "R-77"}}
    )
    metadata = ask(responder, "metadata", {"featureServiceName": "rider_eta_service"})

    assert set(batch["metadata"]) == {"slo_info", "batch_slo_info"}
    assert query["results"][0]["join_keys"] == ["501"]
    assert set(metadata) == {"feature_service_type", "input_join_keys", "input_request_context_keys", "feature_values"}


def test_documented_statuses_are_those_of_the_documents(caplog):
    """UNKNOWN stands for UNKNOWN_STATUS, also in the lists of a batch."""
    responder = speaking(documented_statuses=True)
    unlucky = {**ROW, "requestContextMap": {"basket_value": 13}}
    options = {"metadataOptions": {"includeServingStatus": True}}
    single = ask(responder, "get-features", {**ETA, **unlucky, **options})
    batch = ask(
        responder,
        "get-features-batch",
        {"featureServiceName": "rider_eta_service", "requestData": [ROW, unlucky], **options},
    )

    assert single["metadata"]["features"][0]["status"] == "UNKNOWN"
    assert batch["metadata"]["features"][0]["status"] == ["PRESENT", "UNKNOWN"]


def test_flat_types_stand_in_place_of_data_types_where_there_are_any():
    """A scalar or list of text has the deprecated type alone; others keep their data type."""
    responder = speaking(flat_types=True)
    options = {"metadataOptions": {"includeDataTypes": True}}
    items = ask(responder, "get-features", {**ETA, **options})["metadata"]["features"]
    values = ask(responder, "metadata", {"featureServiceName": "rider_eta_service"})["featureValues"]

    assert items[0] == {"type": "boolean"}
    assert items[4] == {"type": "string_array"}
    assert [set(item) for item in (items[1], items[2], items[7])] == [{"dataType"}] * 3
    assert values[6] == {"name": "rider_history.trips", "type": "int64"}


def test_dynamodb_size_only_leaves_the_newer_name_out():
    """The size stands under its old name alone."""
    responder = speaking(dynamodb_size_only=True)
    info = ask(responder, "get-features", {**ETA, "metadataOptions": {"includeSloInfo": True}})["metadata"]["sloInfo"]

    assert info["dynamodbResponseSizeBytes"] > 0
    assert "storeResponseSizeBytes" not in info


def test_written_empty_lists_are_there():
    """What is left out of usual answers is written as []."""
    responder = speaking(writes_empty_lists=True)
    nothing = {"featureServiceName": "rider_recent_zones", "joinKeyMap": {"rider_id": "R-404"}}
    slo = {"metadataOptions": {"includeSloInfo": True}}
    metadata = ask(responder, "get-features", {**ETA, **slo})["metadata"]

    assert ask(responder, "query-features", nothing) == {"results": []}
    assert metadata["features"] == []
    assert metadata["sloInfo"]["sloIneligibilityReasons"] == []
    assert ask(responder, "metadata", {"featureServiceName": "rider_eta_service"})["outputJoinKeys"] == []
    assert "metadata" not in ask(responder, "get-features", ETA)


@pytest.mark.parametrize(
    ("endpoint", "body", "said"),
    [
        ("get-features", {"params": {**ETA, "colour": 1}}, 'unknown field "colour" in params'),
        ("get-features", {"params": ETA, "param": {}}, 'unknown field "param" in the request'),
        (
            "get-features",
            {"params": {**ETA, "metadataOptions": {"includeName": True}}},
            'unknown field "includeName" in params.metadataOptions',
        ),
        (
            "get-features",
            {"params": {**ETA, "request_options": {"coerceNullCountsToZero": True}}},
            'unknown field "coerceNullCountsToZero" in params.requestOptions',
        ),
        ("get-features", {"params": {**ETA, "is_caller_batch": True}}, 'unknown field "is_caller_batch" in params'),
        (
            "get-features-batch",
            {"params": {"featureServiceName": "x", "requestData": [], "allowPartialResults": True}},
            'unknown field "allowPartialResults" in params',
        ),
        (
            "get-features-batch",
            {"params": {"featureServiceName": "x", "requestData": [ROW, {"joinKeys": {}}]}},
            'unknown field "joinKeys" in params.requestData[1]',
        ),
        ("metadata", {"params": {"featureServiceName": "x", "joinKeyMap": {}}}, 'unknown field "joinKeyMap" in params'),
        ("get-feature-service-state", {"params": {}}, 'unknown field "params" in the request'),
        (
            "get-feature-service-state",
            {"featureServiceLocator": {"name": "x"}},
            'unknown field "name" in featureServiceLocator',
        ),
    ],
)
def test_strict_reading_refuses_unknown_fields_in_a_parsers_words(endpoint, body, said):
    """A field that the messages lack is 400 with code 3 and is named; the usual server ignores it."""
    answer = post(speaking(refuses_unknown_fields=True), endpoint, body)

    assert (answer.status, json.loads(answer.body)) == (400, {"error": said, "message": said, "code": 3})
    assert said.encode() not in post(speaking(), endpoint, body).body


@pytest.mark.parametrize("endpoint", ["get-features", "get-features-batch", "metadata", "get-feature-service-state"])
def test_strict_reading_takes_what_the_messages_have_in_both_spellings(endpoint):
    """Every field of the published messages passes, in camelCase and in snake_case."""
    strict = speaking(refuses_unknown_fields=True)
    locator = {"workspaceName": "prod", "featureServiceName": "rider_eta_service"}
    options = {
        "metadata_options": {"includeNames": True, "include_data_types": True, "includeTypes": True},
        "requestOptions": {"readFromCache": True, "write_to_cache": False, "latencyBudgetMs": 250},
        "isCallerBatch": False,
    }
    bodies = {
        "get-features": {"params": {**locator, **ROW, **options, "allow_partial_results": True}},
        "get-features-batch": {"params": {**locator, **options, "request_data": [ROW]}},
        "metadata": {"params": locator},
        "get-feature-service-state": {"feature_service_locator": locator},
    }

    assert post(strict, endpoint, bodies[endpoint]).status == 200
    assert post(strict, endpoint, b"{").status == 400
    assert post(strict, endpoint, b"[1]").status == 400


@pytest.mark.parametrize(
    "switches", [{}, {"snake_case": True}, {"flat_types": True}, {"writes_empty_lists": True}, {"snake_case": True,
    "flat_types": True, "writes_empty_lists": True, "dynamodb_size_only": True, "documented_statuses": True}]
)  # fmt: skip
def test_reader_of_the_wire_understands_every_dialect(switches):
    """Whatever the dialect, the reading side finds the same values, names and sizes."""
    usual, responder = speaking(), speaking(**switches)
    single = {**ETA, "metadataOptions": METADATA}
    batch = {"featureServiceName": "rider_eta_service", "requestData": [ROW, ROW], "metadataOptions": METADATA}
    metadata = {"featureServiceName": "rider_eta_service"}

    def read(side):
        bodies = [
            post(side, endpoint, {"params": params}).body
            for endpoint, params in (("get-features", single), ("get-features-batch", batch), ("metadata", metadata))
        ]
        one, many = read_get_features(bodies[0]), read_get_features_batch(bodies[1])
        schema = read_service_metadata(bodies[2])
        items = [(i.name, str(i.data_type), i.effective_time) for i in one.features]
        sizes = [info.store_response_size_bytes for info in (*one.slo_infos, *many.slo_infos)]
        return one.rows, many.rows, items, sizes, [str(f.data_type) for f in schema.feature_values]

    assert read(responder) == read(usual)


def test_server_takes_a_dialect():
    """FeatureServer speaks the dialect it is given."""
    server = FeatureServer(rider_definitions(), data=rider_data(), dialect=Dialect(dynamodb_size_only=True))
    authorization = [f"Tecton-key {server.api_key}"]
    body = json.dumps({"params": {**ETA, "metadataOptions": {"includeSloInfo": True}}}).encode()
    answer = server.responder.respond("POST", "/v1/feature-service/get-features", authorization, body)
    server.close()

    assert b"storeResponseSizeBytes" not in answer.body


@pytest.mark.parametrize("name", ["batch_limit", "size_limit_bytes"])
def test_limit_that_is_not_positive_is_refused(name):
    """A limit of nothing is a mistake."""
    with pytest.raises(SettingsError, match=f"The {name} must be positive; got 0."):
        FeatureServer(rider_definitions(), **{name: 0})
