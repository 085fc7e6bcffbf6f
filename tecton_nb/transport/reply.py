"""One answer while it arrives: its head checked, its body counted."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Final

from ..exceptions import ProtocolError, ResponseTooLargeError, TectonError, quoted
from .content import packing, too_large, unpacked

MAX_HEAD_BYTES: Final = 256 * 1024
# What a libcurl callback returns to end the transfer.
ABORT: Final = -1

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] +([0-9]{3})(?: +([^\x00\r\n]*))?\r?\n")
_HEADER_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00\r\n]*)\r?\n")
_BLANK: Final = (b"\r\n", b"\n")


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers of the final answer."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    packed_as: str | None


class Reply:
    """Collects what libcurl's header and write callbacks hand over.

    Parameters
    ----------
    max_body_bytes
        Largest body read, packed and unpacked alike.
    """

    __slots__ = ("_body", "_body_bytes", "_head_bytes", "_lines", "_max_body_bytes", "head", "refusal")

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self.clear()

    def clear(self) -> None:
        """Forget everything, for the next answer."""
        self.head: Head | None = None
        self.refusal: TectonError | None = None
        self._lines: list[bytes] = []
        self._body = io.BytesIO()
        self._head_bytes = 0
        self._body_bytes = 0

    @property
    def is_untouched(self) -> bool:
        """Whether not one byte has come yet."""
        return not self._head_bytes and not self._body_bytes

    def take_head_line(self, line: bytes) -> int | None:
        """Take one line of a head; `ABORT` if the answer is refused for it."""
        self._head_bytes += len(line)
        if self._head_bytes > MAX_HEAD_BYTES:
            return self._refuse(head_too_large())
        if self.head is not None and not self._begins_another(line):
            return None
        if line not in _BLANK:
            self._lines.append(line)
            return None
        return self._end_head()

    def take_body(self, part: bytes) -> int | None:
        """Take one part of the body; `ABORT` if it grows beyond the limit."""
        self._body_bytes += len(part)
        if self._body_bytes > self._max_body_bytes:
            return self._refuse(too_large(self._max_body_bytes))
        self._body.write(part)
        return None

    def body(self) -> bytes:
        """Return the whole body, unpacked.

        Raises
        ------
        DecodeError
            If it cannot be unpacked; `ResponseTooLargeError` if it is too large unpacked.
        """
        body, packed_as = self._body.getvalue(), self.head.packed_as if self.head else None
        return unpacked(body, packed_as, self._max_body_bytes) if packed_as else body

    def _begins_another(self, line: bytes) -> bool:
        # A proxy's answer to CONNECT comes as a head of its own in front; what follows a body are trailers.
        if self._body_bytes or not line.startswith(b"HTTP/"):
            return False
        self.head = None
        return True

    def _end_head(self) -> int | None:
        lines, self._lines = self._lines, []
        try:
            head = _parse_head(lines)
            if head.status >= 200:
                _check_length(head, self._max_body_bytes)
                _check_transfer(head)
                self.head = head
        except TectonError as error:
            return self._refuse(error)
        return None

    def _refuse(self, error: TectonError) -> int:
        self.refusal = error
        return ABORT


def head_too_large() -> ResponseTooLargeError:
    """Return the error for a head beyond the limit."""
    return ResponseTooLargeError(
        f"The answer has more or larger headers than are read (at most {MAX_HEAD_BYTES:,} bytes in all). "
        "It may not be a feature server; check the address."
    )


def _parse_head(lines: list[bytes]) -> Head:
    first = lines[0] if lines else b""
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise _not_http(f"its first line is {_quoted(first)}")
    status = int(match[1])
    if status == 101 or not 100 <= status <= 599:
        raise _not_http(f"its status is {status}")
    headers = tuple(_parse_header(line) for line in lines[1:])
    encodings = [value for name, value in headers if name.lower() == "content-encoding"]
    if not encodings:
        return Head(status, (match[2] or b"").decode("latin-1"), headers, None)
    packed_as = packing(encodings)
    plain = tuple(header for header in headers if header[0].lower() not in {"content-encoding", "content-length"})
    return Head(status, (match[2] or b"").decode("latin-1"), plain, packed_as)


def _parse_header(line: bytes) -> tuple[str, str]:
    match = _HEADER_LINE.fullmatch(line)
    if match is None:
        raise _not_http(f"one of its headers is {_quoted(line)}")
    return match[1].decode("ascii"), match[2].strip(b" \t").decode("latin-1")


def _check_length(head: Head, limit: int) -> None:
    lengths = {value for name, value in head.headers if name.lower() == "content-length"}
    if not lengths:
        return
    if len(lengths) > 1:
        raise _not_http("it states two lengths")
    length = lengths.pop()
    # Older libcurls take "2, 5" for 2 and would leave three bytes for the next answer.
    if not re.fullmatch(r"[0-9]+", length):
        raise _not_http(f"it states the length {quoted(length)}")
    # Longer than any number of 64 bits; int() refuses thousands of digits.
    if len(length) > 19 or int(length) > limit:
        raise too_large(limit)


def _check_transfer(head: Head) -> None:
    said = ",".join(value for name, value in head.headers if name.lower() == "transfer-encoding")
    # Older libcurls read a body of an encoding they do not know up to the end of the connection.
    if not {word.strip().lower() for word in said.split(",")} <= {"", "chunked", "identity"}:
        raise _not_http(f"it transfers its body as {quoted(said)}")


def _not_http(reason: str) -> ProtocolError:
    return ProtocolError(f"What answers is not a proper HTTP server: {reason}. Check host and port of the address.")


def _quoted(line: bytes) -> str:
    return quoted(line.rstrip(b"\r\n").decode("latin-1"))
