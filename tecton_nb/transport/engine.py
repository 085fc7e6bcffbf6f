"""libcurl on a thread of its own: requests go in from any thread, outcomes come out."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from .content import MAX_BODY_BYTES
from .doubt import nobody_asks_again
from .loop import Exchange, Loop, Outcome, closed
from .messages import HttpAnswer, HttpRequest
from .transfer import trusted_authorities


class AnswerFuture(Future[HttpAnswer]):
    """The answer to come. `cancel` works until it is there: the transfer is ended, its connection closed.

    It stays pending (`running` is false) until the moment it is done.
    """

    exchange: Exchange | None = None

    def cancel(self) -> bool:
        """Give up waiting and end the transfer; false if the answer is there already."""
        is_cancelled = super().cancel()
        if is_cancelled and self.exchange is not None:
            self.exchange.cancel()
        return is_cancelled

    def settle(self, outcome: Outcome) -> None:
        """Become done, unless it was cancelled meanwhile: nobody waits for it then."""
        if self.set_running_or_notify_cancel():
            if isinstance(outcome, HttpAnswer):
                self.set_result(outcome)
            else:
                self.set_exception(outcome)


class Engine:
    """Sends requests, many at once, and keeps connections.

    Closing it, leaving its ``with`` block, dropping it or the end of the program stops its thread.
    After a fork the child gets a new thread and new connections.

    Parameters
    ----------
    max_in_flight
        How many requests are on the wire at once, besides what is reserved; the others wait in a queue.
    max_body_bytes
        Largest answer read, packed and unpacked alike.
    ca_bundle
        File of the certificate authorities to trust; by default what ``SSL_CERT_FILE``,
        ``CURL_CA_BUNDLE`` or ``REQUESTS_CA_BUNDLE`` names, else certifi's.
    """

    def __init__(
        self, *, max_in_flight: int = 64, max_body_bytes: int = MAX_BODY_BYTES, ca_bundle: str | None = None
    ) -> None:
        self.max_in_flight = max_in_flight
        self._max_body_bytes = max_body_bytes
        self._ca_bundle = ca_bundle
        self._is_closed = False
        self._begin_anew()
        _ENGINES.add(self)

    def submit(
        self, request: HttpRequest, *, deadline_seconds: float, connect_seconds: float = 2.0
    ) -> Future[HttpAnswer]:
        """Return the future answer to a request; may be called from any thread.

        Parameters
        ----------
        deadline_seconds
            From the start of the transfer (not of the wait in the queue) to its last byte.
        connect_seconds
            How long a new connection may take to be ready, TLS included.

        Returns
        -------
        Future of HttpAnswer
            Any status is an answer, nothing is followed. Its `cancel` ends a running transfer.
            It fails with `ConnectionFailedError` (`CertificateError`), `DeadlineExceededError`,
            `ProtocolError`, `DecodeError` (`ResponseTooLargeError`), `InputError` or `SettingsError`.

        Raises
        ------
        ConnectionFailedError
            If the engine is closed.
        """
        future = AnswerFuture()
        future.exchange = self.send(
            request, deadline_seconds, future.settle, connect_seconds, doubted=nobody_asks_again
        )
        return future

    def send(
        self,
        request: HttpRequest,
        deadline_seconds: float,
        ended: Callable[[Outcome], None],
        connect_seconds: float = 2.0,
        *,
        doubted: Callable[[], None] | None = None,
    ) -> Exchange:
        """Send a request and call `ended` on the engine's thread with its answer or its error; as `submit` otherwise.

        Costs less than a future. `ended` must not raise, and must not take long: everything else waits for it. So with
        `doubted`, which is called later if the answer may have been the one to another request: a server that
        sends an answer too many shows it only by saying more than it was asked. The connection keeps `doubted`
        for a while, so it should hold nothing large.
        """
        with self._lock:
            if self._is_closed:
                raise closed()
            loop = self._running_loop()
        exchange = Exchange(loop, request, deadline_seconds, connect_seconds, ended, doubted)
        loop.post(exchange)
        return exchange

    def settle(self, told: Callable[[], None]) -> None:
        """Call `told` when everybody knows whose answers are in doubt, as far as it shows by now."""
        with self._lock:
            loop = self._loop
        if loop is None:
            told()
        else:
            loop.settle(told)

    def reserve(self, in_flight: int) -> None:
        """Let so many more requests be on the wire at once, until `release`: no run queues behind another one's."""
        with self._lock:
            self.max_in_flight += in_flight
            if self._loop is not None:
                self._loop.max_in_flight = self.max_in_flight

    def release(self, in_flight: int) -> None:
        """Take back what `reserve` allowed; what is on the wire beyond it ends as it likes."""
        self.reserve(-in_flight)

    def close(self) -> None:
        """Stop the thread and close every connection; what is still pending fails."""
        with self._lock:
            self._is_closed = True
        if self._finalizer is not None:
            self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._loop: Loop | None = None
        self._finalizer: weakref.finalize[..., Engine] | None = None

    def _running_loop(self) -> Loop:
        if self._loop is None or self._loop.is_over:
            bundle = self._ca_bundle or trusted_authorities()
            self._loop = Loop(self.max_in_flight, self._max_body_bytes, bundle)
            # Also runs when the engine is dropped and at exit, before the interpreter is taken apart.
            self._finalizer = weakref.finalize(self, self._loop.stop)
        return self._loop

    def _leave_to_parent(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._loop is not None:
            self._loop.leave_to_parent()
        self._begin_anew()


_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for engine in list(_ENGINES):
        engine._leave_to_parent()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
