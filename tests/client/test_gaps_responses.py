"""Responses that the official client 0.4.0 cannot read or reads wrongly, row by row; ours are right."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from canned import ARRAY, INT_ARRAY, INT_MAP, MAP, STRUCT, Reply, typed, vector

from tecton_nb.exceptions import DecodeError
from tecton_nb.wire.responses import read_get_features_batch

UTC = "datetime64[ns, UTC]"


def _get(client):
    return client.get_features(feature_service_name="s", join_key_map={"k": "v"})


def _values(ours, *args, **metadata):
    return _get(ours(vector(*args, **metadata))).get_features_dict()


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        pytest.param(
            Reply(b"<html><title>Sign in</title></html>"),
            "The server answered 200 with text that is not JSON (title: 'Sign in'). "
            "It may be a proxy or a login page; try again or check the address.",
            id="html",
        ),
        pytest.param(Reply(b""), "The body is empty; it should be JSON.", id="empty"),
        pytest.param(Reply(b"", 204), "The body is empty; it should be JSON.", id="204"),
        pytest.param(Reply(b"[1]"), "Expected an object as the whole body, got '[1]'.", id="list"),
        pytest.param(Reply(b'{"a": 1}'), "The answer has no 'result'; it has: 'a'.", id="another object"),
        pytest.param(
            Reply(b'{"message": "boom", "code": 2}'), "The server answered 200 with an error body: 'boom'.", id="error"
        ),
    ],
)
def test_success_without_an_answer_is_a_decode_error(ours, reply, sentence):
    """A 200 that holds no answer is refused in one sentence that says what it holds."""
    with pytest.raises(DecodeError) as caught:
        _get(ours(reply))

    assert str(caught.value) == sentence


def test_get_features_with_join_keys_in_the_result_is_read(ours):
    """Wildcard join keys beside the values do no harm and are kept."""
    body = vector(["1"], typed("a", "int64"), joinKeys=[typed("w", "string")])
    body["result"]["joinKeys"] = ["x"]

    response = _get(ours(body))

    assert response.result.join_keys == ["x"]
    assert response.get_features_dict() == {"a": 1}


def test_query_body_becomes_one_row_per_result(ours):
    """The plural results of query-features come out as a typed frame with the wildcard keys first."""
    body = {
        "results": [{"features": ["4", 12.5], "joinKeys": ["501"]}, {"features": ["1", None], "joinKeys": ["502"]}],
        "metadata": {
            "features": [typed("v.n", "int64"), typed("v.w", "float64")],
            "joinKeys": [typed("zone_id", "int64")],
        },
    }

    frame = ours(body).query_features(feature_service_name="s", join_key_map={"k": "v"}).to_pandas()

    assert list(frame.columns) == ["zone_id", "v.n", "v.w"]
    assert frame["zone_id"].tolist() == [501, 502]
    assert [str(t) for t in frame.dtypes] == ["Int64", "Int64", "Float64"]


def test_empty_query_answer_is_an_empty_typed_frame(ours):
    """A query without results, which proto-JSON writes as an empty object, keeps its columns and dtypes."""
    metadata = {
        "featureServiceType": "WILDCARD",
        "featureValues": [typed("v.n", "int64"), typed("v.a", ARRAY)],
        "outputJoinKeys": [typed("zone_id", "int64")],
    }
    client = ours(lambda asked: Reply(metadata if asked.operation == "metadata" else {}))

    frame = client.query_features(feature_service_name="s", join_key_map={"k": "v"}).to_pandas()

    assert len(frame) == 0
    assert {name: str(t) for name, t in frame.dtypes.items()} == {
        "zone_id": "Int64",
        "v.n": "Int64",
        "v.a": "list<item: double>[pyarrow]",
    }


@pytest.mark.parametrize("body", [{"result": {}}, {"result": {"features": []}}, vector([])], ids=["{}", "[]", "none"])
def test_empty_vector_is_read(ours, body):
    """A vector without values is no error, in whatever way it is left out."""
    response = _get(ours(body))

    assert response.result.features == []
    assert response.get_features_dict() == {}
    assert response.to_pandas().shape == (1, 0)
    assert len(response.details()) == 0


def test_metadata_null_is_refused(ours):
    """Metadata that is promised and then null is a DecodeError, not an AttributeError."""
    with pytest.raises(DecodeError) as caught:
        _get(ours({"result": {"features": []}, "metadata": None}))

    assert str(caught.value) == "Expected an object at `metadata`, got null."


def test_vector_without_names_is_labelled_from_the_service_s_metadata(ours):
    """A server that sends values only still gives named and typed ones."""
    metadata = {"featureValues": [typed("a.x", "int64"), typed("a.y", "float64")]}
    client = ours(
        lambda asked: Reply(metadata if asked.operation == "metadata" else {"result": {"features": ["7", 1]}})
    )

    response = _get(client)

    assert response.get_features_dict() == {"a.x": 7, "a.y": 1.0}
    assert response.metadata == {"features": [typed("a.x", "int64"), typed("a.y", "float64")]}


def test_labels_are_read_once_per_service(ours):
    """The service's metadata is asked for once, however many answers lack names."""
    metadata = {"featureValues": [typed("a.x", "int64")]}
    client = ours(lambda asked: Reply(metadata if asked.operation == "metadata" else {"result": {"features": ["7"]}}))

    for _ in range(3):
        _get(client)

    assert [asked.operation for asked in client.server.asked].count("metadata") == 1


def test_later_item_without_data_type_is_completed_by_its_name(ours):
    """A type that one item lacks comes from the service's metadata by name, whatever the order there."""
    metadata = {"featureValues": [typed("a", "int64"), typed("b", "string")]}
    answer = vector(["x", "7"], {"name": "b"}, typed("a", "int64"))
    client = ours(lambda asked: Reply(metadata if asked.operation == "metadata" else answer))

    assert _get(client).get_features_dict() == {"b": "x", "a": 7}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        pytest.param(
            vector(["x"], {"name": "new"}),
            "The service's metadata has no 'new', which the answer holds.",
            id="another name",
        ),
        pytest.param(
            {"result": {"features": ["x", "y"]}},
            "The answer does not name and type its 2 features, and the service's metadata has 1.",
            id="another length",
        ),
    ],
)
def test_values_that_cannot_be_labelled_are_refused(ours, answer, sentence):
    """Where neither the answer nor the service says what a value is, nothing is guessed."""
    metadata = {"featureValues": [typed("a", "int64")]}
    client = ours(lambda asked: Reply(metadata if asked.operation == "metadata" else answer))

    with pytest.raises(DecodeError) as caught:
        _get(client)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "item",
    [{"name": "a", "data_type": {"type": "int64"}}, {"name": "a", "type": "int64"}],
    ids=["snake data_type", "legacy type"],
)
def test_type_in_another_spelling_is_read(ours, item):
    """Old servers' spellings of a data type mean the same."""
    assert _values(ours, ["7"], item) == {"a": 7}


@pytest.mark.parametrize(
    ("values", "items"),
    [(["1", "2"], [typed("a", "int64")]), (["1"], [typed("a", "int64"), typed("b", "int64")])],
    ids=["more values", "more items"],
)
def test_length_mismatch_is_refused(ours, values, items):
    """Values and names that differ in number are an error; none is cut off."""
    with pytest.raises(DecodeError, match="no value can be told from another"):
        _get(ours(vector(values, *items)))


def test_duplicate_names_are_refused(ours):
    """Two features of one name are an error; none overwrites the other."""
    with pytest.raises(DecodeError) as caught:
        _get(ours(vector(["1", "2"], typed("a", "int64"), typed("a", "int64"))))

    assert str(caught.value) == "`metadata.features` has the name 'a' twice; one would overwrite the other."


@pytest.mark.parametrize(
    ("kind", "dtype"), [("float64", "Float64"), ("float32", "Float32"), (ARRAY, None)], ids=["64", "32", "array"]
)
def test_special_floats_are_floats(ours, kind, dtype):
    """NaN and the infinities come out as floats and stay apart from missing."""
    words = ["NaN", "Infinity", "-Infinity", None]
    items = [typed(f"f{i}", kind) for i in range(4)]
    values = [[word] for word in words] if kind is ARRAY else words
    response = _get(ours(vector(values, *items)))

    found = [v[0] if kind is ARRAY else v for v in response.get_features_dict().values()]
    frame = response.to_pandas()

    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf, None]
    if dtype:
        assert {str(t) for t in frame.dtypes} == {dtype}
        assert [bool(frame[name].isna()[0]) for name in frame] == [False, False, False, True]


def test_float64_sent_as_integer_token_is_a_float(ours):
    """A float64 that the server prints as 0 is 0.0."""
    values = _values(ours, [0, 216409], typed("a", "float64"), typed("b", "float64"))

    assert values == {"a": 0.0, "b": 216409.0}
    assert [type(value) for value in values.values()] == [float, float]


def test_timestamp_is_a_timestamp(ours):
    """Timestamps come out typed, to the nanosecond."""
    response = _get(ours(vector(["2024-04-30T21:14:05.123456789Z"], typed("t", "timestamp"))))

    assert response.get_features_dict()["t"] == pd.Timestamp("2024-04-30T21:14:05.123456789Z")
    assert str(response.to_pandas()["t"].dtype) == UTC


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("int64", "7.9"),
        ("int64", 7.9),
        ("int64", "7.0"),
        ("int64", ""),
        ("int64", True),
        ("int64", "9223372036854775808"),
        ("float64", True),
        ("float64", "abc"),
        ("boolean", 1),
        ("string", 5),
        ("timestamp", "yesterday"),
        (INT_ARRAY, "12"),
        (STRUCT, ["1"]),
        (STRUCT, ["1", 2.0, 3]),
        (STRUCT, {"n": "1", "y": 2.0}),
        (MAP, ["a", 1.0]),
    ],
    ids=lambda case: case["type"] if isinstance(case, dict) and "type" in case else repr(case),
)
def test_value_of_another_type_is_refused(ours, kind, raw):
    """A value that is none of its type is an error with its place; nothing is cut, rounded or dropped."""
    response = _get(ours(vector([raw], typed("a.b", kind))))

    with pytest.raises(DecodeError, match=r"Cannot read feature 'a\.b' as .* at `result\.features\[0\]"):
        response.get_features_dict()


def test_time_that_no_frame_holds_is_still_a_timestamp(ours):
    """A year that nanoseconds cannot hold is refused by the frame only; the dict and the details show it."""
    response = _get(ours(vector(["9999-12-31T23:59:59Z"], typed("t", "timestamp", status="CACHED"))))

    assert response.get_features_dict()["t"] == pd.Timestamp("9999-12-31T23:59:59Z")
    assert response.details().loc[0, ["value", "status"]].tolist() == [
        pd.Timestamp("9999-12-31T23:59:59Z"),
        "CACHED_PRESENT",
    ]
    with pytest.raises(DecodeError, match="outside the years 1678 to 2261"):
        response.to_pandas()


def test_type_in_capitals_is_converted(ours):
    """A server that writes INT64 means int64."""
    assert _values(ours, ["7"], typed("a", "INT64")) == {"a": 7}


@pytest.mark.parametrize(
    ("kind", "where"),
    [({"type": "array"}, "elementType"), ({"type": "map", "keyType": {"type": "string"}}, "valueType")],
    ids=["array", "map"],
)
def test_type_without_its_parts_is_refused_with_its_place(ours, kind, where):
    """An array without element type or a map without value type is a DecodeError that says where."""
    with pytest.raises(DecodeError) as caught:
        _get(ours(vector([None], typed("a", kind))))

    assert str(caught.value) == (
        f"Cannot read the data type at `metadata.features[0].dataType`: '{kind['type']}' has no '{where}'."
    )


@pytest.mark.parametrize("raw", [["5", 0.5], {"x": 0.5, "n": "5"}], ids=["list", "object"])
def test_struct_is_a_dict_in_either_shape(ours, raw):
    """A struct comes out by field name, whether the server sends a list or an object."""
    assert _values(ours, [raw], typed("s", STRUCT)) == {"s": {"n": 5, "x": 0.5}}


def test_map_with_int64_keys_has_int_keys(ours):
    """The text keys of an int64 map come out as numbers, exactly."""
    assert _values(ours, [{"9007199254740993": "1"}], typed("m", INT_MAP)) == {"m": {9007199254740993: 1}}


@pytest.mark.parametrize(
    "size",
    ["storeResponseSizeBytes", "dynamodbResponseSizeBytes", "dynamoDBResponseSizeBytes", "store_response_size_bytes"],
)
def test_slo_info_reads_the_size_under_every_name(ours, size):
    """The store's size is read under each name that servers have given it."""
    response = _get(ours(vector([], sloInfo={"sloEligible": True, size: 1873})))

    assert response.slo_info.slo_eligible is True
    assert response.slo_info.store_response_size_bytes == 1873


def test_empty_slo_info_is_all_missing(ours):
    """An SLO object without members says nothing, and each of its fields may be None."""
    info = _get(ours(vector([], sloInfo={}))).slo_info

    assert {getattr(info, name) for name in info.__dataclass_fields__} == {None}


@pytest.mark.parametrize("called", ["featureValues", "feature_values"])
def test_metadata_is_read_in_either_spelling(ours, called):
    """The reference document's own example of a metadata answer is read."""
    body = {"inputJoinKeys": [{"name": "adId", "type": "string"}], called: [{"name": "n", "type": "int64"}]}

    metadata = ours(body).get_feature_service_metadata(feature_service_name="s")

    assert metadata.input_join_keys == [{"name": "adId", "type": "string"}]
    assert metadata.feature_values == [{"name": "n", "type": "int64"}]
    assert metadata.to_pandas()["dtype"].tolist() == ["Int64"]


def test_metadata_without_feature_values_is_empty(ours):
    """A metadata answer that leaves its empty lists out is read."""
    metadata = ours({"featureServiceType": "DEFAULT"}).get_feature_service_metadata(feature_service_name="s")

    assert (metadata.feature_values, metadata.input_join_keys, metadata.input_request_context_keys) == ([], None, None)
    assert (len(metadata.inputs()), len(metadata.to_pandas())) == (0, 0)


def test_metadata_keeps_service_type_and_output_join_keys(ours):
    """Whether a service is WILDCARD, and which keys it returns, is not dropped."""
    body = {"featureServiceType": "WILDCARD", "outputJoinKeys": [typed("w", "int64")], "featureValues": []}

    metadata = ours(body).get_feature_service_metadata(feature_service_name="s")

    assert metadata.feature_service_type == "WILDCARD"
    assert metadata.output_join_keys == [typed("w", "int64")]


def test_batch_body_is_read_as_rows():
    """A get-features-batch answer, with one status and one SLO entry per row, is a table."""
    body = (
        b'{"result":[{"features":["1"]},{"features":[null]}],"metadata":{"features":[{"name":"a","dataType":'
        b'{"type":"int64"},"status":["PRESENT","MISSING_DATA"]}],"sloInfo":[{"sloEligible":true},{}]}}'
    )

    reply = read_get_features_batch(body)

    assert reply.rows == (["1"], [None])
    assert reply.features[0].statuses == ("PRESENT", "MISSING_DATA")
    assert [info.slo_eligible for info in reply.slo_infos] == [True, None]
