from __future__ import annotations

import functools
import gzip
import logging
import pickle
import queue
import random
import re
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
import zlib
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from fault_server import FaultServer, answer

from tecton_nb.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    InputError,
    ProtocolError,
    ResponseTooLargeError,
    SettingsError,
)
from tecton_nb.transport.content import MAX_BODY_BYTES
from tecton_nb.transport.engine import Engine
from tecton_nb.transport.messages import HttpAnswer, HttpRequest
from tecton_nb.transport.reply import ABORT, Reply
from tecton_nb.transport.secret import Secret

JSON = (("Content-Type", "application/json"),)
CLOSE = {"close": True}
SILENCE = {"sleep": 60}
OK = b"HTTP/1.1 200 OK\r\n"
PACKAGE = Path(__file__).parents[2]


def _post(server: FaultServer, body: bytes = b"{}", **parts: object) -> HttpRequest:
    return HttpRequest("POST", f"{server.url}/api/v1/x", **{"headers": JSON, "body": body, **parts})


def _sent(data: bytes) -> dict[str, bytes]:
    return {"send": data}


def _fetch(engine: Engine, server: FaultServer, seconds: float = 20.0):
    return engine.submit(_post(server), deadline_seconds=seconds).result()


def _answered(engine: Engine, server: FaultServer, body: bytes) -> bytes:
    return engine.submit(_post(server, body), deadline_seconds=20).result().body


def _error_of(engine: Engine, server: FaultServer, seconds: float = 20.0) -> BaseException:
    return engine.submit(_post(server), deadline_seconds=seconds).exception()


def _open_two(engine: Engine, server: FaultServer) -> None:
    """Ask twice at once: afterwards the engine has two connections, and opens no third for a single request."""
    wait([engine.submit(_post(server), deadline_seconds=20) for _ in range(2)])


def _echo(received):
    return [answer(received.body)]


# What is sent and what comes back


def test_answer_of_any_status_is_returned_with_its_parts(engine, serve):
    """An answer has the status, reason, headers, body and times of what the server sent."""
    server = serve([answer(b'{"message":"x"}', "404 Not Found", "X-Twice: a", "x-twice: b", "X-Empty:")])

    reply = _fetch(engine, server)

    assert (reply.status, reply.reason, reply.body) == (404, "Not Found", b'{"message":"x"}')
    assert reply.header("x-TWICE") == "a"
    assert reply.header("x-empty") == ""
    assert reply.header("missing") is None
    assert ("x-twice", "b") in reply.headers


def test_timing_of_a_first_and_a_kept_connection_tells_them_apart(engine, serve):
    """The phases of opening a connection are there the first time and zero the second time."""
    server = serve(_echo)

    timings = []
    for _ in range(3):
        timings.append(_fetch(engine, server).timing)
        # A connection that has not rested yet is left alone.
        time.sleep(0.05)
    first, _, third = timings

    assert first.is_new_connection
    assert not third.is_new_connection
    assert first.connect_seconds > 0
    assert (third.name_lookup_seconds, third.connect_seconds, third.tls_seconds) == (0, 0, 0)
    assert 0 < third.first_byte_seconds <= third.total_seconds
    assert datetime.now(UTC) - first.started_at < timedelta(minutes=1)
    assert server.counts().connections <= 2


def test_request_carries_what_was_asked_and_nothing_of_libcurl_s_own(engine, serve):
    """The server gets the body and the headers given, the key, and no header that changes how it answers."""
    server = serve(_echo)
    request = _post(
        server, b"x" * 2_000_000, headers=(*JSON, ("X-Empty", ""), ("Accept", "text/plain")), key=Secret("k1")
    )

    engine.submit(request, deadline_seconds=20).result()

    head = server.received[0].head.decode()
    names = re.findall(r"(?m)^([^:\s]+):", head.lower())
    assert head.startswith("POST /api/v1/x HTTP/1.1\r\n")
    assert "\r\nAuthorization: Tecton-key k1\r\n" in f"{head}\r\n"
    assert "\r\nX-Empty:\r\n" in f"{head}\r\n"
    assert sorted(names) == sorted(
        ["host", "user-agent", "accept", "content-type", "x-empty", "authorization", "content-length"]
    )
    assert server.received[0].body == request.body


def test_request_after_another_carries_nothing_of_it(serve):
    """A handle that is used again sends neither the key, the headers nor the body of the request before."""
    server = serve(_echo)
    with Engine(max_in_flight=1) as engine:
        engine.submit(_post(server, b"secret", key=Secret("k1")), deadline_seconds=20).result()
        engine.submit(HttpRequest("GET", f"{server.url}/y"), deadline_seconds=20).result()
        engine.submit(HttpRequest("POST", f"{server.url}/z"), deadline_seconds=20).result()

    get, bare = server.received[1], server.received[2]
    assert get.head.startswith(b"GET /y ")
    assert bare.head.startswith(b"POST /z ")
    assert b"content-type" not in (get.head + bare.head).lower()
    assert b"authorization" not in (get.head + bare.head).lower()
    assert get.body == bare.body == b""


@pytest.mark.parametrize(
    "parts",
    [
        {"method": "PUT"},
        {"method": "GET", "body": b"{}"},
        {"headers": (("X", "a\r\nY: b"),)},
        {"headers": (("X\r\nY", "b"),)},
        {"headers": (("X", "a\x00"),)},
        {"headers": (("X", "\u2026"),)},
        {"headers": (("", "b"),)},
        {"url": "gopher://127.0.0.1/"},
        {"url": ""},
    ],
)
def test_request_that_cannot_be_sent_fails_before_the_network(engine, serve, parts):
    """A request with a foreign method, header or scheme fails by itself, and the engine goes on."""
    server = serve(_echo)
    whole = {"method": "POST", "url": server.url, "headers": JSON, "body": b"", **parts}

    error = engine.submit(HttpRequest(**whole), deadline_seconds=20).exception()

    assert isinstance(error, InputError | ProtocolError)
    assert str(error).endswith(".")
    assert _fetch(engine, server).status == 200
    assert len(server.received) == 1


@pytest.mark.parametrize("key", ["CANARY\r\nX: 1", "CANARY\u2026", "CANARY\x00"])
def test_key_that_was_never_checked_fails_without_being_printed(engine, serve, key):
    """Even a key that bypassed the check brings no header along and is in no error."""
    error = engine.submit(_post(serve(_echo), key=Secret(key)), deadline_seconds=20).exception()

    assert isinstance(error, SettingsError)
    assert "CANARY" not in repr(error)


def test_key_by_http_to_another_computer_is_not_sent(engine):
    """The engine refuses to send a key in clear to another computer, whoever asks."""
    request = HttpRequest("POST", "http://x.invalid/api", JSON, b"{}", Secret("CANARY"))

    error = engine.submit(request, deadline_seconds=20).exception()

    assert isinstance(error, SettingsError)
    assert "not sent in clear to 'x.invalid'" in str(error)


def test_loopback_address_is_reached_without_the_proxy_of_the_environment(serve, monkeypatch):
    """A proxy set for the network does not get the requests to this computer."""
    proxy, server = serve([answer(b"proxy")]), serve([answer(b"server")])
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)

    with Engine() as engine:
        assert _fetch(engine, server).body == b"server"

    assert not proxy.received


def test_other_address_is_reached_through_the_proxy_of_the_environment(serve, monkeypatch):
    """A proxy named by the environment gets the requests to other computers."""
    proxy = serve([answer(b"proxy")])
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with Engine() as engine:
        reply = engine.submit(HttpRequest("GET", "http://x.invalid/y"), deadline_seconds=20).result()

    assert reply.body == b"proxy"
    assert proxy.received[0].head.startswith(b"GET http://x.invalid/y ")


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_redirect_is_an_answer_and_nothing_is_sent_on(engine, serve, status):
    """A redirect is handed back; the other server sees no request."""
    other = serve(_echo)
    server = serve([answer(b"", status, f"Location: {other.url}/steal")])

    assert _fetch(engine, server).status == int(status[:3])

    assert not other.received
    assert len(server.received) == 1


# Every answer belongs to its request


def test_doubled_answers_never_reach_another_request(engine, serve):
    """When a server sends 1 % of its answers twice, no request gets the answer of another."""

    def plan(received):
        step = answer(received.body)
        return [_sent(step["send"] * 2)] if received.number % 100 == 50 else [step]

    server = serve(plan)
    bodies = [b"%d" % i for i in range(2_000)]

    futures = [engine.submit(_post(server, body), deadline_seconds=30) for body in bodies]

    assert [future.result().body for future in futures] == bodies


@pytest.mark.parametrize("at_once", [1, 8, 32])
@pytest.mark.parametrize("seconds", [0, 0.0002])
def test_doubled_answers_in_a_packet_of_their_own_reach_no_other_request(serve, at_once, seconds):
    """An answer too many that comes a moment later is not taken for the answer to the next request either.

    Nothing in it would tell: the connection rests as long as its last request took, and is left if it speaks unasked.
    """

    def plan(received):
        step = answer(received.body)
        again = [{"sleep": seconds}, step] if received.number % 20 == 10 else []
        return [{"sleep": 0.002}, step, *again]

    server = serve(plan)
    bodies = [b"%d" % i for i in range(600)]
    with Engine(max_in_flight=at_once) as engine:
        futures = [engine.submit(_post(server, body), deadline_seconds=60) for body in bodies]

        assert [future.result().body for future in futures] == bodies


def test_answer_too_many_that_came_late_is_told_to_those_it_may_have_reached(serve):
    """Who got an answer on a connection that said more than it was asked is told; each new connection is without blame.

    Here the answer to the third request comes again before that to the fourth, which gets it therefore.
    """

    def plan(received):
        step = answer(received.body)
        again = [{"sleep": 0.1}, step] if received.number == 2 else []
        return [{"sleep": 0.001}, step, *again]

    server = serve(plan)
    doubted = [threading.Event() for _ in range(6)]
    with Engine(max_in_flight=1) as engine:
        found = []
        for i in range(4):
            told: queue.Queue[HttpAnswer] = queue.Queue()
            engine.send(_post(server, b"%d" % i), 20, told.put, doubted=doubted[i].set)
            found.append(told.get(timeout=20).body)
            # The connection has rested and is used again.
            time.sleep(0.01)

        assert found == [b"0", b"1", b"2", b"2"]
        # The right answer to the last one comes behind the wrong one.
        while not doubted[3].is_set():
            settled = threading.Event()
            engine.settle(settled.set)
            assert settled.wait(20)
        assert all(event.is_set() for event in doubted[:4])
        connections = server.counts().connections
        assert [_answered(engine, server, b"%d" % i) for i in (4, 5)] == [b"4", b"5"]

    assert server.counts().connections == connections + 2


def test_single_requests_are_warned_of_an_answer_too_many_and_get_connections_of_their_own(serve, caplog):
    """Nobody asks again for a single request: the log says once that it may be wrong; the next are right."""

    def plan(received):
        step = answer(received.body)
        # The answer to the third comes again when the fourth has just been asked.
        return [answer(b"2"), {"sleep": 0.05}, {**step, "fault": "right"}] if received.number == 3 else [step]

    server = serve(plan)
    rest = threading.Event()
    with Engine(max_in_flight=1) as engine:
        found = []
        for i in range(4):
            found.append(_answered(engine, server, b"%d" % i))
            rest.wait(0.02)
        while not server.counts().faults["right"]:
            rest.wait(0.01)
        rest.wait(0.05)
        connections = server.counts().connections
        later = [_answered(engine, server, b"%d" % i) for i in range(4, 8)]
    while not caplog.records:
        rest.wait(0.01)

    assert found == [b"0", b"1", b"2", b"2"]
    assert later == [b"4", b"5", b"6", b"7"]
    assert server.counts().connections == connections + 4
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages[0].startswith("'127.0.0.1', or a proxy before it, sent bytes that nobody asked for")


def test_request_that_is_refused_takes_no_kept_connection_for_its_own(serve):
    """What a connection says later is about the server it goes to, not about one that was never asked."""
    server = serve([answer(b"ok")])
    with Engine(max_in_flight=1) as engine:
        _open_two(engine, server)
        refused = HttpRequest("PUT", "https://elsewhere.example/")
        assert isinstance(engine.submit(refused, deadline_seconds=20).exception(), InputError)
        # The one that it would have gone by is closed.
        while server.counts().open_connections > 1:
            threading.Event().wait(0.01)

        assert _fetch(engine, server).body == b"ok"


def test_log_that_waits_holds_up_nobody(serve):
    """While a handler of the log keeps the warning waiting, those who ask again are told and requests are answered."""

    def plan(received):
        step = answer(received.body)
        return [answer(b"0"), {"sleep": 0.05}, {**step, "fault": "right"}] if received.number == 2 else [step]

    server = serve(plan)
    told, warned, go_on = threading.Event(), threading.Event(), threading.Event()
    handler = logging.Handler()
    handler.emit = lambda _: (warned.set(), go_on.wait(20))
    logging.getLogger("tecton_nb").addHandler(handler)
    try:
        with Engine(max_in_flight=1) as engine:
            _open_two(engine, server)
            went: queue.Queue[HttpAnswer] = queue.Queue()
            engine.send(_post(server, b"1"), 20, went.put, doubted=told.set)
            went.get(timeout=20)
            while not server.counts().faults["right"]:
                go_on.wait(0.01)
            while not told.is_set():
                assert _answered(engine, server, b"2") == b"2"
            assert warned.wait(20)
            assert _answered(engine, server, b"3") == b"3"
    finally:
        go_on.set()
        logging.getLogger("tecton_nb").removeHandler(handler)


def test_connection_that_libcurl_leaves_because_it_spoke_puts_its_answers_in_doubt(serve, monkeypatch):
    """libcurl looks at connections itself, once a second, and drops one that speaks without a word to anybody."""
    monkeypatch.setattr("tecton_nb.transport.watch.Peek.is_readable", lambda _: False)
    again = threading.Event()

    def plan(received):
        step = answer(received.body)
        return [step, {"sleep": 1.2}, {**step, "fault": "again"}] if received.number == 0 else [step]

    server = serve(plan)
    doubted: list[int] = []
    with Engine(max_in_flight=1) as engine:
        for i in range(2):
            told: queue.Queue[HttpAnswer] = queue.Queue()
            engine.send(_post(server, b"%d" % i), 20, told.put, doubted=functools.partial(doubted.append, i))
            assert told.get(timeout=20).body == b"%d" % i
            while i == 0 and not server.counts().faults["again"]:
                again.wait(0.01)
            again.wait(0.1)

    assert doubted == [0]


@pytest.mark.parametrize("is_tls", [False, True])
def test_server_that_ends_connections_at_any_moment_costs_no_request(serve, bundle, is_tls):
    """A gateway in a rolling restart says goodbye, or just goes as the next request comes: each request is answered.

    Sockets are closed by both sides, some with a TLS farewell still to come, and their numbers are used again.
    """
    rng = random.Random(1)

    def plan(received):
        step, chance = answer(received.body), rng.random()
        if received.number_on_connection and chance < 0.05:
            goodbye = step["send"].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
            return [{"send": goodbye}, {"sleep": 0.02}, CLOSE]
        return [CLOSE] if received.number_on_connection and chance < 0.1 else [step]

    server = serve(plan, tls=_tls_context() if is_tls else None)
    bodies = [b"%d" % i for i in range(2_000)]
    with Engine(max_in_flight=16, ca_bundle=bundle) as engine:
        futures = [engine.submit(_post(server, body), deadline_seconds=30) for body in bodies]

        assert [future.result(60).body for future in futures] == bodies


def test_one_engine_answers_for_several_addresses_by_turns(engine, serve):
    """Handles go from server to server, and every request ends."""
    servers = [serve(_echo) for _ in range(3)]
    rng = random.Random(1)

    for i in range(300):
        assert _answered(engine, rng.choice(servers), b"%d" % i) == b"%d" % i


def test_connection_that_ends_or_is_silent_puts_no_answer_in_doubt(serve):
    """A server that closes its idle connections as they all do has answered right."""
    server = serve(lambda received: [answer(received.body), {"sleep": 0.02}, CLOSE])
    doubted: list[int] = []
    with Engine(max_in_flight=1) as engine:
        for i in range(5):
            told: queue.Queue[HttpAnswer] = queue.Queue()
            engine.send(_post(server, b"%d" % i), 20, told.put, doubted=functools.partial(doubted.append, i))
            assert told.get(timeout=20).body == b"%d" % i
            time.sleep(0.04)

    assert doubted == []


def test_connection_keeps_nobody_alive_whom_it_told(engine, serve):
    """An idle client holds on to no answer and to no run that is over."""
    server = serve(_echo)

    class Owner:
        def ended(self, outcome):
            told.set()

    owner, told = Owner(), threading.Event()
    engine.send(_post(server), 20, owner.ended, doubted=functools.partial(id, 1))
    assert told.wait(20)
    gone = weakref.ref(owner)
    del owner
    _fetch(engine, server)

    assert gone() is None


def test_many_threads_on_one_engine_each_get_their_own_answers(engine, serve):
    """32 threads share an engine without an error or a mixed-up answer."""
    server = serve(_echo)

    def ask(thread: int) -> bool:
        bodies = [b"%d-%d" % (thread, i) for i in range(50)]
        return bodies == [engine.submit(_post(server, body), deadline_seconds=30).result().body for body in bodies]

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(32)))


def test_server_that_closes_after_each_answer_causes_no_error(engine, serve):
    """A server that closes its connections without saying so costs no request."""
    server = serve(lambda received: [answer(received.body), CLOSE])
    bodies = [b"%d" % i for i in range(1_000)]

    assert [engine.submit(_post(server, b), deadline_seconds=20).result().body for b in bodies] == bodies


def test_close_race_on_every_kept_connection_costs_no_request(serve):
    """A server that closes kept connections just as requests arrive is asked again on new ones, unseen."""

    def plan(received):
        steps = [{"gather": 20}, answer(received.body)]
        return [*steps, {"close_on_next_byte": True}] if received.number < 20 else steps

    server = serve(plan)
    with Engine(max_in_flight=20) as engine:
        for _ in range(2):
            futures = [engine.submit(_post(server, b"%d" % i), deadline_seconds=20) for i in range(20)]
            assert [future.result().body for future in futures] == [b"%d" % i for i in range(20)]

    assert len(server.received) == 40


@pytest.mark.parametrize("leaves_it", [True, False])
def test_connection_that_was_given_up_as_the_next_request_came_costs_no_request(serve, leaves_it):
    """A 408 on a kept connection is about the time before the request, which goes out once more by a new one.

    A server that says 408 there, too, means it.
    """
    unused = b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n"

    def plan(received):
        if received.number_on_connection == 0 and (leaves_it or received.number < 2):
            return [answer(received.body)]
        return [_sent(unused), {"close": True}]

    server = serve(plan)
    with Engine(max_in_flight=1) as engine:
        _open_two(engine, server)
        found = engine.submit(_post(server, b"3"), deadline_seconds=20).result()

    assert (found.status, found.body) == ((200, b"3") if leaves_it else (408, b""))
    assert (server.counts().requests, server.counts().connections) == (4, 3)


def test_connections_that_are_replaced_do_not_pile_up(engine, serve):
    """However often a request goes out again on a new connection, no more are kept than before."""
    noise = [_sent(b"noise\r\n")]
    server = serve(lambda received: noise if received.number_on_connection else [answer(received.body)])

    for _ in range(60):
        assert _fetch(engine, server).status == 200

    assert server.counts().most_open_connections <= 4


@pytest.mark.parametrize("ending", [CLOSE, {"rst": True}], ids=["fin", "rst"])
def test_server_that_never_answers_again_is_asked_twice_at_most(engine, serve, ending):
    """A request that fails on a kept connection is sent once more on a new one, and no more."""
    server = serve(lambda received: [ending] if received.number > 1 else [answer(b"first")])
    _open_two(engine, server)

    error = _error_of(engine, server)

    assert isinstance(error, ConnectionFailedError)
    assert len(server.received) == 4


def test_bytes_left_over_on_a_kept_connection_cost_no_request(engine, serve):
    """What a server sends behind an answer is not held against the next request: it goes out again, on a new one."""
    left = {"send": b"left over\r\n", "fault": "left over"}
    server = serve(lambda received: [answer(b"%d" % received.number), {"sleep": 0.05}, left])
    first = _fetch(engine, server)
    while not server.counts().faults:
        pass

    second = _fetch(engine, server)

    assert first.body == b"0"
    assert second.body in {b"1", b"2"}
    assert second.timing.is_new_connection


def test_other_service_on_a_kept_connection_is_named_all_the_same(engine, serve):
    """A server that stops to speak HTTP is told as that, also where it did before."""
    server = serve(lambda received: [_sent(b"220 mail\r\n")] if received.number > 1 else [answer(b"first")])
    _open_two(engine, server)

    error = _error_of(engine, server)

    assert type(error) is ProtocolError
    assert "220 mail" in str(error)
    assert len(server.received) == 4


@pytest.mark.parametrize("ending", [CLOSE, {"rst": True}], ids=["fin", "rst"])
def test_new_connection_that_fails_is_not_tried_again(engine, serve, ending):
    """A request that fails on a connection opened for it fails: trying again is not the engine's business."""
    server = serve([ending])

    assert isinstance(_error_of(engine, server), ConnectionFailedError)

    assert len(server.received) == 1


def test_kept_connections_that_swallow_requests_are_given_up_together(engine, serve):
    """After two requests in a row without a byte of an answer the other kept connections are not tried."""

    def plan(received):
        steps = [{"gather": 4}, answer(received.body)]
        return [*steps, SILENCE] if received.number < 4 else steps

    server = serve(plan)
    wait([engine.submit(_post(server), deadline_seconds=20) for _ in range(4)])

    for _ in range(2):
        assert isinstance(_error_of(engine, server, 0.2), DeadlineExceededError)

    assert _fetch(engine, server).timing.is_new_connection


# Time


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ([SILENCE], "waiting for the answer"),
        ([{"no_read": True}, SILENCE], "waiting for the answer"),
        ([_sent(OK + b"Content-Length: 9\r\n\r\n{"), SILENCE], "reading the answer"),
        ([_sent(OK + b"\r\n"), {"repeat": {"send": b" ", "times": 1_000, "every": 0.02}}], "reading the answer"),
        ([{"repeat": {"send": b"HTTP/1.1 103 E\r\n\r\n", "times": 1_000, "every": 0.02}}], "reading the answer"),
        ([_sent(b"HTTP/1.1 200 OK\r\nX: "), SILENCE], "reading the answer"),
    ],
    ids=["silent", "deaf", "half a body", "dripping body", "dripping 1xx", "half a head"],
)
def test_deadline_holds_however_slowly_a_server_answers(engine, serve, steps, phase):
    """A deadline is for the whole exchange, and the sentence says what the time was spent on."""
    begun = time.monotonic()

    error = _error_of(engine, serve(steps), 0.5)

    assert isinstance(error, DeadlineExceededError)
    assert 0.4 < time.monotonic() - begun < 10
    assert re.search(rf"within 0\.5\d* s; the time ran out while {phase}", str(error))


def test_connect_limit_covers_the_tls_handshake(engine, serve):
    """A server that accepts but does not speak TLS cannot hold a request beyond the limit for connecting."""
    server = serve([{"no_read": True}, SILENCE])
    request = HttpRequest("GET", server.url.replace("http:", "https:"))

    error = engine.submit(request, deadline_seconds=60, connect_seconds=0.3).exception()

    assert isinstance(error, DeadlineExceededError)
    assert "setting up TLS" in str(error)


def test_deadline_starts_with_the_transfer_not_in_the_queue(serve):
    """Waiting for a free place does not count against the deadline."""
    server = serve(lambda received: [{"sleep": 0.4}, answer(received.body)])
    with Engine(max_in_flight=1) as engine:
        futures = [engine.submit(_post(server), deadline_seconds=1.0) for _ in range(4)]

        assert [future.result().status for future in futures] == [200] * 4


def test_requests_beyond_the_limit_wait_in_a_queue(serve):
    """No more requests than allowed are on the wire at once."""
    server = serve(lambda received: [{"sleep": 0.01}, answer(received.body)])
    with Engine(max_in_flight=3) as engine:
        wait([engine.submit(_post(server), deadline_seconds=20) for _ in range(30)])

    counts = server.counts()
    assert (counts.requests, counts.most_in_flight) == (30, 3)
    assert counts.connections <= 6


def test_reserved_places_add_up_and_are_given_back(serve):
    """Each run that reserves places has them beside those of the others, and takes none of them with it."""
    server = serve(lambda received: [{"sleep": 0.01}, answer(received.body)])
    most = []
    with Engine(max_in_flight=1) as engine:
        for change in (lambda: engine.reserve(2), lambda: engine.reserve(3), lambda: engine.release(2)):
            change()
            server.forget()
            wait([engine.submit(_post(server), deadline_seconds=20) for _ in range(30)])
            most.append(server.counts().most_in_flight)
        engine.release(3)

    assert most == [3, 6, 4]
    assert engine.max_in_flight == 1


# Size and packing


@pytest.mark.parametrize(
    "steps",
    [
        [_sent(OK + b"Content-Length: 99999999999999\r\n\r\n{}"), SILENCE],
        [_sent(OK + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n{}"), SILENCE],
        [_sent(OK + b"Content-Length: %d\r\n\r\n{}" % (MAX_BODY_BYTES + 1)), SILENCE],
        [_sent(OK + b"\r\n"), {"repeat": {"send": b" " * 65_536, "times": 4_096}}],
        [
            _sent(OK + b"Transfer-Encoding: chunked\r\n\r\n"),
            {"repeat": {"send": b"a\r\n0123456789\r\n" * 4_096, "times": 4_096}},
        ],
        [_sent(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(2**28))), CLOSE],
        [_sent(OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(bytes(2**28))), CLOSE],
        [_sent(OK + b"X: " + b"x" * 300_000 + b"\r\n\r\n{}"), CLOSE],
        [_sent(OK + b"X: y\r\n" * 100_000 + b"\r\n{}"), CLOSE],
        [_sent(b"HTTP/1.1 103 E\r\n\r\n" * 100_000), SILENCE],
    ],
    ids=[
        "length",
        "5000 digits",
        "one too many",
        "endless",
        "chunks",
        "gzip bomb",
        "deflate bomb",
        "line",
        "lines",
        "1xx",
    ],
)
def test_answer_that_is_too_large_is_refused_at_once_and_in_little_memory(engine, serve, steps):
    """A huge answer is refused on its header or at the limit, and never held in memory."""
    server = serve(steps)
    tracemalloc.start()
    try:
        error = _error_of(engine, server)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(error, ResponseTooLargeError)
    assert peak < 2 * MAX_BODY_BYTES


def test_answer_of_just_the_limit_is_read(serve):
    """The limit itself is still read, plain and packed."""
    body = b"x" * 1_000
    packed = zlib.compress(body)
    plain_server = serve([answer(body)])
    packed_server = serve([answer(packed, "200 OK", "Content-Encoding: deflate")])
    with Engine(max_body_bytes=1_000) as engine:
        assert _fetch(engine, plain_server).body == body
        assert _fetch(engine, packed_server).body == body


@pytest.mark.parametrize(
    ("packed_as", "packed"),
    [
        ("gzip", gzip.compress(b'{"a":1}')),
        ("X-GZIP", gzip.compress(b'{"a":1}')),
        ("deflate", zlib.compress(b'{"a":1}')),
        ("deflate", zlib.compress(b'{"a":1}')[2:-4]),
        ("identity", b'{"a":1}'),
        ("identity, gzip", gzip.compress(b'{"a":1}')),
    ],
)
def test_packed_answer_is_unpacked_though_none_was_asked_for(engine, serve, packed_as, packed):
    """A body that comes gzip or deflate packed is read like a plain one."""
    reply = _fetch(engine, serve([answer(packed, "200 OK", f"Content-Encoding: {packed_as}")]))

    assert reply.body == b'{"a":1}'
    assert packed_as == "identity" or reply.header("Content-Encoding") is None


@pytest.mark.parametrize(
    ("packed_as", "packed"),
    [
        ("gzip", gzip.compress(b"{}" * 99)[:-9]),
        ("gzip", gzip.compress(b"{}") + b"more"),
        ("gzip", b"{}"),
        ("gzip", gzip.compress(b"{}")[:-8] + bytes(8)),
        ("deflate", b"\xff" * 9),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        ("gzip\r\nContent-Encoding: gzip", gzip.compress(gzip.compress(b"{}"))),
        ("br", b"{}"),
        ("zstd", b"{}"),
    ],
    ids=["cut", "more behind", "plain", "bad sum", "noise", "stacked", "two headers", "br", "zstd"],
)
def test_answer_packed_in_another_way_is_refused(engine, serve, packed_as, packed):
    """A body that is not what its header says, or packed twice or strangely, is an error and no text."""
    error = _error_of(engine, serve([answer(packed, "200 OK", f"Content-Encoding: {packed_as}")]))

    assert type(error) is DecodeError


# What is not HTTP, and connections that break


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"SSH-2.0-OpenSSH_9\r\n",
        bytes(range(256)),
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"ICY 200 OK\r\n\r\n{}",
        b"HTTP/1.1 abc OK\r\n\r\n{}",
        b"HTTP/1.1 20 OK\r\n\r\n{}",
        b"HTTP/1.1 099 X\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 2000 X\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: abc\r\n\r\n{}",
        OK + b"Content-Length: 2, 5\r\n\r\n{}",
        OK + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
        OK + b"Content-Length : 2\r\n\r\n{}",
        OK + b"no colon\r\n\r\n{}",
        OK + b": no name\r\n\r\n{}",
        OK + b"X: a\x00b\r\n\r\n{}",
        OK + b"X: a\rY: b\r\n\r\n{}",
        OK + b"Transfer-Encoding: strange\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
    ],
)
def test_answer_that_is_not_http_is_a_protocol_error(engine, serve, data):
    """What is not a proper HTTP answer is named as such, at once, and asked for only once."""
    server = serve([_sent(data), CLOSE])

    error = _error_of(engine, server)

    assert type(error) is ProtocolError
    assert "not a proper HTTP server" in str(error)
    assert str(error).isprintable()
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("pieces", "is_noise"),
    [
        ([b"SSH-2.0-OpenSSH_9\r\n"], False),
        ([b"SSH-2.0-Op", b"enSSH_9\r", b"\n"], False),
        ([b"220 mail.example ESMTP\n"], False),
        ([b"ICY 200 OK\r\n\r\n{}"], False),
        ([b"HTTP/1.1 abc OK\r\n\r\n{}"], False),
        ([b"hello"], True),
        ([b"x"], True),
        ([b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"], True),
        ([b"{}\x80\r\n"], True),
        ([b"\x15\x03\x01\x00\x02\x02\x28"], True),
        ([bytes(range(256))], True),
        ([b"x" * 2_000 + b"\n"], True),
    ],
)
def test_greeting_of_another_service_is_told_from_noise(engine, serve, pieces, is_noise):
    """A whole line of text is another service's; what is no line of text may be an answer that was damaged."""
    steps = [step for piece in pieces for step in (_sent(piece), {"sleep": 0.01})]
    server = serve([*steps, CLOSE])

    error = _error_of(engine, server)

    assert type(error) is ProtocolError
    assert error.is_noise is is_noise
    assert pickle.loads(pickle.dumps(error)).is_noise is is_noise  # noqa: S301


def test_noise_without_an_end_is_refused_at_once(engine, serve):
    """Nobody waits for the end of what can no longer become a line of text."""
    server = serve([_sent(b"\x00"), SILENCE])

    error = _error_of(engine, server, 60)

    assert type(error) is ProtocolError
    assert server.went_away.wait(20)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
        OK + b"X: caf\xe9\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_unusual_but_proper_answer_is_read(engine, serve, data):
    """What HTTP allows is read, whether servers usually send it or not."""
    reply = _fetch(engine, serve([_sent(data), CLOSE]))

    assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize(
    "steps",
    [
        [{"rst": True}],
        [CLOSE],
        [_sent(b"HTTP/1.1 2"), CLOSE],
        [_sent(OK + b"Content-Le"), CLOSE],
        [_sent(OK + b"Content-Length: 9\r\n\r\n{"), CLOSE],
        [_sent(OK + b"Content-Length: 9\r\n\r\n{"), {"sleep": 0.05}, {"rst": True}],
        [_sent(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}"), CLOSE],
    ],
    ids=["rst", "fin", "half a status line", "half a head", "half a body", "rst in the body", "half a chunk"],
)
def test_broken_connection_is_a_connection_error_that_names_the_host(engine, serve, steps):
    """A connection that breaks before the answer is whole is an error that names the host and what to do."""
    server = serve(steps)

    error = _error_of(engine, server)

    assert type(error) is ConnectionFailedError
    assert str(error).startswith(f"Cannot reach 127.0.0.1:{server.port}: ")
    assert str(error).endswith("Try again.")
    assert error.__cause__ is not None
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_refused_connection_says_so(engine, serve):
    """An address where nothing listens is named, with the reason."""
    server = serve(_echo)
    server.close()

    error = _error_of(engine, server)

    assert type(error) is ConnectionFailedError
    assert "refused" in str(error)
    assert "Check address, port and network." in str(error)


def test_unknown_name_says_so(engine):
    """A host name that does not exist is named as unknown."""
    error = engine.submit(HttpRequest("GET", "https://no-such-host.invalid/"), deadline_seconds=20).exception()

    assert type(error) in {ConnectionFailedError, DeadlineExceededError}
    assert "no-such-host.invalid" in str(error)


# Certificates


AUTHORITY = trustme.CA()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> str:
    """Return the file of the authority that the tests trust."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def _tls_context(authority: trustme.CA = AUTHORITY, host: str = "127.0.0.1", **options: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **options).configure_cert(context)
    return context


def test_certificate_of_a_trusted_authority_is_accepted(serve, bundle):
    """A server whose certificate the given authority signed is trusted, and TLS has its time."""
    server = serve(_echo, tls=_tls_context())
    with Engine(ca_bundle=bundle) as engine:
        reply = _fetch(engine, server)

    assert reply.body == b"{}"
    assert reply.timing.tls_seconds > 0


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_certificate_authority_of_the_environment_is_trusted(serve, bundle, monkeypatch, variable):
    """The usual variables name a company's own authority."""
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, bundle)

    with Engine() as engine:
        assert _fetch(engine, serve(_echo, tls=_tls_context())).status == 200


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (lambda: _tls_context(trustme.CA()), "an authority this computer does not know"),
        (lambda: _tls_context(host="other.example"), "its certificate is for another host"),
        (lambda: _tls_context(not_after=datetime.now(UTC) - timedelta(days=1)), "out of date"),
        (lambda: None, "it does not speak TLS there"),
    ],
    ids=["unknown authority", "wrong host", "expired", "plain"],
)
def test_certificate_that_proves_nothing_is_refused_in_plain_words(serve, bundle, context, words):
    """A server that cannot prove who it is gets no request, on one connection, and checks stay on."""
    server = serve([{"no_read": True}, answer(b"plain"), SILENCE], tls=context())
    request = HttpRequest("POST", f"https://127.0.0.1:{server.port}/x", JSON, b"{}", Secret("k"))
    with Engine(ca_bundle=bundle) as engine:
        error = engine.submit(request, deadline_seconds=20).exception()

    assert type(error) is CertificateError
    assert words in str(error)
    assert not re.search("verify|insecure|disable|switch", str(error))
    assert server.counts().connections == 1


def test_certificate_file_that_is_missing_is_named_as_the_trouble(serve):
    """A wrong SSL_CERT_FILE is told as that, not as a bad server."""
    server = serve(_echo, tls=_tls_context())
    with Engine(ca_bundle="/nowhere/ca.pem") as engine:
        error = _error_of(engine, server)

    assert type(error) is CertificateError
    assert "Check SSL_CERT_FILE." in str(error)


# Giving up, closing, other processes


def test_cancelled_future_ends_its_transfer(engine, serve):
    """Cancelling ends a running transfer at once: the server sees the connection go."""
    arrived = threading.Event()

    def plan(received):
        arrived.set()
        return [{"repeat": {"send": b"HTTP/1.1 103 E\r\n\r\n", "times": 2_000, "every": 0.01}}]

    server = serve(plan)
    future = engine.submit(_post(server), deadline_seconds=60)
    assert arrived.wait(20)

    assert future.cancel()
    assert future.cancel()

    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result()
    assert list(as_completed([future], timeout=20)) == [future]
    assert server.went_away.wait(20)


def test_cancelled_future_in_the_queue_is_never_sent(serve):
    """A request that is given up before its turn does not reach the server."""
    server = serve(lambda received: [{"hold": True}, answer(received.body)])
    with Engine(max_in_flight=1) as engine:
        first, second, third = (engine.submit(_post(server, b), deadline_seconds=30) for b in (b"1", b"2", b"3"))
        second.cancel()
        server.release()

        assert (first.result().body, third.result().body) == (b"1", b"3")
    assert [received.body for received in server.received] == [b"1", b"3"]


def test_finished_future_cannot_be_cancelled(engine, serve):
    """An answer that is there stays there."""
    future = engine.submit(_post(serve(_echo)), deadline_seconds=20)
    future.result()

    assert not future.cancel()
    assert future.result().status == 200


def test_closed_engine_fails_what_is_pending_and_takes_nothing_more(serve):
    """Closing ends at once: what was running or waiting fails with a sentence, later requests are refused."""
    server = serve([SILENCE])
    engine = Engine(max_in_flight=1)
    futures = [engine.submit(_post(server), deadline_seconds=60) for _ in range(3)]

    engine.close()
    engine.close()

    assert all(isinstance(future.exception(timeout=20), ConnectionFailedError) for future in futures)
    with pytest.raises(ConnectionFailedError, match="The client is closed"):
        engine.submit(_post(server), deadline_seconds=1)


def test_engine_closed_by_its_own_callback_does_not_hang(serve):
    """Code that runs when an answer comes may close the engine."""
    engine, over = Engine(), threading.Event()
    future = engine.submit(_post(serve([{"sleep": 0.05}, answer(b"")])), deadline_seconds=20)

    future.add_done_callback(lambda _: (engine.close(), over.set()))

    assert over.wait(20)
    assert future.result().status == 200


def test_callback_that_raises_costs_no_other_request(engine, serve, caplog):
    """A mistake in code that runs when an answer comes does not stop the engine."""
    server = serve(_echo)
    future = engine.submit(_post(server), deadline_seconds=20)
    future.add_done_callback(lambda _: 1 / 0)
    wait([future])

    assert _fetch(engine, server).status == 200


def test_engines_closed_or_dropped_leave_no_thread_or_file_behind(serve, resources):
    """A hundred engines, closed or just forgotten, leave nothing behind."""
    server = serve(lambda received: [answer(received.body)])

    def use(is_closed: bool) -> None:
        engine = Engine()
        _fetch(engine, server)
        if is_closed:
            engine.close()

    use(True)
    # The server's own threads and sockets end when it sees the connections go.
    before = resources()
    for i in range(100):
        use(i % 2 == 0)
    server.close()
    threads, files = resources()

    assert threads <= before[0] + 2
    assert files <= before[1] + 2


def _run(script: str) -> subprocess.CompletedProcess[str]:
    lines = [
        "import os, sys",
        f"sys.path.insert(0, {str(PACKAGE)!r})",
        "from tecton_nb.transport.engine import Engine",
        "from tecton_nb.transport.messages import HttpRequest",
        "def ask(engine, url, body):",
        "    request = HttpRequest('POST', url, (), body)",
        "    return engine.submit(request, deadline_seconds=20)",
        script,
    ]
    command = [sys.executable, "-W", "error", "-W", "ignore:.*fork.*:DeprecationWarning", "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


def test_forked_process_gets_its_own_connections(serve):
    """A child process goes on with the engine it inherited, without touching the parent's connections."""
    server = serve(_echo)

    done = _run(f"""
with Engine() as engine:
    assert ask(engine, {server.url!r}, b"warm").result().body == b"warm"
    children = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            bodies = [b"%d-%d" % (child, i) for i in range(100)]
            got = [ask(engine, {server.url!r}, body).result().body for body in bodies]
            sys.exit(0 if got == bodies else 1)
        children.append(pid)
    bodies = [b"parent-%d" % i for i in range(100)]
    assert [ask(engine, {server.url!r}, body).result().body for body in bodies] == bodies
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    print("over")
""")

    assert (done.stdout, done.stderr, done.returncode) == ("over\n", "", 0)
    assert server.counts().connections <= 2 * 5


def test_program_that_ends_with_an_open_engine_ends_cleanly(serve):
    """Forgetting to close, even with requests under way, leaves no error at the end of a program."""
    server = serve([SILENCE])

    done = _run(f"""
engine = Engine()
futures = [ask(engine, {server.url!r}, b"x") for _ in range(9)]
print("over")
""")

    assert (done.stdout, done.stderr, done.returncode) == ("over\n", "", 0)


def test_key_is_refused_in_clear_also_after_a_request_without_one():
    """An address that was asked without a key before does not get one in clear."""
    url = "http://nowhere.invalid/api"
    with Engine(max_in_flight=1) as engine:
        engine.submit(HttpRequest("GET", url), deadline_seconds=5).exception()

        error = engine.submit(HttpRequest("GET", url, key=Secret("abc")), deadline_seconds=5).exception()

    assert isinstance(error, SettingsError)
    assert "not sent in clear" in str(error)


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 2, 5\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length: 2\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: strange\r\n",
    ],
)
def test_head_of_unclear_length_is_refused_whatever_libcurl_takes(lines):
    """Where a body ends is never guessed: what is left over would be the answer to the next request."""
    reply = Reply(1_000)

    reply.lines.extend((b"HTTP/1.1 200 OK\r\n", *lines.splitlines(keepends=True), b"\r\n"))

    assert reply.take_body(b"{}") == ABORT
    assert type(reply.refusal) is ProtocolError
