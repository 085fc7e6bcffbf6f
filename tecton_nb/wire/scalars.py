"""The codecs of the scalar types: one small class each, both directions side by side."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

from .plain import is_null, moment, real_number, unwrapped, whole_number
from .timestamps import EpochNanoseconds, format_timestamp, parse_timestamp
from .types import JsonValue

FeatureValue: TypeAlias = (
    "bool | int | float | str | EpochNanoseconds | list[FeatureValue] | dict[str | int, FeatureValue] | None"
)

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# The least number that rounds to no float32. Servers print the largest float32 in its shortest form, 3.4028235e+38,
# which as a float64 is a little more than the float32 itself.
FLOAT32_OVERFLOW = (2 - 2**-24) * 2.0**127
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# 19 digits hold every int64; longer text is refused before int() meets it.
_DECIMAL_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)


class Misfit(Exception):  # never leaves the package: values.py makes the sentence
    """A value that is none of its type; the path grows as it leaves arrays, structs and maps."""

    def __init__(self, expected: str, got: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got
        self.path = ""

    def __reduce__(self) -> tuple[type[Misfit], tuple[str, None]]:
        # Some packages pickle what stands behind an error; what a server sent does not go with it.
        return Misfit, (self.expected, None)

    def inside(self, step: str) -> Misfit:
        """Return itself, seen from one level further out."""
        self.path = step + self.path
        return self


class _Int64:
    def decode(self, raw: JsonValue) -> FeatureValue:
        if raw is None:
            return None
        if type(raw) is str and _DECIMAL_INT.fullmatch(raw):
            return _int64(int(raw), raw)
        if type(raw) is int:
            return _int64(raw, raw)
        raise Misfit("int64", raw)

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if is_null(plain):
            return None
        if isinstance(plain, str) and _DECIMAL_INT.fullmatch(plain):
            return str(_int64(int(plain), value))
        return str(_int64(whole_number(plain), value))


@dataclass(frozen=True, slots=True)
class _Float:
    kind: str
    overflow: float
    decimal_text: bool

    def decode(self, raw: JsonValue) -> FeatureValue:
        if type(raw) is float or type(raw) is int:
            return self._finite(float(raw), raw)
        if raw is None:
            return None
        if type(raw) is str and raw in WORDS:
            return WORDS[raw]
        if self.decimal_text and type(raw) is str and _DECIMAL.fullmatch(raw):
            return self._finite(float(raw), raw)
        raise Misfit(self.kind, raw)

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if plain is None:
            return None
        if isinstance(plain, str):
            return plain if plain in WORDS else self._finite(self._decimal(plain, value), value)
        number = self._number(plain, value)
        return self._finite(number, value) if math.isfinite(number) else _word(number)

    def _decimal(self, text: str, got: object) -> float:
        if not _DECIMAL.fullmatch(text):
            raise Misfit(self.kind, got)
        return float(text)

    def _number(self, plain: object, got: object) -> float:
        try:
            number = real_number(plain)
        except OverflowError:
            number = None
        if number is None:
            raise Misfit(self.kind, got)
        return number

    def _finite(self, number: float, got: object) -> float:
        if not -self.overflow < number < self.overflow:
            raise Misfit(self.kind, got)
        return number


class _Boolean:
    def decode(self, raw: JsonValue) -> FeatureValue:
        if raw is None or isinstance(raw, bool):
            return raw
        raise Misfit("boolean", raw)

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if isinstance(plain, bool):
            return plain
        return _only_null(plain, "boolean", value)


class _String:
    def decode(self, raw: JsonValue) -> FeatureValue:
        if raw is None or isinstance(raw, str):
            return raw
        raise Misfit("string", raw)

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if not isinstance(plain, str):
            return _only_null(plain, "string", value)
        try:
            plain.encode()
        except UnicodeEncodeError:
            raise Misfit("string (it holds half of a surrogate pair)", value) from None
        return str(plain)


class _Timestamp:
    def decode(self, raw: JsonValue) -> FeatureValue:
        if raw is None:
            return None
        try:
            return parse_timestamp(raw)  # type: ignore[arg-type]  # a TypeError says that it is no text
        except (TypeError, ValueError):
            raise Misfit("timestamp", raw) from None

    def encode(self, value: object) -> JsonValue:
        plain = unwrapped(value)
        if is_null(plain):
            return None
        try:
            return format_timestamp(moment(plain))  # type: ignore[arg-type]  # a TypeError says that it is no moment
        except (TypeError, ValueError):
            raise Misfit("timestamp", value) from None


BOOLEAN_CODEC, INT64_CODEC, STRING_CODEC, TIMESTAMP_CODEC = _Boolean(), _Int64(), _String(), _Timestamp()


def float_codec(kind: str, *, decimal_text: bool = False) -> _Float:
    """Return the codec of ``float64`` or ``float32``; with `decimal_text` numbers may also be read from text."""
    return _Float(kind, FLOAT32_OVERFLOW if kind == "float32" else math.inf, decimal_text)


def _int64(number: int | None, got: object) -> int:
    if number is None or not INT64_MIN <= number <= INT64_MAX:
        raise Misfit("int64", got)
    return number


def _only_null(plain: object, expected: str, got: object) -> JsonValue:
    if is_null(plain):
        return None
    raise Misfit(expected, got)


def _word(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
