"""Every planted difference is found with its class, nothing else is, and an independent program agrees."""

from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from diffly import compare_frames
from planting import FEATURES, PER_FEATURE, RTOL, frame, planted, table

from tecton_nb import columns, compare_features

SEEDS = range(200)
# diffly counts rows on one side by themselves, and takes NaN and null for the same.
NOT_TOLD_BY_DIFFLY = [columns.ONLY_LEFT, columns.ONLY_RIGHT, columns.NAN_AGAINST_NULL]
KNOWN_TO_DIFFLY = ("count", "score", "ratio", "is_late", "city", "seen_at", "recent", "ids", "last")
# It judges times in microseconds, so this test stays clear of the planted nanosecond too much.
NEAR = pd.Timedelta("0.9s")


def orders(case, seed):
    """Return the keys of each side, those of the right shuffled."""
    random = np.random.default_rng(seed)
    left, right = list(case.left["count"]), list(case.right["count"])
    return left, [right[i] for i in random.permutation(len(right))]


def found(comparison):
    """Return the verdict by key and feature, cells within tolerance and without answer too."""
    rows = comparison.mismatches()
    cells = dict(zip(zip(rows.index, rows["feature"], strict=True), rows["verdict"], strict=True))
    for feature in FEATURES:
        pairs = comparison.pairs(feature)
        soft = pairs[pairs["verdict"].isin([columns.WITHIN_TOLERANCE, columns.NO_ANSWER])]["verdict"]
        cells |= {(key, feature): verdict for key, verdict in soft.items()}
    return cells


@pytest.mark.parametrize("start", range(0, 200, 25))
def test_planted_cells_are_found_with_their_class(start):
    """In 200 seeded cases of every type and class, exactly the planted cells are found, each with its verdict."""
    kinds = Counter()
    for seed in SEEDS[start : start + 25]:
        case = planted(seed)
        left, right = orders(case, seed)
        comparison = compare_features(
            table(case.left, case.left_statuses, left, is_plain=True),
            table(case.right, case.right_statuses, right, is_plain=False),
            rtol=RTOL,
            per_feature=PER_FEATURE,
        )

        assert found(comparison) == case.truth, f"seed {seed}"
        assert comparison.equal == (not case.truth)
        assert comparison.mismatch_count == len(comparison.mismatches())
        kinds.update(case.truth.values())

    assert kinds.keys() == set(columns.VERDICTS) - {columns.EQUAL}


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_identical_frames_give_zero(seed):
    """A frame beside its own copy, with its rows in any order, has no mismatch and is equal."""
    case = planted(seed)
    left, _ = orders(case, seed)
    shuffled = [left[i] for i in np.random.default_rng(seed).permutation(len(left))]

    comparison = compare_features(frame(case.left, left), frame(case.left, shuffled))

    assert comparison.equal
    assert comparison.mismatches().empty
    assert comparison.total(columns.EQUAL) == len(left) * len(FEATURES)


@pytest.mark.parametrize("start", range(0, 200, 25))
def test_diffly_finds_the_same_cells(start):
    """For all types but maps, without statuses, diffly, written by others on polars, finds the same cells and rows."""
    for seed in SEEDS[start : start + 25]:
        case = planted(seed)
        left, right = orders(case, seed)
        one, other = frame(case.left, left)[[*KNOWN_TO_DIFFLY]], frame(case.right, right)[[*KNOWN_TO_DIFFLY]]
        theirs = compare_frames(
            _polars(one),
            _polars(other),
            primary_key="user_id",
            rel_tol=RTOL,
            abs_tol_temporal=NEAR.to_pytimedelta(),
        )

        ours = compare_features(one, other, rtol=RTOL, per_feature={"seen_at": {"atol": NEAR}})

        rows = ours.mismatches()
        rows = rows[~rows["verdict"].isin(NOT_TOLD_BY_DIFFLY)]
        for feature in KNOWN_TO_DIFFLY:
            expected = set(theirs.joined_unequal(feature)["user_id"])
            assert set(rows.index[rows["feature"] == feature]) == expected, f"seed {seed}, {feature}"
        assert set(ours.left_only().index) == set(theirs.left_only()["user_id"])
        assert set(ours.right_only().index) == set(theirs.right_only()["user_id"])


def _polars(values: pd.DataFrame) -> pl.DataFrame:
    # pandas 3 would give NaN to Arrow as null.
    arrays = {name: pa.array(values[name].array) for name in values.columns}
    for name in ("score", "ratio"):
        column = values[name].array
        numbers = column.to_numpy(dtype=column.dtype.numpy_dtype, na_value=0)
        arrays[name] = pa.array(numbers, mask=column.isna(), from_pandas=False)
    return pl.DataFrame({"user_id": list(values.index), **{name: pl.Series(column) for name, column in arrays.items()}})
