"""What libcurl's error codes mean, in plain words and as our exceptions.

Codes: https://curl.se/libcurl/c/libcurl-errors.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pycurl

from ..exceptions import (
    CertificateError,
    ConnectionFailedError,
    DeadlineExceededError,
    InputError,
    ProtocolError,
    TectonError,
    full_stop,
    quoted,
    shown,
)
from .content import too_large
from .reply import head_too_large

_MALFORMED_URL: Final = 3
CUT_OFF: Final = 18
DEADLINE: Final = 28
# The server closed, the request could not be sent, the answer could not be read; or it is no HTTP, which on a kept
# connection is mostly what was left over of the answer before, and libcurl does not show the bytes there.
_BROKEN: Final = frozenset({8, 52, 55, 56})
_NOT_HTTP: Final = frozenset({1, 8, 16, 61, 92})
_CERTIFICATE: Final = frozenset({35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98})
_TOO_LARGE: Final = 63
_LINE_TOO_LARGE: Final = 100

# What OpenSSL, LibreSSL, Schannel and libcurl say, in lower case, and what it means for the user.
_CERTIFICATE_WORDS: Final = (
    (
        ("has expired", "not yet valid"),
        "its certificate is out of date. Check this computer's clock; if it is right, tell whoever runs the server.",
    ),
    (
        ("no alternative certificate", "does not match", "sni or certificate check"),
        "its certificate is for another host. Check the address.",
    ),
    (
        ("issuer", "self-signed", "self signed", "unknown ca"),
        "its certificate is signed by an authority this computer does not know. If your company "
        "runs its own authority, set SSL_CERT_FILE to the file with its certificate.",
    ),
    (
        ("wrong version number", "packet length too long", "http request", "record layer"),
        "it does not speak TLS there. Check the port of the address.",
    ),
    (
        ("unsupported protocol", "protocol version", "no protocols", "inappropriate fallback"),
        "it speaks only an outdated version of TLS. Tell whoever runs the server.",
    ),
    (
        ("cafile", "ca cert", "verify locations", "adding trust anchors", "setting certificate"),
        "the file of trusted authorities cannot be read. Check SSL_CERT_FILE.",
    ),
)
_DROPPED_WORDS: Final = ("reset by peer", "connection was reset", "unexpected eof", "syscall", "broken pipe")
_MALFORMED_WORDS: Final = ("chunk", "malformed", "illegal", "hexadecimal")
_HEAD_WORDS: Final = ("too large response header", "too many response header", "header line")
_REASONS: Final = {
    5: "the name of the proxy is unknown. Check HTTPS_PROXY",
    6: "its name is unknown. Check the address and the network",
    7: "the connection was refused or the network does not reach it. Check address, port and network",
    CUT_OFF: "the answer was cut off. Try again",
    52: "the connection was closed without an answer. Try again",
    55: "the connection was closed while the request was sent. Try again",
    56: "the connection was closed while the answer was read. Try again",
    97: "the proxy does not pass the request on. Check HTTPS_PROXY",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What libcurl knows of a transfer that failed.

    Parameters
    ----------
    code, message
        As libcurl states them.
    url
        Where the request went; only its host enters a sentence.
    seconds
        How long the transfer took.
    phase
        What it was doing, such as ``waiting for the answer``.
    os_errno
        Error number of the operating system; 0 if there is none.
    max_body_bytes
        Largest body read.
    """

    code: int
    message: str
    url: str
    seconds: float
    phase: str
    os_errno: int
    max_body_bytes: int


def is_broken(code: int, message: str) -> bool:
    """Return whether a transfer failed in a way that a connection which had died before would explain."""
    return code in _BROKEN and not _says(message.lower(), _HEAD_WORDS)


def error_for(failure: Failure) -> TectonError:
    """Return the exception for a failed transfer, with libcurl's own as its cause."""
    error = _error(failure)
    error.__cause__ = pycurl.error(failure.code, failure.message)
    return error


def _error(failure: Failure) -> TectonError:
    code, said = failure.code, failure.message.lower()
    host = shown(urlsplit(failure.url).netloc)
    if code == _MALFORMED_URL:
        return InputError(f"Cannot send to the URL {quoted(failure.url)}: {full_stop(shown(failure.message, 200))}")
    if code == DEADLINE:
        return DeadlineExceededError(
            f"No complete answer from {host} within {failure.seconds:.3g} s; "
            f"the time ran out while {failure.phase}. Try again, or allow more time."
        )
    if code in _CERTIFICATE and not _says(said, _DROPPED_WORDS):
        return CertificateError(f"Cannot trust {host}: {_certificate_reason(failure)}")
    if code == _TOO_LARGE:
        return too_large(failure.max_body_bytes)
    if code == _LINE_TOO_LARGE or _says(said, _HEAD_WORDS):
        return head_too_large()
    if code in _NOT_HTTP or (code == 56 and _says(said, _MALFORMED_WORDS)):
        return ProtocolError(
            f"What answers at {host} is not a proper HTTP server ({shown(failure.message, 200)}). "
            "Check host and port of the address."
        )
    return ConnectionFailedError(f"Cannot reach {host}: {_reason(failure)}")


def _says(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _certificate_reason(failure: Failure) -> str:
    said = failure.message.lower()
    for words, meaning in _CERTIFICATE_WORDS:
        if _says(said, words):
            return meaning
    return full_stop(shown(failure.message, 200))


def _reason(failure: Failure) -> str:
    reason = _REASONS.get(failure.code) or shown(failure.message, 200)
    cause = f" ({os.strerror(failure.os_errno)})" if failure.os_errno else ""
    return full_stop(reason) if not cause else full_stop(reason.replace(". ", f"{cause}. ", 1))
