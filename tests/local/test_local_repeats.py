"""Requests with a head that the connection has sent before: answered alike, checked alike."""

import json
import re
import socket

import pandas as pd
import pytest
from riders import Moving, rows_of

from tecton_nb.local import BatchView, Definitions, Feature, FeatureServer, FeatureService, Field
from tecton_nb.local.clock import SimulatedLatency
from tecton_nb.local.faults import ErrorStatus
from tecton_nb.local.http.connection import Limits
from tecton_nb.local.http.front import Front
from tecton_nb.local.keys import Account, ApiKey
from tecton_nb.wire.types import STRING

KEY = "repeats-test-key"
VIEW = BatchView("things", (Field("id", STRING),), (Feature("x", STRING),))
DEFINITIONS = Definitions(
    (VIEW,), (FeatureService("s", ("things",)), FeatureService("s", ("things",), workspace="dev"))
)
DATA = {"things": rows_of({"a": "A", "b": "B", "c": "C"})}


@pytest.fixture
def server():
    """A server with one view."""
    with FeatureServer(DEFINITIONS, data=DATA, api_key=KEY) as running:
        yield running


@pytest.fixture
def at_once(monkeypatch):
    """Count the requests that were answered without aiohttp."""
    answered = []
    repeated = Front.repeated

    def counting(self, head, body):
        answered.append(head.path)
        return repeated(self, head, body)

    monkeypatch.setattr(Front, "repeated", counting)
    return answered


class Wire:
    """A raw connection."""

    def __init__(self, server: FeatureServer) -> None:
        self.port = int(server.url.rpartition(":")[2])
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def request(self, body: bytes = b"", key: str = KEY, extra: str = "", host: str | None = None) -> bytes:
        """A get-features request as bytes."""
        head = (
            f"POST /v1/feature-service/get-features HTTP/1.1\r\nHost: {host or f'127.0.0.1:{self.port}'}\r\n"
            f"Authorization: Tecton-key {key}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        status = int(self.stream.readline().split()[1])
        headers = {}
        for line in iter(self.stream.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self.stream.read(int(headers["content-length"]))

    def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes and return the next answer."""
        self.socket.sendall(data)
        return self.answer()


def body_of(key: str, workspace: str = "prod", **more: object) -> bytes:
    """A get-features body."""
    params = {"featureServiceName": "s", "workspaceName": workspace, "joinKeyMap": {"id": key}, **more}
    return json.dumps({"params": params}).encode()


def test_repeated_head_gets_the_same_answer_as_the_first(server, at_once):
    """The second request of a connection is answered at once, with status, headers and body of the first."""
    with Wire(server) as wire:
        first, second = (wire.ask(wire.request(body_of("a"))) for _ in range(2))

    assert len(at_once) == 1
    assert first[0] == second[0] == 200
    assert first[2] == second[2] == b'{"result":{"features":["A"]}}'
    assert {n: v for n, v in first[1].items() if n != "date"} == {n: v for n, v in second[1].items() if n != "date"}
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", second[1]["date"])


def test_each_body_gets_its_own_answer(server, at_once):
    """The head is remembered, the body never: every key gets its own values."""
    with Wire(server) as wire:
        found = [wire.ask(wire.request(body_of(key)))[2] for key in "abcab"]

    assert [json.loads(body)["result"]["features"][0] for body in found] == ["A", "B", "C", "A", "B"]
    assert len(at_once) == 4


def test_errors_of_repeated_heads_are_the_usual_ones(server, at_once):
    """A refusal is the same JSON with the same headers, and the connection lives on."""
    bad = body_of("a").replace(b'"id"', b'"ID"')
    with Wire(server) as wire, Wire(server) as fresh:
        wire.ask(wire.request(body_of("a")))
        repeated, usual = wire.ask(wire.request(bad)), fresh.ask(fresh.request(bad))
        after = wire.ask(wire.request(body_of("b")))

    assert len(at_once) == 2
    assert repeated[0] == usual[0] == 400
    assert repeated[2] == usual[2]
    assert set(usual[1]) - set(repeated[1]) <= {"date"}
    assert after[2] == b'{"result":{"features":["B"]}}'


def test_key_in_a_body_is_not_told_back(server):
    """An error about a body that quotes the key does not repeat it."""
    good = body_of("a", pad="#" * 40)
    bad = b'{"params":{"featureServiceName":"%b","joinKeyMap":{}}}' % KEY.encode()
    with Wire(server) as wire:
        wire.ask(wire.request(good))
        answer = wire.ask(wire.request(bad + b" " * (len(good) - len(bad))))

    assert answer[0] == 404
    assert KEY.encode() not in answer[2]


def test_account_that_loses_its_role_is_refused_on_the_same_connection(server, at_once):
    """Who asks is looked up anew for every request, also for a repeated head."""
    accounts = [Account("test", ApiKey(KEY).digest(), frozenset({"prod"}))]
    access = server.responder._access
    access._accounts = tuple(accounts)
    with Wire(server) as wire:
        before = wire.ask(wire.request(body_of("a")))[0]
        access._accounts = (Account("test", ApiKey(KEY).digest(), frozenset()),)
        without_role = wire.ask(wire.request(body_of("a")))[0]
        access._accounts = ()
        unknown = wire.ask(wire.request(body_of("a")))[0]

    assert (before, without_role, unknown) == (200, 403, 401)
    assert len(at_once) == 2


@pytest.mark.parametrize("change", [{"key": "another-key-here"}, {"host": "evil.example:80"}])
def test_another_head_is_checked_from_the_start(server, at_once, change):
    """A head with one byte changed is no repeated head: a wrong key or host is refused."""
    with Wire(server) as wire:
        wire.ask(wire.request(body_of("a")))
        status = wire.ask(wire.request(body_of("a"), **change))[0]
        again = wire.ask(wire.request(body_of("a")))[0]

    assert status in {401, 421}
    assert again == 200
    assert len(at_once) <= 1


def test_refused_head_is_not_remembered(server, at_once):
    """What was refused once is looked at again."""
    with Wire(server) as wire:
        statuses = [wire.ask(wire.request(body_of("a"), key="wrong-key"))[0] for _ in range(3)]

    assert statuses == [401] * 3
    assert not at_once


def test_request_in_two_pieces_is_left_to_aiohttp(server, at_once):
    """A request that comes in pieces is answered as ever, and so are those after it."""
    with Wire(server) as wire:
        request = wire.request(body_of("a"))
        first = wire.ask(request)
        wire.socket.sendall(request[:-5])
        second = wire.ask(request[-5:])
        third = wire.ask(request)

    assert [answer[2] for answer in (first, second, third)] == [b'{"result":{"features":["A"]}}'] * 3
    assert not at_once


def test_pipelined_requests_are_answered_in_order(server):
    """Two requests in one piece get two answers in their order."""
    with Wire(server) as wire:
        wire.ask(wire.request(body_of("a")))
        first = wire.ask(wire.request(body_of("b")) + wire.request(body_of("c")))
        second = wire.answer()

    assert [json.loads(answer[2])["result"]["features"] for answer in (first, second)] == [["B"], ["C"]]


def test_body_that_looks_like_a_request_is_none(server, at_once):
    """What follows a refused head is its body, even if it repeats a known request byte for byte."""
    with Wire(server) as wire:
        known = wire.request(body_of("a"))
        wire.ask(known)
        outer = wire.request(b"", extra="Content-Encoding: gzip\r\n").replace(
            b"Content-Length: 0", b"Content-Length: %d" % len(known)
        )
        refused = wire.ask(outer)
        after = wire.ask(known + known)

    # The first copy was the body that was announced; the second is a request.
    assert refused[0] == 415
    assert after[0] == 200
    assert not at_once


def test_chunked_request_is_left_to_aiohttp(server, at_once):
    """A body without an announced length is no repeated request."""
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body_of("a")), body_of("a"))
    with Wire(server) as wire:
        head = wire.request().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        statuses = [wire.ask(head + chunk)[0] for _ in range(2)]

    assert statuses == [200, 200]
    assert not at_once


def test_simulated_latency_is_held_on_repeated_heads_too():
    """A server whose answers are held back does not answer at once."""
    slow = FeatureServer(DEFINITIONS, data=DATA, api_key=KEY, clock=Moving(), latency=SimulatedLatency(1))
    with slow as server, Wire(server) as wire:
        slo = {"metadataOptions": {"includeSloInfo": True}}
        answers = [json.loads(wire.ask(wire.request(body_of("a", **slo)))[2]) for _ in range(3)]

    assert all(answer["metadata"]["sloInfo"]["serverTimeSeconds"] > 0.001 for answer in answers)


def test_faults_hit_repeated_heads_too(server):
    """A fault that is added while a connection is open hits its next request."""
    with Wire(server) as wire:
        before = [wire.ask(wire.request(body_of("a")))[0] for _ in range(2)]
        server.faults.add(ErrorStatus(status=503))
        during = wire.ask(wire.request(body_of("a")))[0]
        server.faults.clear()
        after = wire.ask(wire.request(body_of("a")))[0]

    assert (before, during, after) == ([200, 200], 503, 200)


def test_connection_in_use_is_not_idle():
    """A connection that repeats its head lives longer than the idle limit, and is closed once it rests."""
    limits = Limits(idle_seconds=0.3)
    with FeatureServer(DEFINITIONS, data=DATA, api_key=KEY, limits=limits) as server, Wire(server) as wire:
        began = pd.Timestamp.now()
        while (pd.Timestamp.now() - began).total_seconds() < 0.7:
            assert wire.ask(wire.request(body_of("a")))[0] == 200
        rest = wire.stream.read()

    assert rest == b""


def test_appended_row_is_in_the_next_answer(server):
    """Between two requests with one head a new row is seen."""
    with Wire(server) as wire:
        wire.ask(wire.request(body_of("a")))
        server.append("things", rows_of({"a": "new"}))
        found = wire.ask(wire.request(body_of("a")))[2]

    assert json.loads(found)["result"]["features"] == ["new"]


def test_metrics_count_repeated_requests(server):
    """Requests answered at once are in the telemetry like any other."""
    with Wire(server) as wire:
        for _ in range(5):
            wire.ask(wire.request(body_of("a")))
    text = server.responder.respond("GET", "/v1/observability/metrics", [f"Tecton-key {KEY}"], b"").body.decode()
    counts = [line.split()[-2] for line in text.splitlines() if line.startswith("feature_service_latency_count{")]

    assert sum(map(float, counts)) == 5


def test_many_different_heads_do_not_grow_without_end(server, at_once):
    """A client that changes its head with every request is served as ever."""
    with Wire(server) as wire:
        statuses = [wire.ask(wire.request(body_of("a"), extra=f"X-Id: {i}\r\n"))[0] for i in range(200)]

    assert set(statuses) == {200}
    assert not at_once


def test_long_head_is_not_remembered(server, at_once):
    """A head of many long headers is answered like any other, and takes no memory afterwards."""
    extra = "".join(f"X-{i}: {'a' * 2_000}\r\n" for i in range(5))
    with Wire(server) as wire:
        statuses = [wire.ask(wire.request(body_of("a"), extra=extra))[0] for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert at_once == []


def test_key_with_quotes_is_not_told_back_either():
    """A key that JSON writes with escapes is taken out of errors in that form, on the first request and later ones."""
    key = 'quote"and\\slash'
    bad = json.dumps({"params": {"featureServiceName": key}}).encode()
    good = body_of("a") + b" " * 40
    with FeatureServer(DEFINITIONS, data=DATA, api_key=key) as running, Wire(running) as wire:
        answers = [wire.ask(wire.request(text.ljust(200), key=key)) for text in (bad, good, bad)]

    assert [status for status, _, _ in answers] == [404, 200, 404]
    assert all("quote" not in json.loads(body).get("message", "") for _, _, body in answers)
