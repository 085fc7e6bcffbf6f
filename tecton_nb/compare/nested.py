"""Equality of nested values, column-wise: arrays, structs and maps as Arrow holds them.

Lists are equal element by element, structs by field name, maps by key whatever the order. Within them null
equals null, NaN equals NaN, and the tolerance of floats and times holds.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .tolerance import Tolerance
from .vectors import (
    DURATION,
    FLOAT,
    NESTED,
    NULL,
    OBJECT,
    STRING,
    TIME,
    Bools,
    Rows,
    Vector,
    arrow_kind,
    same_unit,
    struct_names,
    vector_of_arrow,
)


def differences(left: pa.Array, right: pa.Array, tolerance: Tolerance) -> tuple[Bools, Bools]:
    """Return which rows differ exactly, and which differ by more than the tolerance.

    The two must be comparable (`vectors.is_comparable`) and of one length.
    """
    one, other = vector_of_arrow(left), vector_of_arrow(right)
    unequal = one.nulls != other.nulls
    beyond = unequal.copy()
    both = np.flatnonzero(~one.nulls & ~other.nulls)
    if len(both):
        unequal[both], beyond[both] = _present(one.take(both), other.take(both), tolerance)
    return unequal, beyond


def _present(left: Vector, right: Vector, tolerance: Tolerance) -> tuple[Bools, Bools]:
    if left.kind == right.kind == NESTED:
        return _nested(left.values, right.values, tolerance)
    return plain_differences(left, right, tolerance)


def plain_differences(left: Vector, right: Vector, tolerance: Tolerance) -> tuple[Bools, Bools]:
    """Return the same for values that are not nested, none of them null."""
    if left.kind in {TIME, DURATION}:
        left, right = same_unit(left, right)
    unequal = unequal_values(left, right)
    beyond = unequal.copy()
    at = np.flatnonzero(unequal)
    if left.kind == FLOAT:
        beyond[at] = ~tolerance.allows(left.values[at].astype(np.float64), right.values[at].astype(np.float64))
    elif left.kind in {TIME, DURATION}:
        beyond[at] = ~tolerance.allows_times(left.values[at], right.values[at])
    return unequal, beyond


def unequal_values(left: Vector, right: Vector) -> Bools:
    """Whether values differ, one by one; NaN equals NaN. What stands at nulls is compared too, to no meaning."""
    if NULL in {left.kind, right.kind}:
        return np.zeros(len(left), dtype=bool)
    if left.kind == STRING:
        return np.asarray(pc.fill_null(pc.not_equal(left.values, right.values), True))
    if left.kind == OBJECT or left.values.dtype == object or right.values.dtype == object:
        return np.array([not _same(a, b) for a, b in zip(left.values, right.values, strict=True)], dtype=bool)
    unequal: Bools = left.values != right.values
    if left.kind == FLOAT and unequal.any():
        at = np.flatnonzero(unequal)
        unequal[at] = ~(np.isnan(left.values[at]) & np.isnan(right.values[at]))
    return unequal


def _same(one: object, other: object) -> bool:
    # 1, 1.0 and True are three values; a NaN is the same as any other.
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return bool(one == other) or bool(one != one and other != other)


def _nested(left: pa.Array, right: pa.Array, tolerance: Tolerance) -> tuple[Bools, Bools]:
    if pa.types.is_struct(left.type):
        return _structs(left, right, tolerance)
    if pa.types.is_map(left.type):
        return _maps(left, right, tolerance)
    return _lists(left, right, tolerance)


def _structs(left: pa.Array, right: pa.Array, tolerance: Tolerance) -> tuple[Bools, Bools]:
    unequal, beyond = np.zeros(len(left), dtype=bool), np.zeros(len(left), dtype=bool)
    places = {name: place for place, name in enumerate(struct_names(right.type))}
    for place, name in enumerate(struct_names(left.type)):
        parts = differences(pc.struct_field(left, [place]), pc.struct_field(right, [places[name]]), tolerance)
        unequal |= parts[0]
        beyond |= parts[1]
    return unequal, beyond


def _lists(left: pa.Array, right: pa.Array, tolerance: Tolerance) -> tuple[Bools, Bools]:
    unequal = list_lengths(left) != list_lengths(right)
    same = np.flatnonzero(~unequal)
    one, other = left.take(pa.array(same)), right.take(pa.array(same))
    owners = np.repeat(same, list_lengths(one))
    return _by_owner(unequal, owners, differences(one.flatten(), other.flatten(), tolerance))


def _maps(left: pa.Array, right: pa.Array, tolerance: Tolerance) -> tuple[Bools, Bools]:
    lengths = _map_lengths(left)
    unequal = lengths != _map_lengths(right)
    same = np.flatnonzero(~unequal)
    owners = np.repeat(same, lengths[same])
    one, other = left.take(pa.array(same)), right.take(pa.array(same))
    codes = _key_codes(one.keys, other.keys)
    orders = [_sorted_within(owners, part) for part in np.split(codes, [len(owners)])]
    keys_differ = codes[: len(owners)][orders[0]] != codes[len(owners) :][orders[1]]
    items = differences(one.items.take(pa.array(orders[0])), other.items.take(pa.array(orders[1])), tolerance)
    return _by_owner(unequal, owners, (items[0] | keys_differ, items[1] | keys_differ))


def _key_codes(left: pa.Array, right: pa.Array) -> np.ndarray:
    """Return whole numbers for the keys of both sides, the same for the same key."""
    wide = pa.large_string() if arrow_kind(left.type) == STRING else left.type
    both = pa.chunked_array([left.cast(wide), right.cast(wide)]).combine_chunks()
    return np.asarray(both.dictionary_encode().indices)


def _by_owner(unequal: Bools, owners: Rows, inside: tuple[Bools, Bools]) -> tuple[Bools, Bools]:
    beyond = unequal.copy()
    unequal[owners[inside[0]]] = True
    beyond[owners[inside[1]]] = True
    return unequal, beyond


def _sorted_within(owners: Rows, codes: np.ndarray) -> Rows:
    return np.lexsort((codes, owners))


def list_lengths(values: pa.Array) -> np.ndarray:
    """Return the number of elements of each list, none of which is null."""
    if pa.types.is_fixed_size_list(values.type):
        return np.full(len(values), values.type.list_size)
    return np.asarray(pc.list_value_length(values))


def _map_lengths(values: pa.Array) -> np.ndarray:
    offsets = values.offsets.to_numpy()
    return np.diff(offsets)
