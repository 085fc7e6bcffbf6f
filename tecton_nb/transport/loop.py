"""The engine's thread: a watch over libcurl's sockets, a queue in, outcomes out.

Other threads only append to the queue and wake it; nothing of libcurl is touched outside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

import pycurl

from ..exceptions import ConnectionFailedError, InputError, TectonError
from .doubt import DISTRUST_SECONDS, nobody_asks_again, warn_of
from .failures import DEADLINE, is_broken
from .messages import HttpAnswer, HttpRequest
from .scrub import without_key
from .transfer import Transfer
from .watch import READ, new_watch

# So many requests in a row that a kept connection swallowed without an answer: the network has
# changed (sleep, VPN) and the others are no better.
_SWALLOWED_LIMIT: Final = 2
_STOP_SECONDS: Final = 1.0

Outcome: TypeAlias = HttpAnswer | TectonError


class Exchange:
    """One request on its way, and whom to tell how it ended.

    Parameters
    ----------
    ended
        Called once on the engine's thread, or by whoever stops the engine; must not raise.
    doubted
        Called on the engine's thread if the answer that `ended` got may be the one to another request.
    """

    __slots__ = (
        "_loop", "connect_seconds", "deadline_seconds", "doubted", "ended", "is_cancelled", "is_over", "is_second_try",
        "request", "started",
    )  # fmt: skip

    def __init__(
        self,
        loop: Loop,
        request: HttpRequest,
        deadline_seconds: float,
        connect_seconds: float,
        ended: Callable[[Outcome], None],
        doubted: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self.request = request
        self.deadline_seconds = deadline_seconds
        self.connect_seconds = connect_seconds
        self.ended = ended
        self.doubted = doubted
        self.started = 0.0
        self.is_second_try = False
        self.is_cancelled = False
        self.is_over = False

    def cancel(self) -> None:
        """End the transfer, wherever it is; has no effect once it is over."""
        if not self.is_over:
            self.is_cancelled = True
            self._loop.post(self)

    def end(self, outcome: Outcome) -> None:
        """Tell the outcome, once."""
        if not self.is_over:
            self.is_over = True
            # A batch's unit keeps the exchange and is kept by both of these: neither is to wait for the collector.
            ended, self.ended, self.doubted = self.ended, _told, None
            ended(outcome if isinstance(outcome, HttpAnswer) else without_key(outcome, self.request.key))


class Loop:
    """The thread and all that only it may touch; from outside: `post`, `stop`, `leave_to_parent`."""

    def __init__(self, max_in_flight: int, max_body_bytes: int, ca_bundle: str) -> None:
        self.is_over = False
        self._inbox: deque[Exchange] = deque()
        self._waiting: deque[Exchange] = deque()
        self._running: dict[pycurl.Curl, tuple[Exchange, Transfer]] = {}
        self._idle: deque[Transfer] = deque()
        self._distrusts_until = self._warned_until = float("-inf")
        self._make = functools.partial(Transfer, max_body_bytes, ca_bundle)
        self._settling: deque[Callable[[], None]] = deque()
        self._due: float | None = None
        self._is_stopping = False
        self._is_asleep = False
        self._sockets = new_watch()
        self._alarm, self._ear = socket.socketpair()
        self._alarm.setblocking(False)
        self._ear.setblocking(False)
        self._ear_fd = self._ear.fileno()
        self._sockets.set(self._ear_fd, READ)
        self.max_in_flight = max_in_flight
        self._swallowed = 0
        self._multi = self._new_multi()
        self._thread = threading.Thread(target=self._run, name="tecton_nb engine", daemon=True)
        self._thread.start()

    def post(self, exchange: Exchange) -> None:
        """Hand over a request to send, or a cancelled one to end."""
        self._inbox.append(exchange)
        self._wake()
        if self.is_over:
            self._fail_waiting()

    def settle(self, told: Callable[[], None]) -> None:
        """Look at the idle connections, tell whom it concerns that an answer is in doubt, and then call `told`."""
        self._settling.append(told)
        self._wake()
        if self.is_over:
            self._settle()

    def stop(self) -> None:
        """End the thread; what is pending fails. Waits until it is over, unless called by it."""
        self._is_stopping = True
        self._is_asleep = True
        self._wake()
        if threading.current_thread() is not self._thread:
            # libcurl waits for name look-ups under way, and those for a dead name server; nobody else should.
            self._thread.join(_STOP_SECONDS)

    def leave_to_parent(self) -> None:
        """In a forked child: keep libcurl's side untouched for ever, close our own copies of the rest."""
        # Freeing the handles would say goodbye on TLS connections that the parent still uses.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        self.is_over = True
        self._sockets.close()
        self._alarm.close()
        self._ear.close()

    def _new_multi(self) -> pycurl.CurlMulti:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        return multi

    def _wake(self) -> None:
        if self._is_asleep:
            self._is_asleep = False
            # Full: it wakes anyway. Closed: the thread is over.
            with contextlib.suppress(OSError):
                self._alarm.send(b"\0")

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._sleep()
                self._collect()
                self._settle()
                self._admit()
        finally:
            self._shut()

    def _sleep(self) -> None:
        self._is_asleep = True
        is_busy = self._inbox or self._settling or self._is_stopping
        for fd, events in self._sockets.wait(0 if is_busy else self._seconds_left()):
            if fd == self._ear_fd:
                self._ear.recv(4096)
            else:
                # READ and WRITE are the numbers of CSELECT_IN and CSELECT_OUT, POLL_IN and POLL_OUT.
                self._multi.socket_action(fd, events)
        self._is_asleep = False
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _seconds_left(self) -> float | None:
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def _watch(self, event: int, fd: int, _multi: object, _data: object) -> None:
        if event == pycurl.POLL_REMOVE:
            self._sockets.drop(fd)
        else:
            self._sockets.set(fd, event)

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1_000

    def _admit(self) -> None:
        while self._inbox:
            exchange = self._inbox.popleft()
            if exchange.is_cancelled:
                self._end(exchange)
            else:
                self._waiting.append(exchange)
        if self._swallowed >= _SWALLOWED_LIMIT and not self._running:
            self._drop_connections()
        while self._waiting and len(self._running) < self.max_in_flight:
            exchange = self._waiting[0]
            # It waits until its handle is there: if that went wrong, nobody would be told.
            transfer = None if exchange.is_over else self._next(exchange)
            self._waiting.popleft()
            if transfer is not None:
                self._start(exchange, transfer)

    def _next(self, exchange: Exchange) -> Transfer:
        """Return the handle for a request, the one that has rested longest if it has rested enough.

        Some servers and proxies send an answer too many, in a packet of its own. libcurl would take it for the answer
        to the next request: a row would get the values of another one. Nothing in an answer tells whose it
        is, so a connection rests for as long as its last request took, and is left if it speaks unasked.
        """
        if exchange.is_second_try or not self._idle:
            return self._make()
        now = time.monotonic()
        if now < self._distrusts_until:
            self._close_what_is_proven(now)
            return self._make()
        # Twice as many connections as requests are enough for that.
        if len(self._idle) <= len(self._running) + 1 and not self._idle[0].has_rested(now):
            return self._make()
        transfer = self._idle[0]
        if transfer.is_disturbed:
            self._heed(transfer)
            return self._make()
        return self._idle.popleft()

    def _heed(self, transfer: Transfer) -> None:
        """Leave an idle connection that ended or spoke unasked; say so to those who may have got a wrong answer."""
        doubted = transfer.doubted(time.monotonic())
        self._close(transfer)
        self._doubt(transfer, doubted)

    def _doubt(self, transfer: Transfer, doubted: list[Callable[[], None]]) -> None:
        if not doubted:
            return
        now = time.monotonic()
        self._distrusts_until = now + DISTRUST_SECONDS
        for tell in doubted:
            tell()
        if nobody_asks_again in doubted and now >= self._warned_until:
            self._warned_until = now + DISTRUST_SECONDS
            warn_of(transfer.host)

    def _tell_forsaken(self, transfer: Transfer) -> None:
        # As a rule the connection has merely ended, which is no reason to distrust the server.
        while transfer.forsaken:
            transfer.forsaken.pop()()

    def _close_what_is_proven(self, now: float) -> None:
        while self._idle and (self._idle[0].is_proven(now) or len(self._idle) > 2 * self.max_in_flight):
            self._heed(self._idle[0])

    def _close(self, transfer: Transfer) -> None:
        self._idle.remove(transfer)
        transfer.close()

    def _settle(self) -> None:
        """Look at every idle connection for those who wait for it, and then tell them."""
        if self._settling and not self.is_over:
            for transfer in [idle for idle in self._idle if idle.is_disturbed]:
                self._heed(transfer)
        while self._settling:
            # Two threads may empty it at once, as the other queues.
            try:
                tell = self._settling.popleft()
            except IndexError:
                return
            tell()

    def _drop_connections(self) -> None:
        while self._idle:
            self._close(self._idle[-1])
        self._swallowed = 0

    def _start(self, exchange: Exchange, transfer: Transfer) -> None:
        seconds = exchange.deadline_seconds
        if exchange.is_second_try:
            seconds -= time.monotonic() - exchange.started
        else:
            exchange.started = time.monotonic()
        try:
            transfer.prepare(exchange.request, seconds, exchange.connect_seconds)
        except (TectonError, pycurl.error, ValueError, TypeError, OverflowError) as error:
            # Not kept: it is half aimed at another server.
            transfer.close()
            exchange.end(error if isinstance(error, TectonError) else InputError(f"Cannot send: {error}."))
            return
        self._running[transfer.curl] = (exchange, transfer)
        self._multi.add_handle(transfer.curl)

    def _collect(self) -> None:
        while True:
            queued, finished, failed = self._multi.info_read()
            for curl in finished:
                self._finish(curl)
            for curl, code, message in failed:
                self._fail(curl, code, message)
            if not queued:
                return

    def _finish(self, curl: pycurl.Curl) -> None:
        exchange, transfer = self._release(curl)
        self._swallowed = 0
        try:
            outcome: Outcome = transfer.answer()
            if transfer.came_too_late and not exchange.is_second_try:
                self._try_again(exchange, transfer)
                return
            transfer.answered(exchange.doubted, exchange.deadline_seconds)
        except TectonError as error:
            outcome = error
        self._tell_forsaken(transfer)
        exchange.end(outcome)
        self._doubt(transfer, transfer.doubted_at_once())
        if transfer.is_new_connection and time.monotonic() < self._distrusts_until:
            # The first answer on a connection is the right one, and there is to be no second.
            self._close(transfer)

    def _fail(self, curl: pycurl.Curl, code: int, message: str) -> None:
        exchange, transfer = self._release(curl)
        is_dead = transfer.is_connection_dead
        self._swallowed += is_dead and code == DEADLINE
        if is_dead and is_broken(code, message) and not exchange.is_second_try:
            self._try_again(exchange, transfer)
        else:
            self._tell_forsaken(transfer)
            exchange.end(transfer.error(code, message))

    def _try_again(self, exchange: Exchange, transfer: Transfer) -> None:
        """Send a request once more, by a new connection: the kept one had ended before it came."""
        exchange.is_second_try = True
        self._waiting.appendleft(exchange)
        self._close(transfer)

    def _release(self, curl: pycurl.Curl) -> tuple[Exchange, Transfer]:
        exchange, transfer = self._running.pop(curl)
        self._multi.remove_handle(curl)
        transfer.rest(time.monotonic())
        self._idle.append(transfer)
        return exchange, transfer

    def _end(self, exchange: Exchange) -> None:
        curl = next((curl for curl, (running, _) in self._running.items() if running is exchange), None)
        if curl is not None:
            _, transfer = self._release(curl)
            self._tell_forsaken(transfer)
        exchange.end(closed())

    def _shut(self) -> None:
        self._waiting.extend(exchange for exchange, _ in self._running.values())
        for curl, (_, transfer) in self._running.items():
            self._multi.remove_handle(curl)
            self._idle.append(transfer)
        self.is_over = True
        self._fail_waiting()
        self._settle()
        while self._idle:
            self._idle.pop().close()
        self._multi.close()
        self._sockets.close()
        self._alarm.close()
        self._ear.close()

    def _fail_waiting(self) -> None:
        # Two threads may empty the queues at once: the engine's own and one that came too late.
        with contextlib.suppress(IndexError):
            while True:
                (self._waiting or self._inbox).popleft().end(closed())


def _told(_outcome: Outcome) -> None:
    """Take the place of whoever was told."""


def closed() -> ConnectionFailedError:
    """Return the error for requests to an engine that is closed."""
    return ConnectionFailedError("The client is closed. Make a new one.")
