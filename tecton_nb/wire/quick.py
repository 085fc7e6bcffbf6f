"""The quick way through regular answers: bytes to raw values with decoders made once from the schema.

An answer is regular if it is written as servers write it: names, types and order of the schema, camelCase,
int64 as text, structs as lists, nothing unknown in it. Any other answer is `None` here and is read by
`responses`, which knows every spelling and says what is wrong. So nothing is taken here that it would refuse.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from .quick_messages import Irregular, QuickSLO, item_kind, kind_of, struct_kind
from .responses import NameAndType

# What decoding raises for an answer that is not regular.
_IRREGULAR = (Irregular, msgspec.MsgspecError, ValueError, RecursionError)
# Stands for the metadata's features while the rest is decoded; no body can hold it.
_STAND_IN = secrets.token_hex(16)
_STAND_IN_JSON = f'"{_STAND_IN}"'.encode()
# Servers differ in white space.
_START = re.compile(rb'"metadata"\s*:\s*\{\s*"features"\s*:\s*')
# What follows the metadata's features in a get-features answer, if anything does.
_NEXT = b'"sloInfo"'
# Texts of the metadata's features remembered for one schema, in bytes: servers answer with few different ones, or
# with another one each time.
_MOST_BYTES = 4_000_000


class Annotations:
    """What the metadata says of the values of a row; compared by identity, which costs nothing.

    Answers that say the same share one object, so far as is remembered.

    Parameters
    ----------
    statuses, effective_times
        Raw texts, one per feature; `None` where there is none.
    """

    __slots__ = ("effective_times", "statuses")

    def __init__(self, statuses: tuple[str | None, ...], effective_times: tuple[str | None, ...]) -> None:
        self.statuses = statuses
        self.effective_times = effective_times


# The text of the metadata's features and what it says.
_Seen: TypeAlias = tuple[bytes, Annotations]
# Raw values, annotations and SLO information of a row. The values are in the order of the schema and of the JSON types
# of their data types; a struct is a tuple. What an int64 or a timestamp says as text is not read yet.
QuickRow: TypeAlias = tuple[tuple[Any, ...], Annotations, QuickSLO | None]


class QuickReader:
    """Reads the regular answers of one schema; remembers metadata it has seen, so one thread at a time."""

    def __init__(self, schema: Sequence[NameAndType]) -> None:
        self._items = msgspec.json.Decoder(_items(schema, is_batch=False))
        self._seen: dict[bytes, _Seen] = {}
        self._seen_bytes = 0
        self._usual: _Seen = (_STAND_IN_JSON, Annotations((), ()))
        single, batch = _message_types(schema)
        self._decode, self._decode_batch = msgspec.json.Decoder(single).decode, msgspec.json.Decoder(batch).decode

    def read(self, body: bytes) -> QuickRow | None:
        """Return the row of a get-features answer, `None` if it is not regular."""
        found = _START.search(body)
        if found is None:
            return None
        start = found.end()
        text, annotations = self._usual
        try:
            if not body.startswith(text, start):
                text, annotations = self._annotated(body, start)
            # That the metadata's features do stand there shows in decoding the rest with a text in their place.
            message = self._decode(body[:start] + _STAND_IN_JSON + body[start + len(text) :])
        except _IRREGULAR:
            return None
        return message.result.features, annotations, message.metadata.slo_info

    def read_batch(self, body: bytes) -> tuple[list[QuickRow], QuickSLO | None] | None:
        """Return the rows of a get-features-batch answer and the SLO information of all of it.

        `None` if it is not regular.
        """
        try:
            return self._batch(self._decode_batch(body))
        except _IRREGULAR:
            return None

    def _annotated(self, body: bytes, start: int) -> _Seen:
        """Return the metadata's features as they stand in the body from `start`, and what they say."""
        behind = body.rfind(_NEXT, start)
        end = body.rfind(b"]", start, behind if behind >= 0 else len(body)) + 1
        # A small part of the text tells most texts apart, and hashing all of it would take long.
        key = body[start:end:16]
        seen = self._seen.get(key)
        if seen is None or end - start != len(seen[0]) or not body.startswith(seen[0], start):
            text = body[start:end]
            items = self._items.decode(text)
            seen = text, Annotations(tuple([item.status for item in items]), _effective_times(items))
            self._remember(key, seen)
            # The text of a row without missing values comes most often.
            if self._usual[0] is _STAND_IN_JSON or b"null" not in body[:start]:
                self._usual = seen
        return seen

    def _remember(self, key: bytes, seen: _Seen) -> None:
        self._seen_bytes += len(seen[0])
        if self._seen_bytes > _MOST_BYTES:
            self._seen, self._seen_bytes = {}, len(seen[0])
        self._seen[key] = seen

    def _batch(self, message: Any) -> tuple[list[QuickRow], QuickSLO | None]:
        metadata, count = message.metadata, len(message.result)
        items = metadata.features
        statuses = zip(*(_per_row(item.status, count) for item in items), strict=True) if items else [()] * count
        times = _effective_times(items)
        # Rows, statuses and SLO information that differ in number are a ValueError, and so not regular.
        parts = zip(message.result, statuses, metadata.slo_info or [None] * count, strict=True)
        return [(result.features, Annotations(s, times), slo) for result, s, slo in parts], metadata.batch_slo_info


def _effective_times(items: Sequence[Any]) -> tuple[str | None, ...]:
    return tuple([item.effective_time for item in items])


def _per_row(status: list[str] | str | None, count: int) -> Sequence[str | None]:
    return status if isinstance(status, list) else [status] * count


def _items(schema: Sequence[NameAndType], *, is_batch: bool) -> Any:
    return tuple.__class_getitem__(tuple([item_kind(f.name, f.data_type, is_batch=is_batch) for f in schema]))


def _message_types(schema: Sequence[NameAndType]) -> tuple[Any, Any]:
    """Return the types of a get-features answer, the metadata's features cut out, and of a get-features-batch one."""
    row = tuple.__class_getitem__(tuple([kind_of(item.data_type) for item in schema]))
    result = struct_kind("Result", ("features", row))
    partial = ("partial_results", bool | None, None)
    stand_in: Any = Literal[_STAND_IN]
    metadata = struct_kind("Metadata", ("features", stand_in), ("slo_info", QuickSLO | None, None), partial)
    batch_metadata = struct_kind(
        "BatchMetadata",
        ("features", _items(schema, is_batch=True)),
        ("slo_info", list[QuickSLO] | None, None),
        ("batch_slo_info", QuickSLO | None, None),
        partial,
    )
    results = list.__class_getitem__(result)
    return (
        struct_kind("Answer", ("result", result), ("metadata", metadata)),
        struct_kind("BatchAnswer", ("result", results), ("metadata", batch_metadata)),
    )
