"""Bodies from the documents and the contract, decoded to values written here by hand and written back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tecton_nb.wire import requests, responses
from tecton_nb.wire.responses import FeatureItem, FeaturesReply, NameAndType, ServiceMetadata
from tecton_nb.wire.slo import SLOInfo
from tecton_nb.wire.timestamps import EpochNanoseconds
from tecton_nb.wire.types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    ArrayType,
    MapType,
    StructField,
    StructType,
)
from tecton_nb.wire.values import decode_value

GOLDEN = Path(__file__).parents[1] / "golden"
BODIES: dict[str, Any] = {
    name: body
    for file in ("contract-examples.json", "documents.json", "dialects.json")
    for name, body in json.loads((GOLDEN / file).read_text(encoding="utf-8")).items()
}
MAY_1 = "2024-05-01T00:00:00Z"
QUOTE = StructType((StructField("band", STRING), StructField("minutes", INT64), StructField("score", FLOAT64)))


def _body(name: str) -> bytes:
    return json.dumps(BODIES[name]).encode()


def _values(reply: FeaturesReply) -> list[list[object]]:
    return [
        [
            decode_value(raw, item.data_type, where="")
            for raw, item in zip(row, reply.features, strict=True)
            if item.data_type is not None
        ]
        for row in reply.rows
    ]


FULL = FeaturesReply(
    rows=(BODIES["get_features_response_full"]["result"]["features"],),
    features=(
        FeatureItem("eta_realtime.is_late", BOOLEAN, ("PRESENT",)),
        FeatureItem("eta_realtime.quote", QUOTE, ("PRESENT",)),
        FeatureItem(
            "rider_history.distance_km_mean_7d_1d",
            FLOAT64,
            ("PRESENT",),
            MAY_1,
            "mean trip length over a week",
            {"owner": "logistics"},
        ),
        FeatureItem("rider_history.last_stop_at", TIMESTAMP, ("PRESENT",), MAY_1),
        FeatureItem("rider_history.ratio_30d_1d", FLOAT64, ("PRESENT",), MAY_1),
        FeatureItem("rider_history.trips_30d_1d", INT64, ("MISSING_DATA",), MAY_1),
        FeatureItem("rider_vectors.embedding", ArrayType(FLOAT32), ("CACHED_PRESENT",), "2024-05-01T09:50:00.125Z"),
        FeatureItem("rider_vectors.zone_counts", MapType(STRING, INT64), ("TIME_OUT",), "2024-05-01T09:50:00.125Z"),
    ),
    join_keys=([],),
    slo_infos=(
        SLOInfo(
            slo_eligible=False,
            slo_ineligibility_reasons=["DYNAMODB_RESPONSE_SIZE_LIMIT_EXCEEDED"],
            slo_server_time_seconds=0.0412,
            server_time_seconds=0.0478,
            store_max_latency=0.0121,
            store_response_size_bytes=2310144,
        ),
    ),
    is_partial=True,
)
BATCH = FeaturesReply(
    rows=([True, "18"], [False, None]),
    features=(
        FeatureItem("eta_realtime.is_late", BOOLEAN, ("PRESENT", "PRESENT")),
        FeatureItem("rider_history.trips_30d_1d", INT64, ("PRESENT", "MISSING_DATA"), MAY_1),
    ),
    join_keys=([], []),
    slo_infos=(SLOInfo(True, None, 0.0031, 0.0044, 0.0009, 1873), SLOInfo(True, None, 0.0035, 0.0039, 0.0008, 0)),
    batch_slo_info=SLOInfo(True, None, 0.0035, 0.0061, 0.0009),
)
QUERY = FeaturesReply(
    rows=(["4", 12.5], ["1", None]),
    features=(FeatureItem("zone_visits.visits_7d_1d", INT64), FeatureItem("zone_visits.wait_mean_7d_1d", FLOAT64)),
    join_keys=(["501"], ["502"]),
    join_key_items=(FeatureItem("zone_id", INT64),),
)


@pytest.mark.parametrize(
    ("name", "read", "expected"),
    [
        pytest.param("get_features_response_full", responses.read_get_features, FULL, id="single"),
        pytest.param(
            "get_features_response_bare",
            responses.read_get_features,
            FeaturesReply(rows=(["0", "1", 216409],), join_keys=([],)),
            id="single-bare",
        ),
        pytest.param("get_features_batch_response", responses.read_get_features_batch, BATCH, id="batch"),
        pytest.param("query_features_response", responses.read_query_features, QUERY, id="query"),
    ],
)
def test_contract_answer_reads_as_written_by_hand(
    name: str, read: Callable[[bytes], FeaturesReply], expected: FeaturesReply
) -> None:
    """Each answer of the contract is read field by field as a person reads it."""
    reply = read(_body(name))

    assert reply == expected
    assert reply.raw_metadata == BODIES[name].get("metadata")


@pytest.mark.parametrize(
    ("name", "read", "write"),
    [
        ("get_features_response_full", responses.read_get_features, responses.write_get_features),
        ("get_features_response_bare", responses.read_get_features, responses.write_get_features),
        ("guide_bare_response", responses.read_get_features, responses.write_get_features),
        ("get_features_batch_response", responses.read_get_features_batch, responses.write_get_features_batch),
        ("query_features_response", responses.read_query_features, responses.write_query_features),
        ("query_without_metadata", responses.read_query_features, responses.write_query_features),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answer_written_back_is_the_same_json(
    name: str, read: Callable[[bytes], FeaturesReply], write: Callable[[FeaturesReply], bytes]
) -> None:
    """What a client reads, a server writes: the same JSON member for member."""
    written = write(read(_body(name)))

    assert json.loads(written) == BODIES[name]


def test_contract_values_decode_to_python_values() -> None:
    """The full example holds one value of nearly every type, and each becomes the Python value it means."""
    (row,) = _values(responses.read_get_features(_body("get_features_response_full")))

    assert row[:4] == [
        True,
        {"band": "near", "minutes": 12, "score": 0.5},
        0.0,
        EpochNanoseconds(1_714_511_645_250_000_000),
    ]
    assert [type(value) for value in row[:4]] == [bool, dict, float, EpochNanoseconds]
    assert isinstance(row[4], float)
    assert math.isnan(row[4])
    assert row[5:] == [None, [0.25, None, -math.inf], None]


def test_guide_example_reads_with_the_old_size_name() -> None:
    """The guide's printed answer keeps its size although it stands under the DynamoDB name only."""
    reply = responses.read_get_features(_body("guide_response"))

    assert _values(reply) == [[0, 1, 216409.0]]
    assert [type(value) for value in _values(reply)[0]] == [int, int, float]
    assert reply.slo_infos == (SLOInfo(True, None, 0.039343822, 0.049082851, None, 204),)
    assert [item.effective_time for item in reply.features] == [None, None, "2021-08-21T01:23:58.996Z"]


def test_reference_example_answer_is_a_bare_number() -> None:
    """The reference prints an int64 as a JSON number; it is taken as it stands."""
    reply = responses.read_get_features(_body("reference_response"))

    assert reply.rows == ([15],)
    assert decode_value(reply.rows[0][0], INT64, where="") == 15


def test_snake_case_answer_reads_like_camel_case() -> None:
    """An answer in snake_case loses nothing: types, times, statuses, service level and the partial mark."""
    reply = responses.read_get_features(_body("snake_get_features"))

    assert _values(reply) == [[{"band": "near", "minutes": 12}, None, 7]]
    assert reply.features == (
        FeatureItem(
            "eta.quote", StructType((StructField("band", STRING), StructField("minutes", INT64))), ("UNKNOWN",)
        ),
        FeatureItem("vectors.embedding", ArrayType(FLOAT32), ("MISSING_DATA",), "2024-05-01T00:00:00.000000001Z"),
        FeatureItem("history.trips", INT64, ("CACHED",)),
    )
    assert reply.slo_infos == (
        SLOInfo(False, ["REDIS_LATENCY_LIMIT_EXCEEDED", "SOMETHING_NEW"], 0.0269, 0.0169, 0.5, 12),
    )
    assert reply.is_partial is True


def test_numeric_statuses_read_as_their_names() -> None:
    """A server that prints enum numbers means their names; a number without a name stays as it is."""
    reply = responses.read_get_features(_body("numeric_enums"))

    assert [item.statuses for item in reply.features] == [
        ("PRESENT",),
        ("MISSING_DATA",),
        ("UNKNOWN_STATUS",),
        ("CACHED_UNKNOWN",),
        ("CACHED_MISSING_DATA",),
        ("CACHED_PRESENT",),
        ("TIME_OUT",),
        ("7",),
    ]


def test_batch_with_one_status_text_holds_it_for_every_row() -> None:
    """Older servers answer a batch with one status text, which then counts for each row."""
    reply = responses.read_get_features_batch(_body("batch_with_one_status_text"))

    assert reply.features[0].statuses == ("PRESENT", "PRESENT", "PRESENT")


def test_batch_of_the_oldest_documents_is_read_as_rows() -> None:
    """The oldest documents print one object holding a list of vectors; each vector is a row."""
    reply = responses.read_get_features_batch(_body("batch_of_oldest_documents"))

    assert _values(reply) == [[1, 0.5], [2, None]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "metadata_response_default",
            ServiceMetadata(
                input_join_keys=(NameAndType("rider_id", STRING),),
                input_request_context_keys=(NameAndType("basket_value", FLOAT64),),
                feature_values=(
                    NameAndType("eta_realtime.is_late", BOOLEAN),
                    NameAndType("rider_history.last_zones", ArrayType(STRING)),
                ),
            ),
            id="default",
        ),
        pytest.param(
            "metadata_response_wildcard",
            ServiceMetadata(
                input_join_keys=(NameAndType("rider_id", STRING),),
                feature_values=(NameAndType("zone_visits.visits_7d_1d", INT64),),
                output_join_keys=(NameAndType("zone_id", INT64),),
                feature_service_type="WILDCARD",
            ),
            id="wildcard",
        ),
        pytest.param(
            "reference_metadata_response",
            ServiceMetadata(
                input_join_keys=(NameAndType("adId", STRING),),
                feature_values=(
                    NameAndType("ad_ground_truth_ctr_performance_7_days", FLOAT64),
                    NameAndType("user_partner_impression_count_7_days", FLOAT64),
                    NameAndType("user_total_ad_frequency_counts", INT64),
                ),
            ),
            id="reference",
        ),
        pytest.param(
            "legacy_types_only",
            ServiceMetadata(
                input_join_keys=(NameAndType("longitude", FLOAT64),),
                feature_values=(NameAndType("v.zones", ArrayType(STRING)), NameAndType("v.flag", BOOLEAN)),
            ),
            id="legacy-types",
        ),
        pytest.param(
            "snake_service_metadata",
            ServiceMetadata(
                input_join_keys=(NameAndType("rider_id", STRING),),
                input_request_context_keys=(NameAndType("weights", MapType(STRING, FLOAT64)),),
                feature_values=(NameAndType("v.at", TIMESTAMP),),
                output_join_keys=(NameAndType("zone_id", INT64),),
                feature_service_type="WILDCARD",
            ),
            id="snake",
        ),
    ],
)
def test_service_metadata_reads_in_every_spelling(name: str, expected: ServiceMetadata) -> None:
    """The schema of a service is read from either spelling, with data types or only the deprecated flat ones."""
    metadata = responses.read_service_metadata(_body(name))

    assert metadata == expected
    assert metadata.raw == BODIES[name]


@pytest.mark.parametrize(
    ("name", "legacy_types"), [("metadata_response_default", True), ("metadata_response_wildcard", False)]
)
def test_service_metadata_written_back_is_the_same_json(name: str, legacy_types: bool) -> None:
    """The metadata answer is written as servers write it, with the flat types or without."""
    written = responses.write_service_metadata(responses.read_service_metadata(_body(name)), legacy_types=legacy_types)

    assert json.loads(written) == BODIES[name]


def test_reference_error_body_gives_text_and_code() -> None:
    """The reference's error body gives its text once and the gRPC code, and is written back as it was."""
    error = responses.read_error_body(_body("reference_error"))

    assert error == responses.ErrorBody("Unknown feature_service_id: my_feature_service", 5)
    assert json.loads(responses.write_error_body(error.message, 5)) == BODIES["reference_error"]


@pytest.mark.parametrize(
    ("name", "workspace", "service"),
    [
        ("get_features_request_camel", "prod", "rider_eta_service"),
        ("get_features_request_snake", "prod", "rider_eta_service"),
        ("query_features_request", "prod", "rider_recent_zones"),
        ("reference_request", None, "ctr_prediction_service"),
        ("guide_request", "prod", "fraud_detection_feature_service"),
    ],
)
def test_printed_request_reads_as_a_server_should_take_it(name: str, workspace: str | None, service: str) -> None:
    """Each printed request names its service, its workspace if any, and one row of keys."""
    request = requests.read_features_request(_body(name))

    params = BODIES[name]["params"]
    assert request.locator == requests.Locator(service, workspace)
    (row,) = request.rows
    assert row.join_key_map == (params.get("joinKeyMap") or params["join_key_map"])
    assert row.request_context_map == (params.get("requestContextMap") or params.get("request_context_map") or {})


def test_contract_request_options_read_in_full() -> None:
    """A request with every option set is read with every option set."""
    request = requests.read_features_request(_body("get_features_request_camel"))

    assert request.metadata_options == {
        "includeNames",
        "includeDataTypes",
        "includeEffectiveTimes",
        "includeSloInfo",
        "includeServingStatus",
        "includeFeatureDescriptions",
        "includeFeatureTags",
    }
    assert request.option("readFromCache", default=False) is True
    assert request.option("writeToCache", default=True) is False
    assert request.option("ignoreExtraRequestContextFields", default=False) is True
    assert request.option("coerceNullCountsToZero", default=False) is False
    assert request.latency_budget_seconds() == 0.25
    assert request.allow_partial_results is False


def test_contract_request_by_id_names_the_id() -> None:
    """A request may locate its service by id instead of by name."""
    request = requests.read_features_request(_body("get_features_request_by_id"))

    assert request.locator == requests.Locator("5f2ab10c9e", None, "id")


def test_contract_batch_request_reads_its_rows_in_order() -> None:
    """A batch request keeps its rows in the order they stand in."""
    request = requests.read_batch_request(_body("get_features_batch_request"))

    assert request.rows == (
        requests.RequestRow({"rider_id": "R-77"}, {"basket_value": 31.5}),
        requests.RequestRow({"rider_id": "R-404"}, {"basket_value": 8}),
    )
    assert request.latency_budget_seconds() == 0.25


@pytest.mark.parametrize(
    ("name", "locator"),
    [
        ("metadata_request", requests.Locator("rider_eta_service", "prod")),
        ("reference_metadata_request", requests.Locator("ctr_prediction_service")),
    ],
)
def test_printed_metadata_request_names_its_service(name: str, locator: requests.Locator) -> None:
    """A metadata request holds the locator alone."""
    assert requests.read_metadata_request(_body(name)) == locator
