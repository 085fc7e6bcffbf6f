"""Faults as a client meets them: our own client and engine against a server that does wrong on purpose."""

from collections import Counter
from concurrent.futures import Future
from contextlib import closing

import pytest
from raw_http import BODY, SVC, THINGS
from riders import KEY

import tecton_nb as tnb
from tecton_nb.exceptions import (
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    GatewayTimeoutError,
    ResourceExhaustedError,
    ServiceUnavailableError,
    TectonError,
)
from tecton_nb.local import FeatureServer
from tecton_nb.local.faults import (
    DoubleAnswer,
    Drip,
    EarlyClose,
    ErrorStatus,
    Fault,
    Garbage,
    Redirect,
    RenamedFeature,
    Reset,
    Stall,
    WrongLength,
)
from tecton_nb.transport.engine import Engine
from tecton_nb.transport.messages import HttpAnswer, HttpRequest
from tecton_nb.transport.secret import Secret


def wire_name(value: object) -> str:
    """A short name for a case."""
    return value.label if isinstance(value, Fault) else value.__name__


@pytest.fixture(scope="module")
def server():
    """A server with one service, 'svc'."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY) as running:
        yield running


@pytest.fixture
def ask(server):
    """Ask for the features of one row through the engine, with a deadline."""
    with Engine() as engine:

        def ask(*faults: Fault, row: int = 1, deadline: float = 5.0) -> tuple[int, bytes]:
            with server.faults.add(*faults):
                answer = engine.submit(request_for(server, row), deadline_seconds=deadline).result(10)
            return answer.status, answer.body

        yield ask


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Reset(), ConnectionFailedError),
        (Reset("half"), ConnectionFailedError),
        (EarlyClose("nothing"), ConnectionFailedError),
        (EarlyClose("headers"), ConnectionFailedError),
        (EarlyClose("half"), ConnectionFailedError),
        (WrongLength(9), ConnectionFailedError),
        (Stall(30), DeadlineExceededError),
        (Stall(30, "half"), DeadlineExceededError),
        (Drip(1, 0.1), DeadlineExceededError),
        (Drip(1, 0.1, "interim"), DeadlineExceededError),
    ],
    ids=wire_name,
)
def test_broken_answer_is_a_typed_error_and_the_next_one_is_right(ask, fault, kind):
    """Whatever happens on the wire is named, and harms nobody after it."""
    with pytest.raises(kind):
        ask(fault, deadline=0.4)
    status, body = ask()

    assert (status, body) == (200, b'{"result":{"features":[2.5]}}')


def test_mix_of_faults_is_counted_as_it_arrives(server):
    """Of many requests at once each gets its own answer or a typed error, as many as the server counted."""
    # libcurl sends a request again by itself if a kept connection ends before the first byte.
    mix = (
        ErrorStatus(503, share=0.05),
        Reset("headers", share=0.05),
        Stall(30, share=0.02),
        Garbage("random", share=0.05),
    )
    server.faults.clear()
    with Engine(max_in_flight=32) as engine, server.faults.add(*mix):
        futures = {row: engine.submit(request_for(server, row), deadline_seconds=2.0) for row in range(400)}
        outcomes = Counter(outcome(row, future) for row, future in futures.items())

    assert outcomes["wrong"] == 0
    assert outcomes["right"] > 280
    assert {name: outcomes[name] for name in server.faults.counts()} == server.faults.counts()
    assert min(server.faults.counts().values()) > 0


def request_for(server: FeatureServer, row: int) -> HttpRequest:
    """A request for the features of one row."""
    body = BODY.replace(b'"1"', f'"{row}"'.encode())
    return HttpRequest("POST", f"{server.url}/api/v1/feature-service/get-features", body=body, key=Secret(KEY))


def outcome(row: int, future: Future[HttpAnswer]) -> str:
    """What became of a request, in the words of the server's counts."""
    try:
        answer = future.result(20)
    except ConnectionFailedError:
        return "reset"
    except DeadlineExceededError:
        return "stall"
    value = b"2.5" if row == 1 else b"null"
    if answer.status == 200 and answer.body.startswith(b"\xff"):
        return "garbage"
    return "status 503" if answer.status == 503 else "right" if value in answer.body else "wrong"


def test_left_over_answer_never_reaches_the_next_row(ask):
    """After an answer that came twice the next row gets its own answer."""
    answers = [ask(DoubleAnswer(), row=row)[1] for row in (1, 2, 1, 2)]

    assert answers == [b'{"result":{"features":[2.5]}}', b'{"result":{"features":[null]}}'] * 2


def test_surplus_bytes_never_reach_the_next_row(ask):
    """Bytes behind the announced end are not taken for the next answer."""
    ask(WrongLength(-4))

    assert ask(row=2)[1] == b'{"result":{"features":[null]}}'


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ErrorStatus(429, retry_after=3600), ResourceExhaustedError),
        (ErrorStatus(503, "html"), ServiceUnavailableError),
        (ErrorStatus(503, "empty"), ServiceUnavailableError),
        (ErrorStatus(504), GatewayTimeoutError),
        (Garbage("cut-json"), DecodeError),
        (Garbage("random"), DecodeError),
        (Garbage("html"), DecodeError),
        (Redirect("https://elsewhere.invalid/"), TectonError),
    ],
    ids=wire_name,
)
def test_client_names_what_the_server_did(server, fault, kind):
    """Our client turns each fault into the exception that says what happened."""
    with (
        closing(tnb.TectonClient(server.url, KEY, "prod")) as client,
        server.faults.add(fault),
        pytest.raises(kind) as caught,
    ):
        client.get_features(feature_service_name="svc", join_key_map={"id": "1"})

    assert KEY not in str(caught.value)


def test_changed_schema_reaches_the_frame(server):
    """A feature that was renamed comes under its new name to whoever reads the service anew."""
    with server.faults.add(RenamedFeature("things.size", "things.length")), tnb.connect(server) as client:
        frame = client.feature_service("svc").get_features({"id": "1"})

    assert frame.to_dict("list") == {"things.length": [2.5]}
