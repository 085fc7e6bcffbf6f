"""One request through an httpx client, and many through a client the user brought.

A client the user brought is used as it is: nothing on it is changed, every request carries its own
headers, its time-outs, proxies and transports hold. Reading is bounded here, because httpx does not.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter, time_ns
from types import TracebackType
from typing import Any, Protocol, TypeAlias

import httpx

from ..exceptions import (
    ConnectionFailedError,
    DeadlineExceededError,
    ProtocolError,
    TectonError,
    full_stop,
    shown,
)
from .content import MAX_BODY_BYTES, packing, too_large, unpacked
from .httpx_face import TIMING_EXTENSION, KeyAuth
from .messages import HttpAnswer, HttpRequest, Timing
from .scrub import scrubbed, without_key

Ended: TypeAlias = "Callable[[HttpAnswer | BaseException], None]"
Doubted: TypeAlias = "Callable[[], None]"
# httpx would unpack whole pieces, a thousandfold, before anybody can count.
_UNPACKED = ("Accept-Encoding", "identity")


class Cancellable(Protocol):
    """A request on its way."""

    def cancel(self) -> object:
        """End it if it is not over."""


class Lane(Protocol):
    """What many requests at once go through."""

    def send(
        self, request: HttpRequest, deadline_seconds: float, ended: Ended, *, doubted: Doubted | None = None
    ) -> Cancellable:
        """Start a request; `ended` is called once, on any thread, with its answer or with what went wrong.

        `doubted` is called later if the answer may have been the one to another request. Only the engine can tell.
        """

    def settle(self, told: Callable[[], None]) -> None:
        """Call `told`, on any thread, when everything that shows by now was told to those who got answers."""


class _Certain:
    """A lane whose answers are never in doubt, or never told to be."""

    def settle(self, told: Callable[[], None]) -> None:
        """See `Lane`."""
        told()


def send(http: httpx.Client, request: HttpRequest, deadline_seconds: float = math.inf) -> HttpAnswer:
    """Send one request through the client and return its answer.

    Parameters
    ----------
    deadline_seconds
        A body that still drips in after this time, or after the client's own read time-out where that is
        longer, is given up.

    Raises
    ------
    ConnectionFailedError, DeadlineExceededError, ProtocolError, ResponseTooLargeError
        If no answer could be read.
    """
    try:
        return _send(http, request, deadline_seconds)
    except TectonError as error:
        failed = without_key(error, request.key)
    # Raised out here: the first error and the frames behind it hold the answer as it came.
    raise failed


async def send_async(http: httpx.AsyncClient, request: HttpRequest, deadline_seconds: float = math.inf) -> HttpAnswer:
    """Send one request through the asynchronous client; as `send`."""
    try:
        return await _send_async(http, request, deadline_seconds)
    except TectonError as error:
        failed = without_key(error, request.key)
    # Raised out here: the first error and the frames behind it hold the answer as it came.
    raise failed


class ThreadLane(_Certain):
    """Many requests through the user's own `httpx.Client`, in threads.

    Parameters
    ----------
    threads
        How many at once at most.
    """

    def __init__(self, http: httpx.Client, threads: int) -> None:
        self._http = http
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tecton-nb-httpx")

    def send(
        self,
        request: HttpRequest,
        deadline_seconds: float,
        ended: Ended,
        *,
        doubted: Doubted | None = None,  # noqa: ARG002
    ) -> Cancellable:
        """Send in a thread of the pool; longer time-outs of the client's own hold instead of the deadline."""
        return _told(self._pool.submit(send, self._http, request, deadline_seconds), ended)

    def close(self, *, wait: bool = True) -> None:
        """Start no more requests; with `wait` return when the running ones have ended."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


class LoopLane(_Certain):
    """Many requests through the user's own `httpx.AsyncClient`, on the loop that is running now."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._loop = asyncio.get_running_loop()

    def send(
        self,
        request: HttpRequest,
        deadline_seconds: float,
        ended: Ended,
        *,
        doubted: Doubted | None = None,  # noqa: ARG002
    ) -> Cancellable:
        """Send as a task of the loop."""
        return _told(asyncio.run_coroutine_threadsafe(self._send(request, deadline_seconds), self._loop), ended)

    async def _send(self, request: HttpRequest, deadline_seconds: float) -> HttpAnswer:
        try:
            async with asyncio.timeout(deadline_seconds):
                return await send_async(self._http, request)
        except TimeoutError:
            raise DeadlineExceededError(f"No complete answer within {deadline_seconds:g} s.") from None


def _told(future: Future[HttpAnswer], ended: Ended) -> Cancellable:
    def tell(done: Future[HttpAnswer]) -> None:
        if done.cancelled():
            # A run that cancels does not listen any more; a task may also be cancelled elsewhere, or cancel itself.
            ended(ConnectionFailedError("The request was cancelled before its answer came. Ask again for the row."))
        else:
            ended(done.exception() or done.result())

    future.add_done_callback(tell)
    return future


def _send(http: httpx.Client, request: HttpRequest, deadline_seconds: float) -> HttpAnswer:
    started, body = _Started(), _Body(http, deadline_seconds)
    built = _built(http, request)
    try:
        response = http.send(built, auth=_auth(request), follow_redirects=False, stream=True)
        try:
            for chunk in () if response.is_stream_consumed else response.iter_raw():
                body.add(chunk)
        finally:
            response.close()
    except httpx.HTTPStatusError as refused:
        return _answer(refused.response, _read_already(refused.response), started)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _our_error(error, request) from error
    except BaseException as error:
        _take_frames_off(error)
        raise
    finally:
        _take_key_off(built, request)
    return _answer(response, _plain(response, body), started)


async def _send_async(http: httpx.AsyncClient, request: HttpRequest, deadline_seconds: float) -> HttpAnswer:
    started, body = _Started(), _Body(http, deadline_seconds)
    built = _built(http, request)
    try:
        response = await http.send(built, auth=_auth(request), follow_redirects=False, stream=True)
        try:
            if not response.is_stream_consumed:
                async for chunk in response.aiter_raw():
                    body.add(chunk)
        finally:
            await response.aclose()
    except httpx.HTTPStatusError as refused:
        return _answer(refused.response, _read_already(refused.response), started)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _our_error(error, request) from error
    except BaseException as error:
        _take_frames_off(error)
        raise
    finally:
        _take_key_off(built, request)
    return _answer(response, _plain(response, body), started)


class _Started:
    def __init__(self) -> None:
        self.at_ns = time_ns()
        self.ticks = perf_counter()


class _Body(bytearray):
    def __repr__(self) -> str:
        # It may repeat the key: tracebacks may show locals.
        return f"_Body of {len(self):,} bytes"

    def __init__(self, http: httpx.Client | httpx.AsyncClient, deadline_seconds: float) -> None:
        super().__init__()
        read = http.timeout.read
        self._seconds = math.inf if read is None else max(read, deadline_seconds)
        self._end = perf_counter() + self._seconds

    def add(self, chunk: bytes) -> None:
        self.extend(chunk)
        if perf_counter() > self._end:
            raise DeadlineExceededError(f"No complete answer within {self._seconds:g} s.")
        if len(self) > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)


def _built(http: httpx.Client | httpx.AsyncClient, request: HttpRequest) -> httpx.Request:
    if http.is_closed:
        raise ConnectionFailedError("The client is closed. Make a new one.")
    headers = [*request.headers, _UNPACKED]
    return http.build_request(request.method, request.url, headers=headers, content=request.body)


def _plain(response: httpx.Response, body: _Body) -> bytes:
    if response.is_stream_consumed and not body:
        # Some transports and event hooks have read it already.
        return _read_already(response)
    packed_as = packing(response.headers.get_list("Content-Encoding"))
    return unpacked(bytes(body), packed_as, MAX_BODY_BYTES) if packed_as else bytes(body)


def _auth(request: HttpRequest) -> Any:
    # Without a key of ours the client's own authentication holds.
    return KeyAuth(request.key) if request.key is not None else httpx.USE_CLIENT_DEFAULT


def _take_key_off(built: httpx.Request, request: HttpRequest) -> None:
    # Errors of httpx and their chain keep the request they are about.
    if request.key is not None:
        built.headers.pop("Authorization", None)


def _take_frames_off(error: BaseException) -> None:
    # Below httpx the bytes of the request, with the key, are locals, and tracebacks may show locals.
    chain: list[BaseException | None] = [error]
    for each in chain:
        if each is not None:
            each.__traceback__ = _outside_httpcore(each.__traceback__)
            chain += [other for other in (each.__cause__, each.__context__) if other not in chain]


def _outside_httpcore(trace: TracebackType | None) -> TracebackType | None:
    frames = []
    while trace is not None and not trace.tb_frame.f_globals.get("__name__", "").startswith("httpcore"):
        frames.append(trace)
        trace = trace.tb_next
    if frames:
        frames[-1].tb_next = None
    return frames[0] if frames else None


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
        timing = Timing(started.at_ns, 0.0, 0.0, 0.0, total, total, is_new_connection=False)
    return HttpAnswer(response.status_code, response.reason_phrase, tuple(response.headers.items()), body, timing)


def _our_error(error: Exception, request: HttpRequest) -> TectonError:
    host = httpx.URL(request.url).host
    # Before it is cut: half a key is harder to find.
    text = scrubbed(str(error), request.key)
    said = f" ({full_stop(shown(text, 200)).rstrip('.')})" if text else ""
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceededError(f"{host} did not answer within the time-out of the httpx client{said}.")
    if isinstance(error, httpx.RemoteProtocolError | httpx.LocalProtocolError | httpx.DecodingError):
        return ProtocolError(f"The answer of {host} is not HTTP as it should be{said}.")
    return ConnectionFailedError(f"Cannot reach {host}{said}. Check the address and the network.")
