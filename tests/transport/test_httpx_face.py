from __future__ import annotations

import asyncio
import pickle
import signal
import threading
import traceback
import zlib

import httpx
import pytest
from fault_server import FaultServer, answer

from tecton_nb.exceptions import ConnectionFailedError, DeadlineExceededError, TectonError
from tecton_nb.transport.engine import Engine
from tecton_nb.transport.httpx_face import TIMING_EXTENSION, AsyncEngineTransport, EngineTransport, KeyAuth
from tecton_nb.transport.secret import Secret

CANARY = "CANARY-API-KEY-0123456789"
SILENCE = {"sleep": 60}


def _echo(received):
    return [answer(received.body)]


@pytest.fixture
def client(engine):
    """An httpx client that sends through the engine."""
    with httpx.Client(transport=EngineTransport(engine), auth=KeyAuth(Secret(CANARY))) as client:
        yield client


def _async_client(engine: Engine) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=AsyncEngineTransport(engine), auth=KeyAuth(Secret(CANARY)))


def test_client_s_answer_is_an_ordinary_httpx_response(client, serve):
    """What httpx hands out has status, reason, headers, JSON and the times of the engine."""
    server = serve([answer(b'{"a": [1]}', "404 Nowhere", "X-A: b")])

    response = client.post(f"{server.url}/x?y=z", json={"q": 1})

    assert (response.status_code, response.reason_phrase, response.http_version) == (404, "Nowhere", "HTTP/1.1")
    assert response.json() == {"a": [1]}
    assert response.headers["x-a"] == "b"
    assert response.extensions[TIMING_EXTENSION].total_seconds > 0
    assert server.received[0].head.startswith(b"POST /x?y=z HTTP/1.1\r\n")
    assert server.received[0].body == b'{"q":1}'


def test_client_sends_no_header_twice_and_asks_for_no_packing(client, serve):
    """The headers httpx adds for its own connections do not reach the server a second time."""
    server = serve(_echo)

    client.post(f"{server.url}/x", json={})

    names = [line.split(b":")[0].lower() for line in server.received[0].head.split(b"\r\n")[1:]]
    assert sorted(names) == [b"accept", b"authorization", b"content-length", b"content-type", b"host", b"user-agent"]


def test_packed_answer_is_not_unpacked_twice(client, serve):
    """A packed body is unpacked by the engine; httpx takes it as it is."""
    server = serve([answer(zlib.compress(b"{}"), "200 OK", "Content-Encoding: deflate")])

    assert client.get(server.url).content == b"{}"


async def test_async_client_s_answers_are_the_same(engine, serve):
    """The asynchronous client sends through the same engine, many requests at once."""
    server = serve(_echo)
    async with _async_client(engine) as client:
        responses = await asyncio.gather(*(client.post(server.url, content=b"%d" % i) for i in range(50)))

    assert [response.content for response in responses] == [b"%d" % i for i in range(50)]


def test_async_client_works_in_several_event_loops(engine, serve):
    """One asynchronous client serves one event loop after another, on the same connection."""
    server = serve(_echo)
    client = _async_client(engine)

    async def ask() -> bytes:
        return (await client.post(server.url, content=b"x")).content

    assert [asyncio.run(ask()) for _ in range(3)] == [b"x"] * 3
    assert server.counts().connections <= 2


async def test_cancelled_task_ends_its_transfer(engine, serve):
    """Cancelling a task closes its connection at once."""
    arrived = threading.Event()

    def plan(received):
        arrived.set()
        return [{"repeat": {"send": b"HTTP/1.1 103 E\r\n\r\n", "times": 2_000, "every": 0.01}}]

    server = serve(plan)
    async with _async_client(engine) as client:
        task = asyncio.create_task(client.post(server.url, content=b"x"))
        assert await asyncio.to_thread(arrived.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await asyncio.to_thread(server.went_away.wait, 20)


def test_interrupt_comes_back_at_once_and_ends_the_transfer(client, serve):
    """Ctrl-C while a server does not answer is raised at once, and the next call works."""

    def plan(received):
        if received.number:
            return [answer(b"next")]
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return [{"repeat": {"send": b"HTTP/1.1 103 E\r\n\r\n", "times": 2_000, "every": 0.01}}]

    server = serve(plan)
    # A process started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            client.post(server.url)
    finally:
        signal.signal(signal.SIGINT, before)

    assert server.went_away.wait(20)
    assert client.post(server.url).content == b"next"


def test_errors_of_the_engine_pass_through_httpx_unchanged(client, serve):
    """Code catches the package's own exceptions, not those of httpx."""
    server = serve([{"close": True}])

    with pytest.raises(ConnectionFailedError, match="closed without an answer"):
        client.post(server.url)


def test_timeout_given_to_httpx_is_the_deadline(client, serve):
    """A timeout given on a call is the limit for the whole exchange."""
    server = serve([SILENCE])

    with pytest.raises(DeadlineExceededError, match=r"within 0\.2"):
        client.post(server.url, timeout=0.2)


@pytest.mark.parametrize("timeout", [httpx.USE_CLIENT_DEFAULT, None], ids=["default", "none"])
def test_deadline_of_the_transport_holds_without_a_timeout(engine, serve, timeout):
    """Where httpx is given no timeout of its own, the deadline of the transport holds."""
    server = serve([SILENCE])
    with (
        httpx.Client(transport=EngineTransport(engine, deadline_seconds=0.2)) as client,
        pytest.raises(DeadlineExceededError, match=r"within 0\.2"),
    ):
        client.post(server.url, timeout=timeout)


def test_key_is_sent_and_kept_nowhere(client, serve):
    """The server gets the key; neither the client, the request, the response nor a pickle of them holds it."""
    server = serve(_echo)

    response = client.post(server.url, content=b"x")

    kept = [vars(client), vars(response), vars(response.request), response.request.headers.raw, pickle.dumps(response)]
    assert f"Authorization: Tecton-key {CANARY}".encode() in server.received[0].head
    assert CANARY not in repr(kept)


@pytest.mark.parametrize("steps", [[{"close": True}], [SILENCE], [{"send": b"hello"}, {"close": True}]])
def test_traceback_with_all_locals_shows_no_key(client, serve, steps):
    """A traceback that prints every local variable, as notebooks can, does not show the key."""
    server = serve(steps)

    with pytest.raises(TectonError) as caught:
        client.post(server.url, content=b"x", timeout=0.2)

    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert CANARY not in "".join(told.format())


def test_key_survives_sending_the_same_request_again(client, serve):
    """A request object can be sent twice, each time with the key."""
    server = serve(_echo)
    request = client.build_request("POST", server.url, content=b"x")

    client.send(request)
    client.send(request)

    assert [CANARY.encode() in received.head for received in server.received] == [True, True]


def test_key_does_not_follow_a_redirect(client, serve):
    """Even a client told to follow redirects takes the key to no other server."""
    other = serve(_echo)
    server = serve([answer(b"", "307 T", f"Location: {other.url}/steal")])

    client.post(server.url, content=b"x", follow_redirects=True)

    assert CANARY.encode() not in other.received[0].head


def test_key_auth_without_key_leaves_the_request_alone(engine, serve):
    """Without a key the user's own authentication header goes through."""
    server = serve(_echo)
    with httpx.Client(transport=EngineTransport(engine), auth=KeyAuth(None)) as client:
        client.post(server.url, headers={"Authorization": "Own scheme"})

    assert b"Authorization: Own scheme" in server.received[0].head


def test_key_auth_works_with_httpx_s_own_transport(serve):
    """The same authentication serves a client whose transport is httpx's."""
    server = serve(_echo)
    with httpx.Client(auth=KeyAuth(Secret(CANARY)), trust_env=False) as client:
        client.post(server.url, content=b"x")

    assert f"Tecton-key {CANARY}".encode() in server.received[0].head


def test_closing_the_client_leaves_the_engine_open(engine, serve):
    """The engine belongs to whoever made it: closing one client does not end the others' requests."""
    server: FaultServer = serve(_echo)
    with httpx.Client(transport=EngineTransport(engine)) as first:
        first.post(server.url)
    with httpx.Client(transport=EngineTransport(engine)) as second:
        assert second.post(server.url).status_code == 200

    assert server.counts().connections <= 2
