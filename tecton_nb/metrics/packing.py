"""Numbers of a series as bytes in the history file, and back: bounded, so that no byte makes a gigabyte.

Values go through zlib as they are, bit for bit; shuffling their bytes first makes them larger (measured).
With pcodec they take a fifth less. Times are kept once for all series that share them.
"""

from __future__ import annotations

import zlib
from typing import Any, TypeAlias

import numpy as np

from ..exceptions import SettingsError, listed, quoted

try:
    import pcodec
    from pcodec import standalone
except ImportError:  # pragma: no cover  # an optional package
    pcodec = None

Times: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Values: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

CODECS = ("zlib", "pcodec")
# Numbers of one series in one day: one every 9 ms.
MOST_POINTS = 10_000_000
_ZLIB, _PCODEC = b"z", b"p"


class DamagedError(ValueError):
    """Bytes that hold no numbers; caught where the file is known."""


def check_codec(name: str) -> None:
    """Check that values can be written with a codec.

    Raises
    ------
    SettingsError
        If it is unknown or its package is not installed.
    """
    if name not in CODECS:
        raise SettingsError(f"There is no codec {quoted(name)}; choose one of {listed(CODECS)}.")
    if name == "pcodec" and pcodec is None:
        raise SettingsError('The package pcodec is not installed. Install it with: pip install "tecton-nb[pcodec]".')


def pack_values(values: Values, codec: str) -> bytes:
    """Return values as bytes; `unpack_values` gives them back bit for bit."""
    if codec == "pcodec":
        return _PCODEC + bytes(standalone.simple_compress(values, pcodec.ChunkConfig(compression_level=8)))
    return _ZLIB + zlib.compress(values.astype("<f8").tobytes(), 6)


def unpack_values(body: bytes, count: int) -> Values:
    """Return the `count` values that the bytes hold.

    Raises
    ------
    DamagedError
        If they hold others.
    SettingsError
        If they were written with a package that is not installed.
    """
    if body[:1] == _PCODEC:
        return _by_pcodec(body[1:], count)
    if body[:1] != _ZLIB:
        raise DamagedError("values of an unknown codec")
    return np.frombuffer(_inflated(body[1:], 8 * count), "<f8").astype(float)


def pack_times(times: Times) -> bytes:
    """Return increasing times as bytes; equal steps take next to nothing."""
    return zlib.compress(np.diff(times, prepend=0).astype("<i8").tobytes(), 6)


def unpack_times(body: bytes) -> Times:
    """Return the times that the bytes hold.

    Raises
    ------
    DamagedError
        If they hold none, too many, or do not increase.
    """
    raw = _inflated(body, None)
    times = np.cumsum(np.frombuffer(raw, "<i8"), dtype=np.int64)
    if (np.diff(times) <= 0).any():
        raise DamagedError("times that do not increase")
    return times


def _inflated(body: bytes, size: int | None) -> bytes:
    limit = 8 * MOST_POINTS if size is None else size
    engine = zlib.decompressobj()
    try:
        raw = engine.decompress(body, limit + 1)
    except zlib.error as error:
        raise DamagedError(str(error)) from None
    if not engine.eof or len(raw) > limit or len(raw) % 8 or (size is not None and len(raw) != size):
        raise DamagedError(f"{len(raw):,} bytes of numbers")
    return raw


def _by_pcodec(body: bytes, count: int) -> Values:
    if pcodec is None:
        check_codec("pcodec")
    values = np.empty(count)
    try:
        progress = standalone.simple_decompress_into(body, values)
    except RuntimeError as error:
        raise DamagedError(str(error)) from None
    if progress.n_processed != count or not progress.finished:
        raise DamagedError(f"{progress.n_processed:,} values")
    return values
