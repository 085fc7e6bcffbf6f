"""Error bodies: what a server says when it refuses, also under a status that promises an answer."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import DecodeError, listed, quoted
from .body import as_object, read_json, write_json
from .types import JsonObject, JsonValue, member


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error answer says: its text and its gRPC code."""

    message: str
    code: int | None = None


def read_error_body(body: bytes) -> ErrorBody | None:
    """Return what an error body says, `None` if it is no JSON object with a text; never raises."""
    try:
        return _error_body(read_json(body))
    except DecodeError:
        return None


def write_error_body(message: str, code: int) -> bytes:
    """Return an error body: the text under both of its names, and the gRPC code."""
    return write_json({"error": message, "message": message, "code": code})


def read_success(body: bytes, *expected: str) -> JsonObject:
    """Return the object of a body that came with status 200 and should have one of the expected members.

    Raises
    ------
    DecodeError
        If it is no JSON object, has none of the members, or is an error body after all.
    """
    message = as_object(read_json(body), "")
    error = _error_body(message) if "error" in message or {"message", "code"} <= message.keys() else None
    if error is not None:
        raise DecodeError(f"The server answered 200 with an error body: {quoted(error.message, 300)}.", "error")
    if expected and all(member(message, name) is None for name in expected):
        raise DecodeError(f"The answer has no {' or '.join(map(quoted, expected))}; it has: {listed(message)}.", "")
    return message


def _error_body(message: JsonValue) -> ErrorBody | None:
    if not isinstance(message, dict):
        return None
    texts = (message.get(name) for name in ("message", "error"))
    said = next((text for text in texts if isinstance(text, str) and text.strip()), None)
    code = message.get("code")
    return None if said is None else ErrorBody(said, code if type(code) is int else None)
