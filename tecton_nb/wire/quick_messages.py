"""A regular answer as types that msgspec decodes strictly: its values, and the parts round them.

Members that nothing here names make an answer irregular: no unread text goes unchecked, and no other spelling
of a member is overlooked.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, defstruct
from msgspec.structs import astuple

from .scalars import FLOAT32_OVERFLOW, INT64_MAX, INT64_MIN
from .types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    ArrayType,
    DataType,
    MapType,
    StructType,
)

__all__ = ["Irregular", "QuickSLO", "astuple", "item_kind", "kind_of", "struct_kind"]

_Int64 = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
# An empty one has a meaning of its own, and a long one is not worth remembering.
_Status = Annotated[str, Meta(min_length=1, max_length=100)]
_Time = Annotated[str, Meta(max_length=100)]
_Word = Literal["NaN", "Infinity", "-Infinity"]
# A whole number is taken for a float only where a float is exactly that number.
_SCALARS: dict[DataType, Any] = {
    BOOLEAN: bool,
    STRING: str,
    INT64: str,
    TIMESTAMP: str,
    FLOAT64: float | Annotated[int, Meta(ge=-(2**53), le=2**53)] | _Word,
    FLOAT32: Annotated[float, Meta(gt=-FLOAT32_OVERFLOW, lt=FLOAT32_OVERFLOW)]
    | Annotated[int, Meta(ge=-(2**24), le=2**24)]
    | _Word,
}


class Irregular(Exception):  # never leaves the package: the exact readers say what is wrong
    """A value or a type that only the exact readers know."""


def kind_of(data_type: DataType) -> Any:
    """Return what msgspec decodes a value of the data type as.

    Raises
    ------
    Irregular
        If the type, or a part of it, is missing or unknown.
    """
    match data_type:
        case ArrayType(element):
            kind: Any = list.__class_getitem__(kind_of(element))
        case StructType(fields):
            kind = tuple.__class_getitem__(tuple([kind_of(field.data_type) for field in fields]))
        case MapType(_, value):
            kind = dict.__class_getitem__((str, kind_of(value)))
        case _ if data_type in _SCALARS:
            kind = _SCALARS[data_type]
        case _:
            raise Irregular
    return kind | None


def item_kind(name: str, data_type: DataType, *, is_batch: bool) -> Any:
    """Return what msgspec decodes the metadata's item of a feature as: only that feature with that type.

    An item of a batch answer has a status per row, or one for all of them.
    """
    status = list[_Status] | _Status | None if is_batch else _Status | None
    return struct_kind(
        "Item",
        ("name", Literal.__getitem__(name)),
        ("data_type", _stated_kind(data_type)),
        ("status", status, None),
        ("effective_time", _Time | None, None),
        ("type", str | None, None),
        ("description", str | None, None),
        ("tags", dict[str, str] | None, None),
    )


def struct_kind(name: str, *members: Any) -> Any:
    """Return a type for an object with exactly these members, named in camelCase on the wire."""
    return defstruct(name, members, rename="camel", forbid_unknown_fields=True, gc=False)


@lru_cache(maxsize=256)
def _stated_kind(data_type: DataType) -> Any:
    """Return what ``dataType`` is decoded as where it states this data type."""
    match data_type:
        case ArrayType(element):
            parts: list[tuple[str, Any]] = [("type", Literal["array"]), ("element_type", _stated_kind(element))]
        case StructType(fields):
            named = [(("name", Literal.__getitem__(f.name)), ("data_type", _stated_kind(f.data_type))) for f in fields]
            stated = tuple.__class_getitem__(tuple([struct_kind("StatedField", *field) for field in named]))
            parts = [("type", Literal["struct"]), ("fields", stated)]
        case MapType(key, value):
            parts = [("type", Literal["map"]), ("key_type", _stated_kind(key)), ("value_type", _stated_kind(value))]
        case _:
            parts = [("type", Literal.__getitem__(str(data_type)))]
    return struct_kind("StatedType", *parts)


class QuickSLO(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """An ``sloInfo`` object."""

    slo_eligible: bool | None = None
    slo_ineligibility_reasons: list[str] | None = None
    slo_server_time_seconds: float | None = None
    server_time_seconds: float | None = None
    store_max_latency: float | None = None
    store_response_size_bytes: _Int64 | None = None
    dynamodb_response_size_bytes: _Int64 | None = None
    store_time_seconds: float | None = None
