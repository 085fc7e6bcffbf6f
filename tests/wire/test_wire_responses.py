"""What a client takes from a server and what it refuses: every tolerance has its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tecton_nb.exceptions import DecodeError
from tecton_nb.wire.responses import (
    ErrorBody,
    FeatureItem,
    FeaturesReply,
    NameAndType,
    ServiceMetadata,
    read_error_body,
    read_get_features,
    read_get_features_batch,
    read_query_features,
    read_service_metadata,
    write_error_body,
    write_get_features,
    write_get_features_batch,
    write_query_features,
    write_service_metadata,
)
from tecton_nb.wire.slo import SLOInfo
from tecton_nb.wire.types import INT64, STRING, ArrayType, MapType

Read = Callable[[bytes], Any]
READERS = [read_get_features, read_get_features_batch, read_query_features, read_service_metadata]
INT = {"type": "int64"}


def _single(metadata: Any = None, features: Any = ("1",)) -> FeaturesReply:
    message = {"result": {"features": list(features)}, **({} if metadata is None else {"metadata": metadata})}
    return read_get_features(json.dumps(message).encode())


def _item(**members: Any) -> FeatureItem:
    return _single({"features": [{"name": "a", "dataType": INT, **members}]}).features[0]


def _refused(read: Read, message: Any) -> str:
    with pytest.raises(DecodeError) as caught:
        read(message if isinstance(message, bytes) else json.dumps(message).encode())
    sentence = str(caught.value)
    assert len(sentence) < 500
    return sentence


def test_empty_vector_may_be_left_out() -> None:
    """Proto-JSON leaves an empty list out, so a result without features is an empty vector."""
    assert read_get_features(b'{"result":{}}').rows == ([],)
    assert read_get_features_batch(b'{"result":[{},{}]}').rows == ([], [])


@pytest.mark.parametrize("body", [b"{}", b'{"results":[]}', b'{"metadata":{}}', b'{"somethingNew":1}'])
def test_empty_query_may_be_left_out(body: bytes) -> None:
    """A query that matched nothing may come as an empty object."""
    assert read_query_features(body).rows == ()


def test_metadata_without_lists_is_read_as_empty() -> None:
    """Metadata that was asked for nothing but service level has no features to name."""
    reply = _single({"sloInfo": {"sloEligible": True}})

    assert reply.features == ()
    assert reply.rows == (["1"],)
    assert reply.slo_infos == (SLOInfo(slo_eligible=True),)


def test_answer_without_metadata_states_none() -> None:
    """Metadata left out is none; an empty object is what the server said."""
    assert _single().raw_metadata is None
    assert _single({}).raw_metadata == {}


def test_unknown_fields_are_ignored_at_every_level() -> None:
    """A newer server may add fields anywhere, and nothing changes."""
    message = {
        "result": {"features": ["1"], "joinKeys": ["a"], "somethingNew": {}},
        "metadata": {
            "features": [{"name": "a", "dataType": {**INT, "new": 1}, "new": []}],
            "sloInfo": {"sloEligible": True, "new": {}},
            "new": None,
        },
        "new": 1,
    }

    reply = read_get_features(json.dumps(message).encode())

    assert reply.rows == (["1"],)
    assert reply.features == (FeatureItem("a", INT64),)
    assert reply.slo_infos == (SLOInfo(slo_eligible=True),)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("PRESENT", ("PRESENT",)),
        ("SOMETHING_NEW", ("SOMETHING_NEW",)),
        ("UNKNOWN", ("UNKNOWN",)),
        (["PRESENT"], ("PRESENT",)),
        (5, ("CACHED_PRESENT",)),
        (99, ("99",)),
        (-1, ("-1",)),
        (None, ()),
        ([None], ("UNKNOWN_STATUS",)),
        (True, ("True",)),
    ],
    ids=repr,
)
def test_status_is_kept_as_text_whatever_it_says(raw: object, expected: tuple[str, ...]) -> None:
    """A status that nobody knows yet is kept raw; a number becomes its name; null says nothing."""
    assert _item(status=raw).statuses == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (["PRESENT", "MISSING_DATA"], ("PRESENT", "MISSING_DATA")),
        (["PRESENT", 1], ("PRESENT", "MISSING_DATA")),
        ("PRESENT", ("PRESENT", "PRESENT")),
        (1, ("MISSING_DATA", "MISSING_DATA")),
        (None, ()),
    ],
    ids=repr,
)
def test_batch_status_is_one_per_row(raw: object, expected: tuple[str, ...]) -> None:
    """A batch has one status per row; a single one holds for all."""
    message = {
        "result": [{"features": ["1"]}, {"features": [None]}],
        "metadata": {"features": [{"name": "a", "dataType": INT, "status": raw}]},
    }

    assert read_get_features_batch(json.dumps(message).encode()).features[0].statuses == expected


def test_statuses_for_another_number_of_rows_are_refused() -> None:
    """Statuses that cannot be told to their rows are an error with both numbers."""
    message = {
        "result": [{"features": ["1"]}, {"features": ["2"]}],
        "metadata": {"features": [{"name": "a", "dataType": INT, "status": ["PRESENT"] * 3}]},
    }

    assert _refused(read_get_features_batch, message) == "`metadata.features[0].status` has 3 statuses for 2 rows."


@pytest.mark.parametrize("text", ["2024-05-01T00:00:00.123456789Z", "yesterday", "", "2024-05-01"])
def test_effective_time_is_kept_as_it_came(text: str) -> None:
    """An effective time is raw text here, every digit of it, even if it names no moment."""
    assert _item(effectiveTime=text).effective_time == text
    assert _item(effective_time=text).effective_time == text


def test_annotations_of_another_type_cost_no_row() -> None:
    """An effective time, description or tag that is no text becomes text: the value is worth more."""
    item = _item(effectiveTime=1714557600, description=7, tags={"a": 1, "b": None, "c": "x"})

    assert item.effective_time == "1714557600"
    assert item.description == "7"
    assert item.tags == {"a": "1", "b": "", "c": "x"}


def test_legacy_type_stands_in_for_a_missing_data_type() -> None:
    """Where only the deprecated flat type is stated it is used; a stated data type wins over it."""
    reply = _single(
        {"features": [{"name": "a", "type": "string_array"}, {"name": "b", "dataType": INT, "type": "string"}]},
        [[], "1"],
    )

    assert [item.data_type for item in reply.features] == [ArrayType(STRING), INT64]


def test_metadata_may_state_names_without_types_and_types_without_names() -> None:
    """What was not asked for is None, item by item."""
    reply = _single({"features": [{"name": "a"}, {"dataType": INT}, {}]}, ["1", "2", "3"])

    assert reply.features == (FeatureItem("a"), FeatureItem(None, INT64), FeatureItem())


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (["1", "2", "3"], "`result.features` has 3 values, but `metadata.features` describes 2"),
        (["1"], "`result.features` has 1 values, but `metadata.features` describes 2"),
        ([], "`result.features` has 0 values, but `metadata.features` describes 2"),
    ],
    ids=["long", "short", "empty"],
)
def test_vector_of_another_length_is_refused(features: list[str], words: str) -> None:
    """More or fewer values than names is an error: nothing is cut, nothing shifts."""
    message = {"result": {"features": features}, "metadata": {"features": [{"name": "a"}, {"name": "b"}]}}

    assert words in _refused(read_get_features, message)


def test_batch_row_of_another_length_is_refused_with_its_place() -> None:
    """One short row in a batch is named by its position."""
    message = {"result": [{"features": ["1"]}, {"features": []}], "metadata": {"features": [{"name": "a"}]}}

    assert "`result[1].features` has 0 values" in _refused(read_get_features_batch, message)


def test_query_join_keys_of_another_length_are_refused() -> None:
    """Join keys are counted against their names as values are."""
    message = {
        "results": [{"features": [], "joinKeys": ["1"]}, {"features": [], "joinKeys": []}],
        "metadata": {"joinKeys": [{"name": "k"}]},
    }

    assert "`results[1].joinKeys` has 0 values, but `metadata.joinKeys` describes 1" in _refused(
        read_query_features, message
    )


def test_name_that_stands_twice_is_refused() -> None:
    """Two features of one name would overwrite each other."""
    message = {"result": {"features": ["1", "2"]}, "metadata": {"features": [{"name": "a"}, {"name": "a"}]}}

    assert _refused(read_get_features, message) == (
        "`metadata.features` has the name 'a' twice; one would overwrite the other."
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"storeResponseSizeBytes": 1, "dynamodbResponseSizeBytes": 2, "dynamoDBResponseSizeBytes": 3}, 1),
        ({"dynamodbResponseSizeBytes": 2, "dynamoDBResponseSizeBytes": 3}, 2),
        ({"dynamoDBResponseSizeBytes": 3}, 3),
        ({"store_response_size_bytes": 4}, 4),
        ({"dynamodb_response_size_bytes": 5}, 5),
        ({"storeResponseSizeBytes": None, "dynamodbResponseSizeBytes": 0}, 0),
        ({"storeResponseSizeBytes": "204"}, 204),
        ({"storeResponseSizeBytes": 204.0}, 204),
        ({}, None),
    ],
    ids=str,
)
def test_store_size_is_found_under_each_of_its_names(sizes: dict[str, Any], expected: int | None) -> None:
    """The first of the size's names that is set counts: store, then DynamoDB, then snake_case; 0 is a size."""
    (info,) = _single({"sloInfo": sizes}).slo_infos

    assert info.store_response_size_bytes == expected


def test_empty_slo_info_states_nothing() -> None:
    """An empty service level object is there, with nothing in it."""
    assert _single({"sloInfo": {}}).slo_infos == (SLOInfo(),)
    assert _single({"sloInfo": None}).slo_infos == ()
    assert _single({"sloInfo": []}).slo_infos == ()


def test_slo_zero_and_false_are_stated_values() -> None:
    """A time of 0 and a false eligibility are what the server said, not what it left out."""
    (info,) = _single({"sloInfo": {"sloEligible": False, "serverTimeSeconds": 0, "storeMaxLatency": 0.0}}).slo_infos

    assert info == SLOInfo(slo_eligible=False, server_time_seconds=0.0, store_max_latency=0.0)


def test_slo_reasons_are_kept_raw() -> None:
    """Reasons that nobody knows yet are kept, numbers as their text."""
    (info,) = _single({"sloInfo": {"sloIneligibilityReasons": ["NEW_REASON", 2]}}).slo_infos

    assert info.slo_ineligibility_reasons == ["NEW_REASON", "2"]


def test_slo_times_are_not_compared() -> None:
    """Recorded answers have a store time above the server time, so no relation is checked."""
    (info,) = _single({"sloInfo": {"storeMaxLatency": 0.0269, "serverTimeSeconds": 0.0169}}).slo_infos

    assert (info.store_max_latency, info.server_time_seconds) == (0.0269, 0.0169)


@pytest.mark.parametrize(
    ("slo_info", "words"),
    [
        ({"sloEligible": "true"}, "Expected true or false at `metadata.sloInfo.sloEligible`, got 'true'."),
        ({"serverTimeSeconds": True}, "Expected a number at `metadata.sloInfo.serverTimeSeconds`, got true."),
        ({"storeResponseSizeBytes": 1.5}, "Expected a whole number at `metadata.sloInfo.storeResponseSizeBytes`"),
        ({"storeResponseSizeBytes": 1e300}, "Expected a whole number"),
        ({"sloIneligibilityReasons": "x"}, "Expected a list at `metadata.sloInfo.sloIneligibilityReasons`"),
        ("x", "Expected an object at `metadata.sloInfo`, got 'x'."),
        ([{}, {}], "`metadata.sloInfo` has 2 entries for 1 row."),
    ],
    ids=str,
)
def test_slo_info_of_another_type_is_refused(slo_info: Any, words: str) -> None:
    """A service level that does not read is a typed error with its place."""
    message = {"result": {"features": []}, "metadata": {"sloInfo": slo_info}}

    assert words in _refused(read_get_features, message)


@pytest.mark.parametrize(
    ("slo_info", "expected"),
    [
        ([{"sloEligible": True}, {}], (SLOInfo(slo_eligible=True), SLOInfo())),
        ([{"sloEligible": True}, None], (SLOInfo(slo_eligible=True), SLOInfo())),
        ({"sloEligible": True}, (SLOInfo(slo_eligible=True),)),
        ([], ()),
    ],
    ids=str,
)
def test_batch_slo_info_is_one_per_row_or_one_in_all(slo_info: Any, expected: tuple[SLOInfo, ...]) -> None:
    """A batch states the service level per row, or as one object for all rows as older servers do."""
    message = {"result": [{"features": []}, {"features": []}], "metadata": {"sloInfo": slo_info}}

    assert read_get_features_batch(json.dumps(message).encode()).slo_infos == expected


@pytest.mark.parametrize("count", [1, 3])
def test_batch_slo_info_of_another_length_is_refused(count: int) -> None:
    """A list of service levels is one per row or an error."""
    message = {"result": [{"features": []}, {"features": []}], "metadata": {"sloInfo": [{}] * count}}

    assert "for 2 rows" in _refused(read_get_features_batch, message)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"result": {"features": ["1"]}, "metadata": None}, "Expected an object at `metadata`, got null."),
        ({"result": {"features": ["1"]}, "metadata": []}, "Expected an object at `metadata`, got '[]'."),
        ({"result": {"features": None}}, "Expected a list at `result.features`, got null."),
        ({"result": {"features": {}}}, "Expected a list at `result.features`, got '{}'."),
        ({"result": {"features": "12"}}, "Expected a list at `result.features`, got '12'."),
        ({"result": []}, "Expected an object at `result`, got '[]'."),
        ({"result": None}, "The answer has no 'result'; it has: 'result'."),
        ({"results": []}, "The answer has no 'result'; it has: 'results'."),
        ({}, "The answer has no 'result'; it has: none."),
        ({"result": {"features": []}, "metadata": {"features": {}}}, "Expected a list at `metadata.features`"),
        (
            {"result": {"features": []}, "metadata": {"features": [7]}},
            "Expected an object at `metadata.features[0]`, got 7.",
        ),
        (
            {"result": {"features": ["1"]}, "metadata": {"features": [{"name": 7}]}},
            "Expected text at `metadata.features[0].name`, got 7.",
        ),
        (
            {"result": {"features": ["1"]}, "metadata": {"features": [{"name": "a", "dataType": {"type": "array"}}]}},
            "the data type at `metadata.features[0].dataType`: 'array' has no 'elementType'",
        ),
        (
            {"result": {"features": []}, "metadata": {"partialResults": "yes"}},
            "true or false at `metadata.partialResults`",
        ),
        (
            {"result": {"features": ["1"]}, "metadata": {"features": [{"tags": []}]}},
            "an object at `metadata.features[0].tags`",
        ),
    ],
    ids=lambda value: str(value)[:48] if isinstance(value, dict) else "",
)
def test_single_answer_of_another_shape_is_refused(message: Any, words: str) -> None:
    """An answer of another shape is a typed error that names the place and what stood there."""
    assert words in _refused(read_get_features, message)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({}, "The answer has no 'result'"),
        ({"result": None}, "The answer has no 'result'"),
        ({"result": "x"}, "Expected a list at `result`, got 'x'."),
        ({"result": [7]}, "Expected an object at `result[0]`, got 7."),
        ({"result": {"features": ["1", 2]}}, "Expected a list at `result[0].features`, got '1'."),
        ({"result": {"features": [None]}}, "Expected a list at `result.features`, got null."),
        ({"result": [{"features": []}], "metadata": {"batchSloInfo": []}}, "an object at `metadata.batchSloInfo`"),
    ],
    ids=lambda value: str(value)[:48] if isinstance(value, dict) else "",
)
def test_batch_answer_of_another_shape_is_refused(message: Any, words: str) -> None:
    """A batch answer that is a single one, or none at all, is refused rather than read as rows."""
    assert words in _refused(read_get_features_batch, message)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"result": {"features": ["1"]}}, "The answer has `result` where query-features has `results`."),
        ({"results": {}}, "Expected a list at `results`, got '{}'."),
        ({"results": [[]]}, "Expected an object at `results[0]`, got '[]'."),
        ({"results": [{"joinKeys": None}]}, "Expected a list at `results.joinKeys`, got null."),
    ],
    ids=lambda value: str(value)[:48] if isinstance(value, dict) else "",
)
def test_query_answer_of_another_shape_is_refused(message: Any, words: str) -> None:
    """A query answer that belongs to another call is no empty query."""
    assert words in _refused(read_query_features, message)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({}, "The answer has no 'featureServiceType' or 'inputJoinKeys' or "),
        ({"result": {"features": []}}, "it has: 'result'."),
        ({"featureServiceType": 7}, "Expected text at `featureServiceType`, got 7."),
        ({"featureValues": {}}, "Expected a list at `featureValues`, got '{}'."),
        ({"featureValues": [{"dataType": INT}]}, "The field at `featureValues[0]` has no name."),
        ({"featureValues": [{"name": "a"}]}, "There is no data type at `featureValues[0].dataType`."),
        ({"featureValues": [{"name": "a", "type": "int64"}] * 2}, "`featureValues` has the name 'a' twice"),
    ],
    ids=lambda value: str(value)[:48] if isinstance(value, dict) else "",
)
def test_service_metadata_of_another_shape_is_refused(message: Any, words: str) -> None:
    """A schema without names or types is no schema."""
    assert words in _refused(read_service_metadata, message)


def test_service_metadata_without_lists_is_read_as_empty() -> None:
    """A service may have no request context and no output keys, and says so by leaving them out."""
    assert read_service_metadata(b'{"featureServiceType":"DEFAULT"}') == ServiceMetadata()
    assert read_service_metadata(b'{"featureValues":[]}') == ServiceMetadata()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"x","message":"no such service","code":5}',
        b'{"error":"no such service"}',
        b'{"message":"no such service","code":5}',
        b'{"result":{"features":[]},"error":"no such service"}',
    ],
    ids=["all", "error", "message-and-code", "beside-a-result"],
)
def test_error_body_under_a_success_is_refused_with_its_text(read: Read, body: bytes) -> None:
    """An error that comes with status 200 is an error, and its text is shown."""
    assert _refused(read, body) == "The server answered 200 with an error body: 'no such service'."


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"<html>",
        b"{",
        b'{"a":1}{"b":2}',
        b"\xff\xfe{\x00}\x00",
        b'{"result":{"features":[NaN]}}',
        b'{"result":{"features":[1e400]}}',
        b'{"result":{"features":["\\ud800"]}}',
        b'{"result":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_garbage_is_refused_by_every_reader(read: Read, body: bytes) -> None:
    """What is no JSON object of UTF-8 text is a typed error for every call."""
    _refused(read, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":"e","message":"m","code":5}', ErrorBody("m", 5)),
        (b'{"error":"e"}', ErrorBody("e")),
        (b'{"error":"e","message":""}', ErrorBody("e")),
        (b'{"error":"e","message":null,"code":"5"}', ErrorBody("e")),
        (b'{"message":"m","code":true}', ErrorBody("m")),
        (b'{"message":"m","details":[]}', ErrorBody("m")),
        (b'{"error":{"code":5}}', None),
        (b'{"message":" "}', None),
        (b'["message"]', None),
        (b'"message"', None),
        (b"<html>503 Service Temporarily Unavailable</html>", None),
        (b"", None),
        (b"\xff", None),
        (b"[" * 5000, None),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else "",
)
def test_error_body_is_read_as_far_as_it_goes(body: bytes, expected: ErrorBody | None) -> None:
    """message counts before error, a code only if it is a number, and what has no text is nothing; it never raises."""
    assert read_error_body(body) == expected


def test_error_body_is_written_under_both_names() -> None:
    """Old clients read error, newer ones message."""
    assert json.loads(write_error_body("Missing required join key: `k`", 3)) == {
        "error": "Missing required join key: `k`",
        "message": "Missing required join key: `k`",
        "code": 3,
    }


def test_empty_lists_are_left_out_when_written() -> None:
    """A server of ours writes proto-JSON: no empty lists, no nulls, but null values in vectors."""
    empty = FeaturesReply(rows=([],), features=(), join_keys=([],))
    query = FeaturesReply(rows=([None],), join_keys=([],))

    assert write_get_features(empty) == b'{"result":{}}'
    assert write_get_features_batch(FeaturesReply(rows=([], [None]))) == b'{"result":[{},{"features":[null]}]}'
    assert write_query_features(query) == b'{"results":[{"features":[null]}]}'
    assert write_query_features(FeaturesReply(rows=())) == b"{}"


def test_statuses_are_written_as_each_call_has_them() -> None:
    """A single answer has one status text per feature, a batch a list of one per row."""
    single = FeaturesReply(rows=(["1"],), features=(FeatureItem("a", INT64, ("PRESENT",)),))
    batch = FeaturesReply(rows=(["1"],), features=(FeatureItem("a", INT64, ("PRESENT",)),))

    assert json.loads(write_get_features(single))["metadata"]["features"][0]["status"] == "PRESENT"
    assert json.loads(write_get_features_batch(batch))["metadata"]["features"][0]["status"] == ["PRESENT"]


def test_slo_size_is_written_under_both_names() -> None:
    """Recorded servers state the size twice, so that old and new clients find it."""
    reply = FeaturesReply(rows=(["1"],), slo_infos=(SLOInfo(slo_eligible=False, store_response_size_bytes=0),))

    assert json.loads(write_get_features(reply))["metadata"]["sloInfo"] == {
        "sloEligible": False,
        "dynamodbResponseSizeBytes": 0,
        "storeResponseSizeBytes": 0,
    }


def test_flat_types_are_written_only_where_servers_had_them() -> None:
    """Beside a data type stands its deprecated text: for scalars and lists of text, not for other types."""
    metadata = ServiceMetadata(
        feature_values=(
            NameAndType("a", INT64),
            NameAndType("b", ArrayType(STRING)),
            NameAndType("c", ArrayType(INT64)),
            NameAndType("d", MapType(STRING, INT64)),
        )
    )

    flat = [item.get("type") for item in json.loads(write_service_metadata(metadata))["featureValues"]]

    assert flat == ["int64", "string_array", None, None]


def test_answer_of_very_many_features_is_read_whole() -> None:
    """20,000 features of one answer are all read, well within the time a test has."""
    count = 20_000
    message = {
        "result": {"features": ["1"] * count},
        "metadata": {"features": [{"name": f"v.f{i}", "dataType": INT, "status": "PRESENT"} for i in range(count)]},
    }

    reply = read_get_features(json.dumps(message).encode())

    assert len(reply.features) == len(reply.rows[0]) == count
