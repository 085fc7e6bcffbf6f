"""What a service takes and returns, as frames."""

from __future__ import annotations

import orjson
from canned import ARRAY, typed

from tecton_nb import columns
from tecton_nb.frames.metadata import features_frame, inputs_frame
from tecton_nb.wire.responses import ServiceMetadata, read_get_features, read_service_metadata

BODY = {
    "inputJoinKeys": [typed("user_id", "string")],
    "inputRequestContextKeys": [typed("amount", "float64")],
    "featureValues": [typed("view.a.b", "int64"), typed("plain", ARRAY)],
}


def _dtypes(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_inputs_tell_join_keys_and_request_context_apart():
    """Join keys come first, then request context, each with its type."""
    frame = inputs_frame(read_service_metadata(orjson.dumps(BODY)))

    assert frame.to_dict("records") == [
        {"name": "user_id", "kind": "join_key", "data_type": "string"},
        {"name": "amount", "kind": "request_context", "data_type": "float64"},
    ]
    assert _dtypes(frame) == columns.by_name(columns.INPUTS)


def test_features_are_split_at_the_first_dot_only():
    """A name with two dots keeps the second, and one without a dot has no view."""
    frame = features_frame(read_service_metadata(orjson.dumps(BODY)))

    assert frame["feature_view"].tolist()[0] == "view"
    assert frame["feature_view"].isna().tolist() == [False, True]
    assert frame["feature"].tolist() == ["a.b", "plain"]
    assert frame["dtype"].tolist() == ["Int64", "list<item: double>[pyarrow]"]
    assert _dtypes(frame) == columns.by_name(columns.FEATURES)


def test_descriptions_and_tags_come_with_an_answer():
    """What an answer says about a feature stands beside it, found by name."""
    said = typed("plain", ARRAY, description="d", tags={"b": "2", "a": "1"})
    body = {"result": {"features": [None]}, "metadata": {"features": [said]}}

    frame = features_frame(read_service_metadata(orjson.dumps(BODY)), read_get_features(orjson.dumps(body)))

    assert frame["description"].isna().tolist() == [True, False]
    assert frame["tags"].tolist()[1] == '{"a":"1","b":"2"}'


def test_frames_of_a_service_without_fields_are_empty_and_typed():
    """A service that takes and returns nothing has frames with the documented columns."""
    assert _dtypes(inputs_frame(ServiceMetadata())) == columns.by_name(columns.INPUTS)
    assert _dtypes(features_frame(ServiceMetadata())) == columns.by_name(columns.FEATURES)
