"""Requests that the official client 0.4.0 gets wrong, row by row; ours are right."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import json
import math
import warnings
from decimal import Decimal

import httpx
import numpy as np
import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb
from tecton_nb.exceptions import InputError, SettingsError

EMPTY = vector([])
# In the key's place, in words that no assertion of a failing test would print.
HEADER = f"Tecton-key {KEY}"


def _sent(client, **arguments):
    client.get_features(feature_service_name="s", **arguments)
    return client.server.asked[-1].params


@pytest.mark.parametrize("value", [7, 2**53 + 1, -(2**63)], ids=str)
def test_whole_numbers_are_sent_as_decimal_text(ours, value):
    """An int join key or context value goes out as the documents rule for int64, digit for digit."""
    sent = _sent(ours(EMPTY), join_key_map={"k": value}, request_context_map={"c": value})

    assert sent["joinKeyMap"] == {"k": str(value)}
    assert sent["requestContextMap"] == {"c": str(value)}


@pytest.mark.parametrize(
    ("value", "word"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")], ids=str
)
def test_special_floats_in_the_context_are_sent_as_words(ours, value, word):
    """NaN and infinities are sent as words; the body is JSON by the standard's rules."""
    client = ours(EMPTY)

    sent = _sent(client, request_context_map={"c": value, "list": [value]})

    assert sent["requestContextMap"] == {"c": word, "list": [word]}
    json.loads(client.server.asked[-1].body, parse_constant=pytest.fail)


def test_nan_as_int64_join_key_is_sent_as_null(ours):
    """A NaN cell where an int64 key is expected is what pandas makes of a missing one."""
    metadata = {"inputJoinKeys": [typed("k", "int64")], "featureValues": []}
    client = ours(lambda asked: Reply(metadata if asked.operation == "metadata" else EMPTY))
    client.feature_service("s")

    assert _sent(client, join_key_map={"k": math.nan})["joinKeyMap"] == {"k": None}


VALUES = {
    "numpy int": (np.int64(2**53 + 1), "9007199254740993"),
    "numpy uint8": (np.uint8(7), "7"),
    "numpy bool": (np.True_, True),
    "numpy float32": (np.float32(0.5), 0.5),
    "numpy str": (np.str_("x"), "x"),
    "numpy datetime64": (np.datetime64("2024-05-01T10:00:00"), "2024-05-01T10:00:00Z"),
    "numpy array": (np.array([1, 2]), ["1", "2"]),
    "datetime": (dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2024-05-01T10:00:00Z"),
    "date": (dt.date(2024, 5, 1), "2024-05-01T00:00:00Z"),
    "pd.Timestamp": (pd.Timestamp("2024-05-01T10:00:00.123456789Z"), "2024-05-01T10:00:00.123456789Z"),
    "pd.NA": (pd.NA, None),
    "pd.NaT": (pd.NaT, None),
    "Decimal": (Decimal("12.5"), 12.5),
    "nested": ({"a": [np.int64(1), pd.NA]}, {"a": ["1", None]}),
}


@pytest.mark.parametrize(("value", "expected"), VALUES.values(), ids=VALUES.keys())
def test_values_of_numpy_and_pandas_are_sent(ours, value, expected):
    """What a DataFrame's cells hold can be sent as it is."""
    assert _sent(ours(EMPTY), request_context_map={"c": value})["requestContextMap"] == {"c": expected}


def test_value_nobody_can_send_is_refused_in_words(ours):
    """An object that means nothing to a server is an InputError that shows value, type and key."""
    client = ours(EMPTY)

    with pytest.raises(InputError) as caught:
        _sent(client, join_key_map={"k": 1j})

    assert str(caught.value) == (
        "Cannot send '1j' (complex) as a feature value for join key 'k'. "
        "Pass text, a number, True or False, a time, a list or a dict."
    )
    assert client.server.asked == []


@pytest.mark.parametrize(
    "options",
    [{"include_slo_info": True}, {"includeSloInfo": True}, tnb.MetadataOptions(include_slo_info=True)],
    ids=["snake", "camel", "object"],
)
def test_metadata_options_may_be_a_dict(ours, options):
    """Options are taken as an object or a dict; names and data types always come along."""
    sent = _sent(ours(EMPTY), metadata_options=options)

    assert sent["metadataOptions"] == {"includeNames": True, "includeDataTypes": True, "includeSloInfo": True}


def test_option_that_does_not_exist_is_refused_with_the_closest(ours):
    """A misspelt option is an InputError with the valid names and the likeliest one."""
    with pytest.raises(InputError) as caught:
        _sent(ours(EMPTY), request_options={"latency_budget": 200})

    assert "RequestOptions has no option 'latency_budget'." in str(caught.value)
    assert "Did you mean 'latency_budget_ms'?" in str(caught.value)


def test_feature_service_id_is_sent_instead_of_the_name(ours):
    """A service may be named by its id in every method."""
    client = ours(EMPTY)

    client.get_features(feature_service_id="abc")

    assert client.server.asked[0].params["featureServiceId"] == "abc"
    assert "featureServiceName" not in client.server.asked[0].params


@pytest.mark.parametrize("names", [{}, {"feature_service_name": "s", "feature_service_id": "i"}], ids=["none", "both"])
def test_service_needs_exactly_one_of_name_and_id(ours, names):
    """Neither or both is refused before anything is sent."""
    client = ours(EMPTY)

    with pytest.raises((InputError, TypeError), match=r"exactly one|missing 1 required"):
        client.get_features(**names)

    assert client.server.asked == []


@pytest.mark.parametrize(
    ("below", "path"),
    [
        ("", "/api/v1/feature-service/get-features"),
        ("/", "/api/v1/feature-service/get-features"),
        ("/api", "/api/v1/feature-service/get-features"),
        ("/api/v1/", "/api/v1/feature-service/get-features"),
        ("/tecton/", "/tecton/api/v1/feature-service/get-features"),
        ("/gw/tecton/api", "/gw/tecton/api/v1/feature-service/get-features"),
    ],
)
def test_path_of_the_address_is_kept(canned, below, path):
    """A gateway's path stays in front of /api/v1, which may be written or not."""
    server = canned(EMPTY)

    with tnb.TectonClient(server.url + below, KEY, "prod") as client:
        client.get_features(feature_service_name="s")

    assert server.asked[0].path == path


def test_address_without_scheme_is_refused_at_once():
    """A wrong address fails when the client is made and not at the first call."""
    with pytest.raises(SettingsError) as caught:
        tnb.TectonClient("explore.tecton.ai", KEY, "prod")

    assert str(caught.value) == (
        "Cannot use the address 'explore.tecton.ai': it does not start with https://. "
        "Write it like https://yourcluster.tecton.ai."
    )


@pytest.mark.parametrize(
    "written",
    [KEY, f"{KEY}\n", f"  {KEY}\r\n", HEADER, f"tecton-key  {KEY}"],
    ids=["bare", "newline", "crlf", "1", "2"],
)
def test_key_is_sent_bare_however_it_was_read(canned, written):
    """Whitespace from a file and a prefix copied along do not reach the header."""
    server = canned(EMPTY)

    with tnb.TectonClient(server.url, written, "prod") as client:
        client.get_features(feature_service_name="s")

    assert server.asked[0].headers["authorization"] == HEADER


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "The API key is empty. Copy the key again, or set it in TECTON_API_KEY."),
        (
            "abc\u201ddef",
            "Character 4 of the 7 characters of the API key is not ASCII. "
            "Copy the key again, or set it in TECTON_API_KEY.",
        ),
        (7, "The API key must be text, not int."),
    ],
    ids=["empty", "non-ASCII", "int"],
)
def test_key_that_cannot_be_one_is_refused_without_showing_it(written, sentence):
    """A bad key is told by length and position, never by its characters."""
    with pytest.raises(SettingsError) as caught:
        tnb.TectonClient("https://x.tecton.ai", written, "prod")

    assert str(caught.value) == sentence


def test_no_key_leaves_authentication_to_the_user_s_client():
    """With api_key=None the header that the user's own httpx client puts on is sent."""
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(200, json=EMPTY)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=("user", "pass")) as own:
        tnb.TectonClient("https://x.tecton.ai", None, "prod", own).get_features(feature_service_name="s")

    assert seen == ["Basic dXNlcjpwYXNz"]


def test_user_s_httpx_client_is_not_changed_and_may_be_shared():
    """Two clients over one httpx client each send their own key, and leave its headers as they were."""
    seen: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["Authorization"], request.headers["X-Mine"]))
        return httpx.Response(200, json=EMPTY)

    with httpx.Client(transport=httpx.MockTransport(answer), headers={"X-Mine": "1"}) as own:
        before = dict(own.headers)
        first, second = (tnb.TectonClient("https://x.tecton.ai", f"{KEY}{n}", "prod", own) for n in (1, 2))
        for client in (first, second, first):
            client.get_features(feature_service_name="s")
        first.close()
        second.get_features(feature_service_name="s")

        assert dict(own.headers) == before
        assert not own.is_closed

    assert seen == [(f"{HEADER}{n}", "1") for n in (1, 2, 1, 2)]


def test_async_client_serves_several_event_loops(canned):
    """One AsyncTectonClient works in two asyncio.run calls, one after the other."""
    server = canned(vector(["7"], typed("a", "int64")))
    client = tnb.AsyncTectonClient(server.url, KEY, "prod")

    async def fetch():
        return (await client.get_features(feature_service_name="s")).get_features_dict()

    found = [asyncio.run(fetch()) for _ in range(2)]
    asyncio.run(client.close())

    assert found == [{"a": 7}, {"a": 7}]


def test_sync_client_works_where_a_loop_runs_already(ours):
    """As in a notebook's cell, where an event loop runs already."""
    client = ours(vector(["7"], typed("a", "int64")))

    async def cell():
        return client.get_features(feature_service_name="s").get_features_dict()

    assert asyncio.run(cell()) == {"a": 7}


def test_client_leaves_nothing_open(canned):
    """A with block, a close, and a client merely dropped leave no warning behind."""
    server = canned(EMPTY)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ending in ("with", "close", "drop"):
            client = tnb.TectonClient(server.url, KEY, "prod")
            client.get_features(feature_service_name="s")
            if ending == "with":
                with client:
                    pass
            elif ending == "close":
                client.close()
                client.close()
            del client
            gc.collect()


@pytest.mark.parametrize("budget", [50, 99, 0, -1, 250.5, "250", True])
def test_latency_budget_that_servers_do_not_take_is_refused(ours, budget):
    """A budget under 100 ms, or no whole number, is refused before anything is sent."""
    client = ours(EMPTY)

    with pytest.raises(InputError, match="at least 100"):
        _sent(client, request_options={"latency_budget_ms": budget})

    assert client.server.asked == []


def test_options_that_are_unset_are_not_sent(ours):
    """Older servers refuse names they do not know, so only what was asked for goes out."""
    client = ours(EMPTY)

    plain = _sent(client)
    with_options = _sent(client, request_options=tnb.RequestOptions(latency_budget_ms=250))

    assert plain == {
        "workspaceName": "prod",
        "featureServiceName": "s",
        "metadataOptions": {"includeNames": True, "includeDataTypes": True},
    }
    assert with_options["requestOptions"] == {"readFromCache": True, "writeToCache": True, "latencyBudgetMs": 250}


def test_partial_results_and_workspace_are_sent_as_asked(ours):
    """A call's own workspace replaces the client's, and partial results are allowed in words."""
    sent = _sent(ours(EMPTY), workspace_name="staging", allow_partial_results=True)

    assert (sent["workspaceName"], sent["allowPartialResults"]) == ("staging", True)


def test_empty_workspace_means_the_client_s_own(ours):
    """As in the official client, an empty workspace name of a call is none."""
    assert _sent(ours(EMPTY), workspace_name="")["workspaceName"] == "prod"


def test_call_without_any_workspace_is_refused(canned):
    """Where neither client nor call names a workspace, the sentence says where to name it."""
    with tnb.TectonClient(canned(EMPTY).url, KEY) as client, pytest.raises(SettingsError) as caught:
        client.get_features(feature_service_name="s")

    assert str(caught.value) == (
        "No workspace is named. Pass workspace_name, or default_workspace_name when making the client."
    )


@pytest.mark.parametrize("deadline", [0, -1, math.nan, math.inf, "5", None, True], ids=repr)
def test_deadline_that_is_none_is_refused(deadline):
    """A deadline is a finite number of seconds above 0."""
    with pytest.raises(SettingsError, match="deadline_seconds takes a number of seconds above 0"):
        tnb.TectonClient("https://x.tecton.ai", KEY, "prod", deadline_seconds=deadline)


@pytest.mark.parametrize("maps", [{"join_key_map": [1]}, {"request_context_map": {1: 2}}], ids=["list", "int name"])
def test_keys_are_passed_as_a_dict_by_name(ours, maps):
    """Join keys and request context that are no dict of names are refused in words."""
    with pytest.raises(InputError, match="passed as a dict of values by name"):
        _sent(ours(EMPTY), **maps)
