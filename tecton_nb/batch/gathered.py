"""What a run has brought so far: columns of values, one error per failed row, one line per HTTP call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .. import columns
from ..exceptions import BatchStoppedError, DecodeError, TectonError, TectonHttpException
from ..frames.assemble import FeatureColumns, Schema, frame_of
from .call_log import CallLog
from .plan import Plan


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row has no values, and how often it was asked for."""

    error: TectonError
    attempts: int

    @property
    def status(self) -> str:
        """What the row's status frame says."""
        return columns.NOT_FETCHED if isinstance(self.error, BatchStoppedError) else columns.FAILED


class Gathered:
    """Frames over the caller's index, filled while a run goes on.

    Parameters
    ----------
    plan
        What was asked for.
    schema
        Names and types of the features.
    """

    def __init__(self, plan: Plan, schema: Schema) -> None:
        self.index = plan.index
        self.schema = schema
        self.calls_made = CallLog()
        self.done = 0
        self._plan = plan
        self._table = FeatureColumns(schema, len(plan.requests))
        self._failures: list[Failure] = []
        # Per different row its failure's number, -1 for none.
        self._failed = np.full(len(plan.requests), -1, dtype=np.int32)
        self._is_done = np.zeros(len(plan.requests), dtype=bool)
        # Nearly always one, so it is noted where it is not.
        self._attempts = np.ones(len(plan.requests), dtype=np.uint8)

    def take(self, body: bytes, positions: Sequence[int | None], *, is_batch: bool, attempts: int = 0) -> Any:
        """Take the rows of an answer; the i-th belongs at ``positions[i]``, to nobody where that is `None`.

        Returns
        -------
        SLOInfo or None
            What the server says of the call.

        Raises
        ------
        DecodeError
            If the answer cannot be read. Nothing is taken then.
        """
        slo_info = self._table.put_body(body, positions, is_batch=is_batch)
        for position in positions:
            if position is not None and not self._is_done[position]:
                self._is_done[position] = True
                self.done += 1
                if attempts != 1:
                    self._attempts[position] = attempts
        return slo_info

    def has(self, positions: Sequence[int]) -> bool:
        """Return whether all these rows have values."""
        return bool(self._is_done[list(positions)].all())

    def take_back(self, positions: Sequence[int]) -> None:
        """Take back the values of rows that had them."""
        self._table.take_out(positions)
        self._is_done[list(positions)] = False
        self.done -= len(positions)

    def fail(self, positions: Sequence[int], error: TectonError, attempts: int) -> None:
        """End rows with an error."""
        self._failed[list(positions)] = len(self._failures)
        self._failures.append(Failure(error, attempts))

    def fail_rest(self, error: TectonError) -> None:
        """End every row that has neither values nor an error."""
        self._failed[self.missing()] = len(self._failures)
        self._failures.append(Failure(error, 0))

    def unreadable(self) -> dict[int, DecodeError]:
        """Take back the rows whose values turned out to be wrong when many were looked at together, and say why.

        The errors quote answers as they came.
        """
        found = {position: error for position, error in self._table.settle().items() if self._is_done[position]}
        self._is_done[list(found)] = False
        self.done -= len(found)
        return found

    def fail_unreadable(self, found: Mapping[int, DecodeError]) -> None:
        """End the rows that `unreadable` found."""
        for position, error in found.items():
            self.fail([position], error, int(self._attempts[position]))

    def missing(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which of the different rows have neither values nor an error yet."""
        return ~self._is_done & (self._failed < 0)

    @property
    def failed(self) -> int:
        """How many of the different rows ended with an error."""
        return int((self._failed >= 0).sum())

    def copied(self) -> Gathered:
        """Return it as it is now; the run may go on with this one."""
        twin = copy.copy(self)
        twin._table = self._table.copied()
        twin._failures = list(self._failures)
        twin._failed = self._failed.copy()
        twin._is_done = self._is_done.copy()
        twin.calls_made = self.calls_made.copied()
        return twin

    def features(self) -> pd.DataFrame:
        """Return the values; see ``FeatureBatch.to_pandas``."""
        return self._table.features(self.index, self._rows)

    def statuses(self) -> pd.DataFrame:
        """Return the serving statuses; see ``FeatureBatch.statuses``."""
        frame = self._table.statuses(self.index, self._rows)
        numbers, failures = self._of_callers()
        for status in (columns.FAILED, columns.NOT_FETCHED):
            wanted = np.array([failure.status == status for failure in failures], dtype=bool)
            rows = (numbers >= 0) & wanted[numbers] if len(wanted) else np.zeros(len(numbers), dtype=bool)
            if rows.any():
                frame = frame.mask(np.broadcast_to(rows[:, None], frame.shape), status)
        return frame

    def effective_times(self) -> pd.DataFrame:
        """Return the effective times; see ``FeatureBatch.effective_times``."""
        return self._table.effective_times(self.index, self._rows)

    def slo_info(self) -> pd.DataFrame:
        """Return the serving times; see ``FeatureBatch.slo_info``."""
        return self._table.slo_info(self.index, self._rows)

    def calls(self) -> pd.DataFrame:
        """Return one row per HTTP call."""
        return self.calls_made.frame()

    def errors(self) -> pd.DataFrame:
        """Return one row per failed row of the caller."""
        numbers, failures = self._of_callers()
        rows = np.flatnonzero(numbers >= 0)
        found = [failures[number] for number in numbers[rows]]
        values: dict[str, list[object]] = {
            "exception": _each(found, lambda failure: type(failure.error).__name__),
            "status": _each(found, lambda failure: _http_status(failure.error)),
            "message": _each(found, lambda failure: str(failure.error)),
            "attempts": _each(found, lambda failure: failure.attempts),
        }
        return frame_of(values, columns.ERRORS, self.index[rows])

    def first_error(self) -> TectonError | None:
        """Return the error of the caller's first failed row, if there is one."""
        numbers, failures = self._of_callers()
        failed = numbers[numbers >= 0]
        return failures[failed[0]].error if len(failed) else None

    def counts(self) -> tuple[int, int]:
        """Return how many of the caller's rows failed, and how many were not asked for."""
        numbers, failures = self._of_callers()
        statuses = [failures[number].status for number in numbers[numbers >= 0]]
        return statuses.count(columns.FAILED), statuses.count(columns.NOT_FETCHED)

    @property
    def _rows(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return self._plan.positions

    def _of_callers(self) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[Failure]]:
        """Return the number of each caller's row's failure, -1 for none, and the failures."""
        failures = [*self._failures, *(Failure(error, 0) for error in self._plan.errors.values())]
        rows = self._plan.positions
        numbers = np.full(len(rows), -1, dtype=np.int64)
        sent = rows >= 0
        numbers[sent] = self._failed[rows[sent]]
        unsent = list(self._plan.errors)
        numbers[unsent] = np.arange(len(self._failures), len(failures))
        return numbers, failures


def _each(failures: list[Failure], part: Callable[[Failure], object]) -> list[object]:
    # Few failures stand for many rows, so each is asked once.
    known = {id(failure): part(failure) for failure in failures}
    return [known[id(failure)] for failure in failures]


def _http_status(error: TectonError) -> int | None:
    return error.status_code if isinstance(error, TectonHttpException) else None
