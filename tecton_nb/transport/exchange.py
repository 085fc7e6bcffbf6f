"""One request through an httpx client, and many through a client the user brought.

A client the user brought is used as it is: nothing on it is changed, every request carries its own
headers, its time-outs, proxies and transports hold. Reading is bounded here, because httpx does not.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Protocol

import httpx

from ..exceptions import (
    ConnectionFailedError,
    DeadlineExceededError,
    ProtocolError,
    ResponseTooLargeError,
    TectonError,
    full_stop,
    shown,
)
from .httpx_face import TIMING_EXTENSION, KeyAuth
from .messages import HttpAnswer, HttpRequest, Timing

MAX_BODY_BYTES = 16 * 2**20


class Lane(Protocol):
    """What many requests at once go through."""

    def submit(self, request: HttpRequest, *, deadline_seconds: float) -> Future[HttpAnswer]:
        """Start the request when there is room; the future holds its answer or a `TectonError`."""


def send(http: httpx.Client, request: HttpRequest) -> HttpAnswer:
    """Send one request through the client and return its answer.

    Raises
    ------
    ConnectionFailedError, DeadlineExceededError, ProtocolError, ResponseTooLargeError
        If no answer could be read.
    """
    started, body = _Started(), _Body()
    built = _built(http, request)
    try:
        response = http.send(built, auth=_auth(request), follow_redirects=False, stream=True)
        try:
            for chunk in response.iter_bytes():
                body.add(chunk)
        finally:
            response.close()
    except httpx.HTTPStatusError as refused:
        return _answer(refused.response, _read_already(refused.response), started)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _our_error(error, request) from error
    finally:
        _take_key_off(built, request)
    return _answer(response, bytes(body), started)


async def send_async(http: httpx.AsyncClient, request: HttpRequest) -> HttpAnswer:
    """Send one request through the asynchronous client; as `send`."""
    started, body = _Started(), _Body()
    built = _built(http, request)
    try:
        response = await http.send(built, auth=_auth(request), follow_redirects=False, stream=True)
        try:
            async for chunk in response.aiter_bytes():
                body.add(chunk)
        finally:
            await response.aclose()
    except httpx.HTTPStatusError as refused:
        return _answer(refused.response, _read_already(refused.response), started)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _our_error(error, request) from error
    finally:
        _take_key_off(built, request)
    return _answer(response, bytes(body), started)


class ThreadLane:
    """Many requests through the user's own `httpx.Client`, a few threads at a time."""

    def __init__(self, http: httpx.Client, threads: int = 8) -> None:
        self._http = http
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tecton-nb-httpx")

    def submit(self, request: HttpRequest, *, deadline_seconds: float) -> Future[HttpAnswer]:  # noqa: ARG002
        """Send in a thread of the pool; the client's own time-outs hold instead of the deadline."""
        return self._pool.submit(send, self._http, request)

    def close(self, *, wait: bool = True) -> None:
        """Start no more requests; with `wait` return when the running ones have ended."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


class LoopLane:
    """Many requests through the user's own `httpx.AsyncClient`, on the loop that is running now."""

    def __init__(self, http: httpx.AsyncClient, in_flight: int = 8) -> None:
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(in_flight)

    def submit(self, request: HttpRequest, *, deadline_seconds: float) -> Future[HttpAnswer]:
        """Send as a task of the loop."""
        return asyncio.run_coroutine_threadsafe(self._send(request, deadline_seconds), self._loop)

    async def _send(self, request: HttpRequest, deadline_seconds: float) -> HttpAnswer:
        async with self._room:
            try:
                async with asyncio.timeout(deadline_seconds):
                    return await send_async(self._http, request)
            except TimeoutError:
                raise DeadlineExceededError(f"No complete answer within {deadline_seconds:g} s.") from None


class _Started:
    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self.ticks = perf_counter()


class _Body(bytearray):
    def add(self, chunk: bytes) -> None:
        self.extend(chunk)
        if len(self) > MAX_BODY_BYTES:
            raise ResponseTooLargeError(f"The answer is larger than {MAX_BODY_BYTES // 2**20} MiB; reading stopped.")


def _built(http: httpx.Client | httpx.AsyncClient, request: HttpRequest) -> httpx.Request:
    if http.is_closed:
        raise ConnectionFailedError("The client is closed. Make a new one.")
    return http.build_request(request.method, request.url, headers=list(request.headers), content=request.body)


def _auth(request: HttpRequest) -> Any:
    # Without a key of ours the client's own authentication holds.
    return KeyAuth(request.key) if request.key is not None else httpx.USE_CLIENT_DEFAULT


def _take_key_off(built: httpx.Request, request: HttpRequest) -> None:
    # Errors of httpx and their chain keep the request they are about.
    if request.key is not None:
        built.headers.pop("Authorization", None)


def _read_already(response: httpx.Response) -> bytes:
    # An event hook of the user's may raise for the status, before or after it has read the body.
    try:
        return response.content
    except httpx.ResponseNotRead:
        return b""


def _answer(response: httpx.Response, body: bytes, started: _Started) -> HttpAnswer:
    timing = response.extensions.get(TIMING_EXTENSION)
    if not isinstance(timing, Timing):
        # A foreign transport tells no phases; all of it is waiting for the answer.
        total = perf_counter() - started.ticks
        timing = Timing(started.at, 0.0, 0.0, 0.0, total, total, is_new_connection=False)
    return HttpAnswer(response.status_code, response.reason_phrase, tuple(response.headers.items()), body, timing)


def _our_error(error: Exception, request: HttpRequest) -> TectonError:
    host = httpx.URL(request.url).host
    said = f" ({full_stop(shown(error, 200)).rstrip('.')})" if str(error) else ""
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceededError(f"{host} did not answer within the time-out of the httpx client{said}.")
    if isinstance(error, httpx.RemoteProtocolError | httpx.LocalProtocolError | httpx.DecodingError):
        return ProtocolError(f"The answer of {host} is not HTTP as it should be{said}.")
    return ConnectionFailedError(f"Cannot reach {host}{said}. Check the address and the network.")
