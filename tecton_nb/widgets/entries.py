"""What a person types for a data type, and the JSON value it means; both ways, nothing rounded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..client.replies import GetFeatureServiceMetadataResponse
from ..exceptions import InputError, full_stop, quoted, shown
from ..wire.responses import NameAndType
from ..wire.timestamps import EpochNanoseconds, format_timestamp
from ..wire.types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    DataType,
    JsonValue,
    data_type_of,
    parse_data_type,
)
from ..wire.values import decode_value, encode_value

JOIN_KEY, REQUEST_CONTEXT = "join key", "request context"
_WORDS = {"nan": "NaN", "infinity": "Infinity", "inf": "Infinity", "-infinity": "-Infinity", "-inf": "-Infinity"}
_EXAMPLES: dict[DataType, str] = {
    INT64: "whole number, such as 42",
    FLOAT64: "number, NaN or Infinity",
    FLOAT32: "number, NaN or Infinity",
    STRING: "text",
    TIMESTAMP: "2024-05-01T12:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One key that a service takes: its name, its type, and which of the two kinds it is."""

    name: str
    data_type: DataType
    kind: str = JOIN_KEY

    @property
    def where(self) -> str:
        """The key as errors name it."""
        return f"{self.kind} {quoted(self.name)}"

    @property
    def is_boolean(self) -> bool:
        """Whether the value is ticked."""
        return self.data_type == BOOLEAN

    @property
    def is_nested(self) -> bool:
        """Whether the value is typed as JSON: arrays, structs, maps and types nobody knows."""
        return self.data_type not in (*_EXAMPLES, BOOLEAN)

    @property
    def hint(self) -> str:
        """What may be typed."""
        return _EXAMPLES.get(self.data_type, "JSON")

    def read(self, text: str) -> JsonValue:
        """Return the JSON value that typed text means.

        Raises
        ------
        InputError
            If it means none of the data type.
        """
        if self.data_type == STRING:
            return encode_value(text, STRING, where=self.where)
        if not text.strip():
            raise InputError(f"Give a value for the {self.where} ({self.data_type}), or tick null.")
        plain = self._from_json(text) if self.is_nested else text.strip()
        if self.data_type in (FLOAT64, FLOAT32):
            plain = _WORDS.get(plain.lower(), plain)
        return encode_value(plain, self.data_type, where=self.where)

    def write(self, value: JsonValue) -> str:
        """Return what to type for a JSON value; an empty text for null."""
        if value is None:
            return ""
        if self.is_nested:
            return json.dumps(self.python(value), ensure_ascii=False)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def take(self, value: object) -> JsonValue:
        """Return the JSON value of any Python, numpy or pandas value; raises `InputError` as ``encode_value``."""
        return encode_value(value, self.data_type, where=self.where)

    def python(self, value: JsonValue) -> Any:
        """Return the Python value of a JSON value; times as RFC 3339 text."""
        return _readable(decode_value(value, self.data_type, where=self.name))

    def _from_json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            said = full_stop(shown(error, 200))
            raise InputError(f"Cannot read {quoted(text)} as JSON for the {self.where}: {said}") from None


def entries_of(metadata: GetFeatureServiceMetadataResponse) -> tuple[Entry, ...]:
    """Return the join keys, then the request context keys, that a service takes."""
    keys = _entries(metadata.input_join_keys, JOIN_KEY)
    return (*keys, *_entries(metadata.input_request_context_keys, REQUEST_CONTEXT))


def split_row(entries: Iterable[Entry], values: Mapping[str, JsonValue]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the join key map and the request context map of the values."""
    named = [(entry, values[entry.name]) for entry in entries if entry.name in values]
    keys = {entry.name: value for entry, value in named if entry.kind == JOIN_KEY}
    return keys, {entry.name: value for entry, value in named if entry.kind == REQUEST_CONTEXT}


def _entries(items: list[dict[str, Any]] | None, kind: str) -> list[Entry]:
    stated = (NameAndType(str(item["name"]), parse_data_type(data_type_of(item), where=kind)) for item in items or ())
    return [Entry(item.name, item.data_type, kind) for item in stated]


def _readable(value: Any) -> Any:
    if isinstance(value, EpochNanoseconds):
        return format_timestamp(value)
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    return value
