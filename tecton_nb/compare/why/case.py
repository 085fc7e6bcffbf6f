"""What the search for causes looks at: a feature's differing cells beside a sample of those that agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ... import columns
from ..cells import CODES, Cells, Codes, plain_status
from ..nested import list_lengths
from ..pair import FeaturePair
from ..vectors import FLOAT, INTEGER, NESTED, Bools, Rows, Vector, arrow_kind, is_comparable, is_list, vector_of_arrow

_SAMPLE = 5_000
_NAT = np.iinfo(np.int64).min

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finding:
    """How large a share of the differing cells a cause explains, and the sentence that says why.

    `belief` is below 1 where the cells that agree fit the cause just as well.
    """

    share: float
    evidence: str
    belief: float = 1.0


@dataclass(frozen=True, slots=True)
class Numbers:
    """Pairs of numbers that differ, `owners` naming the differing cell each belongs to: many in an array."""

    left: np.ndarray
    right: np.ndarray
    owners: Rows
    is_whole: bool


@dataclass(frozen=True)
class SideFacts:
    """One side over some rows: values, plain statuses, whether cached, effective times (nanoseconds)."""

    values: Vector
    statuses: npt.NDArray[np.object_]
    times: npt.NDArray[np.int64]

    @property
    def has_time(self) -> Bools:
        """Where there is an effective time."""
        return np.asarray(self.times != _NAT)

    @cached_property
    def is_cached(self) -> Bools:
        """Where the value came from the serving cache."""
        return np.array([str(text or "").startswith(columns.CACHED_PREFIX) for text in self.statuses], dtype=bool)

    @cached_property
    def plain(self) -> npt.NDArray[np.object_]:
        """Statuses without the word that says cached; None where there is none."""
        return np.array([None if text is None else plain_status(text) for text in self.statuses], dtype=object)


@dataclass(frozen=True, slots=True)
class Segment:
    """A column by which differences may be concentrated: the place in `values` of each joined row's value."""

    name: str
    codes: Rows
    values: npt.NDArray[np.object_]


@dataclass(frozen=True)
class Case:
    """One feature: `left` and `right` at the differing cells, `equal_left` and `equal_right` at cells that agree.

    Parameters
    ----------
    rows
        Joined rows of the differing cells.
    codes
        Their verdicts.
    mismatched
        Every joined row that differs, not only the sample.
    """

    pair: FeaturePair
    rows: Rows
    codes: Codes
    mismatched: Rows
    left: SideFacts
    right: SideFacts
    equal_left: SideFacts
    equal_right: SideFacts
    segments: Sequence[Segment]

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, verdict: str) -> Bools:
        """Where the verdict on a differing cell is this one."""
        found: Bools = self.codes == CODES[verdict]
        return found

    @cached_property
    def both(self) -> Bools:
        """Where both sides have a value."""
        return ~self.left.values.nulls & ~self.right.values.nulls

    @cached_property
    def numbers(self) -> Numbers | None:
        """Numbers that differ, those within arrays too; `None` if the feature holds none."""
        left, right = self.left.values, self.right.values
        if not is_comparable(left, right):
            return None
        at = np.flatnonzero(self.both)
        if left.kind == right.kind == NESTED:
            return _numbers_in_lists(left.take(at).values, right.take(at).values, at)
        if left.kind != right.kind or left.kind not in {INTEGER, FLOAT}:
            return None
        return _differing_numbers(left.take(at), right.take(at), at)

    def share_of(self, owners: Rows, fits: Bools) -> float:
        """Return the share of the differing cells all of whose numbers fit."""
        misfits = np.zeros(len(self), dtype=bool)
        misfits[owners[~fits]] = True
        has_numbers = np.zeros(len(self), dtype=bool)
        has_numbers[owners] = True
        return float((has_numbers & ~misfits).mean())

    def sides(self) -> Iterator[tuple[str, SideFacts, SideFacts]]:
        """Yield the name of each side, itself and the other."""
        yield "left", self.left, self.right
        yield "right", self.right, self.left


def case_of(pair: FeaturePair, cells: Cells, segments: Sequence[Segment]) -> Case | None:
    """Return the case of a feature; `None` if it differs in no joined row."""
    mismatched = cells.mismatches
    if not len(mismatched):
        return None
    rows = _spread(mismatched)
    is_equal = np.ones(pair.join.count, dtype=bool)
    is_equal[cells.rows] = False
    equal = _spread(np.flatnonzero(is_equal))
    codes = cells.codes[np.searchsorted(cells.rows, rows)]
    left, right = pair.vectors()
    return Case(
        pair,
        rows,
        codes,
        mismatched,
        SideFacts(left.take(rows), _objects(pair.left_statuses(rows)), pair.left_times(rows)),
        SideFacts(right.take(rows), _objects(pair.right_statuses(rows)), pair.right_times(rows)),
        SideFacts(left.take(equal), _objects(pair.left_statuses(equal)), pair.left_times(equal)),
        SideFacts(right.take(equal), _objects(pair.right_statuses(equal)), pair.right_times(equal)),
        segments,
    )


def out_of(count: int, case: Case) -> str:
    """Return how many of the differing cells: ``12 of 40 differing cells``, or of those looked at where not all are."""
    of = f"{count:,} of {len(case):,}"
    every = len(case.mismatched)
    return f"{of} differing cells" if every == len(case) else f"{of} looked at of {every:,} differing cells"


def shared(share: float, case: Case) -> str:
    """Return the same for a share."""
    return out_of(round(share * len(case)), case)


def _spread(rows: Rows) -> Rows:
    if len(rows) <= _SAMPLE:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _SAMPLE).astype(np.intp)]


def _objects(texts: pa.Array) -> npt.NDArray[np.object_]:
    found: npt.NDArray[np.object_] = texts.to_numpy(zero_copy_only=False).astype(object)
    return found


def _numbers_in_lists(left: pa.Array, right: pa.Array, owners: Rows) -> Numbers | None:
    if not (is_list(left.type) and is_list(right.type)):
        return None
    kinds = {arrow_kind(left.type.value_type), arrow_kind(right.type.value_type)}
    if not kinds <= {INTEGER, FLOAT}:
        return None
    lengths = [list_lengths(side) for side in (left, right)]
    same = np.flatnonzero(lengths[0] == lengths[1])
    one, other = (vector_of_arrow(side.take(pa.array(same)).flatten()) for side in (left, right))
    return _differing_numbers(one, other, np.repeat(owners[same], lengths[0][same]))


def _differing_numbers(left: Vector, right: Vector, owners: Rows) -> Numbers:
    is_whole = left.kind == right.kind == INTEGER
    at = np.flatnonzero(~left.nulls & ~right.nulls & (left.values != right.values))
    return Numbers(left.values[at], right.values[at], owners[at], is_whole)
