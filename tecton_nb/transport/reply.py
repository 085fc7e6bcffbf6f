"""One answer while it arrives: its head checked, its body counted."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..exceptions import ProtocolError, ResponseTooLargeError, TectonError, quoted
from .content import packing, too_large, unpacked

MAX_HEAD_BYTES: Final = 300 * 1024
# A server says nearly the same before every answer. What was read once is known when it comes again byte for byte,
# but only small heads are kept: foreign text may be large.
_REMEMBERED_HEADS: Final = 256
_REMEMBERED_BYTES: Final = 4 * 1024
# What a libcurl callback returns to end the transfer.
ABORT: Final = -1

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] +([0-9]{3})(?: +([^\x00\r\n]*))?\r?\n")
# One match a line, or the line is no header.
_HEADER_LINES: Final = re.compile(r"(?m)^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00\r\n]*)\r?\n")
_FRAMING: Final = ("content-length", "content-encoding", "transfer-encoding", "connection")
_FRAMING_LENGTHS: Final = frozenset(map(len, _FRAMING))
_BLANK: Final = (b"\r\n", b"\n")
# A greeting of another service, such as SSH-2.0-OpenSSH_9; as much of one as may still become one.
_GREETING: Final = re.compile(rb"[\t -~]{1,1000}\r?\n")
_GREETING_BEGUN: Final = re.compile(rb"[\t -~]{1,1000}\r?")


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers of the final answer; `keeps_connection` if it is to be the end of nothing else."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    packed_as: str | None
    keeps_connection: bool


class Reply:
    """Collects what libcurl's header and write callbacks hand over.

    The lines of the head go into a plain list, for libcurl calls once a line: they are read together
    when the first byte of the body is there, or at the end.

    Parameters
    ----------
    max_body_bytes
        Largest body read, packed and unpacked alike.
    """

    __slots__ = ("_body_bytes", "_first", "_max_body_bytes", "_rest", "head", "lines", "refusal")

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self.lines: list[bytes] = []
        self.clear()

    def clear(self) -> None:
        """Forget everything, for the next answer; `lines` stays the same list."""
        self.head: Head | None = None
        self.refusal: TectonError | None = None
        self.lines.clear()
        self._first = b""
        self._rest: io.BytesIO | None = None
        self._body_bytes = 0

    @property
    def is_untouched(self) -> bool:
        """Whether not one byte has come yet."""
        return not self.lines and not self._body_bytes

    def take_body(self, part: bytes) -> int | None:
        """Take one part of the body; `ABORT` if it grows beyond the limit, or its head is refused or missing."""
        if not self._body_bytes and not self.read_head():
            return ABORT
        self._body_bytes += len(part)
        if self._body_bytes > self._max_body_bytes:
            self.refusal = too_large(self._max_body_bytes)
            return ABORT
        self._keep(part)
        if self.head is None and not _GREETING_BEGUN.fullmatch(self._raw()):
            self.refusal = self.headless()
            return ABORT
        return None

    def read_head(self) -> bool:
        """Read the lines of the head; false if the answer is refused for them."""
        try:
            self.head = _final_head(self.lines, self._max_body_bytes)
        except TectonError as error:
            self.refusal = error
        return self.refusal is None

    def headless(self) -> ProtocolError | None:
        """Return the error for bytes that came without a head; `None` if none came."""
        return _headless(self._raw()) if self._body_bytes and self.head is None else None

    def body(self) -> bytes:
        """Return the whole body, unpacked.

        Raises
        ------
        DecodeError
            If it cannot be unpacked; `ResponseTooLargeError` if it is too large unpacked.
        """
        packed_as = self.head.packed_as if self.head else None
        body = self._raw()
        return unpacked(body, packed_as, self._max_body_bytes) if packed_as else body

    def _raw(self) -> bytes:
        return self._rest.getvalue() if self._rest else self._first

    def _keep(self, part: bytes) -> None:
        # Nearly every body comes in one part, which needs no copy.
        if not self._first:
            self._first = part
        else:
            self._rest = self._rest or io.BytesIO(self._first)
            self._rest.seek(0, io.SEEK_END)
            self._rest.write(part)


# By text and limit; engines share it, and what two of them lose to each other is read again.
_HEADS: Final[dict[tuple[bytes, int], Head]] = {}


def _final_head(lines: list[bytes], max_body_bytes: int) -> Head | None:
    """Return the last whole head; `None` if there is none but interim ones."""
    text = b"".join(lines)
    if len(text) > MAX_HEAD_BYTES:
        raise head_too_large()
    known = _HEADS.get((text, max_body_bytes))
    if known is not None:
        return known
    head = _read(lines, max_body_bytes)
    if head is not None and len(text) <= _REMEMBERED_BYTES:
        if len(_HEADS) >= _REMEMBERED_HEADS:
            _HEADS.clear()
        _HEADS[text, max_body_bytes] = head
    return head


def _read(lines: list[bytes], max_body_bytes: int) -> Head | None:
    final = None
    for block in _blocks(lines):
        # A proxy's answer to CONNECT and interim answers are heads of their own; what follows a body are trailers.
        if final is not None and not block[:1][0].startswith(b"HTTP/"):
            break
        head = _parse_head(block, max_body_bytes)
        if head.status >= 200:
            final = head
    return final


def _blocks(lines: list[bytes]) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    for line in lines:
        if line in _BLANK:
            yield block or [b""]
            block = []
        else:
            block.append(line)


def head_too_large() -> ResponseTooLargeError:
    """Return the error for a head beyond the limit."""
    return ResponseTooLargeError(
        f"The answer has more or larger headers than are read (at most {MAX_HEAD_BYTES:,} bytes in all). "
        "It may not be a feature server; check the address."
    )


def _parse_head(lines: list[bytes], max_body_bytes: int) -> Head:
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None:
        raise _not_http(f"its first line is {_quoted(lines[0])}")
    status = int(match[1])
    if status == 101 or not 100 <= status <= 599:
        raise _not_http(f"its status is {status}")
    headers = _parse_headers(lines[1:])
    reason = (match[2] or b"").decode("latin-1")
    framing = _framing(headers)
    _check_transfer(framing["transfer-encoding"])
    packed_as = packing(framing["content-encoding"]) if framing["content-encoding"] else None
    if status >= 200:
        _check_length(set(framing["content-length"]), max_body_bytes)
    keeps_connection = _keeps_connection(framing, is_old=lines[0].startswith(b"HTTP/1.0"))
    if not framing["content-encoding"]:
        return Head(status, reason, headers, None, keeps_connection)
    plain = tuple(header for header in headers if header[0].lower() not in {"content-encoding", "content-length"})
    return Head(status, reason, plain, packed_as, keeps_connection)


def _keeps_connection(framing: dict[str, list[str]], *, is_old: bool) -> bool:
    """Return whether the answer says where it ends, and that another one may follow."""
    has_end = framing["content-length"] or framing["transfer-encoding"]
    said = ",".join(framing["connection"]).lower()
    return bool(has_end) and ("keep-alive" in said if is_old else "close" not in said)


def _framing(headers: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """Return the values of the headers that say where the body ends and what it is packed as."""
    found: dict[str, list[str]] = {name: [] for name in _FRAMING}
    for name, value in headers:
        # By its length first: most names are none of them.
        if len(name) in _FRAMING_LENGTHS and (values := found.get(name.lower())) is not None:
            values.append(value)
    return found


def _parse_headers(lines: list[bytes]) -> tuple[tuple[str, str], ...]:
    found = _HEADER_LINES.findall(b"".join(lines).decode("latin-1"))
    if len(found) < len(lines):
        bad = next(line for line in lines if not _HEADER_LINES.fullmatch(line.decode("latin-1")))
        raise _not_http(f"one of its headers is {_quoted(bad)}")
    return tuple([(name, value.strip(" \t")) for name, value in found])


def _check_length(lengths: set[str], limit: int) -> None:
    if not lengths:
        return
    if len(lengths) > 1:
        raise _not_http("it states two lengths")
    length = lengths.pop()
    # Older libcurls take "2, 5" for 2 and would leave three bytes for the next answer.
    if not (length.isascii() and length.isdigit()):
        raise _not_http(f"it states the length {quoted(length)}")
    # Longer than any number of 64 bits; int() refuses thousands of digits.
    if len(length) > 19 or int(length) > limit:
        raise too_large(limit)


def _check_transfer(encodings: list[str]) -> None:
    said = ",".join(encodings)
    # Older libcurls read a body of an encoding they do not know up to the end of the connection.
    if said and not {word.strip().lower() for word in said.split(",")} <= {"", "chunked", "identity"}:
        raise _not_http(f"it transfers its body as {quoted(said)}")


def _not_http(reason: str) -> ProtocolError:
    return ProtocolError(f"What answers is not a proper HTTP server: {reason}. Check host and port of the address.")


def _headless(came: bytes) -> ProtocolError:
    first, _, _ = came.partition(b"\n")
    error = _not_http(f"its first line is {_quoted(first)}")
    error.is_noise = not _GREETING.match(came)
    return error


def _quoted(line: bytes) -> str:
    return quoted(line.rstrip(b"\r\n").decode("latin-1"))
