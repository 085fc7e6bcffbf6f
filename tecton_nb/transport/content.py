"""Packed bodies, unpacked without ever holding more than the limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from ..exceptions import DecodeError, ResponseTooLargeError, quoted

# Largest body read, packed and unpacked alike.
MAX_BODY_BYTES: Final = 16 * 2**20
_STEP: Final = 64 * 1024
# zlib's own numbering: 16 + 15 reads a gzip header, 15 a zlib header, -15 none.
_WINDOWS: Final = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


def packing(content_encodings: list[str]) -> str | None:
    """Return the one packing that a body has, or `None` if it is plain.

    Parameters
    ----------
    content_encodings
        Values of all ``Content-Encoding`` headers.

    Raises
    ------
    DecodeError
        If there are several on top of each other, or one other than gzip or deflate. The client
        asks for none.
    """
    names = [name.strip().lower() for value in content_encodings for name in value.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if not names:
        return None
    if len(names) > 1 or names[0] not in _WINDOWS:
        raise DecodeError(
            f"The answer is packed as {quoted(', '.join(names))}, which is not read; none was asked for. "
            "It may come from a proxy; check the address."
        )
    return names[0]


def unpacked(body: bytes, packed_as: str, limit: int) -> bytes:
    """Return the plain body.

    Raises
    ------
    DecodeError
        If it is not what it says, is cut off, or has bytes behind its end.
    ResponseTooLargeError
        If it is larger than `limit`; memory stays near the limit then.
    """
    if not body:
        return b""
    for window in _WINDOWS[packed_as]:
        try:
            return b"".join(_pieces(body, window, limit))
        except zlib.error as error:
            problem = error
    raise DecodeError(f"The answer says it is packed as {packed_as} but cannot be unpacked ({problem}).") from problem


def too_large(limit: int) -> ResponseTooLargeError:
    """Return the error for a body beyond the limit."""
    return ResponseTooLargeError(
        f"The answer is larger than the {limit:,} bytes that are read. Ask for fewer rows in one request."
    )


def _pieces(body: bytes, window: int, limit: int) -> Iterator[bytes]:
    packed = zlib.decompressobj(window)
    left, size = body, 0
    while not packed.eof:
        piece = packed.decompress(left, _STEP)
        left = packed.unconsumed_tail
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        if not piece and not left and not packed.eof:
            raise zlib.error("it is cut off")
        yield piece
    if packed.unused_data:
        raise zlib.error("there are bytes behind its end")
