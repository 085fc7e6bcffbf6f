"""Data types as text, the way frames show them: ``int64``, ``array<string>``, ``struct<lat: float64>``."""

from __future__ import annotations

from ...exceptions import SettingsError, did_you_mean, listed, quoted
from ...wire.types import MAX_DEPTH, STRING, ArrayType, DataType, MapType, ScalarType, StructField, StructType

SCALARS = ("boolean", "float32", "float64", "int64", "string", "timestamp")
_POSSIBLE = f"{listed(SCALARS)}, 'array<TYPE>', 'map<string, TYPE>' and 'struct<NAME: TYPE, ...>'"


def type_from_text(text: str) -> DataType:
    """Return the data type that the text names; ``str`` of a data type gives the text back.

    Raises
    ------
    SettingsError
        If it names none. The sentence tells what is possible.
    """
    return _parsed(text, text, 0)


def _parsed(text: str, whole: str, depth: int) -> DataType:
    kind, bracket, rest = text.strip().partition("<")
    if not bracket and kind in SCALARS:
        return ScalarType(kind)
    inside = rest.rstrip().removesuffix(">")
    if not bracket or inside == rest.rstrip() or depth >= MAX_DEPTH:
        raise _refusal(kind, whole)
    match kind:
        case "array":
            return ArrayType(_parsed(inside, whole, depth + 1))
        case "map":
            return _map(inside, whole, depth)
        case "struct":
            return _struct(inside, whole, depth)
    raise _refusal(kind, whole)


def _map(inside: str, whole: str, depth: int) -> DataType:
    parts = _split(inside)
    if len(parts) != 2 or parts[0].strip() != "string":
        raise SettingsError(f"{quoted(whole)} is no data type: a map is written 'map<string, TYPE>'.")
    return MapType(STRING, _parsed(parts[1], whole, depth + 1))


def _struct(inside: str, whole: str, depth: int) -> DataType:
    pairs = [part.partition(":") for part in _split(inside)]
    names = [name.strip() for name, _, _ in pairs]
    if not all(colon for _, colon, _ in pairs) or not all(names) or len(set(names)) < len(names):
        raise SettingsError(
            f"{quoted(whole)} is no data type: a struct is written 'struct<NAME: TYPE, ...>', each name once."
        )
    parts = (_parsed(kind, whole, depth + 1) for _, _, kind in pairs)
    return StructType(tuple(StructField(name, part) for name, part in zip(names, parts, strict=True)))


def _split(text: str) -> list[str]:
    """Return the parts between the commas that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _refusal(kind: str, whole: str) -> SettingsError:
    hint = did_you_mean(kind.strip(), [*SCALARS, "array", "map", "struct"])
    return SettingsError(f"{quoted(whole)} is no data type; possible are {_POSSIBLE}.{hint}")
