"""Requests for features read from their bytes; what a client repeats is read and checked once."""

from __future__ import annotations

from typing import TypeAlias

import orjson

from ...wire.body import read_json
from ...wire.requests import FeaturesRequest, RequestRow, read_batch_request, read_features_request
from ...wire.types import JsonObject, JsonValue
from .asked import Asked, asked_of

# What is asked for, the join keys and the request context.
OneRow: TypeAlias = tuple[Asked, JsonObject, JsonObject]
_KEPT = 1_024
_LONGEST = 2_048


class RequestMemory:
    """Reads requests.

    Between two requests of a client mostly the keys and the context differ. The rest, written as JSON
    again, is the key under which its reading is kept.
    """

    def __init__(self) -> None:
        self._asked: dict[bytes, Asked] = {}

    def one_row(self, body: bytes) -> OneRow:
        """Return what get-features and query-features ask.

        Raises
        ------
        DecodeError, BadRequestError
            As `read_features_request` and `asked_of`.
        """
        message = read_json(body)
        params = message.get("params") if type(message) is dict else None
        rest = _rest(params) if type(params) is dict else None
        if rest is None:
            return _read(body)
        (text, keys, context) = rest
        asked = self._asked.get(text)
        if asked is None:
            asked, keys, context = _read(body)
            if len(text) <= _LONGEST:
                if len(self._asked) >= _KEPT:
                    self._asked.clear()
                self._asked[text] = asked
        return asked, keys, context

    def rows(self, body: bytes) -> tuple[Asked, tuple[RequestRow, ...]]:
        """Return what get-features-batch asks; errors as `one_row`."""
        request: FeaturesRequest = read_batch_request(body)
        return asked_of(request), request.rows


def _rest(params: JsonObject) -> tuple[bytes, JsonObject, JsonObject] | None:
    """Return the text of everything but keys and context, then these; `None` if they are spelled unusually."""
    if "join_key_map" in params or "request_context_map" in params:
        return None
    keys = params.pop("joinKeyMap", None)
    context = params.pop("requestContextMap", None)
    if not (_is_map(keys) and _is_map(context)):
        return None
    try:
        return orjson.dumps(params), keys or {}, context or {}  # type: ignore[return-value]  # checked above
    except orjson.JSONEncodeError:
        # What nests deeply can be read, but not written.
        return None


def _is_map(value: JsonValue) -> bool:
    return value is None or type(value) is dict


def _read(body: bytes) -> OneRow:
    request = read_features_request(body)
    row = request.rows[0]
    return asked_of(request), row.join_key_map, row.request_context_map
