"""The verdict on every cell of one feature; only cells that are not simply equal are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .. import columns
from .nested import differences, plain_differences, unequal_values
from .tolerance import Tolerance
from .vectors import NESTED, NULL, Bools, Rows, Vector, is_comparable

Codes = npt.NDArray[np.uint8]
# Any number of statuses: a file may hold what text it likes.
StatusCodes = npt.NDArray[np.int32]
CODES = {verdict: code for code, verdict in enumerate(columns.VERDICTS)}
_EQUAL, _NO_ANSWER = CODES[columns.EQUAL], CODES[columns.NO_ANSWER]
# From this code on a cell is a mismatch.
FIRST_MISMATCH = CODES[columns.DIFFERENT_VALUE]


@dataclass(frozen=True, slots=True)
class Cells:
    """Joined rows that are not simply equal, ascending, and the code of the verdict on each."""

    rows: Rows
    codes: Codes

    @property
    def mismatches(self) -> Rows:
        """Rows that are mismatches."""
        return self.rows[self.codes >= FIRST_MISMATCH]

    def dense(self, count: int) -> Codes:
        """Return the code of every joined row."""
        codes = np.full(count, _EQUAL, dtype=np.uint8)
        codes[self.rows] = self.codes
        return codes


def compare_vectors(left: Vector, right: Vector, tolerance: Tolerance, suspects: Rows | None = None) -> Cells:
    """Return the verdicts on two columns of joined rows, as far as values alone tell.

    `suspects` are the only rows that may differ, where they are known already.
    """
    if not is_comparable(left, right):
        rows = np.flatnonzero(~(left.nulls & right.nulls))
        one_null = (left.nulls | right.nulls)[rows]
        return Cells(rows, _chosen(one_null, columns.NULL_AGAINST_VALUE, columns.DTYPE_DIFFERS))
    if suspects is None:
        suspects = np.flatnonzero(_suspicious(left, right))
    return _judged(suspects, left.take(suspects), right.take(suspects), tolerance)


def with_statuses(cells: Cells, left: StatusCodes, right: StatusCodes, both_null: Bools) -> Cells:
    """Return the verdicts with the serving statuses taken into account; statuses are codes of `status_codes`.

    A null whose side failed, timed out or was not fetched is no value: beside a null of unknown status it says nothing.
    """
    dense = cells.dense(len(left))
    dense[(left != right) & (left != _UNKNOWN) & (right != _UNKNOWN)] = CODES[columns.STATUS_DIFFERS]
    silent = (np.isin(left, _SILENT) | np.isin(right, _SILENT)) & both_null
    dense[silent & (dense == _EQUAL)] = _NO_ANSWER
    rows = np.flatnonzero(dense)
    return Cells(rows, dense[rows])


_UNKNOWN = 0
# Code 0 stands for no status; statuses that are not listed here get the codes after these.
_STATUSES = (columns.PRESENT, columns.MISSING_DATA, *columns.NO_ANSWER_STATUSES)
_SILENT = [code for code, status in enumerate(_STATUSES, 1) if status in columns.NO_ANSWER_STATUSES]


def status_codes(left: pa.Array, right: pa.Array) -> tuple[StatusCodes, StatusCodes]:
    """Return statuses as small numbers, the same for the same status; cached or not makes no difference."""
    known = {status: code for code, status in enumerate(_STATUSES, 1)}
    return _status_codes(left, known), _status_codes(right, known)


def plain_status(status: str) -> str:
    """Return a status without the word that says it came from the cache."""
    return columns.STATUS_SPELLINGS.get(status, status).removeprefix(columns.CACHED_PREFIX)


def _status_codes(statuses: pa.Array, known: dict[str, int]) -> StatusCodes:
    encoded = statuses.dictionary_encode()
    by_index = [known.setdefault(plain_status(text), len(known) + 1) for text in encoded.dictionary.to_pylist()]
    lookup = np.array([*by_index, _UNKNOWN], dtype=np.int32)
    found: StatusCodes = lookup[encoded.indices.fill_null(len(by_index)).to_numpy(zero_copy_only=False)]
    return found


def _suspicious(left: Vector, right: Vector) -> Bools:
    """Whether a cell may be anything but equal: one cheap pass over whole columns."""
    unequal = np.ones(len(left), dtype=bool) if left.kind == right.kind == NESTED else _unequal(left, right)
    if left.is_null is not None or right.is_null is not None:
        unequal[left.nulls & right.nulls] = False
        unequal[left.nulls != right.nulls] = True
    return unequal


def _unequal(left: Vector, right: Vector) -> Bools:
    if left.unit and left.unit == right.unit:
        unequal: Bools = left.values != right.values
        return unequal
    if left.unit:
        return np.ones(len(left), dtype=bool)
    return unequal_values(left, right)


def _judged(rows: Rows, left: Vector, right: Vector, tolerance: Tolerance) -> Cells:
    codes = np.full(len(rows), _EQUAL, dtype=np.uint8)
    one_null = left.nulls != right.nulls
    codes[one_null] = CODES[columns.NULL_AGAINST_VALUE]
    codes[one_null & (left.is_nan | right.is_nan)] = CODES[columns.NAN_AGAINST_NULL]
    both = np.flatnonzero(~left.nulls & ~right.nulls)
    if len(both) and NULL not in {left.kind, right.kind}:
        unequal, beyond = _compared(left.take(both), right.take(both), tolerance)
        differing = _chosen(beyond, columns.DIFFERENT_VALUE, columns.WITHIN_TOLERANCE)
        codes[both] = np.where(unequal, differing, _EQUAL)
    kept = codes != _EQUAL
    return Cells(rows[kept], codes[kept])


def _compared(left: Vector, right: Vector, tolerance: Tolerance) -> tuple[Bools, Bools]:
    if left.kind == NESTED:
        return differences(left.values, right.values, tolerance)
    return plain_differences(left, right, tolerance)


def _chosen(condition: Bools, if_true: str, if_false: str) -> Codes:
    return np.where(condition, CODES[if_true], CODES[if_false]).astype(np.uint8)
