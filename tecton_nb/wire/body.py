"""Bytes to JSON and back, and the small checks every message makes of what it reads."""

from __future__ import annotations

from typing import Any, TypeGuard, cast

import orjson

from ..exceptions import DecodeError, InputError, quoted
from .scalars import INT64_CODEC, Misfit
from .types import JsonObject, JsonValue, described, member


def read_json(body: bytes) -> JsonValue:
    """Return what the bytes say as JSON; of two members with one name the last one counts.

    Raises
    ------
    DecodeError
        If they are no JSON text in UTF-8, nest deeper than 1,024 or hold a number no float can.
    """
    try:
        return orjson.loads(body)  # type: ignore[no-any-return]
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise DecodeError("The body is empty; it should be JSON.", "") from None
        start = body[:60].decode("utf-8", "replace")
        raise DecodeError(f"The text is not JSON ({error}; first characters: {quoted(start)}).", "") from None


def write_json(message: JsonValue) -> bytes:
    """Return compact JSON in UTF-8.

    Raises
    ------
    InputError
        If a text holds half of a surrogate pair, a whole number has more than 64 bits or the nesting is too deep.
    """
    try:
        return orjson.dumps(message)
    except orjson.JSONEncodeError as error:
        raise InputError(f"Cannot write the message as JSON: {error}. Check the names and values in it.") from None


def as_object(raw: JsonValue, where: str) -> JsonObject:
    """Return `raw`, which must be a JSON object; `where` is empty for a whole body."""
    return _checked(raw, dict, "an object", where)  # type: ignore[no-any-return]


def as_list(raw: JsonValue, where: str) -> list[JsonValue]:
    """Return `raw`, which must be a list; an absent or null list is empty, as proto-JSON omits empty ones."""
    return [] if raw is None else _checked(raw, list, "a list", where)


def optional_object(parent: JsonObject, camel: str, where: str) -> JsonObject:
    """Return the object under either spelling of the name, an empty one if it is absent or null."""
    raw = member(parent, camel)
    return {} if raw is None else as_object(raw, _at(where, camel))


def optional_text(parent: JsonObject, camel: str, where: str) -> str | None:
    """Return the text under either spelling of the name, `None` if it is absent or null."""
    raw = member(parent, camel)
    return None if raw is None else _checked(raw, str, "text", _at(where, camel))


def optional_bool(parent: JsonObject, camel: str, where: str) -> bool | None:
    """Return the boolean under either spelling of the name, `None` if it is absent or null."""
    raw = member(parent, camel)
    return None if raw is None else _checked(raw, bool, "true or false", _at(where, camel))


def optional_number(parent: JsonObject, camel: str, where: str) -> float | None:
    """Return the number under either spelling of the name, `None` if it is absent or null."""
    raw = member(parent, camel)
    if isinstance(raw, bool):
        raise _unexpected(raw, "a number", _at(where, camel))
    return None if raw is None else float(_checked(raw, (int, float), "a number", _at(where, camel)))


def optional_int(parent: JsonObject, camel: str, where: str) -> int | None:
    """Return the whole number under either spelling of the name, `None` if it is absent or null.

    As in proto-JSON it may be a number, 250 or 250.0, or its decimal text.
    """
    raw = member(parent, camel)
    try:
        number = None if raw is None else INT64_CODEC.decode(int(raw) if _is_whole(raw) else raw)
    except Misfit:
        raise _unexpected(raw, "a whole number", _at(where, camel)) from None
    return cast("int | None", number)


def without_empty(message: JsonObject) -> JsonObject:
    """Return the message without null members and empty lists, as proto-JSON writes it."""
    return {name: value for name, value in message.items() if value is not None and value != []}


def _checked(raw: Any, kind: Any, called: str, where: str) -> Any:
    if not isinstance(raw, kind):
        raise _unexpected(raw, called, where)
    return raw


def _unexpected(raw: JsonValue, called: str, where: str) -> DecodeError:
    place = f"at `{where}`" if where else "as the whole body"
    return DecodeError(f"Expected {called} {place}, got {described(raw)}.", where)


def _is_whole(raw: JsonValue) -> TypeGuard[float]:
    return isinstance(raw, float) and raw.is_integer()


def _at(where: str, camel: str) -> str:
    return f"{where}.{camel}" if where else camel
