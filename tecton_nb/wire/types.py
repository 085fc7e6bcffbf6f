"""The data type grammar of the feature server: one small tree per feature.

``T := {"type": K}`` with K one of `SCALAR_KINDS`, or ``array`` (+ ``elementType``), ``struct``
(+ ``fields``) or ``map`` (+ ``keyType``, ``valueType``), camelCase and snake_case alike.
Source: data type definitions of the HTTP API reference; ``map``, ``timestamp`` and the legacy
``string_array`` from the protobuf schema that official packages carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from ..exceptions import DecodeError, quoted, shown

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"

SCALAR_KINDS = ("missing_type", "boolean", "float64", "float32", "int64", "string", "timestamp")
# Deeper than any feature anyone has seen; keeps hostile nesting from exhausting the stack.
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A type without parts, such as ``int64``."""

    kind: str

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class UnknownType:
    """A type this version does not know; its values are kept as they came."""

    kind: str

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A list of elements of one type."""

    element: DataType

    def __str__(self) -> str:
        return f"array<{self.element}>"


@dataclass(frozen=True, slots=True)
class StructField:
    """One named part of a struct."""

    name: str
    data_type: DataType


@dataclass(frozen=True, slots=True)
class StructType:
    """Named parts; on the wire a list in the order of `fields`."""

    fields: tuple[StructField, ...]

    def __str__(self) -> str:
        return "struct<" + ", ".join(f"{f.name}: {f.data_type}" for f in self.fields) + ">"


@dataclass(frozen=True, slots=True)
class MapType:
    """Keys of one type, values of another; the keys are text on the wire."""

    key: DataType
    value: DataType

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


DataType: TypeAlias = "ScalarType | ArrayType | StructType | MapType | UnknownType"

MISSING_TYPE, BOOLEAN, FLOAT64, FLOAT32, INT64, STRING, TIMESTAMP = map(ScalarType, SCALAR_KINDS)
_LEGACY_ARRAY = ArrayType(STRING)
_SCALARS = {kind: ScalarType(kind) for kind in SCALAR_KINDS}


def described(raw: object) -> str:
    """Return a JSON value as an error shows it: text in quotes, so that '7' and 7 look different."""
    if raw is None:
        return "null"
    return str(raw).lower() if isinstance(raw, bool) else shown(raw) if isinstance(raw, int | float) else quoted(raw)


def member(item: Mapping[str, JsonValue], camel: str) -> JsonValue:
    """Return a field by its camelCase name or its snake_case name, `None` if it has neither.

    Proto-JSON gives every field both names; recorded servers answer in camelCase, hand-written
    documents print snake_case.
    """
    value = item.get(camel)
    return value if value is not None else item.get(snake_case(camel))


def data_type_of(item: Mapping[str, JsonValue]) -> JsonValue:
    """Return what an item states as its type: ``dataType``, or the deprecated flat ``type``."""
    stated = member(item, "dataType")
    return stated if stated is not None else item.get("type")


@lru_cache(maxsize=1024)
def snake_case(camel: str) -> str:
    """Return ``effectiveTime`` as ``effective_time``."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in camel)


@lru_cache(maxsize=1024)
def camel_case(snake: str) -> str:
    """Return ``effective_time`` as ``effectiveTime``; camelCase stays as it is."""
    first, *rest = snake.split("_")
    return first + "".join(word.capitalize() for word in rest)


def parse_data_type(raw: JsonValue, *, where: str) -> DataType:
    """Return the data type that a metadata item states.

    Parameters
    ----------
    raw
        ``{"type": "array", "elementType": {"type": "float32"}}``, or just the legacy text
        ``"string_array"``.
    where
        Place in the body; used in errors only.

    Raises
    ------
    DecodeError
        If a part is missing, a struct names a field twice or the nesting is deeper than `MAX_DEPTH`.
    """
    return _parse(raw, where, 0)


def data_type_to_json(data_type: DataType) -> JsonObject:
    """Return the camelCase JSON form of a data type."""
    match data_type:
        case ArrayType(element):
            return {"type": "array", "elementType": data_type_to_json(element)}
        case StructType(fields):
            parts: list[JsonValue] = [{"name": f.name, "dataType": data_type_to_json(f.data_type)} for f in fields]
            return {"type": "struct", "fields": parts}
        case MapType(key, value):
            return {"type": "map", "keyType": data_type_to_json(key), "valueType": data_type_to_json(value)}
        case ScalarType(kind) | UnknownType(kind):
            return {"type": kind}


def legacy_type(data_type: DataType) -> str | None:
    """Return the deprecated flat ``type`` text, or `None` where servers never sent one.

    Scalars repeat their kind and arrays of strings say ``string_array``; recorded bodies carry
    nothing for other arrays.
    """
    match data_type:
        case ScalarType(kind) | UnknownType(kind):
            return kind
        case ArrayType(ScalarType("string")):
            return "string_array"
        case _:
            return None


def walk(data_type: DataType) -> Iterator[DataType]:
    """Yield the type and every type inside it, outermost first."""
    yield data_type
    match data_type:
        case ArrayType(element):
            yield from walk(element)
        case StructType(fields):
            for field in fields:
                yield from walk(field.data_type)
        case MapType(key, value):
            yield from walk(key)
            yield from walk(value)


def _parse(raw: JsonValue, where: str, depth: int) -> DataType:
    if depth > MAX_DEPTH:
        raise DecodeError(f"Cannot read the data type at `{where}`: it is nested deeper than {MAX_DEPTH}.", where)
    if isinstance(raw, str):
        return _flat(raw)
    if raw is None:
        raise DecodeError(f"There is no data type at `{where}`.", where)
    if not isinstance(raw, dict):
        raise DecodeError(f"Cannot read the data type at `{where}`: got {described(raw)} instead of an object.", where)
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise DecodeError(f"Cannot read the data type at `{where}`: it has no 'type'.", where)
    match kind.lower():
        case "array":
            return ArrayType(_part(raw, "elementType", where, depth))
        case "map":
            return MapType(_part(raw, "keyType", where, depth), _part(raw, "valueType", where, depth))
        case "struct":
            return StructType(_fields(raw, where, depth))
        case _:
            return _flat(kind)


def _flat(kind: str) -> DataType:
    known = kind.lower()
    return _LEGACY_ARRAY if known == "string_array" else _SCALARS.get(known) or UnknownType(kind)


def _part(raw: Mapping[str, JsonValue], camel: str, where: str, depth: int) -> DataType:
    part = member(raw, camel)
    if part is None:
        raise DecodeError(f"Cannot read the data type at `{where}`: '{raw['type']}' has no '{camel}'.", where)
    return _parse(part, f"{where}.{camel}", depth + 1)


def _fields(raw: Mapping[str, JsonValue], where: str, depth: int) -> tuple[StructField, ...]:
    items = raw.get("fields")
    if items is None:
        return ()
    if not isinstance(items, list):
        raise DecodeError(f"Cannot read the struct at `{where}`: 'fields' is no list.", where)
    fields = tuple(_field(item, f"{where}.fields[{i}]", depth) for i, item in enumerate(items))
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DecodeError(f"Cannot read the struct at `{where}`: it names the field {quoted(twice)} twice.", where)
    return fields


def _field(item: JsonValue, where: str, depth: int) -> StructField:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(name, str):
        raise DecodeError(f"Cannot read the struct field at `{where}`: it has no name.", where)
    return StructField(name, _parse(data_type_of(item), where, depth + 1))
