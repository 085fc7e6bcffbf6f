"""The HTTP front of the embedded server: what is checked before a request reaches the responder."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import cast

from aiohttp import HttpVersion10, HttpVersion11, web

from ..faults.serving import FaultyAnswers
from ..keys import Account
from ..serving.responder import Answer, Responder
from .addresses import Address
from .connection import SAFE_HEADERS, Limits, json_response, raw_answer
from .repeats import RepeatedHead, RepeatingConnection, ok_answer

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# A shorter key is a word that may well stand in an answer of its own right.
_SHORTEST_SECRET = 8


class Front:
    """Hands requests to a responder and its answers back.

    Parameters
    ----------
    responder
        Who answers.
    limits
        How much and how long a client may take.
    faulty
        Who answers while there are faults.
    address
        Where it listens, and by which names.
    """

    def __init__(self, responder: Responder, limits: Limits, faulty: FaultyAnswers, address: Address) -> None:
        self._responder = responder
        self._limits = limits
        self._faulty = faulty
        self._names = (*_LOOPBACK_NAMES, *(name.lower() for name in address.names))
        self._takes_any_address = address.takes_any_address
        self._port = 0
        self._hosts: frozenset[str] = frozenset()

    def listen_on(self, port: int) -> None:
        """Take requests whose Host header names this machine and `port`, and no others.

        A page of another site that lets its name point to 127.0.0.1 sends its own name.
        """
        self._port = port
        self._hosts = frozenset(f"{name}:{port}" for name in self._names)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to one request."""
        connection = cast("RepeatingConnection", request.protocol)
        connection.request_begun()
        try:
            return self._refused(request) or await self._answered(request, connection)
        finally:
            connection.request_done()

    def _refused(self, request: web.BaseRequest) -> web.Response | None:
        """Return the refusal of a request that is not meant for us, or whose end cannot be known."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1:
            return json_response(400, "The request must have exactly one Host header.")
        if not self._is_known(hosts[0].lower()):
            return json_response(421, "The Host header must name this machine and port, as 127.0.0.1 or localhost.")
        # An absolute address in the request line counts more than the Host header.
        if not request.raw_path.startswith(("/", "*")) and not self._is_known(request.url.authority.lower()):
            return json_response(421, "The request is meant for another server.")
        if request.version not in {HttpVersion10, HttpVersion11}:
            return _closing(json_response(400, "The request must be HTTP/1.1."))
        if not _has_plain_framing(request):
            return _closing(json_response(400, "The Transfer-Encoding must be chunked, in HTTP/1.1."))
        return None

    def _is_known(self, host: str) -> bool:
        return host in self._hosts or (self._takes_any_address and _is_address(host, self._port))

    async def _answered(self, request: web.BaseRequest, connection: RepeatingConnection) -> web.StreamResponse:
        authorization = request.headers.getall("Authorization", [])
        admitted = self._responder.admit(request.method, request.path, authorization)
        if isinstance(admitted, Answer):
            return self._response(admitted)
        encodings = request.headers.getall("Content-Encoding", [])
        if any(encoding.strip().lower() != "identity" for encoding in encodings):
            return json_response(415, "The body must not be compressed.")
        if (request.content_length or 0) > self._limits.body_bytes:
            return self._too_large()
        try:
            body = await self._body(request, connection)
        except TimeoutError:
            return _closing(json_response(408, "The body did not come in time."))
        if body is None:
            return self._too_large()
        if self._faulty.has_faults:
            respond = partial(self._respond, request, admitted, body)
            is_open = await self._faulty.answer(connection, request.path, body, respond)
            return _Sent(keep_alive=is_open and request.keep_alive)
        answer = self._respond(request, admitted, body)
        if answer.held_seconds:
            await connection.pause(answer.held_seconds)
        elif answer.status == 200 and request.method == "POST" and request.version == HttpVersion11:
            connection.may_repeat(request.path, authorization)
        return self._response(answer)

    def repeated(self, head: RepeatedHead, body: bytes) -> bytes | None:
        """Return the bytes to send for a request whose head passed every check before; `None` to check it again."""
        if self._faulty.has_faults or not self._responder.answers_at_once:
            return None
        admitted = self._responder.admit("POST", head.path, head.authorization)
        answer = admitted if isinstance(admitted, Answer) else self._responder.answer(head.path, admitted, body)
        if answer.status == 200:
            return ok_answer(answer.body, self._responder.date)
        answer = _without_key(answer, head.authorization[0])
        return raw_answer(answer.status, answer.body, {"Content-Type": answer.content_type})

    def _respond(self, request: web.BaseRequest, account: Account, body: bytes) -> Answer:
        answer = self._responder.answer(request.path, account, body)
        return answer if answer.status == 200 else _without_key(answer, request.headers["Authorization"])

    async def _body(self, request: web.BaseRequest, connection: RepeatingConnection) -> bytes | None:
        """Return the body, `None` once it is larger than allowed."""
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # The writer counts what it sent; an answer must not look begun.
            request.writer.output_size = 0
        body = bytearray()
        connection.reading(request.content)
        async with asyncio.timeout(self._limits.request_seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > self._limits.body_bytes:
                    return None
        return bytes(body)

    def _response(self, answer: Answer) -> web.Response:
        response = web.Response(status=answer.status, reason=HTTPStatus(answer.status).phrase, body=answer.body)
        own = {"Content-Type": answer.content_type, "Date": self._responder.date}
        response.headers.update({**SAFE_HEADERS, **own})
        return response

    def _too_large(self) -> web.Response:
        return _closing(json_response(413, f"The body is larger than {self._limits.body_bytes} bytes."))


class _Sent(web.StreamResponse):
    """The response to a request that has its answer already."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing."""


def _is_address(host: str, port: int) -> bool:
    address, _, said = host.rpartition(":")
    try:
        ip_address(address[1:-1] if address.startswith("[") and address.endswith("]") else address)
    except ValueError:
        return False
    return said == str(port)


def _has_plain_framing(request: web.BaseRequest) -> bool:
    """Whether everyone on the way sees the same end of the body."""
    encodings = request.headers.getall("Transfer-Encoding", [])
    if not encodings:
        return True
    return request.version == HttpVersion11 and [encoding.strip().lower() for encoding in encodings] == ["chunked"]


def _without_key(answer: Answer, authorization: str) -> Answer:
    """Return an error answer; one that quotes what the client sent must not quote its key."""
    key = authorization.partition(" ")[2].strip().encode("utf-8", "surrogateescape")
    if len(key) < _SHORTEST_SECRET:
        return answer
    # In the JSON of the answer quotes and backslashes stand escaped.
    escaped = key.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return replace(answer, body=answer.body.replace(escaped, b"..."))


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response
