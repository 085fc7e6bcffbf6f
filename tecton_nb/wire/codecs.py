"""The codecs behind `wire.values`: arrays, structs, maps and untyped values over the codecs of `scalars`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

from ..exceptions import did_you_mean, listed, quoted
from .plain import is_null, items_of, pairs_of, unwrapped
from .scalars import BOOLEAN_CODEC, INT64_CODEC, STRING_CODEC, TIMESTAMP_CODEC, FeatureValue, Misfit, float_codec
from .timestamps import EpochNanoseconds
from .types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    MAX_DEPTH,
    STRING,
    TIMESTAMP,
    ArrayType,
    DataType,
    JsonValue,
    MapType,
    StructType,
)

__all__ = ["Codec", "FeatureValue", "Misfit", "Tolerance", "codec", "untyped_codec"]


class Codec(Protocol):
    """Both directions of one data type; null is `None` in each."""

    def decode(self, raw: JsonValue) -> FeatureValue:
        """Return the value meant by `raw`, or raise `Misfit`."""

    def encode(self, value: object) -> JsonValue:
        """Return the JSON value meant by `value`, or raise `Misfit`."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a server takes from clients beyond what a client takes from servers."""

    decimal_text: bool = False
    extra_fields: bool = False


_STRICT = Tolerance()


@lru_cache(maxsize=4096)
def codec(data_type: DataType, tolerance: Tolerance = _STRICT) -> Codec:
    """Return the codec of a data type; equal types share one."""
    match data_type:
        case ArrayType(element):
            return _Array(codec(element, tolerance))
        case StructType(fields):
            return _Struct(tuple((f.name, codec(f.data_type, tolerance)) for f in fields), tolerance.extra_fields)
        case MapType(key, value):
            return _Map(INT64_CODEC if key == INT64 else STRING_CODEC, codec(value, tolerance))
    if data_type in (FLOAT64, FLOAT32):
        return float_codec(str(data_type), decimal_text=tolerance.decimal_text)
    return _PLAIN.get(data_type, _UNTYPED)


def untyped_codec() -> Codec:
    """Return the codec for values whose type nobody stated: they are read as they came."""
    return _UNTYPED


class _Untyped:
    def decode(self, raw: JsonValue) -> FeatureValue:
        if isinstance(raw, list | dict):
            _check_depth(raw, MAX_DEPTH)
        return raw  # type: ignore[return-value]  # a JSON object is a dict with text keys

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if plain is None or isinstance(plain, bool):
            return plain
        for kinds, scalar in _BY_PYTHON_TYPE:
            if isinstance(plain, kinds):
                return scalar.encode(plain)
        if isinstance(plain, Mapping):
            return _object(plain, STRING_CODEC, self)
        return _each(self.encode, _items(plain, "a feature value", value))


@dataclass(frozen=True, slots=True)
class _Array:
    element: Codec

    def decode(self, raw: JsonValue) -> FeatureValue:
        if raw is None:
            return None
        if not isinstance(raw, list):
            raise Misfit("array", raw)
        return _each(self.element.decode, raw)

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        return None if is_null(plain) else _each(self.element.encode, _items(plain, "array", value))


@dataclass(frozen=True, slots=True)
class _Struct:
    fields: tuple[tuple[str, Codec], ...]
    extra_fields: bool
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(name for name, _ in self.fields))

    def decode(self, raw: JsonValue) -> FeatureValue:
        if raw is None:
            return None
        if not isinstance(raw, list | dict):
            raise Misfit("struct", raw)
        values: dict[str | int, FeatureValue] = {}
        for (name, part), item in zip(self.fields, self._in_order(raw, self.extra_fields), strict=True):
            try:
                values[name] = part.decode(item)
            except Misfit as misfit:
                raise misfit.inside(f".{name}") from None
        return values

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if is_null(plain):
            return None
        parts: list[JsonValue] = []
        for (name, part), item in zip(self.fields, self._in_order(plain, extra_fields=False), strict=True):
            try:
                parts.append(part.encode(item))
            except Misfit as misfit:
                raise misfit.inside(f".{name}") from None
        return parts

    def _in_order(self, value: object, extra_fields: bool) -> Sequence[Any]:
        """Return the parts in the order of the fields; a field that an object leaves out is null."""
        if isinstance(value, Mapping):
            if not extra_fields:
                self._check_names(value)
            return [value.get(name) for name, _ in self.fields]
        items = value if isinstance(value, list) else _items(value, "struct", value)
        if len(items) != len(self.fields):
            names = listed(name for name, _ in self.fields)
            raise Misfit(f"struct with the {len(self.fields)} fields {names}", value)
        return items

    def _check_names(self, value: Mapping[Any, object]) -> None:
        unknown = [key for key in value if key not in self.names]
        if unknown:
            names = [name for name, _ in self.fields]
            raise Misfit(f"a field of the struct with {listed(names)}{_hint(unknown[0], names)}", unknown[0])


@dataclass(frozen=True, slots=True)
class _Map:
    key: Codec
    value: Codec

    def decode(self, raw: JsonValue) -> FeatureValue:
        if raw is None:
            return None
        if not isinstance(raw, dict):
            raise Misfit("map", raw)
        values: dict[Any, FeatureValue] = {}
        for name, item in raw.items():
            try:
                values[self.key.decode(name)] = self.value.decode(item)
            except Misfit as misfit:
                raise misfit.inside(_key(name)) from None
        return values if len(values) == len(raw) else _refuse_same_keys(raw)

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if is_null(plain):
            return None
        pairs = pairs_of(plain)
        if pairs is None:
            raise Misfit("map", value)
        return _object(pairs, self.key, self.value)


_UNTYPED = _Untyped()
_PLAIN: dict[DataType, Codec] = {
    INT64: INT64_CODEC,
    BOOLEAN: BOOLEAN_CODEC,
    STRING: STRING_CODEC,
    TIMESTAMP: TIMESTAMP_CODEC,
}
_BY_PYTHON_TYPE: tuple[tuple[Any, Codec], ...] = (
    (str, STRING_CODEC),
    ((EpochNanoseconds, date), TIMESTAMP_CODEC),
    (int, INT64_CODEC),
    ((float, Decimal, Fraction), float_codec("float64")),
)


def _items(value: object, expected: str, got: object) -> Sequence[object]:
    items = items_of(value)
    if items is None:
        raise Misfit(expected, got)
    return items


def _object(pairs: Mapping[Any, object], key: Codec, value: Codec) -> JsonValue:
    encoded: dict[str, JsonValue] = {}
    for name, item in pairs.items():
        try:
            encoded[_key_text(key, name)] = value.encode(item)
        except Misfit as misfit:
            raise misfit.inside(_key(name)) from None
    return encoded if len(encoded) == len(pairs) else _refuse_same_keys(pairs)


def _key_text(key: Codec, name: object) -> str:
    encoded = key.encode(name)
    if encoded is None:
        raise Misfit("map key", name)
    return str(encoded)


def _refuse_same_keys(pairs: Mapping[Any, object]) -> Any:
    raise Misfit("map whose keys all differ", list(pairs))


def _each(convert: Callable[[Any], Any], items: Iterable[object]) -> list[Any]:
    done: list[Any] = []
    try:
        for item in items:
            done.append(convert(item))
    except Misfit as misfit:
        raise misfit.inside(f"[{len(done)}]") from None
    return done


def _check_depth(raw: JsonValue, left: int) -> None:
    if left < 0:
        raise Misfit(f"a value nested at most {MAX_DEPTH} deep", raw)
    for item in raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ():
        if isinstance(item, list | dict):
            _check_depth(item, left - 1)


def _key(name: object) -> str:
    return f"[{quoted(name)}]"


def _hint(name: object, names: Iterable[str]) -> str:
    hint = did_you_mean(name, names).strip()
    return f" ({hint[0].lower()}{hint[1:]})" if hint else ""
