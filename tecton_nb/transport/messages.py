"""What goes to the engine and what comes back: one request, one answer, its times.

Named tuples: of each there is one per row, and they are made three times as fast as frozen dataclasses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from .secret import Secret

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(r"[A-Za-z]{3,9},? [A-Za-z0-9 :-]{14,30}(?: GMT)?")


class HttpRequest(NamedTuple):
    """One request, complete but for the ``Authorization`` header.

    Parameters
    ----------
    method
        ``GET`` or ``POST``.
    url
        Absolute URL; plain ASCII.
    headers
        Name and value of each header. ``Host``, ``Content-Length`` and ``Authorization`` are not
        among them: the engine makes them.
    body
        Body of a ``POST``; `None` for a ``GET``.
    key
        API key, turned into a header only where the bytes are handed to libcurl.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    key: Secret | None = None


class Timing(NamedTuple):
    """How long each phase of one exchange took, in seconds, by libcurl's own clock.

    The phases do not overlap. On a kept connection the first three are zero. What is missing from
    `total_seconds` is the time it took to read the rest of the answer.

    Parameters
    ----------
    started_at_ns
        When the transfer began, in nanoseconds since the epoch; time in the engine's queue is before it.
    name_lookup_seconds
        Turning the host's name into an address.
    connect_seconds
        From there until TCP was connected (to the proxy, if there is one).
    tls_seconds
        From there until TLS was ready; zero for plain http.
    first_byte_seconds
        From a ready connection to the first byte of the answer: sending, the network, the server.
    total_seconds
        From the start to the last byte of the answer.
    is_new_connection
        Whether a connection was opened for it.
    """

    started_at_ns: int
    name_lookup_seconds: float
    connect_seconds: float
    tls_seconds: float
    first_byte_seconds: float
    total_seconds: float
    is_new_connection: bool

    @property
    def started_at(self) -> datetime:
        """When the transfer began, in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.started_at_ns // 1_000)


class HttpAnswer(NamedTuple):
    """One complete answer, whatever its status.

    Parameters
    ----------
    status
        200 to 599.
    reason
        Text of the status line; often empty.
    headers
        Name and value of each header in the order they came, without ``Content-Encoding`` where
        `body` was unpacked.
    body
        Whole body, unpacked.
    timing
        How long it took.
    doubtful_seconds
        For how long from now on it may turn out to be the answer to another request: it came on a kept connection,
        and only silence afterwards shows that nothing was left over there.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timing: Timing
    doubtful_seconds: float = 0.0

    def __repr__(self) -> str:
        # Nothing that a server may have filled with the API key: tracebacks may show locals.
        return f"HttpAnswer(status={self.status}, timing={self.timing})"

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case, or `None`."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


def http_date(text: str) -> datetime | None:
    """Return the moment that a date of HTTP names, `None` if it is none.

    Source: RFC 9110, section 5.6.7 (three forms of a date).
    """
    # The parser takes much that is no date.
    text = text.strip(" \t")
    if not _DATE.fullmatch(text):
        return None
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def sent_at(headers: Iterable[tuple[str, str]]) -> datetime | None:
    """Return when the server sent an answer with these headers, by its own clock; `None` if it does not say."""
    return next((http_date(value) for name, value in headers if name.lower() == "date"), None)
