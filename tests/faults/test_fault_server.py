"""The fault server does what it is told and counts what happened: raw sockets against it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial

import pandas as pd
import pytest
import trustme
from fault_server import Counts, FaultProcess, FaultServer, answer
from feature_plan import Fault, Features, chance, expected, features_answer, missing_rows, rows, status, wrong_rows

pytestmark = pytest.mark.faults

OK = answer(b"{}")


@pytest.fixture
def talk():
    """Open a raw connection to a server."""
    opened = []

    def connect(server) -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def _request(body: bytes = b"{}", operation: str = "get-features") -> bytes:
    head = f"POST /api/v1/feature-service/{operation} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _asking(*keys: int) -> bytes:
    data = [{"joinKeyMap": {"k": str(key)}} for key in keys]
    if len(keys) == 1:
        return _request(json.dumps({"params": data[0]}).encode())
    return _request(json.dumps({"params": {"requestData": data}}).encode(), "get-features-batch")


def _body(connection: socket.socket) -> bytes:
    """Read one answer and return its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65_536) or pytest.fail("no head")
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536) or pytest.fail("no body")
    return body


def _rest(connection: socket.socket) -> bytes:
    """Read to the end of the connection."""
    return b"".join(iter(partial(connection.recv, 65_536), b""))


def _until(condition) -> None:
    """Wait for what another thread or process is about to count."""
    never = threading.Event()
    for _ in range(4_000):
        if condition():
            return
        never.wait(0.005)
    pytest.fail("it did not happen")


def test_kept_connection_gets_one_answer_for_each_request(talk):
    """Requests that come one after the other, or together in one piece, are answered in order."""
    with FaultServer(lambda received: [answer(received.body)]) as server:
        connection = talk(server)
        connection.sendall(_request(b"1"))
        assert _body(connection) == b"1"
        connection.sendall(_request(b"22") + _request(b"333"))
        assert _body(connection) in {b"22", b"22" + answer(b"333")["send"]}

        counts = server.counts()

    assert (counts.requests, counts.connections, counts.most_in_flight) == (3, 1, 1)
    assert [(r.number, r.number_on_connection, r.body) for r in server.received] == [
        (0, 0, b"1"),
        (1, 1, b"22"),
        (2, 2, b"333"),
    ]


@pytest.mark.parametrize(
    ("steps", "sent"),
    [
        ([{"send": b"a"}, {"send_b64": "Yg=="}, {"send_template": "{{{other_port}}}"}, {"close": True}], b"ab{7}"),
        ([{"repeat": {"send": b"x", "times": 5, "every": 0.001}}, {"close": True}], b"xxxxx"),
        ([{"sleep": 0.01}, {"send": b"late"}, {"close": True}], b"late"),
        ([{"send": b"x" * 3_000_000}, {"close": True}], b"x" * 3_000_000),
        ([{"close_on_next_byte": True}], b""),
    ],
    ids=["sends", "repeat", "sleep", "much", "close on next byte"],
)
def test_steps_are_done_in_their_order(talk, steps, sent):
    """What the steps say is what a client gets, byte for byte."""
    with FaultServer(steps, other_port=7) as server:
        connection = talk(server)
        connection.sendall(_request() + b"?")

        assert _rest(connection) == sent


def test_reset_is_a_reset(talk):
    """A client sees a connection that is reset, not one that ends."""
    with FaultServer([{"rst": True}]) as server:
        connection = talk(server)
        connection.sendall(_request())

        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_plan_without_reading_speaks_first(talk):
    """A server that reads nothing does its steps as soon as somebody connects."""
    with FaultServer([{"no_read": True}, {"send": b"220 hello\r\n"}, {"close": True}]) as server:
        assert _rest(talk(server)) == b"220 hello\r\n"


def test_gathered_requests_are_answered_together(talk):
    """A step can wait until so many requests are there, another one until it is released."""
    with FaultServer([{"gather": 2}, {"hold": True}, OK]) as server:
        first, second = talk(server), talk(server)
        first.sendall(_request())
        _until(lambda: server.counts().in_flight == 1)
        second.sendall(_request())
        _until(lambda: server.counts().in_flight == 2)
        server.release()

        assert (_body(first), _body(second)) == (b"{}", b"{}")


@pytest.mark.parametrize("kind", [FaultServer, FaultProcess])
def test_request_whose_client_left_is_in_flight_no_more(talk, kind):
    """Somebody who gives up and asks again on another connection never counts twice."""
    with kind([{"sleep": 60}]) as server:
        for asked in range(1, 51):
            connection = talk(server)
            connection.sendall(_request())
            _until(lambda asked=asked: server.counts().requests == asked)
            connection.close()
        _until(lambda: server.counts().open_connections == 0)
        counts = server.counts()

    assert (counts.requests, counts.in_flight, counts.most_in_flight) == (50, 0, 1)
    assert counts.most_open_connections <= 2


def test_answered_request_is_in_flight_no_more_though_steps_follow(talk):
    """What a server does after a complete answer is nobody's request."""
    with FaultServer([OK, {"sleep": 60}]) as server:
        for _ in range(20):
            connection = talk(server)
            connection.sendall(_request())
            assert _body(connection) == b"{}"
        counts = server.counts()

    assert (counts.in_flight, counts.most_in_flight, counts.open_connections) == (0, 1, 20)


def test_request_without_an_end_counts_until_its_steps_are_over(talk):
    """An answer that is never complete keeps its request in flight until the connection ends."""
    with FaultServer([{"send": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"}, {"hold": True}]) as server:
        connection = talk(server)
        connection.sendall(_request())
        connection.recv(10)
        assert server.counts().in_flight == 1
        server.release()
        _until(lambda: server.counts().in_flight == 0)


@pytest.mark.parametrize("kind", [FaultServer, FaultProcess])
def test_keys_are_counted_with_their_attempts(talk, kind):
    """The server knows how often each row was asked for, alone or among others."""
    with kind(Features()) as server:
        connection = talk(server)
        for request in (_asking(1), _asking(1, 2, 3), _asking(1)):
            connection.sendall(request)
            _body(connection)
        asked = server.counts().asked
        server.forget()
        counts = server.counts()

    assert asked == {"1": 3, "2": 1, "3": 1}
    assert (counts.requests, counts.asked, counts.open_connections) == (0, {}, 1)


def test_handshake_that_fails_is_a_connection(talk):
    """A connection counts from when it is accepted, whether TLS comes to be or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with FaultServer([OK], tls=context) as server:
        talk(server).sendall(b"this is no TLS, not at all\r\n\r\n")
        _until(lambda: server.counts().open_connections == 0 and server.counts().connections == 1)

        assert server.counts().requests == 0


def test_most_within_counts_what_surely_came_together():
    """What arrived between two looks at the clock may have come at the first; it is not held against a client."""
    even = [(i * 0.1 - 0.001, i * 0.1) for i in range(30)]
    crowd = [(5.0, 5.001 + i / 1_000) for i in range(4)]
    nap = [(6.0, 7.5), (6.0, 7.5), (7.5, 7.6)]

    assert Counts(arrivals=even).most_within(1.0) == 10
    assert Counts(arrivals=[*even, *crowd]).most_within(0.05) == 4
    assert Counts(arrivals=nap).most_within(1.0) == 1
    assert Counts().most_within(1.0) == 0


@pytest.mark.parametrize("are_new", [False, True])
def test_server_that_did_not_get_to_run_sees_no_rush(talk, are_new):
    """What came one by one while the server was held up is not counted as come together."""
    napping = threading.Event()

    def nap(received):
        if "0" in received.keys:
            napping.set()
            time.sleep(0.3)
        return [OK]

    with FaultServer(nap) as server:
        sleeper = talk(server)
        known = [] if are_new else [talk(server) for _ in range(10)]
        for each in known:
            each.sendall(_asking(1))
            _body(each)
        server.forget()
        sleeper.sendall(_asking(0))
        napping.wait(20)
        for turn in range(10):
            connection = talk(server) if are_new else known[turn]
            connection.sendall(_asking(2))
            time.sleep(0.02)
        _until(lambda: server.number("requests") == 11)
        counts = server.counts()

    # Sent every 20 ms at most, the nap over before the last.
    assert counts.most_within(0.1) <= 6
    assert counts.most_within(5.0) == 11


def test_server_that_ends_cuts_every_connection(talk, resources):
    """Ending with requests under way, unread bytes and a slow client leaves no thread and no socket."""
    before = resources()
    server = FaultServer([{"repeat": {"send": b"x" * 65_536, "times": 1_000}}, {"sleep": 60}])
    connections = [talk(server) for _ in range(10)]
    for connection in connections[:5]:
        connection.sendall(_request() * 3)
    _until(lambda: server.counts().requests == 5)

    server.close()
    server.close()

    for connection in connections:
        with suppress(ConnectionResetError):
            _rest(connection)
        connection.close()
    assert resources() == before
    with pytest.raises(ConnectionRefusedError):
        talk(server)


def test_process_that_serves_ends_with_its_server(talk):
    """A server in a process of its own takes a new plan, counts, and is gone when it is closed."""
    with FaultProcess([OK]) as server:
        connection = talk(server)
        connection.sendall(_request())
        first = _body(connection)
        server.change([answer(b"other")])
        connection.sendall(_request())

        assert (first, _body(connection)) == (b"{}", b"other")
        assert server.counts().requests == 2

    with pytest.raises(ConnectionRefusedError):
        talk(server)


def test_faults_are_drawn_for_each_key_and_attempt_and_never_again_otherwise():
    """A run repeats; every attempt has a chance of its own, and the shares come out."""
    draws = [chance(seed, str(key), attempt) for seed in (1, 2) for key in range(2_000) for attempt in (0, 1)]

    assert draws == [chance(seed, str(key), attempt) for seed in (1, 2) for key in range(2_000) for attempt in (0, 1)]
    assert len(set(draws)) == len(draws)
    assert min(draws) >= 0
    assert max(draws) < 1
    assert 0.04 < sum(draw < 0.05 for draw in draws) / len(draws) < 0.06


def test_plan_answers_by_key_by_chance_and_else_right(talk):
    """A key with a plan of its own gets that, attempt after attempt; the others get faults as often as said."""
    busy, cut = [status(503)], [{"right": 1, "cut": 50}, {"close": True, "fault": "cut"}]
    plan = Features(by_key={1: (busy, None), 2: (busy,)}, faults=(Fault(0.25, cut),))
    got = Counter()
    with FaultServer(plan) as server:
        for key in (1, 1, 1, 2, 2, 2, *range(10, 210)):
            connection = talk(server)
            connection.sendall(_asking(key))
            connection.shutdown(socket.SHUT_WR)
            got[key, _rest(connection)[9:12]] += 1
        counts = server.counts()

    assert got[1, b"503"] == 1
    assert got[2, b"503"] == 3
    assert counts.faults["503"] == 4
    assert 30 < counts.faults["cut"] < 70


def test_capacity_is_how_many_are_answered_at_once(talk):
    """Whoever comes when all places are taken is refused at once."""
    with FaultServer(Features(capacity=2, before_each=[{"hold": True}])) as server:
        taken = [talk(server) for _ in range(2)]
        for connection in taken:
            connection.sendall(_asking(1))
        _until(lambda: server.counts().in_flight == 2)
        refused = talk(server)
        refused.sendall(_asking(2))
        refusal = _body(refused)
        server.release()

        assert b"no" in refusal
        assert all(b"row 1" in _body(connection) for connection in taken)
        assert server.counts().faults == {"429": 1}
        assert [is_fault for *_, is_fault in server.counts().answers].count(False) == 2


def test_answer_of_another_row_shows():
    """The check for wrong rows finds a swap, an old value and a shift, and takes a missing value for missing."""
    asked = rows(5)
    swapped = expected([0, 2, 1, 3, 4])
    part = expected(range(5))
    part.loc[3, "fv.b"] = "row 2"
    part.loc[4] = pd.NA

    assert wrong_rows(expected(range(5)), asked) == []
    assert wrong_rows(swapped, asked) == [1, 2]
    assert wrong_rows(part, asked) == [3]
    assert missing_rows(part) == [4]


@pytest.mark.parametrize("operation", ["get-features", "get-features-batch"])
def test_answers_are_what_the_documents_print(operation):
    """One row is an object with one status a feature, several are a list with a list of statuses."""
    keys = ["3"] if operation == "get-features" else ["3", "4"]

    said = json.loads(features_answer(keys, operation))

    vectors = said["result"] if operation == "get-features-batch" else [said["result"]]
    assert [vector["features"][2] for vector in vectors] == [f"row {key}" for key in keys]
    assert vectors[0]["features"][0] == str(2**53 + 7)
    assert said["metadata"]["features"][0]["status"] == ("PRESENT" if len(keys) == 1 else ["PRESENT", "PRESENT"])
