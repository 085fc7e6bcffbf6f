"""Requests as a client writes them and as a server reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tecton_nb.exceptions import DecodeError, InputError
from tecton_nb.wire.options import MetadataOptions, RequestOptions
from tecton_nb.wire.requests import (
    Locator,
    RequestRow,
    RequestTemplate,
    read_batch_request,
    read_features_request,
    read_metadata_request,
    read_state_request,
    write_features_request,
    write_metadata_request,
    write_state_request,
)

SERVICE = Locator("rider_eta_service", "prod")
ROW = RequestRow({"rider_id": "R-77", "depot_id": None}, {"basket_value": 31.5})


def _params(body: bytes) -> dict[str, Any]:
    message = json.loads(body)
    assert list(message) == ["params"]
    params = message["params"]
    assert isinstance(params, dict)
    return params


def _batch_request(locator: Locator, rows: tuple[RequestRow, ...], *options: Any) -> bytes:
    return RequestTemplate(locator, *options).many(row.to_bytes() for row in rows)


def _read(params: Any) -> Any:
    return read_features_request(json.dumps({"params": params}).encode())


def _refused(body: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        read_features_request(body)
    return str(caught.value)


def test_client_writes_camel_case_and_leaves_unset_out() -> None:
    """A plain request holds the locator, the row, and names and data types, nothing else."""
    params = _params(write_features_request(SERVICE, ROW, MetadataOptions()))

    assert params == {
        "workspaceName": "prod",
        "featureServiceName": "rider_eta_service",
        "metadataOptions": {"includeNames": True, "includeDataTypes": True},
        "joinKeyMap": {"rider_id": "R-77", "depot_id": None},
        "requestContextMap": {"basket_value": 31.5},
    }


def test_client_always_asks_for_names_and_types() -> None:
    """Names and data types are requested even where the options say no: values without them have no column."""
    options = MetadataOptions(include_names=False, include_data_types=False, include_slo_info=True)

    params = _params(write_features_request(SERVICE, ROW, options))

    assert params["metadataOptions"] == {"includeNames": True, "includeDataTypes": True, "includeSloInfo": True}


def test_client_leaves_empty_maps_out() -> None:
    """A row without request context sends no request context map."""
    params = _params(write_features_request(SERVICE, RequestRow({"rider_id": "R-77"}), MetadataOptions()))

    assert "requestContextMap" not in params


@pytest.mark.parametrize(("allow", "expected"), [(True, {"allowPartialResults": True}), (False, {})], ids=["on", "off"])
def test_client_sends_allow_partial_results_only_when_true(allow: bool, expected: dict[str, bool]) -> None:
    """The advanced option is on the wire only when it is on."""
    params = _params(write_features_request(SERVICE, ROW, MetadataOptions(), allow_partial_results=allow))

    assert {name: value for name, value in params.items() if name == "allowPartialResults"} == expected


def test_client_sends_request_options_only_when_given() -> None:
    """Without request options none are sent; with them only those that are set."""
    without = _params(write_features_request(SERVICE, ROW, MetadataOptions()))
    options = RequestOptions(write_to_cache=False, latency_budget_ms=250)

    params = _params(write_features_request(SERVICE, ROW, MetadataOptions(), options))

    assert "requestOptions" not in without
    assert params["requestOptions"] == {"readFromCache": True, "writeToCache": False, "latencyBudgetMs": 250}


def test_client_writes_a_batch_without_allow_partial_results() -> None:
    """A batch names its rows in order; strict servers refuse an allowPartialResults there, so it has none."""
    rows = (ROW, RequestRow({"rider_id": "R-404"}), RequestRow())

    params = _params(_batch_request(SERVICE, rows, MetadataOptions.all(), RequestOptions()))

    assert params == {
        "workspaceName": "prod",
        "featureServiceName": "rider_eta_service",
        "metadataOptions": {
            "includeNames": True,
            "includeDataTypes": True,
            "includeEffectiveTimes": True,
            "includeSloInfo": True,
            "includeServingStatus": True,
            "includeFeatureDescriptions": True,
            "includeFeatureTags": True,
        },
        "requestOptions": {"readFromCache": True, "writeToCache": True},
        "requestData": [
            {"joinKeyMap": {"rider_id": "R-77", "depot_id": None}, "requestContextMap": {"basket_value": 31.5}},
            {"joinKeyMap": {"rider_id": "R-404"}},
            {},
        ],
    }


@pytest.mark.parametrize(
    ("locator", "expected"),
    [
        (Locator("a"), {"featureServiceName": "a"}),
        (Locator("a", "w"), {"workspaceName": "w", "featureServiceName": "a"}),
        (Locator("5f2a", "w", "id"), {"workspaceName": "w", "featureServiceId": "5f2a"}),
        (Locator("v", by="feature_view_name"), {"featureViewName": "v"}),
    ],
    ids=["name", "workspace", "id", "view"],
)
def test_every_message_locates_its_service(locator: Locator, expected: dict[str, str]) -> None:
    """Each of the four messages names the service the same way, and is read back to the same locator."""
    features = _params(write_features_request(locator, ROW, MetadataOptions()))
    state = json.loads(write_state_request(locator))

    assert expected.items() <= features.items()
    assert json.loads(write_metadata_request(locator)) == {"params": expected}
    assert state == {"featureServiceLocator": expected}
    assert read_metadata_request(write_metadata_request(locator)) == locator
    assert read_state_request(write_state_request(locator)) == locator
    assert read_features_request(write_features_request(locator, ROW, MetadataOptions())).locator == locator
    assert read_batch_request(_batch_request(locator, (ROW,), MetadataOptions())).locator == locator


def test_locator_prints_as_a_person_says_it() -> None:
    """A locator in a sentence is the service and its workspace."""
    assert str(SERVICE) == "feature service 'rider_eta_service' in workspace 'prod'"
    assert str(Locator("a\n")) == "feature service 'a\\n'"


def test_request_written_is_read_back_whole() -> None:
    """What the client writes, the server reads: rows, options and flags."""
    options = RequestOptions(read_from_cache=False, latency_budget_ms=100)
    body = write_features_request(
        SERVICE, ROW, MetadataOptions(include_slo_info=True), options, allow_partial_results=True
    )

    request = read_features_request(body)

    assert request.rows == (ROW,)
    assert request.asks_for("includeSloInfo")
    assert not request.asks_for("includeServingStatus")
    assert request.option("readFromCache", default=True) is False
    assert request.latency_budget_seconds() == 0.1
    assert request.allow_partial_results is True


def test_server_reads_snake_case_at_every_level() -> None:
    """A request in snake_case, nested objects included, means what the camelCase one means."""
    request = _read(
        {
            "workspace_name": "w",
            "feature_service_id": "5f2a",
            "join_key_map": {"rider_id": "R-77"},
            "request_context_map": {"basket_value": 1},
            "metadata_options": {"include_names": True, "include_slo_info": True, "include_data_types": False},
            "request_options": {
                "read_from_cache": False,
                "ignore_extra_request_context_fields": True,
                "latency_budget_ms": 200,
            },
            "allow_partial_results": True,
        }
    )

    assert request.locator == Locator("5f2a", "w", "id")
    assert request.rows == (RequestRow({"rider_id": "R-77"}, {"basket_value": 1}),)
    assert request.metadata_options == {"includeNames", "includeSloInfo"}
    assert request.option("readFromCache", default=True) is False
    assert request.option("ignoreExtraRequestContextFields", default=False) is True
    assert request.latency_budget_seconds() == 0.2
    assert request.allow_partial_results is True


def test_server_reads_a_snake_case_batch() -> None:
    """The rows of a batch may be spelled in snake_case, mixed with camelCase."""
    rows = [{"join_key_map": {"a": "1"}}, {"joinKeyMap": {"a": "2"}}, {}]

    request = read_batch_request(json.dumps({"params": {"feature_service_name": "s", "request_data": rows}}).encode())

    assert request.rows == (RequestRow({"a": "1"}), RequestRow({"a": "2"}), RequestRow())


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "none"),
        ({"featureServiceName": None}, "none"),
        ({"featureServiceName": "a", "featureServiceId": "b"}, "featureServiceId and featureServiceName"),
        ({"featureServiceName": "a", "feature_service_id": "b"}, "featureServiceName and feature_service_id"),
        ({"featureServiceName": "a", "feature_service_name": "a"}, "featureServiceName and feature_service_name"),
        ({"featureServiceName": "a", "featureViewName": "b"}, "featureServiceName and featureViewName"),
    ],
    ids=["nothing", "null", "name-and-id", "mixed-spelling", "same-twice", "name-and-view"],
)
def test_server_wants_exactly_one_locator(params: dict[str, Any], said: str) -> None:
    """The locator is one of several: none, two, or one in both spellings is an error that says what came."""
    sentence = _refused(json.dumps({"params": params}).encode())

    assert sentence == (
        f"Exactly one of feature_service_name and feature_service_id must be set in `params`; got {said}."
    )


def test_null_locator_beside_a_set_one_does_not_count() -> None:
    """A null member is an unset member."""
    assert _read(
        {"featureServiceName": "a", "featureServiceId": None, "feature_service_name": None}
    ).locator == Locator("a")


def test_server_ignores_what_it_does_not_know() -> None:
    """Unknown members at every level are ignored, whatever they hold."""
    request = _read(
        {
            "featureServiceName": "a",
            "isCallerBatch": True,
            "somethingNew": {"x": [1]},
            "metadataOptions": {"includeNames": True, "includeMoods": "often", "": 7},
            "requestOptions": {"aggregationLeadingEdge": "AGGREGATION_MODE_UNSPECIFIED", "x": {}},
        }
    )

    assert request.metadata_options == {"includeNames"}
    assert request.option("readFromCache", default=True) is True
    assert request.latency_budget_seconds() is None


def test_server_takes_null_for_every_optional_member() -> None:
    """Null means unset for each optional member."""
    request = _read(
        {
            "featureServiceName": "a",
            "workspaceName": None,
            "joinKeyMap": None,
            "requestContextMap": None,
            "metadataOptions": None,
            "requestOptions": None,
            "allowPartialResults": None,
        }
    )

    assert request.rows == (RequestRow(),)
    assert request.locator.workspace_name is None
    assert request.allow_partial_results is False


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"featureServiceName": 5}, "Expected text at `params.featureServiceName`, got 5."),
        ({"workspaceName": []}, "Expected text at `params.workspaceName`, got '[]'."),
        ({"joinKeyMap": []}, "Expected an object at `params.joinKeyMap`, got '[]'."),
        ({"join_key_map": "a"}, "Expected an object at `params.joinKeyMap`, got 'a'."),
        ({"requestContextMap": 1.5}, "Expected an object at `params.requestContextMap`, got 1.5."),
        ({"metadataOptions": [True]}, "Expected an object at `params.metadataOptions`, got '[True]'."),
        (
            {"metadataOptions": {"includeNames": "true"}},
            "Expected true or false at `params.metadataOptions.includeNames`, got 'true'.",
        ),
        ({"requestOptions": True}, "Expected an object at `params.requestOptions`, got true."),
        ({"allowPartialResults": 1}, "Expected true or false at `params.allowPartialResults`, got 1."),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_server_refuses_members_of_another_type(params: dict[str, Any], sentence: str) -> None:
    """A member of the wrong JSON type is named with its place and what came."""
    assert _refused(json.dumps({"params": {"featureServiceName": "a", **params}}).encode()) == sentence


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [(250, 0.25), ("250", 0.25), (250.0, 0.25), (None, None)],
    ids=["number", "text", "float", "null"],
)
def test_latency_budget_reads_as_a_proto_integer(raw: object, seconds: float | None) -> None:
    """The budget may be a whole number or its text, as proto-JSON has it."""
    request = _read({"featureServiceName": "a", "requestOptions": {"latencyBudgetMs": raw}})

    assert request.latency_budget_seconds() == seconds


@pytest.mark.parametrize("raw", [250.5, "250.5", "soon", True, [], 1e300], ids=repr)
def test_latency_budget_refuses_what_is_no_whole_number(raw: object) -> None:
    """A budget that is no whole number is an error that names it."""
    request = _read({"featureServiceName": "a", "requestOptions": {"latencyBudgetMs": raw}})

    with pytest.raises(
        DecodeError, match=r"Expected a whole number at `params\.requestOptions\.latencyBudgetMs`, got "
    ):
        request.latency_budget_seconds()


@pytest.mark.parametrize("raw", ["true", 1, []], ids=repr)
def test_request_flag_refuses_what_is_no_boolean(raw: object) -> None:
    """A flag in quotes is no flag."""
    request = _read({"featureServiceName": "a", "requestOptions": {"readFromCache": raw}})

    with pytest.raises(DecodeError, match=r"Expected true or false at `params\.requestOptions\.readFromCache`"):
        request.option("readFromCache", default=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "The body is empty; it should be JSON."),
        (b" \n", "The body is empty"),
        (b"{", "The text is not JSON ("),
        (b"<html>", "first characters: '<html>'"),
        (b"\xff\xfe{\x00", "The text is not JSON"),
        (b"\xef\xbb\xbf{}", "The text is not JSON"),
        (b"null", "Expected an object as the whole body, got null."),
        (b"[]", "Expected an object as the whole body, got '[]'."),
        (b'"params"', "Expected an object as the whole body, got 'params'."),
        (b"7", "Expected an object as the whole body, got 7."),
        (b"{}", "Expected an object at `params`, got null."),
        (b'{"params":[]}', "Expected an object at `params`, got '[]'."),
        (b'{"params":{"featureServiceName":"\\ud800"}}', "The text is not JSON"),
        (b'{"params":{"joinKeyMap":{"a":NaN}}}', "The text is not JSON"),
        (b'{"params":{"joinKeyMap":{"a":1e400}}}', "The text is not JSON"),
        (b'{"params":{"joinKeyMap":{"a":' + b"9" * 5000 + b"}}}", "The text is not JSON"),
        (b'{"params":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "The text is not JSON"),
    ],
    ids=lambda value: value[:20].decode("utf-8", "replace") if isinstance(value, bytes) else "",
)
def test_server_refuses_what_is_no_request(body: bytes, words: str) -> None:
    """Broken JSON, another JSON value and a missing params are typed refusals that show the beginning of the text."""
    assert words in _refused(body)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            b'{"params":{"featureServiceName":"s","requestData":{}}}',
            "Expected a list at `params.requestData`, got '{}'.",
        ),
        (
            b'{"params":{"featureServiceName":"s","requestData":[{},7]}}',
            "Expected an object at `params.requestData[1]`, got 7.",
        ),
        (
            b'{"params":{"featureServiceName":"s","requestData":[{"joinKeyMap":7}]}}',
            "Expected an object at `params.requestData[0].joinKeyMap`, got 7.",
        ),
    ],
    ids=["object", "number-in-list", "number-as-map"],
)
def test_server_refuses_a_broken_batch_with_its_row(body: bytes, sentence: str) -> None:
    """An error in a batch says which row has it."""
    with pytest.raises(DecodeError) as caught:
        read_batch_request(body)

    assert str(caught.value) == sentence


def test_batch_without_rows_is_read_as_empty() -> None:
    """Proto-JSON leaves empty lists out, so a batch may lack its rows."""
    assert read_batch_request(b'{"params":{"featureServiceName":"s"}}').rows == ()


def test_state_request_without_its_locator_is_refused() -> None:
    """The state request has a member of its own instead of params."""
    with pytest.raises(DecodeError, match=r"must be set in `featureServiceLocator`; got none\."):
        read_state_request(b'{"params":{"featureServiceName":"s"}}')


def test_whole_numbers_in_keys_are_kept_exact() -> None:
    """A join key sent as a JSON integer keeps every digit up to 64 bits."""
    request = read_features_request(b'{"params":{"featureServiceName":"s","joinKeyMap":{"a":9007199254740993}}}')

    assert request.rows[0].join_key_map == {"a": 9007199254740993}


def test_of_two_members_with_one_name_the_last_counts() -> None:
    """A member that stands twice is taken once and whole, never one part of each."""
    request = read_features_request(b'{"params":{"featureServiceName":"s","joinKeyMap":{"a":1},"joinKeyMap":{"b":2}}}')

    assert request.rows[0].join_key_map == {"b": 2}


@pytest.mark.parametrize(
    ("locator", "row"),
    [
        (Locator("\ud800"), ROW),
        (SERVICE, RequestRow({"\ud800": "x"})),
        (SERVICE, RequestRow({"a": 2**70})),
    ],
    ids=["name", "key", "number"],
)
def test_client_refuses_to_write_what_json_cannot_hold(locator: Locator, row: RequestRow) -> None:
    """Half a surrogate pair in a name, or a number of more than 64 bits, is an InputError before anything is sent."""
    with pytest.raises(
        InputError, match=r"^Cannot write the message as JSON: .*\. Check the names and values in it\.$"
    ):
        write_features_request(locator, row, MetadataOptions())
