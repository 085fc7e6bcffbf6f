"""The reference document of the official client, release 0.2.1: what it prints works with ours."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect

import pytest
from canned import KEY, vector

import tecton_nb
from tecton_nb import AsyncTectonClient, MetadataOptions, RequestOptions, TectonClient, exceptions

CLIENTS = [TectonClient, AsyncTectonClient]
REQUIRED = inspect.Parameter.empty
CONSTRUCTOR = {"url": REQUIRED, "api_key": REQUIRED, "default_workspace_name": None, "client": None}
GET_FEATURES = {
    "feature_service_name": REQUIRED,
    "join_key_map": None,
    "request_context_map": None,
    "metadata_options": None,
    "workspace_name": None,
    "request_options": None,
    "allow_partial_results": False,
}
METADATA = {"feature_service_name": REQUIRED, "workspace_name": None}
METADATA_OPTIONS = {
    "include_names": True,
    "include_data_types": True,
    "include_effective_times": False,
    "include_slo_info": False,
    "include_serving_status": False,
}
REQUEST_OPTIONS = {"read_from_cache": True, "write_to_cache": True}
EXCEPTIONS = {
    "BadRequestError": 400,
    "ForbiddenError": 403,
    "GatewayTimeoutError": 504,
    "NotFoundError": 404,
    "ResourceExhaustedError": 429,
    "ServiceUnavailableError": 503,
    "TectonHttpException": 418,
    "UnauthorizedError": 401,
}


def _parameters(function):
    return {name: p for name, p in inspect.signature(function).parameters.items() if name != "self"}


def _check(parameters, documented, kind):
    documented_ones = list(parameters.values())[: len(documented)]
    assert {p.name: p.default for p in documented_ones} == documented
    assert {p.kind for p in documented_ones} == {kind}
    further = list(parameters.values())[len(documented) :]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not REQUIRED for p in further)


@pytest.mark.parametrize("kind", CLIENTS)
def test_constructor_takes_the_documented_arguments(kind):
    """Every documented argument stands in its place with its default; ours beyond them are keyword-only."""
    _check(_parameters(kind.__init__), CONSTRUCTOR, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("method", "documented"), [("get_features", GET_FEATURES), ("get_feature_service_metadata", METADATA)]
)
def test_method_takes_the_documented_arguments(kind, method, documented):
    """Every documented argument is keyword-only with its default; ours beyond them too."""
    _check(_parameters(getattr(kind, method)), documented, inspect.Parameter.KEYWORD_ONLY)


@pytest.mark.parametrize("method", ["get_features", "get_feature_service_metadata", "query_features"])
def test_methods_of_the_async_client_are_coroutine_functions(method):
    """Tools that look for coroutine functions find them, and only on the asynchronous client."""
    assert inspect.iscoroutinefunction(getattr(AsyncTectonClient, method))
    assert not inspect.iscoroutinefunction(getattr(TectonClient, method))


@pytest.mark.parametrize("method", ["get_features", "get_feature_service_metadata", "query_features"])
def test_both_clients_take_the_same_arguments(method):
    """Sync and async differ in waiting only."""
    sync, twin = (_parameters(getattr(kind, method)) for kind in CLIENTS)

    assert {n: (p.kind, p.default, p.annotation) for n, p in sync.items()} == {
        n: (p.kind, p.default, p.annotation) for n, p in twin.items()
    }


@pytest.mark.parametrize(
    ("kind", "documented"), [(MetadataOptions, METADATA_OPTIONS), (RequestOptions, REQUEST_OPTIONS)]
)
def test_options_have_the_documented_fields(kind, documented):
    """Options are made positionally or by name, with the documented defaults, and compare by value."""
    _check(_parameters(kind.__init__), documented, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert {name: getattr(kind(), name) for name in documented} == documented
    assert kind(*documented.values()) == kind(**documented) == kind()


def test_metadata_options_all_asks_for_everything():
    """MetadataOptions.all() of release 0.2.1 is there."""
    assert set(dataclasses.asdict(MetadataOptions.all()).values()) == {True}


@pytest.mark.parametrize(("name", "status"), EXCEPTIONS.items())
def test_exception_takes_the_documented_arguments(name, status):
    """Each exception is made from status, reason and message, by position or by name, and is the documented kind."""
    kind = getattr(exceptions, name)

    by_position = kind(status, "Reason", "why")
    by_name = kind(status_code=status, reason_phrase="Reason", message="why")

    _check(
        _parameters(kind.__init__),
        {"status_code": REQUIRED, "reason_phrase": REQUIRED, "message": REQUIRED},
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    assert isinstance(by_position, exceptions.TectonHttpException)
    assert str(by_position) == str(by_name)
    assert f"{status} Reason: why" in str(by_position)
    assert by_position.status_code == status


def test_async_example_of_the_document_runs_as_printed(demo):
    """The document's example, pointed at the demo server, returns the features."""
    async_client = AsyncTectonClient(url=demo.url, api_key=demo.api_key, default_workspace_name="prod")
    response = asyncio.run(
        async_client.get_features(
            feature_service_name="fraud_detection_feature_service:v2",
            join_key_map={"user_id": "user_4407104885"},
            request_context_map={"amount": 500.00},
            metadata_options=MetadataOptions(include_data_types=True),
        )
    )
    asyncio.run(async_client.close())

    assert isinstance(response, tecton_nb.GetFeaturesResponse)
    assert len(response.result.features) == len(response.get_features_dict()) > 0
    assert response.metadata is not None
    assert response.slo_info is None


def test_address_of_the_document_is_used_by_https_with_a_warning():
    """The document's http:// address is taken, by https, and said so."""
    with pytest.warns(UserWarning, match="used by https instead of http"):
        client = TectonClient(url="http://explore.tecton.ai", api_key="my_key", default_workspace_name="prod")

    client.close()
    assert repr(client) == "<TectonClient https://explore.tecton.ai, workspace 'prod'>"


def test_positional_constructor_works_as_documented(demo):
    """url, api_key and default_workspace_name may be given by position."""
    with TectonClient(demo.url, demo.api_key, "prod") as client:
        metadata = client.get_feature_service_metadata(feature_service_name="fraud_detection_feature_service")

    assert isinstance(metadata, tecton_nb.GetFeatureServiceMetadataResponse)
    assert [item["name"] for item in metadata.input_join_keys] == ["user_id"]
    assert [item["name"] for item in metadata.input_request_context_keys] == ["amount"]
    assert all(item["dataType"] for item in metadata.feature_values)


def test_response_has_the_documented_attributes(client):
    """result.features, metadata and slo_info are there under their documented names."""
    response = client.get_features(
        feature_service_name="fraud_detection_feature_service",
        join_key_map={"user_id": "C1000262126"},
        request_context_map={"amount": 100},
        metadata_options=MetadataOptions.all(),
        request_options=RequestOptions(read_from_cache=False, write_to_cache=False),
        workspace_name="prod",
        allow_partial_results=True,
    )

    assert response.result.features == ["0", "1", 216409]
    assert [item["status"] for item in response.metadata["features"]] == ["PRESENT"] * 3
    assert response.slo_info.slo_eligible is True
    assert response.slo_info.server_time_seconds > 0


def test_documented_classes_can_be_made_as_documented():
    """The response classes take the documented arguments, as tests of users' own code make them."""
    result = tecton_nb.GetFeaturesResult(features=["1"])
    response = tecton_nb.GetFeaturesResponse(result=result, metadata=None, slo_info=None)
    metadata = tecton_nb.GetFeatureServiceMetadataResponse(
        input_join_keys=None, input_request_context_keys=None, feature_values=[]
    )

    assert response.result.features == ["1"]
    assert metadata.feature_values == []
    with pytest.raises(ValueError, match="has no names and data types"):
        response.get_features_dict()


def test_default_options_ask_for_names_and_types(ours):
    """get_features_dict() works with default options, as in release 0.2.1 and unlike 0.4.0."""
    client = ours(vector([]))

    client.get_features(feature_service_name="s")

    assert client.server.asked[0].params["metadataOptions"] == {"includeNames": True, "includeDataTypes": True}
    assert client.server.asked[0].headers["authorization"].removeprefix("Tecton-key ") == KEY
