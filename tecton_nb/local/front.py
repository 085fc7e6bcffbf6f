"""The HTTP front of the embedded server: what is checked before a request reaches the responder."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

from aiohttp import web

from .connection import SAFE_HEADERS, Connection, Limits, json_response
from .responder import Answer, Responder

_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Front:
    """Hands requests to a responder and its answers back.

    Parameters
    ----------
    responder
        Who answers.
    limits
        How much and how long a client may take.
    """

    def __init__(self, responder: Responder, limits: Limits) -> None:
        self._responder = responder
        self._limits = limits
        self._hosts: frozenset[str] = frozenset()

    def listen_on(self, port: int) -> None:
        """Take requests whose Host header names this machine and `port`, and no others.

        A page of another site that lets its name point to 127.0.0.1 sends its own name.
        """
        self._hosts = frozenset(f"{name}:{port}" for name in _NAMES)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to one request."""
        connection = cast("Connection", request.protocol)
        connection.request_begun()
        try:
            return self._refused_by_host(request) or await self._answered(request)
        finally:
            connection.request_done()

    def _refused_by_host(self, request: web.BaseRequest) -> web.Response | None:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1:
            return json_response(400, "The request must have exactly one Host header.")
        if hosts[0].lower() not in self._hosts:
            return json_response(421, "The Host header must name this machine and port, as 127.0.0.1 or localhost.")
        return None

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        admitted = self._responder.admit(request.method, request.path, request.headers.getall("Authorization", []))
        if isinstance(admitted, Answer):
            return _response(admitted)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return json_response(415, "The body must not be compressed.")
        if (request.content_length or 0) > self._limits.body_bytes:
            return self._too_large()
        try:
            body = await self._body(request)
        except TimeoutError:
            return _closing(json_response(408, "The body did not come in time."))
        if body is None:
            return self._too_large()
        answer = self._responder.answer(request.path, admitted, body)
        if answer.held_seconds:
            await asyncio.sleep(answer.held_seconds)
        return _response(answer)

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """Return the body, `None` once it is larger than allowed."""
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # The writer counts what it sent; an answer must not look begun.
            request.writer.output_size = 0
        body = bytearray()
        async with asyncio.timeout(self._limits.request_seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > self._limits.body_bytes:
                    return None
        return bytes(body)

    def _too_large(self) -> web.Response:
        return _closing(json_response(413, f"The body is larger than {self._limits.body_bytes} bytes."))


def _response(answer: Answer) -> web.Response:
    response = web.Response(status=answer.status, reason=HTTPStatus(answer.status).phrase, body=answer.body)
    response.headers.update({**SAFE_HEADERS, "Content-Type": answer.content_type})
    return response


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response
