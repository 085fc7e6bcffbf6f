"""The kinds of faults on the way of an answer: late, refused, broken off, garbled, sent twice."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus
from typing import Annotated, ClassVar, TypeAlias

from ...wire.errors import write_error_body
from ..http.connection import raw_answer
from .fields import OPTIONAL_TEXT, SECONDS, Arrival, Check, Fault, check_fields, is_number, is_whole, one_of

_JSON, _HTML = "application/json", "text/html"
_GRPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 501: 12, 502: 14, 503: 14, 504: 4}
_UNKNOWN_CODE = 2
_SAID = {503: "503 Service Temporarily Unavailable", 504: "Timed out"}
_LIMITED = {"get-features": "GetFeatures", "get-features-batch": "GetFeaturesBatch", "metadata": "Metadata"}
_INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"


class End(Enum):
    """How a connection ends."""

    CLOSE = "close"
    RESET = "reset"


# Bytes are sent, a number is how many seconds to wait.
Step: TypeAlias = bytes | float | End


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer before it is sent."""

    status: int
    body: bytes
    headers: dict[str, str]

    def head(self, length: int | None = None) -> bytes:
        """Return everything before the body, which is announced as `length` bytes long."""
        dated = {"Date": formatdate(time.time(), usegmt=True), **self.headers}
        return raw_answer(self.status, b"", dated, length=len(self.body) if length is None else length)

    def sent(self) -> bytes:
        """Return the whole answer."""
        return self.head() + self.body

    def split(self, after: str) -> tuple[bytes, bytes]:
        """Return the answer in two parts, the first of them ``nothing``, the ``headers``, or these and ``half``."""
        if after == "nothing":
            return b"", self.sent()
        place = 0 if after == "headers" else len(self.body) // 2
        return self.head() + self.body[:place], self.body[place:]


@dataclass(frozen=True, slots=True)
class Uniform:
    """Seconds between `low` and `high`, all equally likely."""

    low: Annotated[float, SECONDS]
    high: Annotated[float, SECONDS]

    def __post_init__(self) -> None:
        check_fields(self, "The distribution 'uniform'")

    def draw(self, source: random.Random) -> float:
        """Return one draw."""
        return source.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Seconds around `median`, with a tail to the right that grows with `sigma`."""

    median: Annotated[float, SECONDS]
    sigma: Annotated[float, Check(is_number, "a number, 0 or more")] = 0.5

    def __post_init__(self) -> None:
        check_fields(self, "The distribution 'lognormal'")

    def draw(self, source: random.Random) -> float:
        """Return one draw."""
        return self.median * source.lognormvariate(0.0, self.sigma)


DISTRIBUTIONS: dict[str, type[Uniform | Lognormal]] = {"uniform": Uniform, "lognormal": Lognormal}
_DELAY = Check(
    lambda value: is_number(value) or isinstance(value, Uniform | Lognormal),
    "seconds, 0 or more, or the distribution 'uniform' or 'lognormal'",
)
_PLACE = one_of("nothing", "headers", "half")
_STATUS = Check(lambda value: is_whole(value) and 400 <= value <= 599, "a status from 400 to 599")
_REDIRECT = Check(lambda value: value in (301, 302, 303, 307, 308), "one of 301, 302, 303, 307, 308")
_LOCATION = Check(
    lambda value: isinstance(value, str) and value.isascii() and value.isprintable() and value != "", "an ASCII address"
)
_WAIT = Check(lambda value: value is None or is_number(value), "seconds, 0 or more")
_SKEW = Check(lambda value: is_whole(value) or isinstance(value, float), "seconds")
_BYTES = Check(lambda value: is_whole(value) and value > 0, "a number of bytes above 0")
_DIFFERENCE = Check(lambda value: is_whole(value) and value != 0, "a number of bytes, not 0")


@dataclass(frozen=True)
class AddedLatency(Fault):
    """The answer comes later than it would.

    Parameters
    ----------
    seconds
        How much later: always the same, or drawn from `Uniform` or `Lognormal`. With a `view`, the
        reads of this view take longer, as the answer's SLO information says too; without one, the
        way to the server does.
    """

    kind: ClassVar[str] = "latency"
    seconds: Annotated[float | Uniform | Lognormal, _DELAY]

    @property
    def is_in_view(self) -> bool:
        """Whether reads of a view are late, and not the way to the server."""
        return self.view != "*"

    def drawn(self, source: random.Random) -> float:
        """Return how many seconds it is this time."""
        return self.seconds.draw(source) if isinstance(self.seconds, Uniform | Lognormal) else self.seconds


@dataclass(frozen=True)
class Ending(Fault):
    """A fault that decides how the answer goes out; of several that hit one request the first does."""

    is_ending: ClassVar[bool] = True

    def replaced(self, arrival: Arrival) -> RawAnswer | None:  # noqa: ARG002
        """Return what is answered in place of the server's answer, `None` to keep it."""
        return None

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:  # noqa: ARG002
        """Return how the answer is sent."""
        return [answer.sent()]


@dataclass(frozen=True)
class ErrorStatus(Ending):
    """An error is answered instead.

    Parameters
    ----------
    status
        Such as 429, 500, 503 or 504.
    body
        ``json`` as the feature server words it, ``html`` as a proxy does, or ``empty``.
    message
        Text of the body, instead of the documented one.
    retry_after
        Seconds for the Retry-After header; `None` leaves it out.
    retry_after_as
        ``seconds``, or ``date`` for an HTTP date.
    clock_skew_seconds
        How far the server's clock, in its Date header and in that date, is ahead.
    """

    kind: ClassVar[str] = "status"
    status: Annotated[int, _STATUS]
    body: Annotated[str, one_of("json", "html", "empty")] = "json"
    message: Annotated[str | None, OPTIONAL_TEXT] = None
    retry_after: Annotated[float | None, _WAIT] = None
    retry_after_as: Annotated[str, one_of("seconds", "date")] = "seconds"
    clock_skew_seconds: Annotated[float, _SKEW] = 0.0

    @property
    def label(self) -> str:
        """What it is counted under, such as ``status 503``."""
        return self.name or f"{self.kind} {self.status}"

    def replaced(self, arrival: Arrival) -> RawAnswer:
        """Return the error answer."""
        said = self.message or _said(self.status, arrival.operation)
        code = _GRPC_CODES.get(self.status, _UNKNOWN_CODE)
        bodies = {"json": write_error_body(said, code), "html": _page(f"{self.status} {_phrase(self.status)}")}
        headers = {"Date": self._date(0.0), "Content-Type": _HTML if self.body == "html" else _JSON}
        if self.retry_after is not None:
            as_seconds = self.retry_after_as == "seconds"
            wait = f"{self.retry_after:.3f}".rstrip("0").rstrip(".")
            headers["Retry-After"] = wait if as_seconds else self._date(self.retry_after)
        return RawAnswer(self.status, bodies.get(self.body, b""), headers)

    def _date(self, later: float) -> str:
        return formatdate(time.time() + self.clock_skew_seconds + later, usegmt=True)


@dataclass(frozen=True)
class Redirect(Ending):
    """The client is sent elsewhere.

    Parameters
    ----------
    location
        Where to.
    status
        301, 302, 303, 307 or 308.
    """

    kind: ClassVar[str] = "redirect"
    location: Annotated[str, _LOCATION]
    status: Annotated[int, _REDIRECT] = 307

    def replaced(self, arrival: Arrival) -> RawAnswer:  # noqa: ARG002
        """Return the redirect."""
        return RawAnswer(self.status, b"", {"Location": self.location})


@dataclass(frozen=True)
class Stall(Ending):
    """The server falls silent, and goes on later.

    Parameters
    ----------
    seconds
        For how long.
    after
        ``nothing``, the ``headers``, or these and ``half`` of the body.
    """

    kind: ClassVar[str] = "stall"
    seconds: Annotated[float, SECONDS] = 60.0
    after: Annotated[str, _PLACE] = "nothing"

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:  # noqa: ARG002
        """Return how the answer is sent."""
        first, rest = answer.split(self.after)
        return [first, float(self.seconds), rest]


@dataclass(frozen=True)
class Reset(Ending):
    """The connection is reset.

    Parameters
    ----------
    after
        ``nothing``, the ``headers``, or these and ``half`` of the body.
    """

    kind: ClassVar[str] = "reset"
    after: Annotated[str, _PLACE] = "nothing"

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:  # noqa: ARG002
        """Return how the answer is sent."""
        return [answer.split(self.after)[0], End.RESET]


@dataclass(frozen=True)
class EarlyClose(Ending):
    """The connection is closed in good order before the answer is complete.

    Parameters
    ----------
    after
        ``nothing``, the ``headers``, or these and ``half`` of the body.
    """

    kind: ClassVar[str] = "close"
    after: Annotated[str, _PLACE] = "half"

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:  # noqa: ARG002
        """Return how the answer is sent."""
        return [answer.split(self.after)[0], End.CLOSE]


@dataclass(frozen=True)
class Garbage(Ending):
    """The status promises an answer, and the body is none.

    Parameters
    ----------
    content
        ``cut-json`` for the first half of the answer, ``random`` for bytes, ``html`` for a login
        page, ``empty`` for nothing. The length that is announced is right.
    """

    kind: ClassVar[str] = "garbage"
    content: Annotated[str, one_of("cut-json", "random", "html", "empty")] = "cut-json"

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:
        """Return how the answer is sent."""
        bodies = {
            "cut-json": answer.body[: len(answer.body) // 2],
            # The first byte begins no JSON text, whatever the others are.
            "random": b"\xff" + source.randbytes(max(len(answer.body), 1) - 1),
            "html": _page("Please log in"),
        }
        kind = _HTML if self.content == "html" else answer.headers.get("Content-Type", _JSON)
        garbled = replace(answer, body=bodies.get(self.content, b""), headers={**answer.headers, "Content-Type": kind})
        return [garbled.sent()]


@dataclass(frozen=True)
class WrongLength(Ending):
    """Content-Length is not the length of the body.

    Parameters
    ----------
    difference
        Above 0: so many bytes more are announced than come before the connection closes. Below 0:
        so many come after the announced end, on a connection that stays open.
    """

    kind: ClassVar[str] = "wrong-length"
    difference: Annotated[int, _DIFFERENCE] = 16

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:  # noqa: ARG002
        """Return how the answer is sent."""
        whole: Step = answer.head(max(len(answer.body) + self.difference, 0)) + answer.body
        return [whole, End.CLOSE] if self.difference > 0 else [whole]


@dataclass(frozen=True)
class DoubleAnswer(Ending):
    """The answer is sent twice, so that the next request on the connection finds a left-over."""

    kind: ClassVar[str] = "double"

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:  # noqa: ARG002
        """Return how the answer is sent."""
        return [answer.sent() * 2]


@dataclass(frozen=True)
class Drip(Ending):
    """The answer comes in small pieces.

    Parameters
    ----------
    size
        Bytes a piece.
    seconds
        Between two pieces.
    part
        ``body``, or ``interim`` for as many interim answers (103) before the whole answer.
    """

    kind: ClassVar[str] = "drip"
    size: Annotated[int, _BYTES] = 1
    seconds: Annotated[float, SECONDS] = 0.05
    part: Annotated[str, one_of("body", "interim")] = "body"

    def steps(self, answer: RawAnswer, source: random.Random) -> list[Step]:  # noqa: ARG002
        """Return how the answer is sent."""
        pieces = [answer.body[start : start + self.size] for start in range(0, len(answer.body), self.size)]
        if self.part == "interim":
            pieces = [_INTERIM] * len(pieces)
        dripped: list[Step] = [step for piece in pieces for step in (float(self.seconds), piece)]
        return [*dripped, answer.sent()] if self.part == "interim" else [answer.head(), *dripped]


def _said(status: int, operation: str) -> str:
    if status == 429:
        return f"{_LIMITED.get(operation, operation)} exceeded the concurrent request limit."
    return _SAID.get(status, _phrase(status))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in frozenset(HTTPStatus) else "Unknown"


def _page(title: str) -> bytes:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n"
        f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    ).encode()
