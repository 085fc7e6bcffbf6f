"""Why an attempt failed, and what follows from it: how often to try again, and at what price.

Source of the table: the statuses and faults that other clients retry, and the faults of a feature server
behind a proxy, each with whether asking again can help.
"""

from __future__ import annotations

import json
import socket
import ssl
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import httpx
import pycurl

from ...exceptions import (
    CertificateError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ProtocolError,
    RedirectRefusedError,
    ResponseTooLargeError,
    SettingsError,
    TectonError,
    TectonHttpException,
)


class Cause(StrEnum):
    """Why an attempt failed."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    SERVER = "server"
    TIMEOUT = "timeout"
    ASLEEP = "asleep"
    CONNECTION = "connection"
    UNREACHABLE = "unreachable"
    GARBAGE = "garbage"
    NOISE = "noise"
    PROTOCOL = "protocol"
    DOUBTED = "doubted"
    PAGE = "page"
    REDIRECT = "redirect"
    CERTIFICATE = "certificate"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    SCHEMA = "schema"
    UNSENT = "unsent"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a cause.

    Parameters
    ----------
    retries
        How many times one row is tried again for this cause.
    cost
        What one retry takes from the `RetryQuota`.
    is_overload
        Whether fewer requests at once may help.
    is_outage
        Whether it counts against the server, as the `Breaker` sees it.
    stops_batch
        Whether every other row would meet it too.
    """

    retries: int = 0
    cost: int = 14
    is_overload: bool = False
    is_outage: bool = False
    stops_batch: bool = False


# A row that fails for one reason gets four at most, by its rule; different reasons are no property of the row.
MOST_ATTEMPTS: Final = 5

RULES: Final[dict[Cause, Rule]] = {
    Cause.THROTTLED: Rule(retries=3, cost=5, is_overload=True),
    Cause.UNAVAILABLE: Rule(retries=3, is_overload=True, is_outage=True),
    Cause.SERVER: Rule(retries=1, is_outage=True),
    Cause.TIMEOUT: Rule(retries=3, is_overload=True, is_outage=True),
    Cause.ASLEEP: Rule(retries=1, cost=0),
    Cause.CONNECTION: Rule(retries=3, is_outage=True),
    Cause.UNREACHABLE: Rule(retries=2, is_outage=True),
    Cause.GARBAGE: Rule(retries=2, is_outage=True),
    Cause.NOISE: Rule(retries=1, is_outage=True),
    Cause.PROTOCOL: Rule(is_outage=True),
    Cause.DOUBTED: Rule(retries=2, cost=1),
    Cause.PAGE: Rule(is_outage=True),
    Cause.REDIRECT: Rule(is_outage=True),
    Cause.CERTIFICATE: Rule(stops_batch=True),
    Cause.AUTH: Rule(stops_batch=True),
    Cause.NOT_FOUND: Rule(),
    Cause.BAD_REQUEST: Rule(),
    Cause.UNSUPPORTED: Rule(),
    Cause.TOO_LARGE: Rule(),
    Cause.SCHEMA: Rule(),
    Cause.UNSENT: Rule(),
    Cause.SETTINGS: Rule(stops_batch=True),
}

_BY_STATUS: Final = {
    401: Cause.AUTH,
    403: Cause.AUTH,
    404: Cause.NOT_FOUND,
    429: Cause.THROTTLED,
    500: Cause.SERVER,
    502: Cause.UNAVAILABLE,
    503: Cause.UNAVAILABLE,
    504: Cause.UNAVAILABLE,
}
# The first that fits counts, so a subclass stands before its parent.
_BY_TYPE: Final[tuple[tuple[type[TectonError], Cause], ...]] = (
    (RedirectRefusedError, Cause.REDIRECT),
    (CertificateError, Cause.CERTIFICATE),
    (DeadlineExceededError, Cause.TIMEOUT),
    (ResponseTooLargeError, Cause.TOO_LARGE),
    (SettingsError, Cause.SETTINGS),
)
# Name of the proxy, name of the host, connecting: nothing was sent.
_NOT_REACHED: Final = frozenset({5, 6, 7})
_HTTPX_CUT_OFF: Final = ("disconnected", "peer closed")
_BYTE_ORDER_MARKS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def classify(error: TectonError, body: bytes | None = None) -> Cause:
    """Return why an attempt failed.

    Parameters
    ----------
    error
        What the engine, `read_answer` or the columns raised for it.
    body
        Of the answer that `error` is about, if one came: it tells an answer damaged on the way, which is asked
        for again, from one that says the wrong thing, which would say it again.
    """
    for kind, cause in _BY_TYPE:
        if isinstance(error, kind):
            return cause
    if isinstance(error, TectonHttpException):
        return _BY_STATUS.get(error.status_code) or _of_status(error.status_code)
    if isinstance(error, ConnectionFailedError):
        return _of_connection(error)
    if isinstance(error, ProtocolError):
        return _of_protocol(error)
    if isinstance(error, DecodeError):
        return _of_body(error, body)
    return Cause.UNSENT


def _of_status(status: int) -> Cause:
    return Cause.BAD_REQUEST if status < 500 else Cause.UNSUPPORTED


def _of_connection(error: ConnectionFailedError) -> Cause:
    chain = list(_behind(error))
    # httpx calls a bad certificate a connection that failed; the reason stands some contexts deeper.
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain):
        return Cause.CERTIFICATE
    is_unreachable = _curl_code(error) in _NOT_REACHED or any(
        isinstance(each, httpx.ConnectError | socket.gaierror | ConnectionRefusedError) for each in chain
    )
    return Cause.UNREACHABLE if is_unreachable else Cause.CONNECTION


def _of_protocol(error: ProtocolError) -> Cause:
    cause = error.__cause__
    if isinstance(cause, httpx.DecodingError):
        return Cause.GARBAGE
    # httpx calls an answer that is cut off, or none at all, a violation of the protocol.
    if isinstance(cause, httpx.RemoteProtocolError) and any(word in str(cause) for word in _HTTPX_CUT_OFF):
        return Cause.CONNECTION
    return Cause.NOISE if error.is_noise else Cause.PROTOCOL


def _of_body(error: DecodeError, body: bytes | None) -> Cause:
    if isinstance(error.__cause__, zlib.error):
        return Cause.GARBAGE
    if body is None:
        return Cause.SCHEMA
    if body.lstrip()[:1] == b"<":
        return Cause.PAGE
    return Cause.GARBAGE if _is_damaged(body) else Cause.SCHEMA


def _is_damaged(body: bytes) -> bool:
    """Return whether the body is no one whole JSON text, in whatever encoding and however unusual its content."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if body.startswith(mark)), "utf-8")
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    text = text.strip()
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return True
    except (ValueError, RecursionError):
        # Too many digits, too deep: whole, and the same the next time.
        return False
    return end < len(text)


def _curl_code(error: TectonError) -> int | None:
    cause = error.__cause__
    return cause.args[0] if isinstance(cause, pycurl.error) and cause.args else None


def _behind(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
