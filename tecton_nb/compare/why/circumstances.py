"""Causes around the values: serving status, age, ttl, cache, and which keys are concerned."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from ... import columns
from ...exceptions import quoted, shown
from ...reprs import human_percent, human_seconds
from ..join import Join
from ..vectors import NESTED, NULL, OBJECT, STRING, Bools, Vector, vector_of
from .case import Case, Finding, Segment, SideFacts, out_of

_FEW = 3
# A value that stands for so large a share of all rows is no segment, nor are keys of which each has its own.
_LARGEST_SEGMENT = 0.6
_MOST_SEGMENTS = 0.5
_BY_CHANCE = 1e-3
# Cells that agree come from the cache nearly as often as those that differ: that alone is a weak reason.
_USUAL, _WEAK = 0.8, 0.6
_NO_VALUE = (None, columns.PRESENT, columns.MISSING_DATA)


def with_other_status(case: Case) -> Finding | None:
    """Serving statuses differ, or the only side that has them did not get the value."""
    pairs = [(a or "no status", b or "no status") for a, b in zip(case.left.plain, case.right.plain, strict=True)]
    told = case.has(columns.STATUS_DIFFERS) | _is_silent(case.left) | _is_silent(case.right)
    if not told.any():
        return None
    counted = Counter(pair for pair, is_told in zip(pairs, told, strict=True) if is_told)
    said = [
        f"{shown(a, 40)} on the left against {shown(b, 40)} on the right ({n:,})"
        for (a, b), n in counted.most_common(3)
    ]
    return Finding(float(told.mean()), f"{'; '.join(said)}; {out_of(int(told.sum()), case)}")


def stale(case: Case) -> Finding | None:
    """One side's effective time is older."""
    known = case.left.has_time & case.right.has_time
    is_equal_known = case.equal_left.has_time & case.equal_right.has_time
    gaps = case.equal_right.times - case.equal_left.times
    found = []
    for name, side, other in case.sides():
        is_older = known & (side.times < other.times) & case.both
        if is_older.any():
            ages = (other.times - side.times)[is_older] / 1e9
            said = f"{name} is older in {out_of(int(is_older.sum()), case)}, by {_span(ages)}"
            share, equal = float(is_older.mean()), is_equal_known & ((gaps if name == "left" else -gaps) > 0)
            # Now against an hour ago every cell is older, whatever makes some differ.
            is_telling = not len(equal) or equal.mean() < _USUAL * share
            found.append(Finding(share, said, 1.0 if is_telling else _WEAK))
    return max(found, key=lambda f: f.share, default=None)


def expired(case: Case) -> Finding | None:
    """No value on one side exactly where the other's value is older than some age."""
    found = []
    for name, side, other in case.sides():
        equal = case.equal_right if name == "left" else case.equal_left
        gone = side.values.nulls & ~other.values.nulls & other.has_time & _may_be_missing(side)
        served = equal.times[equal.has_time & ~equal.values.nulls]
        if gone.sum() < _FEW or len(served) < _FEW:
            continue
        # Everything served is younger than the cut; what is gone should be older.
        cut = int(np.quantile(served, 0.02))
        is_old = gone & (other.times < cut)
        if is_old.sum() >= max(_FEW, 0.9 * gone.sum()):
            found.append(Finding(float(is_old.mean()), _expiry_words(case, name, is_old, other, served)))
    return max(found, key=lambda f: f.share, default=None)


def cached(case: Case) -> Finding | None:
    """One side came from the serving cache, the other did not."""
    found = []
    for name, side, other in case.sides():
        from_cache = side.is_cached & ~other.is_cached & ~_is_silent(other) & ~_is_silent(side)
        if from_cache.any():
            equal = case.equal_left if name == "left" else case.equal_right
            found.append(_cache_finding(case, name, from_cache, (side, other, equal)))
    return max(found, key=lambda f: f.share, default=None)


def _cache_finding(case: Case, name: str, from_cache: Bools, facts: tuple[SideFacts, SideFacts, SideFacts]) -> Finding:
    side, other, equal = facts
    share, usual = float(from_cache.mean()), float(equal.is_cached.mean()) if len(equal.statuses) else 0.0
    is_older = from_cache & side.has_time & other.has_time & (side.times < other.times)
    age = f"; older by {_span((other.times - side.times)[is_older] / 1e9)}" if is_older.any() else ""
    said = f"{name} came from the cache in {out_of(int(from_cache.sum()), case)}, {human_percent(usual)} of equal ones"
    is_telling = usual < _USUAL * share or is_older.mean() > share / 2
    return Finding(share, said + age, 1.0 if is_telling else _WEAK)


def concentrated(case: Case) -> Finding | None:
    """The differences are in one key segment."""
    found = [_segment_finding(case, segment) for segment in case.segments]
    return max([f for f in found if f is not None], key=lambda f: f.share, default=None)


def segments_of(join: Join, more: pd.DataFrame | None) -> list[Segment]:
    """Return the keys by which rows are joined, and the further columns of the left's rows, as segments.

    Left out are those that tell (nearly) every row from every other, and nested ones.
    """
    labels = join.labels.take(np.arange(join.count))
    levels = [] if isinstance(labels, pd.RangeIndex) else range(labels.nlevels)
    named = [(str(labels.names[level] or "index"), pd.Series(labels.get_level_values(level))) for level in levels]
    if more is not None:
        rows = join.on_left(np.arange(join.count))
        named += [(str(name), more[name].iloc[rows]) for name in more.columns]
    found = (_segment(name, vector_of(column)) for name, column in named)
    return [segment for segment in found if segment is not None]


def _segment(name: str, column: Vector) -> Segment | None:
    if column.kind in {NESTED, OBJECT, NULL} or not len(column):
        return None
    texts = pd.Series(pd.arrays.ArrowStringArray(column.values)) if column.kind == STRING else column.values
    codes, values = pd.factorize(texts)
    if not 1 < len(values) <= max(_MOST_SEGMENTS * len(codes), 2):
        return None
    first = np.zeros(len(values), dtype=np.intp)
    is_known = codes >= 0
    first[codes[is_known][::-1]] = np.flatnonzero(is_known)[::-1]
    return Segment(name, np.where(column.nulls, -1, codes), column.take(first).objects())


def _segment_finding(case: Case, segment: Segment) -> Finding | None:
    codes, count_of = segment.codes, len(segment.values)
    sizes = np.bincount(codes[codes >= 0], minlength=count_of)
    differing = codes[case.mismatched]
    inside = np.bincount(differing[differing >= 0], minlength=count_of)
    # The segment with most differing rows beyond what its size lets expect.
    excess = inside - len(differing) * sizes / len(codes)
    worst = int(np.argmax(excess))
    base, count = sizes[worst] / len(codes), int(inside[worst])
    share = count / len(differing)
    if base > _LARGEST_SEGMENT or count < _FEW or share < 2 * base or base**count > _BY_CHANCE:
        return None
    said = f"{count:,} of {len(differing):,} differing rows have {quoted(segment.name)} {quoted(segment.values[worst])}"
    return Finding(share, f"{said}, which is {human_percent(base)} of all rows")


def _is_silent(side: SideFacts) -> Bools:
    return np.array([status in columns.NO_ANSWER_STATUSES for status in side.plain], dtype=bool)


def _may_be_missing(side: SideFacts) -> Bools:
    return np.array([status in _NO_VALUE for status in side.plain], dtype=bool)


def _expiry_words(case: Case, name: str, is_old: Bools, other: SideFacts, served: np.ndarray) -> str:
    newest_gone, oldest_served = (pd.Timestamp(int(t), tz="UTC") for t in (other.times[is_old].max(), served.min()))
    return (
        f"{name} has no value in {out_of(int(is_old.sum()), case)}, where the other's effective time is "
        f"{newest_gone:%Y-%m-%d %H:%M:%S} or older; values both serve go back to {oldest_served:%Y-%m-%d %H:%M:%S}"
    )


def _span(seconds: np.ndarray) -> str:
    low, middle, high = (float(value) for value in np.quantile(seconds, [0.0, 0.5, 1.0]))
    if low == high:
        return f"{human_seconds(middle)} ({middle:,.10g} s)"
    return f"{human_seconds(middle)} at the median ({low:,.10g} to {high:,.10g} s)"
