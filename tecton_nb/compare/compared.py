"""``compare_features``: from two sources to a `Comparison`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import pandas as pd

from ..exceptions import InputError, did_you_mean, quoted
from .blocks import suspects_by_feature
from .cells import Cells, compare_vectors, status_codes, with_statuses
from .comparison import Comparison
from .join import On, join, key_columns
from .pair import FeaturePair, column_text
from .sides import Side, Source, side_of
from .tolerance import Atol, PerFeature, Tolerance, tolerances
from .vectors import Rows


class CompareOptions(TypedDict, total=False):
    """The options of `compare_features` but `on`, for functions that pass them on."""

    rtol: float
    atol: Atol
    per_feature: PerFeature | None
    ignore: str | Iterable[str] | None


def compare_features(
    left: Source,
    right: Source,
    *,
    on: On = None,
    rtol: float = 0.0,
    atol: Atol = 0.0,
    per_feature: PerFeature | None = None,
    ignore: str | Iterable[str] | None = None,
) -> Comparison:
    """Return what differs between two tables of features, cell by cell.

    Parameters
    ----------
    left, right
        A `FeatureBatch` (or any `compare.FeatureTable`), a DataFrame, or the path of a parquet file. Statuses and
        effective times are compared where a side has them; a recording has them as ``FeatureBatch.load(path)``.
    on
        Name or names of key columns that both sides have; the index by default.
    rtol, atol
        How much floats may differ, inside arrays, structs and maps too: ``abs(l - r) <= max(rtol * max(abs(l),
        abs(r)), atol)``, as `math.isclose` has it. An `atol` that is a timedelta is for times. Whole numbers are
        always exact.
    per_feature
        Own tolerances by feature, such as ``{"view.score": {"rtol": 1e-6}, "view.seen_at": {"atol":
        pd.Timedelta("1s")}}``; what is left out is as for all.
    ignore
        Feature or features to leave out.

    Returns
    -------
    Comparison
        The verdict on every cell is found now; frames, drift and explanations when they are asked for. It
        looks into the two frames, so leave their values alone until you are done.

    Raises
    ------
    InputError
        If a source is none of these, a key stands twice on one side or cannot be joined, a tolerance is none, or
        a name is not there.
    OSError
        If a file cannot be read.
    """
    one, other = side_of(left, "left"), side_of(right, "right")
    return compare_sides(one, other, on=on, rtol=rtol, atol=atol, per_feature=per_feature, ignore=ignore)


def compare_sides(
    left: Side,
    right: Side,
    *,
    on: On = None,
    rtol: float = 0.0,
    atol: Atol = 0.0,
    per_feature: PerFeature | None = None,
    ignore: str | Iterable[str] | None = None,
    segments: pd.DataFrame | None = None,
) -> Comparison:
    """Return the comparison of two sides whose frames are at hand; the rest as for `compare_features`.

    Parameters
    ----------
    segments
        Further columns by which differences may be concentrated, such as the join keys: one row per row of the left.
    """
    joined = join(left.values, right.values, on)
    every = _feature_names(left, right, key_columns(on))
    bounds, names = check_options(every, rtol=rtol, atol=atol, per_feature=per_feature, ignore=ignore)
    pairs = {name: FeaturePair(name, left, right, joined) for name in names}
    known = suspects_by_feature(left.values, right.values) if joined.left is None else None
    cells = {
        name: _cells(pair, bounds[name], known.get(name) if known else None)
        for name, pair in pairs.items()
        if pair.is_common
    }
    return Comparison(left, right, joined, pairs, cells, segments)


def check_options(
    features: Iterable[str],
    *,
    rtol: float = 0.0,
    atol: Atol = 0.0,
    per_feature: PerFeature | None = None,
    ignore: str | Iterable[str] | None = None,
) -> tuple[dict[str, Tolerance], list[str]]:
    """Return the tolerance of every feature and the names of those to compare.

    Raises
    ------
    InputError
        If a tolerance is none, or a name is none of the features.
    """
    every = list(features)
    return tolerances(rtol, atol, per_feature, every), _without(every, ignore)


def _feature_names(left: Side, right: Side, keys: list[str]) -> list[str]:
    labels = (name for side in (left, right) for name in side.values.columns if name not in keys)
    return list(dict.fromkeys(map(column_text, labels)))


def _without(every: list[str], ignore: str | Iterable[str] | None) -> list[str]:
    left_out = [ignore] if isinstance(ignore, str) else list(ignore or ())
    for name in left_out:
        if name not in every:
            raise InputError(
                f"ignore names {quoted(name)}, which is no feature of either side.{did_you_mean(name, every)}"
            )
    return [name for name in every if name not in left_out]


def _cells(pair: FeaturePair, tolerance: Tolerance, suspects: Rows | None) -> Cells:
    left, right = pair.vectors()
    cells = compare_vectors(left, right, tolerance, suspects)
    statuses = pair.statuses()
    if statuses is None:
        return cells
    return with_statuses(cells, *status_codes(*statuses), both_null=left.nulls & right.nulls)
