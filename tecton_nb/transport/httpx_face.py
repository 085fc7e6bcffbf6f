"""The engine behind httpx's own interfaces, so that `httpx.Client` and `httpx.AsyncClient` send through it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from ..exceptions import shown
from .engine import Engine
from .messages import HttpAnswer, HttpRequest
from .scrub import scrubbed
from .secret import Secret, authorization

DEFAULT_DEADLINE_SECONDS: Final = 5.0
TIMING_EXTENSION: Final = "tecton_nb.timing"
KEY_EXTENSION: Final = "tecton_nb.key"

# What httpx adds for its own connections; the engine makes or leaves out each of them itself.
_OWN_HEADERS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "expect", "keep-alive"}
)
# httpx puts this on every request that states no timeout.
_HTTPX_DEFAULT_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 2.0


class KeyAuth(httpx.Auth):
    """Puts the API key on each request as it is sent, so that it is in no client's headers.

    Parameters
    ----------
    key
        Checked key; with `None` requests go as they are.
    """

    def __init__(self, key: Secret | None) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Yield the request with its ``Authorization`` header."""
        if self._key is not None:
            request.headers["Authorization"] = authorization(self._key).decode("ascii")
            request.extensions = {**request.extensions, KEY_EXTENSION: self._key}
        yield request


def no_cookies() -> CookieJar:
    """Return a jar that takes none: answers do not depend on them, and a server could fill every later request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class EngineTransport(httpx.BaseTransport):
    """Lets an `httpx.Client` send through the engine.

    Errors of the engine pass through httpx as they are. Closing the transport leaves the engine open.

    Parameters
    ----------
    engine
        Shared with whoever else sends through it.
    deadline_seconds
        For a whole exchange. A read or connect timeout given on the httpx client or call, other than
        httpx's own default of 5 s, takes its place or that of the 2 s for a connection.
    """

    def __init__(self, engine: Engine, *, deadline_seconds: float = DEFAULT_DEADLINE_SECONDS) -> None:
        self._engine = engine
        self._deadline_seconds = deadline_seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer; an interrupt ends the transfer and goes on at once."""
        deadline, connect = _limits(request, self._deadline_seconds)
        sent = _to_engine(request, request.read())
        future = self._engine.submit(sent, deadline_seconds=deadline, connect_seconds=connect)
        try:
            return _from_engine(future.result(), sent.key)
        finally:
            # Has no effect on a future that is done.
            future.cancel()


class AsyncEngineTransport(httpx.AsyncBaseTransport):
    """Lets an `httpx.AsyncClient` send through the engine, under asyncio.

    Nothing is bound to an event loop: one client serves several `asyncio.run`. Parameters as in
    `EngineTransport`.
    """

    def __init__(self, engine: Engine, *, deadline_seconds: float = DEFAULT_DEADLINE_SECONDS) -> None:
        self._engine = engine
        self._deadline_seconds = deadline_seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer; cancelling the task ends the transfer."""
        deadline, connect = _limits(request, self._deadline_seconds)
        sent = _to_engine(request, await request.aread())
        future = self._engine.submit(sent, deadline_seconds=deadline, connect_seconds=connect)
        return _from_engine(await asyncio.wrap_future(future), sent.key)


def _limits(request: httpx.Request, deadline_seconds: float) -> tuple[float, float]:
    given = request.extensions.get("timeout", {})
    return _limit(given.get("read"), deadline_seconds), _limit(given.get("connect"), _CONNECT_SECONDS)


def _limit(given: float | None, ours: float) -> float:
    return ours if given is None or given == _HTTPX_DEFAULT_SECONDS else given


def _to_engine(request: httpx.Request, body: bytes) -> HttpRequest:
    # httpx drops the header, but not the extension, where it follows a redirect: no header, no key.
    key = request.extensions.get(KEY_EXTENSION) if "Authorization" in request.headers else None
    if key is not None:
        # From here on it travels as a Secret, and the request that the response keeps does not hold it.
        del request.headers["Authorization"]
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in request.headers.raw
        if name.decode("latin-1").lower() not in _OWN_HEADERS
    )
    return HttpRequest(request.method, str(request.url), headers, body or None, key)


def _from_engine(answer: HttpAnswer, key: Secret | None) -> httpx.Response:
    # httpx writes it into its log, whatever a server or proxy says there.
    reason = shown(scrubbed(answer.reason, key))
    return httpx.Response(
        answer.status,
        headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers],
        stream=httpx.ByteStream(answer.body),
        extensions={
            "reason_phrase": reason.encode("latin-1", "replace"),
            "http_version": b"HTTP/1.1",
            TIMING_EXTENSION: answer.timing,
        },
    )
