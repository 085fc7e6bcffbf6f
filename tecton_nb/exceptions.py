"""Every exception of the package, and how foreign text is shown in a sentence.

::

    TectonError
    ├── TectonHttpException          the server answered with an error status
    │   ├── BadRequestError          400
    │   ├── UnauthorizedError        401
    │   ├── ForbiddenError           403
    │   ├── NotFoundError            404
    │   ├── ResourceExhaustedError   429
    │   ├── InternalServerError      500
    │   ├── ServiceUnavailableError  503
    │   ├── GatewayTimeoutError      504
    │   └── RedirectRefusedError     3xx: nothing is ever sent to another address
    ├── ConnectionFailedError        no answer: name look-up, refused, reset, cut off
    │   └── CertificateError         the server could not prove who it is
    ├── DeadlineExceededError        no complete answer within the deadline
    ├── ProtocolError                the answer is not HTTP
    ├── DecodeError                  the answer cannot mean what it says
    │   ├── ResponseTooLargeError    the answer is larger than we read
    │   └── ScrapeFormatError        a metrics page that is none
    ├── BatchStoppedError            the run ended before this row was asked for
    ├── LedgerError                  a resume file that cannot be used or written
    ├── InputError                   rows, keys or options that cannot be sent
    └── SettingsError                address, API key, profile, definitions

`TectonHttpException`, its three arguments and the names under it are those of the official
client, so code that catches them keeps working; 500 and redirects have no name of their own
there. Every exception can be pickled.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

MESSAGE_LIMIT = 2_000
# Comparing two texts takes time by the product of their lengths.
_NAME_LIMIT = 200


class TectonError(Exception):
    """Root of every exception this package raises on purpose."""


class TectonHttpException(TectonError):
    """The server answered with an error status.

    Parameters
    ----------
    status_code
        HTTP status, such as 404.
    reason_phrase
        Text of the status line, such as ``Not Found``.
    message
        What the server says about it; empty if it says nothing.
    code
        gRPC code of the error body. Kept apart from the status: neither follows from the other.
    retry_after_seconds
        How long the server asks to wait, if it does.
    sentence
        What ``str`` shows instead of the sentence made from the first three.
    """

    hint = ""
    # Said only where the server says nothing: its own text explains the same.
    hint_if_silent = ""

    def __init__(
        self,
        status_code: int,
        reason_phrase: str,
        message: str,
        *,
        code: int | None = None,
        retry_after_seconds: float | None = None,
        sentence: str | None = None,
    ) -> None:
        super().__init__(status_code, reason_phrase, message)
        self.status_code = status_code
        self.reason_phrase = reason_phrase
        self.message = message
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.sentence = sentence

    def __str__(self) -> str:
        if self.sentence is not None:
            return self.sentence
        status = shown(f"{self.status_code} {self.reason_phrase or ''}".strip(), 80)
        said = f": {shown(message)}" if (message := str(self.message or "").strip()) else ""
        hints = (self.hint, "" if said else self.hint_if_silent)
        return " ".join(filter(None, (f"The server answered {full_stop(status + said)}", *hints)))


class BadRequestError(TectonHttpException):
    """400: the server cannot use the request."""

    hint = "Compare the keys and values sent with the service's metadata."


class UnauthorizedError(TectonHttpException):
    """401: the API key is missing or unknown."""

    hint = "Check the API key."
    hint_if_silent = "A new key can take up to 60 seconds until it works."


class ForbiddenError(TectonHttpException):
    """403: the API key may not read this workspace."""

    hint = "Check the workspace and the roles of the key's service account."
    hint_if_silent = "It needs the Consumer role; a new role can take up to 60 seconds until it works."


class NotFoundError(TectonHttpException):
    """404: no such feature service, workspace or address."""

    hint = "Check the names of the feature service and of the workspace."


class ResourceExhaustedError(TectonHttpException):
    """429: too many requests at once."""

    hint = "Send fewer requests at once, or try again later."


class InternalServerError(TectonHttpException):
    """500: the server failed."""


class ServiceUnavailableError(TectonHttpException):
    """503: the server or its store is down or overloaded."""

    hint = "Try again in a moment."


class GatewayTimeoutError(TectonHttpException):
    """504: the server took longer than its own limit (2 seconds)."""

    hint = "Try again, or ask for less in one request."


class RedirectRefusedError(TectonHttpException):
    """3xx: the server points elsewhere; the API key and the join keys are not sent there."""

    hint = "Redirects are not followed; set the address of the feature server itself."


class ConnectionFailedError(TectonError):
    """No answer: the name is unknown, or the connection was refused, reset or cut off."""


class CertificateError(ConnectionFailedError):
    """The server could not prove that it is the host of the address."""


class DeadlineExceededError(TectonError):
    """No complete answer came within the deadline."""


class ProtocolError(TectonError):
    """What came back is not an HTTP answer.

    Attributes
    ----------
    is_noise
        Whether it is not even a line of text, as another service would greet: damaged on the way, perhaps.
    """

    is_noise = False


class DecodeError(TectonError, ValueError):
    """The answer cannot be read as what it claims to be.

    Parameters
    ----------
    message
        The whole sentence.
    where
        Place in the body, such as ``result.features[3]``.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message, where)
        self.where = where

    def __str__(self) -> str:
        return str(self.args[0])


class ResponseTooLargeError(DecodeError):
    """The answer is larger than the client is willing to read."""


class ScrapeFormatError(DecodeError):
    """The text is no metrics page that Prometheus or OpenMetrics tools could read."""


class BatchStoppedError(TectonError):
    """The run ended before this row was asked for: the server is down, or every row would meet the same error."""


class LedgerError(TectonError):
    """The resume file of a bulk run cannot be used or written."""


class InputError(TectonError, ValueError):
    """Rows, join keys, request context or options cannot be sent as they are."""


class SettingsError(TectonError, ValueError):
    """The address, the API key, a profile or a definition cannot be used."""


HTTP_ERRORS: dict[int, type[TectonHttpException]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    429: ResourceExhaustedError,
    500: InternalServerError,
    503: ServiceUnavailableError,
    504: GatewayTimeoutError,
}


def shown(text: object, limit: int = MESSAGE_LIMIT) -> str:
    """Return foreign text as it may stand in a sentence: control and bidi characters escaped, cut at `limit`."""
    raw = _text(text)
    safe = "".join(c if c == " " or _is_printable(c) else _escape(c) for c in raw[:limit])
    return safe if len(raw) <= limit and len(safe) <= limit else safe[: limit - 1] + "…"


def quoted(value: object, limit: int = 80) -> str:
    """Return the value between single quotes, safe to print, its text at most `limit` characters long."""
    return f"'{shown(value, limit)}'"


def listed(names: Iterable[object], limit: int = 12) -> str:
    """Return the names quoted and separated by commas, the rest counted; ``none`` if there are none."""
    every = list(names)
    rest = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(quoted(name) for name in every[:limit]) + rest if every else "none"


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return `` Did you mean 'x'?`` for the known name closest to `name`, or an empty string."""
    names = [text for k in known if len(text := _text(k)) <= _NAME_LIMIT]
    close = difflib.get_close_matches(_text(name)[:_NAME_LIMIT], names, n=1, cutoff=0.6)
    return f" Did you mean {quoted(close[0])}?" if close else ""


def missing_column(what: str, name: object, found: Iterable[object]) -> InputError:
    """Return the error for a frame of `what` (in the plural) that lacks a column."""
    columns = list(found)
    return InputError(
        f"The {what} have no column {quoted(name)}. Columns found: {listed(columns)}.{did_you_mean(name, columns)}"
    )


def full_stop(text: str) -> str:
    """Return the text with a full stop at its end, unless it ends a sentence already."""
    return text if text.endswith((".", "?", "!", "…")) else text + "."


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # nested too deep, too many digits, or whatever a foreign __str__ raises
        return f"<{type(value).__name__}>"


def _is_printable(character: str) -> bool:
    # Cc and Cf hold the terminal and bidi controls, Cs the lone surrogates that no stream can encode.
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
