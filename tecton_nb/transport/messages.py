"""What goes to the engine and what comes back: one request, one answer, its times."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .secret import Secret


@dataclass(frozen=True, slots=True)
class HttpRequest:
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


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each phase of one exchange took, in seconds, by libcurl's own clock.

    The phases do not overlap. On a kept connection the first three are zero. What is missing from
    `total_seconds` is the time it took to read the rest of the answer.

    Parameters
    ----------
    started_at
        When the transfer began, in UTC; time in the engine's queue is before it.
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

    started_at: datetime
    name_lookup_seconds: float
    connect_seconds: float
    tls_seconds: float
    first_byte_seconds: float
    total_seconds: float
    is_new_connection: bool


@dataclass(frozen=True, slots=True)
class HttpAnswer:
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
    """

    # No repr of what a server may have filled with the API key: tracebacks may show locals.
    status: int
    reason: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    timing: Timing

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case, or `None`."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)
