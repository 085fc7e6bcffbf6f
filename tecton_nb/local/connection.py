"""One HTTP connection of the embedded server: aiohttp's parser under our limits, JSON for every refusal."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from .refusals import refusal_body

SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": "tecton-nb"}
# aiohttp would log each malformed request with a traceback.
_silent = logging.getLogger(f"{__name__}.aiohttp")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


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
        A connection on which nothing is asked.
    """

    body_bytes: int = 1024 * 1024
    request_seconds: float = 8.0
    idle_seconds: float = 55.0


class Connection(web.RequestHandler):
    """aiohttp's protocol, closed when the next request or the rest of its headers does not come in time.

    Parameters
    ----------
    manager
        The low-level server it belongs to.
    limits
        When to close.
    """

    __slots__ = ("_head_has_begun", "_is_waiting", "_limits", "_timer")

    def __init__(self, manager: web.Server, limits: Limits) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's way to say: no access log
            logger=_silent,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=1.0,
            auto_decompress=False,
            tcp_keepalive=False,
        )
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._is_waiting = True
        self._head_has_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._close_after(self._limits.idle_seconds)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; the first byte of a request starts the clock for its headers."""
        if self._is_waiting and not self._head_has_begun:
            self._head_has_begun = True
            self._close_after(self._limits.request_seconds)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def request_begun(self) -> None:
        """Stop the clock: the headers are complete."""
        self._stop_timer()
        self._is_waiting = False

    def request_done(self) -> None:
        """Begin to wait for the next request."""
        self._is_waiting = True
        self._head_has_begun = False
        self._close_after(self._limits.idle_seconds)

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
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.force_close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def json_response(status: int, said: str) -> web.Response:
    """Return an error answer."""
    return web.Response(
        status=status, body=refusal_body(status, said), content_type="application/json", headers=SAFE_HEADERS
    )
