"""The outside witness: the official client 0.4.0, pointed at the demo server, gets the same values as ours."""

from __future__ import annotations

import math

import httpx
import pandas as pd
import pytest
import tecton_client

import tecton_nb as tnb

SERVICES = [
    "ctr_prediction_service",
    "flight_delay_service",
    "fraud_detection_feature_service",
    "fraud_detection_feature_service:v2",
    "origin_carriers_service",
]
VECTOR_SERVICES = SERVICES[:-1]
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@pytest.fixture(scope="module")
def official(demo):
    """The official client, with a pool that is closed at the end: it has no close of its own."""
    with httpx.Client() as pool:
        yield tecton_client.TectonClient(demo.url, demo.api_key, "prod", pool)


def _meant(value, data_type):
    """Return what an official value means: words and times are left to its user, numbers may be ints."""
    kind = data_type["type"]
    if value is None or kind in {"int64", "string", "boolean"}:
        return value
    if kind in {"float64", "float32"}:
        return WORDS[value] if isinstance(value, str) else float(value)
    if kind == "timestamp":
        return pd.Timestamp(value)
    if kind == "array":
        return [_meant(item, data_type["elementType"]) for item in value]
    if kind == "map":
        return {key: _meant(item, data_type["valueType"]) for key, item in value.items()}
    fields = {field["name"]: field["dataType"] for field in data_type["fields"]}
    return {name: _meant(item, fields[name]) for name, item in value.items()}


def _comparable(value):
    """NaN equals nothing, so it is compared as a word; types count."""
    if isinstance(value, float) and math.isnan(value):
        return "a NaN"
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return (type(value).__name__, value)


def _request(row, metadata):
    keys = {item["name"] for item in metadata.input_join_keys}
    plain = {name: None if pd.isna(value) else value for name, value in row.items()}
    return {
        "join_key_map": {name: value for name, value in plain.items() if name in keys},
        "request_context_map": {name: value for name, value in plain.items() if name not in keys},
    }


def test_services_below_are_all_there_are(client):
    """No demo service is left out of the comparison."""
    assert client.feature_services()["name"].tolist() == SERVICES


@pytest.mark.parametrize("name", VECTOR_SERVICES)
def test_official_client_gets_the_same_values(official, client, name):
    """Value by value, type by type, the two clients agree on every feature of ten rows, unknown keys among them."""
    rows = client.feature_service(name).example_rows(9).astype(object).to_dict("records")
    unknown = {key: "nobody" if isinstance(value, str) else value for key, value in rows[0].items()}
    metadata = client.get_feature_service_metadata(feature_service_name=name)

    for row in [*rows, unknown]:
        arguments = {"feature_service_name": name, **_request(row, metadata)}
        theirs = official.get_features(**arguments, metadata_options=tecton_client.MetadataOptions.all())
        mine = client.get_features(**arguments, metadata_options=tnb.MetadataOptions.all())

        types = {item["name"]: item["dataType"] for item in theirs.metadata["features"]}
        meant = {key: _meant(value, types[key]) for key, value in theirs.get_features_dict().items()}
        assert _comparable(mine.get_features_dict()) == _comparable(meant)
        assert list(mine.get_features_dict()) == list(meant)
        assert mine.result.features == theirs.result.features
        assert mine.metadata["features"] == theirs.metadata["features"]


def _plain(cell, kind):
    """Return a frame's cell as a plain value; missing is None."""
    if cell is pd.NA or cell is pd.NaT:
        return None
    if kind in {"array", "map"}:
        return dict(cell) if kind == "map" else list(cell)
    return cell.item() if hasattr(cell, "item") else cell


@pytest.mark.parametrize("name", VECTOR_SERVICES)
def test_official_client_s_values_stand_in_our_frames(official, client, name):
    """A frame fetched in bulk holds what the official client gets row by row."""
    service = client.feature_service(name)
    rows = service.example_rows(5)
    options = tecton_client.MetadataOptions(include_names=True, include_data_types=True)

    frame = service.get_features(rows)

    for i, row in enumerate(rows.astype(object).to_dict("records")):
        request = _request(row, service.metadata)
        theirs = official.get_features(feature_service_name=name, metadata_options=options, **request)
        for item, value in zip(theirs.metadata["features"], theirs.get_features_dict().values(), strict=True):
            found = _plain(frame[item["name"]].iloc[i], item["dataType"]["type"])
            assert _comparable(found) == _comparable(_meant(value, item["dataType"]))


@pytest.mark.parametrize("name", SERVICES)
def test_official_client_gets_the_same_metadata(official, client, name):
    """The three lists the official client keeps are the same in ours."""
    theirs = official.get_feature_service_metadata(feature_service_name=name)
    mine = client.get_feature_service_metadata(feature_service_name=name)

    assert mine.input_join_keys == theirs.input_join_keys
    assert mine.input_request_context_keys == theirs.input_request_context_keys
    assert mine.feature_values == theirs.feature_values


def test_code_written_for_the_official_client_needs_another_import_only(demo, official):
    """The same lines, with either package's names, return the same vector."""

    def lines(package, client):
        response = client.get_features(
            feature_service_name="fraud_detection_feature_service",
            join_key_map={"user_id": "C1000262126"},
            request_context_map={"amount": 100.0},
            metadata_options=package.MetadataOptions(include_names=True, include_data_types=True),
            request_options=package.RequestOptions(read_from_cache=True),
        )
        return response.result.features, list(response.get_features_dict()), response.slo_info

    with tnb.TectonClient(url=demo.url, api_key=demo.api_key, default_workspace_name="prod") as mine:
        assert lines(tnb, mine) == lines(tecton_client, official)
