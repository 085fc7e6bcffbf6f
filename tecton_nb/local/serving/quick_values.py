"""Values of plain Python and JSON types past the codecs: what needs no check is taken as it is.

Almost every value is of the very type that is expected. Everything else, and every error, is left to
`columns.wire_value` and `wire.values.decode_input`, with which these agree on all values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ...wire.types import BOOLEAN, FLOAT64, INT64, STRING, DataType, JsonValue, StructType
from ...wire.values import decode_input
from ..storage.wire_columns import wire_number, wire_value

Writer: TypeAlias = Callable[[object], JsonValue]
_INT64_END = 2**63
# Text of so many digits is below the end of int64 whatever they are.
_SAFE_DIGITS = 18


def wire_writer(data_type: DataType, *, where: str) -> Writer:
    """Return a function that returns what `wire_value` returns, and raises what it raises."""

    def unusual(value: object) -> JsonValue:
        return wire_value(value, data_type, where=where)

    if isinstance(data_type, StructType):
        return _struct_writer(data_type, unusual, where)
    kind, write = _WRITERS.get(data_type, (None, str))

    def writer(value: object) -> JsonValue:
        written = write(value) if type(value) is kind else None
        return unusual(value) if written is None else written

    return writer


def read_input(raw: JsonValue, data_type: DataType, *, where: str, ignore_extra_fields: bool = False) -> Any:
    """Return what `decode_input` returns, and raise what it raises."""
    kind = type(raw)
    if kind is str:
        if data_type is STRING:
            return raw
        if data_type is INT64 and _is_plain_number(raw):  # type: ignore[arg-type]  # a text, as its type says
            return int(raw)  # type: ignore[arg-type]
    elif kind is float and data_type is FLOAT64:
        return raw
    return decode_input(raw, data_type, where=where, ignore_extra_fields=ignore_extra_fields)


def _struct_writer(data_type: StructType, unusual: Writer, where: str) -> Writer:
    writers = [(field.name, wire_writer(field.data_type, where=where)) for field in data_type.fields]
    names = {name for name, _ in writers}

    def write(value: object) -> JsonValue:
        if type(value) is not dict or value.keys() != names:
            return unusual(value)
        try:
            return [write_part(value[name]) for name, write_part in writers]
        except Exception:  # noqa: BLE001
            # The error of the whole tells the place inside it.
            return unusual(value)

    return write


def _written_int(value: Any) -> JsonValue:
    return str(value) if -_INT64_END <= value < _INT64_END else None


def _written_text(value: Any) -> JsonValue:
    # Other text may hold half of a surrogate pair.
    return value if value.isascii() else None


_WRITERS: dict[DataType, tuple[type, Callable[[Any], JsonValue]]] = {
    BOOLEAN: (bool, lambda value: value),
    INT64: (int, _written_int),
    FLOAT64: (float, wire_number),
    STRING: (str, _written_text),
}


def _is_plain_number(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= _SAFE_DIGITS and (text[0] != "0" or text == "0")
