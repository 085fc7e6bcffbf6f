"""How far the distribution of one feature has moved from left to right, whatever the rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .vectors import BOOLEAN, FLOAT, INTEGER, STRING, Vector

_BINS = 10
_CATEGORIES = 50
# An empty bin would make the index infinite; it counts as half a value.
_EMPTY = 0.5

Floats = npt.NDArray[np.float64]


def drift(left: Vector, right: Vector) -> dict[str, float | None]:
    """Return ``psi`` and ``ks_statistic`` of two columns; `None` for kinds that have none, or without values.

    The population stability index of right against left is the sum over bins of ``(r - l) * ln(r / l)``, with the
    shares l and r of each side. Numbers are binned at the left's deciles, texts and booleans by value: the 50 most
    frequent of the left, the rest together. Nulls and NaN are left out; an empty bin counts as half a value. Below 0.1
    is usually called stable, above 0.25 a shift.

    The Kolmogorov-Smirnov statistic is the largest distance of the two empirical distributions of numbers.
    """
    if {left.kind, right.kind} <= {INTEGER, FLOAT}:
        one, other = np.sort(_present(left)), np.sort(_present(right))
        psi = _index(*_decile_counts(one, other)) if left.kind == right.kind else None
        return {"psi": psi, "ks_statistic": _kolmogorov_smirnov(one, other)}
    if left.kind == right.kind and left.kind in {STRING, BOOLEAN}:
        return {"psi": _index(*_category_counts(_texts(left), _texts(right))), "ks_statistic": None}
    return {"psi": None, "ks_statistic": None}


def _kolmogorov_smirnov(left: Floats, right: Floats) -> float | None:
    if not len(left) or not len(right):
        return None
    # Looked up in order, which is many times faster than in any order.
    every = np.sort(np.concatenate([left, right]), kind="stable")
    shares = [np.searchsorted(side, every, side="right") / len(side) for side in (left, right)]
    return float(np.abs(shares[0] - shares[1]).max())


def _present(vector: Vector) -> Floats:
    numbers = vector.floats()
    return numbers[~np.isnan(numbers)]


def _decile_counts(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    if not len(left):
        return left, right
    # The least value that at least so many tenths of the values reach.
    ranks = -(-np.arange(1, _BINS) * len(left) // _BINS) - 1
    edges = np.unique(left[ranks])
    below = [np.searchsorted(side, edges, side="right") for side in (left, right)]
    counts = [np.diff(found, prepend=0, append=len(side)) for found, side in zip(below, (left, right), strict=True)]
    return counts[0].astype(np.float64), counts[1].astype(np.float64)


def _category_counts(left: pa.Array, right: pa.Array) -> tuple[Floats, Floats]:
    counted = pc.value_counts(left).to_pylist()
    named = sorted(counted, key=lambda item: (-item["counts"], str(item["values"])))[:_CATEGORIES]
    shown = {item["values"]: place for place, item in enumerate(named)}
    counts = []
    for side in (left, right):
        found = np.zeros(len(shown) + 1)
        for item in pc.value_counts(side).to_pylist():
            found[shown.get(item["values"], len(shown))] += item["counts"]
        counts.append(found)
    return counts[0], counts[1]


def _texts(vector: Vector) -> pa.Array:
    values = vector.values if vector.kind == STRING else pa.array(vector.values)
    return values if vector.is_null is None else values.filter(pa.array(~vector.is_null))


def _index(left: Floats, right: Floats) -> float | None:
    if not left.sum() or not right.sum():
        return None
    is_used = (left > 0) | (right > 0)
    shares = [np.maximum(side[is_used], _EMPTY) / side.sum() for side in (left, right)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
