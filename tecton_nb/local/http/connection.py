"""One HTTP connection of the embedded server: aiohttp's parser under our limits, JSON for every refusal."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from ..serving.refusals import refusal_body

SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": "tecton-nb"}
# aiohttp would log each malformed request with a traceback.
_silent = logging.getLogger(f"{__name__}.aiohttp")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False
# aiohttp's clock does not see every request; ours does.
_OUR_OWN_CLOCK = 1e9
# Lingering for no time: the socket is closed with RST, and what is unsent is dropped.
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long a client may take.

    Parameters
    ----------
    body_bytes
        Largest body.
    request_seconds
        From the first byte of a request to the end of its headers, and from there to the end of its body.
    idle_seconds
        A connection on which nothing is asked, or whose client does not take its answer.
    connections
        How many are open at once; one more takes the place of the one that has been idle the longest.
    """

    body_bytes: int = 1024 * 1024
    request_seconds: float = 8.0
    idle_seconds: float = 55.0
    connections: int = 512


class Connections:
    """The open connections of a server.

    Parameters
    ----------
    most
        How many there may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[Connection, None] = {}

    def add(self, connection: Connection) -> bool:
        """Make room for a connection; `False` if there are too many and all of them are at work."""
        if len(self._open) >= self._most:
            idle = next((other for other in self._open if other.is_waiting), None)
            if idle is None:
                return False
            self.remove(idle)
            idle.abandon()
        self._open[connection] = None
        return True

    def used(self, connection: Connection) -> None:
        """Take the connection for the one that was used last."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)

    def abandon_paused(self) -> None:
        """End the connections whose answers are being held back."""
        for connection in [other for other in self._open if other.is_paused]:
            connection.abandon()

    def __len__(self) -> int:
        return len(self._open)


class Connection(web.RequestHandler):
    """aiohttp's protocol, closed when the next request or the rest of its headers does not come in time.

    Parameters
    ----------
    manager
        The low-level server it belongs to.
    limits
        When to close.
    others
        The open connections, to which it adds itself.
    """

    __slots__ = ("_body", "_deadline", "_head_has_begun", "_is_waiting", "_limits", "_others", "_pause", "_timer")

    def __init__(self, manager: web.Server, limits: Limits, others: Connections) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's way to say: no access log
            logger=_silent,
            keepalive_timeout=_OUR_OWN_CLOCK,
            lingering_time=1.0,
            auto_decompress=False,
            tcp_keepalive=False,
        )
        self._limits = limits
        self._others = others
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = math.inf
        self._pause: asyncio.Future[None] | None = None
        self._body: StreamReader | None = None
        self._is_waiting = True
        self._head_has_begun = False

    @property
    def is_waiting(self) -> bool:
        """Whether no request is in work."""
        return self._is_waiting

    @property
    def is_paused(self) -> bool:
        """Whether the answer is being held back."""
        return self._pause is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request, or say that there are too many connections."""
        super().connection_made(transport)
        if self._others.add(self):
            self._close_after(self._limits.idle_seconds)
        else:
            self.send(_TOO_MANY)
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; the first byte of a request starts the clock for its headers."""
        if self._is_waiting and not self._head_has_begun:
            self._head_has_begun = True
            self._close_after(self._limits.request_seconds)
        super().data_received(data)
        if self._body is not None and self._messages:
            # Nothing but the parser's error can follow a body that has not ended; aiohttp leaves its reader waiting.
            self._body.set_exception(web.RequestPayloadError("The body is not valid HTTP."))
            self._body = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock and whatever waits on this connection."""
        self._stop_timer()
        self._others.remove(self)
        self._end_pause()
        super().connection_lost(exc)

    def request_begun(self) -> None:
        """Stop the clock: the headers are complete."""
        self._deadline = math.inf
        self._is_waiting = False

    def request_done(self) -> None:
        """Begin to wait for the next request."""
        self._body = None
        self._is_waiting = True
        self._head_has_begun = False
        self._others.used(self)
        if self.transport is not None:
            self._close_after(self._limits.idle_seconds)

    def reading(self, body: StreamReader) -> None:
        """Break off the reading of this body if what comes is none."""
        self._body = body
        body.on_eof(self._body_has_ended)

    async def pause(self, seconds: float) -> None:
        """Wait so long, not at all if it is 0.

        Raises
        ------
        ConnectionResetError
            As soon as the client goes away or the server stops.
        """
        if self.transport is not None and seconds > 0:
            self._pause = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._pause], timeout=seconds)
            self._pause = None
        if self.transport is None:
            raise ConnectionResetError("The connection has ended.")

    def send(self, data: bytes) -> None:
        """Send bytes as they are.

        Raises
        ------
        ConnectionResetError
            If the client has gone away.
        """
        if self.transport is None:
            raise ConnectionResetError("The connection has ended.")
        self.transport.write(data)

    def reset(self) -> None:
        """End the connection with a reset."""
        if self.transport is not None:
            plain = self.transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.abandon()

    def abandon(self) -> None:
        """End the connection now; what the client has not taken is lost."""
        transport = self.transport
        self.force_close()
        self._end_pause()
        if transport is not None:
            transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # may quote the request, and with it the key
    ) -> web.StreamResponse:
        """Return the refusal of what is no HTTP request, or the answer after a failure of ours."""
        if isinstance(exc, LineTooLong) or "Too many headers" in str(exc):
            response = json_response(431, "The request has too many or too long headers.")
        elif status == 400 or isinstance(exc, HttpProcessingError | web.RequestPayloadError):
            response = json_response(400, "The request is not valid HTTP.")
        else:
            response = json_response(500, "Internal error")
        response.force_close()
        return response

    def _close_after(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds
        # A timer that rings too early is set again then; one per request would cost more than the request.
        if self._timer is None or self._timer.when() > self._deadline:
            self._stop_timer()
            self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() >= self._deadline:
            self.abandon()
        elif self._deadline < math.inf:
            self._timer = self._loop.call_at(self._deadline, self._ring)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_pause(self) -> None:
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    def _body_has_ended(self) -> None:
        self._body = None


def json_response(status: int, said: str) -> web.Response:
    """Return an error answer."""
    return web.Response(
        status=status, body=refusal_body(status, said), content_type="application/json", headers=SAFE_HEADERS
    )


def raw_answer(status: int, body: bytes, headers: Mapping[str, str], *, length: int | None = None) -> bytes:
    """Return an answer as the bytes to send, announced as `length` bytes long, or as long as it is."""
    phrase = HTTPStatus(status).phrase if status in _STATUSES else "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in {**SAFE_HEADERS, **headers}.items()]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


_STATUSES = frozenset(HTTPStatus)
_TOO_MANY = raw_answer(
    503,
    refusal_body(503, "The server has too many connections."),
    {"Content-Type": "application/json", "Connection": "close"},
)
