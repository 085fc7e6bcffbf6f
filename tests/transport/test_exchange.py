"""Requests through a client the user brought: bounded, and without the key in what is left behind."""

from __future__ import annotations

import gzip
import time
import traceback
import tracemalloc

import httpcore
import httpx
import pytest
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb

ANSWER = vector(["1"], typed("v.n", "int64"))
DRIP = [
    {"send": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"},
    {"repeat": {"send": b" ", "times": 500, "every": 0.02}},
]


def _asked(client: tnb.TectonClient) -> object:
    return client.get_features(feature_service_name="s", join_key_map={"k": "x"})


def _zeros(mebibytes: int) -> bytes:
    return gzip.compress(b"\0" * (mebibytes * 2**20))


@pytest.mark.parametrize("times", [1, 2])
def test_bomb_through_the_user_s_client_fills_no_memory(canned, times):
    """A reply of kilobytes that unpacks to 200 MiB is refused before it is in memory, also where it is packed twice."""
    packed = _zeros(200) if times == 1 else gzip.compress(_zeros(200))
    server = canned(Reply(packed, headers={"Content-Encoding": ", ".join(["gzip"] * times)}))

    with httpx.Client() as own, tnb.TectonClient(server.url, KEY, "prod", client=own) as client:
        tracemalloc.start()
        try:
            with pytest.raises(tnb.exceptions.DecodeError):
                _asked(client)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 40 * 2**20


def test_packed_answer_is_read_through_the_user_s_client(canned):
    """A proxy may pack an answer although none was asked for; its values are read all the same."""
    server = canned(lambda _: Reply(gzip.compress(Reply(ANSWER).content()), headers={"Content-Encoding": "gzip"}))

    with httpx.Client() as own, tnb.TectonClient(server.url, KEY, "prod", client=own) as client:
        values = _asked(client).get_features_dict()

    assert values == {"v.n": 1}
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_answer_that_a_transport_or_hook_has_read_is_taken():
    """Transports that hand out whole answers and event hooks that read them work."""
    reply = gzip.compress(Reply(ANSWER).content())
    whole = httpx.MockTransport(lambda _: httpx.Response(200, content=reply, headers={"Content-Encoding": "gzip"}))
    hooks = {"response": [lambda response: response.read()]}

    with httpx.Client(transport=whole, event_hooks=hooks) as own:
        client = tnb.TectonClient("https://x.tecton.ai", KEY, "prod", client=own)

        assert _asked(client).get_features_dict() == {"v.n": 1}


def test_dripping_body_through_the_user_s_client_is_given_up(serve):
    """A body that comes byte by byte ends with the deadline, although no single byte is late."""
    server = serve(DRIP)
    started = time.monotonic()

    with httpx.Client(timeout=0.3) as own:
        client = tnb.TectonClient(server.url, KEY, "prod", client=own, deadline_seconds=0.2)
        with pytest.raises(tnb.exceptions.DeadlineExceededError, match=r"within 0\.3 s"):
            _asked(client)

    assert time.monotonic() - started < 5


async def test_dripping_body_through_the_user_s_async_client_is_given_up(serve):
    """The same holds for an asynchronous client of the user's."""
    server = serve(DRIP)

    async with httpx.AsyncClient(timeout=0.2) as own:
        client = tnb.AsyncTectonClient(server.url, KEY, "prod", client=own, deadline_seconds=0.3)
        with pytest.raises(tnb.exceptions.DeadlineExceededError, match=r"within 0\.3 s"):
            await client.get_features(feature_service_name="s", join_key_map={"k": "x"})


class _Broken(httpcore.NetworkBackend, httpcore.NetworkStream):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def connect_tcp(self, *_: object, **__: object) -> httpcore.NetworkStream:
        return self

    def write(self, *_: object) -> None:
        raise self._error

    def close(self) -> None:
        """Have nothing to close."""

    def get_extra_info(self, info: str) -> None:
        """Know nothing."""


@pytest.mark.parametrize("error", [httpcore.WriteTimeout("slow"), RuntimeError("odd"), KeyboardInterrupt()])
def test_error_while_the_request_is_written_shows_no_key(error):
    """Where httpx fails with the header's bytes in its hands, no traceback with locals shows the key."""
    transport = httpx.HTTPTransport()
    transport._pool = httpcore.ConnectionPool(network_backend=_Broken(error))
    own = httpx.Client(transport=transport)
    client = tnb.TectonClient("http://127.0.0.1:9", KEY, "prod", client=own)

    with pytest.raises(BaseException) as caught:  # noqa: PT011  # whatever it is
        _asked(client)

    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "exchange.py" in told
    assert KEY not in told.replace(f"KEY = '{KEY}'", "")


def test_answers_set_no_cookies(canned):
    """A server cannot make later requests larger, or tell them from one another, by cookies."""
    server = canned(lambda _: Reply(ANSWER, headers={"Set-Cookie": f"c{len(server.asked)}={'v' * 2_000}"}))

    with tnb.TectonClient(server.url, KEY, "prod") as client:
        _asked(client)
        _asked(client)

    assert "cookie" not in server.asked[-1].headers


async def test_redirect_is_refused_though_the_user_s_async_client_follows_them(canned):
    """Neither the key nor the join keys are sent to another host, whatever the client does elsewhere."""
    elsewhere = canned(ANSWER)
    server = canned(Reply(status=307, headers={"Location": elsewhere.url}))

    async with httpx.AsyncClient(follow_redirects=True) as own:
        client = tnb.AsyncTectonClient(server.url, KEY, "prod", client=own)
        with pytest.raises(tnb.exceptions.RedirectRefusedError):
            await client.get_features(feature_service_name="s", join_key_map={"k": "x"})

    assert elsewhere.asked == []


def test_redirect_is_refused_though_the_user_s_client_follows_them(canned):
    """The same holds for a synchronous client of the user's."""
    elsewhere = canned(ANSWER)
    server = canned(Reply(status=307, headers={"Location": elsewhere.url}))

    with httpx.Client(follow_redirects=True) as own:
        client = tnb.TectonClient(server.url, KEY, "prod", client=own)
        with pytest.raises(tnb.exceptions.RedirectRefusedError):
            _asked(client)

    assert elsewhere.asked == []


def test_endless_body_through_the_user_s_client_is_cut_at_the_limit(serve):
    """A body without an end is not read for ever: 16 MiB are the most."""
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve([{"send": head}, {"repeat": {"send": piece, "times": 1_000}}])

    with httpx.Client() as own:
        client = tnb.TectonClient(server.url, KEY, "prod", client=own)
        with pytest.raises(tnb.exceptions.ResponseTooLargeError):
            _asked(client)

    assert server.went_away.wait(10)
