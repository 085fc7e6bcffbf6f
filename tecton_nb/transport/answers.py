"""An HTTP answer becomes the result of its call or the exception that says what went wrong.

The status decides the class, whatever the body is; the body only adds words to it.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TypeVar

from ..exceptions import (
    HTTP_ERRORS,
    DecodeError,
    NotFoundError,
    RedirectRefusedError,
    TectonHttpException,
    full_stop,
    quoted,
    shown,
)
from ..wire.requests import Locator
from ..wire.responses import read_error_body
from .calls import Call
from .messages import HttpAnswer
from .scrub import scrubbed, without_key
from .secret import Secret

T = TypeVar("T")
_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
# How much of a foreign page is looked at for its title.
_READ = 65_536


def read_answer(call: Call[T], answer: HttpAnswer, key: Secret | None = None) -> T:
    """Return what a successful answer says.

    Parameters
    ----------
    key
        The API key that was sent; it is struck from any error text that repeats it.

    Raises
    ------
    TectonHttpException
        If the status is no success; the subclass follows from the status alone.
    DecodeError
        If the body of a success is not what the call answers.
    """
    if not 200 <= answer.status < 300:
        raise http_error(answer, call.locator, key)
    try:
        return call.read(answer)
    except DecodeError as error:
        unreadable = readable(error, answer, key)
    # Raised out here: the first error and the frames behind it hold the body as it came.
    raise unreadable


def http_error(answer: HttpAnswer, locator: Locator | None, key: Secret | None) -> TectonHttpException:
    """Return the exception for an answer that is no success."""
    reason = scrubbed(answer.reason, key) or _standard_reason(answer.status)
    if 300 <= answer.status < 400:
        target = scrubbed(answer.header("Location") or "", key)
        return RedirectRefusedError(answer.status, reason, f"it points to {quoted(target, 200)}")
    said = read_error_body(answer.body)
    kind = HTTP_ERRORS.get(answer.status, TectonHttpException)
    error = kind(
        answer.status,
        reason,
        scrubbed(said.message, key) if said else "",
        code=said.code if said else None,
        retry_after_seconds=_seconds(answer.header("Retry-After")),
    )
    if said is None and answer.body.strip():
        error.sentence = _foreign_text(answer, key)
    elif isinstance(error, NotFoundError) and locator is not None:
        error.sentence = unknown_service(error, locator)
    return error


def unknown_service(error: NotFoundError, locator: Locator, hint: str = "") -> str:
    """Return the sentence for a service the server does not know; `hint` may name a likelier one."""
    said = f" It says: {full_stop(shown(error.message, 500))}" if error.message else ""
    return f"The server knows no {locator} ({error.status_code}).{hint}{said}"


def readable(error: DecodeError, answer: HttpAnswer, key: Secret | None) -> DecodeError:
    """Return the error for an answer that cannot be read as a user should see it: no key, and pages named as such."""
    if type(error) is DecodeError and answer.body.lstrip()[:1] == b"<":
        return DecodeError(_foreign_text(answer, key), error.where)
    return without_key(error, key)


def _foreign_text(answer: HttpAnswer, key: Secret | None) -> str:
    # Struck out before it is cut: half a key would not be found.
    text = scrubbed(answer.body[:_READ].decode("utf-8", "replace"), key)
    title = _TITLE.search(text)
    start = (title.group(1) if title else text).strip()
    shape = "title" if title else "first characters"
    return (
        f"The server answered {answer.status} with text that is not JSON ({shape}: "
        f"{quoted(start)}). It may be a proxy or a login page; try again or check the address."
    )


def _standard_reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and re.fullmatch(r"[0-9]{1,9}", retry_after) else None
