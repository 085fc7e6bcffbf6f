"""Which failures are tried again, how often, and at what price: every case of the corpus, and the table."""

from __future__ import annotations

import gzip
import json
import random
import socket
import ssl
import zlib
from pathlib import Path

import httpx
import pycurl
import pytest
from policy_world import http_error

from tecton_nb.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    InputError,
    ProtocolError,
    RedirectRefusedError,
    ResponseTooLargeError,
    SettingsError,
    TectonError,
    TectonHttpException,
)
from tecton_nb.transport.answers import read_answer
from tecton_nb.transport.calls import Call
from tecton_nb.transport.content import unpacked
from tecton_nb.transport.messages import HttpAnswer, HttpRequest
from tecton_nb.transport.policy import RULES, Cause, Governor, Retry, classify
from tecton_nb.wire.responses import FeaturesReply, read_get_features
from tecton_nb.wire.types import UnknownType
from tecton_nb.wire.values import decode_value

CORPUS = Path(__file__).parents[1] / "corpora" / "responses.jsonl"
CASES = [
    case
    for case in map(json.loads, CORPUS.read_text(encoding="utf-8").splitlines())
    if case["outcome"].startswith("error:")
]
CAUSES = {
    "throttled": {Cause.THROTTLED},
    "unavailable": {Cause.UNAVAILABLE},
    "auth": {Cause.AUTH},
    "not_found": {Cause.NOT_FOUND},
    "bad_request": {Cause.BAD_REQUEST},
    "server": {Cause.SERVER, Cause.UNSUPPORTED},
    "protocol": {Cause.PROTOCOL, Cause.NOISE},
    "bad_payload": {Cause.GARBAGE, Cause.SCHEMA, Cause.PAGE},
    "schema": {Cause.SCHEMA},
    "value": {Cause.SCHEMA},
    "redirect": {Cause.REDIRECT},
    "too_large": {Cause.TOO_LARGE},
    "connection": {Cause.CONNECTION},
    "deadline": {Cause.TIMEOUT},
}
WHOLE = b'{"result": {"features": [1, "x"]}}'


def _values(body: bytes) -> FeaturesReply:
    reply = read_get_features(body)
    for i, (raw, item) in enumerate(zip(reply.rows[0], reply.features, strict=True)):
        decode_value(raw, item.data_type or UnknownType(""), where=f"result.features[{i}]", name=item.name)
    return reply


def _failure(engine, server) -> tuple[TectonError, HttpAnswer | None]:
    answer = None
    try:
        answer = engine.submit(HttpRequest("POST", server.url, (), b"{}"), deadline_seconds=0.4).result()
        read_answer(Call("x", b"{}", lambda found: _values(found.body)), answer)
    except TectonError as error:
        return error, answer
    raise AssertionError("it was read")


def _caused(error: TectonError, cause: BaseException) -> TectonError:
    error.__cause__ = cause
    return error


def _deep(error: TectonError, cause: BaseException, context: BaseException) -> TectonError:
    cause.__context__ = context
    return _caused(error, cause)


def _curl(code: int, kind: type[TectonError] = ConnectionFailedError) -> TectonError:
    return _caused(kind("What happened."), pycurl.error(code, "what libcurl says"))


def _noise() -> TectonError:
    error = ProtocolError("What answers is no HTTP.")
    error.is_noise = True
    return error


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_every_failure_of_the_corpus_is_retried_as_it_says(engine, serve, case):
    """Whatever a server does, the run tries again exactly where the corpus says that it helps."""
    server = serve(case["steps"])

    error, answer = _failure(engine, server)
    governor = Governor(random.Random(1))
    verdict = governor.failed(0.0, governor.started(0.0), error, answer)

    assert classify(error, answer.body if answer else None) in CAUSES[case["outcome"].removeprefix("error:")]
    assert isinstance(verdict, Retry) == case["retry"]


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (301, Cause.BAD_REQUEST),
        (400, Cause.BAD_REQUEST),
        (401, Cause.AUTH),
        (403, Cause.AUTH),
        (404, Cause.NOT_FOUND),
        (408, Cause.BAD_REQUEST),
        (422, Cause.BAD_REQUEST),
        (429, Cause.THROTTLED),
        (499, Cause.BAD_REQUEST),
        (500, Cause.SERVER),
        (501, Cause.UNSUPPORTED),
        (502, Cause.UNAVAILABLE),
        (503, Cause.UNAVAILABLE),
        (504, Cause.UNAVAILABLE),
        (505, Cause.UNSUPPORTED),
        (599, Cause.UNSUPPORTED),
    ],
)
def test_status_decides_the_cause_whatever_the_body_is(status, cause):
    """A status is what it is, with a JSON body, a page or none."""
    for body in (None, b"", b"<html>", WHOLE):
        assert classify(http_error(status), body) is cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RedirectRefusedError(307, "X", "it points to 'y'"), Cause.REDIRECT),
        (CertificateError("x."), Cause.CERTIFICATE),
        (_curl(60, CertificateError), Cause.CERTIFICATE),
        (DeadlineExceededError("x."), Cause.TIMEOUT),
        (ResponseTooLargeError("x."), Cause.TOO_LARGE),
        (SettingsError("x."), Cause.SETTINGS),
        (InputError("x."), Cause.UNSENT),
        (TectonError("x."), Cause.UNSENT),
        (ConnectionFailedError("x."), Cause.CONNECTION),
        *((_curl(code), Cause.UNREACHABLE) for code in (5, 6, 7)),
        *((_curl(code), Cause.CONNECTION) for code in (18, 52, 55, 56)),
        (_curl(1, ProtocolError), Cause.PROTOCOL),
        (_noise(), Cause.NOISE),
        (_curl(8, ProtocolError), Cause.PROTOCOL),
        (ProtocolError("x."), Cause.PROTOCOL),
        (_caused(ProtocolError("x."), pycurl.error()), Cause.PROTOCOL),
    ],
)
def test_error_of_the_engine_has_its_cause(error, cause):
    """What the engine raises is told apart: names and refusals, cut connections, certificates, no HTTP."""
    assert classify(error) is cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (_caused(ConnectionFailedError("x."), httpx.ReadError("reset")), Cause.CONNECTION),
        (_caused(ConnectionFailedError("x."), httpx.ConnectError("refused")), Cause.UNREACHABLE),
        (_deep(ConnectionFailedError("x."), httpx.ReadError("x"), socket.gaierror()), Cause.UNREACHABLE),
        (_deep(ConnectionFailedError("x."), httpx.ReadError("x"), ConnectionRefusedError()), Cause.UNREACHABLE),
        (
            _deep(ConnectionFailedError("x."), httpx.ConnectError("x"), ssl.SSLCertVerificationError()),
            Cause.CERTIFICATE,
        ),
        (_caused(ProtocolError("x."), httpx.DecodingError("zlib")), Cause.GARBAGE),
        (_caused(ProtocolError("x."), httpx.RemoteProtocolError("Server disconnected without ...")), Cause.CONNECTION),
        (_caused(ProtocolError("x."), httpx.RemoteProtocolError("peer closed connection ...")), Cause.CONNECTION),
        (_caused(ProtocolError("x."), httpx.RemoteProtocolError("illegal status line")), Cause.PROTOCOL),
        (_caused(ProtocolError("x."), httpx.LocalProtocolError("disconnected")), Cause.PROTOCOL),
    ],
)
def test_error_of_a_client_the_user_brought_has_the_same_causes(error, cause):
    """Behind httpx's words stand the same reasons, however deep in the chain."""
    assert classify(error) is cause


def test_chain_of_exceptions_that_bites_its_tail_is_walked_once():
    """An exception that is its own cause by way of others does not hang the run."""
    error, other = ConnectionFailedError("x."), ValueError("y")
    error.__cause__, other.__cause__ = other, error

    assert classify(error) is Cause.CONNECTION


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", Cause.GARBAGE),
        (b" \r\n", Cause.GARBAGE),
        (WHOLE[:-1], Cause.GARBAGE),
        (WHOLE[:1], Cause.GARBAGE),
        (WHOLE + WHOLE, Cause.GARBAGE),
        (WHOLE + b"\n" + WHOLE, Cause.GARBAGE),
        (WHOLE + b"}", Cause.GARBAGE),
        (bytes(range(128, 256)), Cause.GARBAGE),
        (b"upstream connect error", Cause.GARBAGE),
        (b"\xff\xfe\x00\x9c}", Cause.GARBAGE),
        (b"\xfe\xff\xd8\x00\x00", Cause.GARBAGE),
        (b"\xef\xbb\xbf" + WHOLE[:-1], Cause.GARBAGE),
        (b"<html><title>Sign in</title></html>", Cause.PAGE),
        (b" \n<!doctype html>", Cause.PAGE),
        (WHOLE, Cause.SCHEMA),
        (b"\n" + WHOLE + b"\n ", Cause.SCHEMA),
        (b"null", Cause.SCHEMA),
        (b"[1]", Cause.SCHEMA),
        (b'{"a": NaN}', Cause.SCHEMA),
        (b'{"a": 1e400}', Cause.SCHEMA),
        (b'{"a": %s}' % (b"9" * 5_000), Cause.SCHEMA),
        (b'{"a": "\\ud800"}', Cause.SCHEMA),
        (b'{"a": "\xe9"}', Cause.SCHEMA),
        (b"[" * 100_000 + b"]" * 100_000, Cause.SCHEMA),
        (b"\xef\xbb\xbf" + WHOLE, Cause.SCHEMA),
        (WHOLE.decode().encode("utf-16"), Cause.SCHEMA),
        (b"\xfe\xff" + WHOLE.decode().encode("utf-16-be"), Cause.SCHEMA),
        (None, Cause.SCHEMA),
    ],
)
def test_body_damaged_on_the_way_is_told_from_one_that_says_the_wrong_thing(body, cause):
    """Cut, doubled and random bodies are asked for again; pages and whole texts are what the server means."""
    assert classify(DecodeError("x."), body) is cause


def test_packed_body_that_is_cut_is_damaged():
    """A gzip body that ends too early is asked for again, though no answer is left to look at."""
    with pytest.raises(DecodeError) as caught:
        unpacked(gzip.compress(WHOLE)[:-9], "gzip", 1_000)

    assert isinstance(caught.value.__cause__, zlib.error)
    assert classify(caught.value) is Cause.GARBAGE


@pytest.mark.parametrize(
    ("retries", "causes"),
    [
        (3, {Cause.THROTTLED, Cause.UNAVAILABLE, Cause.TIMEOUT, Cause.CONNECTION}),
        (2, {Cause.UNREACHABLE, Cause.GARBAGE, Cause.DOUBTED}),
        (1, {Cause.SERVER, Cause.NOISE, Cause.ASLEEP}),
    ],
)
def test_causes_are_retried_as_often_as_the_table_says(retries, causes):
    """A row is tried at most four times, less for what seldom passes, and never for anything else."""
    assert {cause for cause, rule in RULES.items() if rule.retries == retries} == causes
    assert max(rule.retries for rule in RULES.values()) == 3
    assert set(RULES) == set(Cause)


def test_retries_cost_14_and_5_where_the_server_is_only_busy():
    """The price of a retry is botocore's; one after sleep is free, one for a right answer in doubt nearly so."""
    others = {Cause.THROTTLED, Cause.ASLEEP, Cause.DOUBTED}
    assert {rule.cost for cause, rule in RULES.items() if cause not in others} == {14}
    assert RULES[Cause.DOUBTED].cost == 1
    assert RULES[Cause.THROTTLED].cost == 5
    assert RULES[Cause.ASLEEP].cost == 0


def test_causes_that_stop_a_run_slow_it_down_or_count_against_the_server():
    """A wrong key, certificate or setting ends a run; overload slows it down; a missing server opens the breaker."""
    assert {c for c, rule in RULES.items() if rule.stops_batch} == {Cause.AUTH, Cause.CERTIFICATE, Cause.SETTINGS}
    assert {c for c, r in RULES.items() if r.is_overload} == {Cause.THROTTLED, Cause.UNAVAILABLE, Cause.TIMEOUT}
    assert {cause for cause, rule in RULES.items() if not rule.is_outage and not rule.stops_batch} == {
        Cause.THROTTLED,
        Cause.ASLEEP,
        Cause.DOUBTED,
        Cause.NOT_FOUND,
        Cause.BAD_REQUEST,
        Cause.UNSUPPORTED,
        Cause.TOO_LARGE,
        Cause.SCHEMA,
        Cause.UNSENT,
    }


def test_exception_of_a_status_without_a_name_is_still_classified():
    """A status that has no exception of its own is judged by its number."""
    assert classify(TectonHttpException(502, "Bad Gateway", "")) is Cause.UNAVAILABLE
