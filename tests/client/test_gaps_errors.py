"""Errors that the official client 0.4.0 gets wrong, row by row; ours get them right."""

from __future__ import annotations

import pickle
import socket

import httpx
import pytest
from canned import KEY, Reply, typed

import tecton_nb as tnb
from tecton_nb import exceptions

CLASSES = {
    400: exceptions.BadRequestError,
    401: exceptions.UnauthorizedError,
    403: exceptions.ForbiddenError,
    404: exceptions.NotFoundError,
    429: exceptions.ResourceExhaustedError,
    500: exceptions.InternalServerError,
    503: exceptions.ServiceUnavailableError,
    504: exceptions.GatewayTimeoutError,
}
UNREADABLE = {
    "html": b"<html><title>503 Service Temporarily Unavailable</title></html>",
    "text": b"upstream request timeout",
    "empty": b"",
    "list": b"[1, 2]",
    "string": b'"no"',
    "number": b"7",
    "null": b"null",
    "binary": b"\x80\xff\x00",
    "message-is-no-text": b'{"message": {"a": 1}, "code": "x"}',
}


def _error(client: tnb.TectonClient) -> exceptions.TectonError:
    with pytest.raises(exceptions.TectonError) as caught:
        client.get_features(feature_service_name="s", join_key_map={"k": "v"})
    return caught.value


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("status", CLASSES)
def test_error_status_with_unreadable_body_gives_its_own_class(ours, status, body):
    """Whatever the body is, the status decides the exception, and it says the status."""
    client = ours(Reply(body, status))

    error = _error(client)

    assert type(error) is CLASSES[status]
    assert error.status_code == status
    assert str(status) in str(error)


def test_error_body_with_error_only_keeps_its_text(ours):
    """Where a body has no message, what it calls error is shown instead of None."""
    client = ours(Reply({"error": "no such thing"}, 400))

    error = _error(client)

    assert error.message == "no such thing"
    assert str(error) == (
        "The server answered 400 Bad Request: no such thing. "
        "Compare the keys and values sent with the service's metadata."
    )


@pytest.mark.parametrize("status", [500, 502, 408, 409, 413, 501])
def test_error_status_without_a_class_keeps_the_server_s_message(ours, status):
    """A status the documents do not list is a TectonHttpException that says what the server says."""
    client = ours(Reply({"message": "disk on fire", "code": 13}, status))

    error = _error(client)

    assert isinstance(error, exceptions.TectonHttpException)
    assert (error.status_code, error.message, error.code) == (status, "disk on fire", 13)
    assert "disk on fire" in str(error)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_refused_and_says_where_it_points(ours, status):
    """A redirect is an error of its own that names the other address; nothing is sent there."""
    client = ours(Reply(b"", status, {"Location": "https://elsewhere.example/login"}))

    error = _error(client)

    assert type(error) is exceptions.RedirectRefusedError
    assert "'https://elsewhere.example/login'" in str(error)
    assert len(client.server.asked) == 1


def test_error_tells_status_and_grpc_code_apart(ours):
    """Status and gRPC code are both there, and neither is derived from the other."""
    client = ours(Reply({"message": "Unknown", "error": "Unknown", "code": 5}, 400))

    error = _error(client)

    assert (type(error), error.status_code, error.code) == (exceptions.BadRequestError, 400, 5)
    assert (error.reason_phrase, error.message) == ("Bad Request", "Unknown")


@pytest.mark.parametrize("status", [*CLASSES, 307, 418])
def test_error_survives_a_pickle_round_trip(ours, status):
    """Errors cross process borders with everything they say."""
    error = _error(ours(Reply({"message": "m", "code": 3}, status, {"Retry-After": "7", "Location": "/x"})))

    again = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_unreachable_host_gives_connection_failed_with_the_host():
    """A refused connection is one of our own errors and names host, port and what to check."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with tnb.TectonClient(f"http://127.0.0.1:{port}", KEY, "prod") as client:
        error = _error(client)

    assert type(error) is exceptions.ConnectionFailedError
    assert str(error) == (
        f"Cannot reach 127.0.0.1:{port}: the connection was refused or the network does not reach it "
        "(Connection refused). Check address, port and network."
    )


def test_answer_that_never_comes_gives_deadline_exceeded(ours):
    """A server that says nothing ends in our own error after the deadline, not in one of httpx."""
    client = ours(lambda _: client.server.silence(), deadline_seconds=0.3)

    error = _error(client)

    assert type(error) is exceptions.DeadlineExceededError
    assert "the time ran out while waiting for the answer" in str(error)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError("refused"), exceptions.ConnectionFailedError),
        (httpx.ReadTimeout("slow"), exceptions.DeadlineExceededError),
        (httpx.ConnectTimeout("slow"), exceptions.DeadlineExceededError),
        (httpx.RemoteProtocolError("garbage"), exceptions.ProtocolError),
        (httpx.ReadError("reset"), exceptions.ConnectionFailedError),
        (httpx.ProxyError("proxy"), exceptions.ConnectionFailedError),
    ],
    ids=lambda case: getattr(case, "__name__", type(case).__name__),
)
def test_error_of_the_user_s_own_httpx_client_becomes_ours(raised, expected):
    """With a client of the user's own, its network errors come out as ours with the cause kept."""

    def fail(request: httpx.Request) -> httpx.Response:
        raised.request = request
        raise raised

    with httpx.Client(transport=httpx.MockTransport(fail)) as own:
        error = _error(tnb.TectonClient("https://x.tecton.ai", KEY, "prod", own))

    assert type(error) is expected
    assert "x.tecton.ai" in str(error)
    assert error.__cause__ is raised


@pytest.mark.parametrize("status", [429, 503])
def test_refusal_for_load_says_how_long_to_wait(ours, status):
    """What the server asks to wait is on the error, for whoever tries again."""
    client = ours(Reply({"message": "exceeded the concurrent request limit"}, status, {"Retry-After": "7"}))

    error = _error(client)

    assert error.retry_after_seconds == 7.0


def test_event_hook_that_raises_for_status_gives_the_typed_error():
    """A user's httpx client may raise for the status itself; the error is the same."""
    own = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(404, json={"message": "no", "code": 5})),
        event_hooks={"response": [lambda response: response.read() and response.raise_for_status()]},
    )

    with own:
        error = _error(tnb.TectonClient("https://x.tecton.ai", KEY, "prod", own))

    assert (type(error), error.message) == (exceptions.NotFoundError, "no")


def test_closed_client_says_so():
    """After close every call fails with a sentence of ours."""
    client = tnb.TectonClient("https://x.tecton.ai", KEY, "prod")
    client.close()

    error = _error(client)

    assert type(error) is exceptions.ConnectionFailedError
    assert str(error) == "The client is closed. Make a new one."


def test_metadata_endpoint_s_errors_are_typed_too(ours):
    """Every method of a client raises the same errors."""
    client = ours(Reply(b"", 403))

    with pytest.raises(exceptions.ForbiddenError) as caught:
        client.get_feature_service_metadata(feature_service_name="s")

    assert caught.value.status_code == 403


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_async_client_raises_the_same_errors(canned, status):
    """The asynchronous client raises the class that the synchronous one raises."""
    server = canned(Reply({"message": "m"}, status))

    async with tnb.AsyncTectonClient(server.url, KEY, "prod") as client:
        with pytest.raises(CLASSES[status]) as caught:
            await client.get_features(feature_service_name="s")

    assert caught.value.message == "m"


def test_decode_error_is_a_value_error_as_the_official_client_raises(ours):
    """Code that catches the official client's ValueError keeps working."""
    response = ours({"result": {"features": ["x"]}, "metadata": {"features": [typed("a.b", "int64")]}}).get_features(
        feature_service_name="s"
    )

    with pytest.raises(ValueError, match=r"Cannot read feature 'a\.b' as int64") as caught:
        response.get_features_dict()

    assert caught.value.where == "result.features[0]"
