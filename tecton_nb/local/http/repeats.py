"""Requests whose head a connection has sent before, byte for byte; their heads need not be parsed again.

A client that keeps its connection sends the same head with every request for features. aiohttp's
parser and the front's checks cost more than the answer itself, and from the same bytes at the same
place they conclude the same. Who asks is looked up anew each time: a role may be taken away.

The place is the same only while nothing but whole requests has come in, each in one piece: a
connection on which anything else came is left to aiohttp for good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage

from .connection import SAFE_HEADERS, Connection, Connections, Limits

_END_OF_HEAD = b"\r\n\r\n"
_KEPT = 64
# A client could fill the memory with 64 long heads on each of its connections.
_LONGEST_HEAD = 8 * 1024
_HEAD = "".join(
    f"{line}\r\n" for line in ("HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in SAFE_HEADERS.items()))
).encode("latin-1")


@dataclass(frozen=True, slots=True)
class RepeatedHead:
    """What a head said when it was parsed.

    Parameters
    ----------
    path
        Path of the request line.
    authorization
        Values of its Authorization headers.
    body_length
        Its Content-Length.
    """

    path: str
    authorization: list[str] = field(repr=False)
    body_length: int


class RepeatingConnection(Connection):
    """A connection that answers requests with a known head at once.

    Parameters
    ----------
    manager, limits, others
        As `Connection`.
    answer
        Returns the bytes to send for a known head and a body; `None` if aiohttp is to handle the request.
    """

    __slots__ = ("_answer", "_candidate", "_heads", "_only_whole")

    def __init__(
        self,
        manager: web.Server,
        limits: Limits,
        others: Connections,
        answer: Callable[[RepeatedHead, bytes], bytes | None],
    ) -> None:
        super().__init__(manager, limits, others)
        self._answer = answer
        self._heads: dict[bytes, RepeatedHead] = {}
        self._candidate: tuple[bytes, int] | None = None
        self._only_whole = True

    def data_received(self, data: bytes) -> None:
        """Answer a request with a known head, feed aiohttp's parser with everything else."""
        # aiohttp feeds itself nothing, to go on where it had stopped.
        if data and self._only_whole:
            self._candidate = None
            # aiohttp waits for a request, and the client takes its answers.
            is_idle = self._waiter is not None and not self._waiter.done() and not self._messages
            if is_idle and not self._paused and self._is_answered(data):
                return
            super().data_received(data)
            self._candidate = self._whole_request(data) if is_idle else None
            self._only_whole = self._candidate is not None
        else:
            super().data_received(data)

    def may_repeat(self, path: str, authorization: list[str]) -> None:
        """Remember the head of the request in work, which passed every check."""
        if self._candidate is not None:
            head, body_length = self._candidate
            if len(self._heads) >= _KEPT:
                self._heads.clear()
            self._heads[head] = RepeatedHead(path, authorization, body_length)

    def _is_answered(self, data: bytes) -> bool:
        end = data.find(_END_OF_HEAD) + 4
        known = self._heads.get(data[:end])
        if known is None or len(data) != end + known.body_length or self.transport is None:
            return False
        answer = self._answer(known, data[end:])
        if answer is None:
            return False
        self.transport.write(answer)
        self.request_done()
        return True

    def _whole_request(self, data: bytes) -> tuple[bytes, int] | None:
        """Return head and body length if the parser saw one request in `data`, and nothing before or after it."""
        if len(self._messages) != 1:
            return None
        message, body = self._messages[0]
        # What the parser could not read has neither of the two.
        if getattr(message, "chunked", True) or getattr(message, "upgrade", True):
            return None
        head = data[: data.find(_END_OF_HEAD) + 4]
        length = int(cast("RawRequestMessage", message).headers.get("Content-Length", "0"))
        # A lone line feed might end a line for one reader and not for another.
        has_plain_lines = head.count(b"\n") == head.count(b"\r\n")
        is_whole = isinstance(body, StreamReader) and body.is_eof() and len(data) == len(head) + length
        return (head, length) if has_plain_lines and is_whole and len(head) <= _LONGEST_HEAD else None


def ok_answer(body: bytes, date: str) -> bytes:
    """Return a 200 answer with a JSON body as the bytes to send, with the headers that aiohttp sends."""
    return b"%bContent-Type: application/json\r\nContent-Length: %d\r\nDate: %b\r\n\r\n%b" % (
        _HEAD,
        len(body),
        date.encode(),
        body,
    )
