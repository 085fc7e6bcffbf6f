"""Runs a plan: starts as many calls as the policy allows, takes their answers, tries again what may be tried again.

A run has no thread of its own. Answers come on the threads of the lane, and each starts the next call; what is
due by the clock alone (a retry, the rate limit, a commit of the resume file) is done by whoever drives the run,
see `batch.drive`.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from ..exceptions import BatchStoppedError, DecodeError, LedgerError, TectonError
from ..transport.answers import http_error, readable
from ..transport.doubt import nobody_asks_again
from ..transport.exchange import Lane
from ..transport.messages import HttpAnswer
from ..transport.policy import Cause, GiveUp, Governor, Retry, Stop
from ..transport.scrub import without_key
from ..wire.requests import read_row
from .asking import Asker
from .endings import CANCELLED, CUT_OFF, DOUBTED, GOES_ON
from .gathered import Gathered
from .ledger import Ledger
from .plan import Plan
from .proof import Proof
from .queue import Queue, Unit
from .report import BatchProgress, BatchReport
from .result import FeatureBatch
from .settings import BatchSettings

# What one row can do to the others of its call.
_ONE_ROWS_FAULT = frozenset(
    {Cause.BAD_REQUEST, Cause.NOT_FOUND, Cause.UNSUPPORTED, Cause.SERVER, Cause.SCHEMA, Cause.GARBAGE, Cause.TOO_LARGE}
)
# So many calls for several rows refused, and none answered: the service takes no such calls.
_MOST_REFUSALS = 3
_LOOK_SECONDS = 0.1
_COMMIT_SECONDS = 0.2


class BatchRun:
    """One run of a plan.

    Parameters
    ----------
    plan, settings
        What to ask for, and how.
    lane
        What the calls go through.
    governor
        The policy; a fresh one for each run.
    ledger
        Where finished rows are kept and found again.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        plan: Plan,
        settings: BatchSettings,
        lane: Lane,
        governor: Governor,
        *,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ledger_error: LedgerError | None = None
        self._plan = plan
        self._settings = settings
        self._lane = lane
        self._governor = governor
        self._ledger = ledger
        self._clock = clock
        self._gathered = Gathered(plan, settings.schema)
        self._keys = [ledger.key_of(read_row(row)) for row in plan.requests] if ledger else []
        self._resumed = self._resume()
        missing = np.flatnonzero(self._gathered.missing()).tolist()
        self._queue = Queue(missing, settings.rows_per_call_for(len(missing)))
        self._asker = Asker(settings.template, settings.connection)
        # Reentrant: a lane may end a call while it is being sent.
        self._lock = threading.RLock()
        self._flying: set[Unit] = set()
        self._is_pumping = False
        self._held_since: float | None = None
        self._driver_sleeps_until = float("-inf")
        self._began_at = self._ended_at = self._committed_at = clock()
        self._many_refused = 0
        self._many_answered = 0
        self._rest: BatchStoppedError | None = None
        # An answer may turn out to be another row's; the connection keeps whom to tell, but must not keep the run.
        self._weakly = weakref.ref(self)
        self._proof = Proof(lane)
        # For one row the wait for that would double the time of a call, as users make them by the hundred in a loop.
        self._asks_again = len(plan.requests) > 1
        self._over = threading.Event()
        # What a lane raised that is no error of a request.
        self.broken: BaseException | None = None
        self.wake_driver: Callable[[], None] = lambda: None

    @property
    def is_over(self) -> bool:
        """Whether every row has its values or its error."""
        return self._over.is_set()

    def tick(self) -> float:
        """Start what may start now; return the seconds after which to call again, or earlier when woken."""
        with self._lock:
            self._governor.look(self._clock())
            due_in = self._pump()
            now = self._clock()
            wait = _LOOK_SECONDS if due_in is None else min(due_in, _LOOK_SECONDS)
            self._driver_sleeps_until = now + wait
        return wait

    def cancel(self) -> None:
        """End every call that has no answer yet and start no other; values that came stay."""
        with self._lock:
            flying = list(self._flying)
            self._flying.clear()
            now = self._clock()
            for unit in flying:
                self._governor.abandoned(now, unit.attempt)
                self._gathered.fail(unit.positions, CUT_OFF, unit.attempts)
            if not self.is_over:
                self._give_up_rest(CANCELLED)
                self._end()
        # Newest first: what still waits in the lane must not be sent in place of what was just ended.
        for unit in reversed(flying):
            if unit.exchange is not None:
                unit.exchange.cancel()

    def progress(self) -> BatchProgress:
        """Return how far the run is."""
        with self._lock:
            done, failed = self._gathered.done, self._gathered.failed
            rows, flying = len(self._plan.requests), len(self._flying)
            rate = self._rows_per_second()
        left = rows - done - failed
        return BatchProgress(rows, done, failed, flying, rate, left / rate if rate else None, self.is_over)

    def batch(self) -> FeatureBatch:
        """Return what came, all of it once the run is over.

        Raises
        ------
        BaseException
            What a lane raised that is no error of a request: a mistake in a client the user brought.
        """
        if self.broken is not None:
            raise self.broken
        with self._lock:
            gathered = self._gathered if self.is_over else self._gathered.copied()
            if not self.is_over:
                gathered.fail_unreadable(self._unreadable(gathered))
                gathered.fail_rest(GOES_ON)
            report = self._report(gathered)
        return FeatureBatch(self._settings.origin, gathered, report)

    def close(self) -> None:
        """Commit and close the resume file."""
        if self._ledger is not None:
            try:
                self._ledger.close()
            except LedgerError as error:
                self.ledger_error = self.ledger_error or error

    def _resume(self) -> int:
        if self._ledger is not None:
            for kept in self._ledger.finished(self._keys):
                # What was kept and cannot be read any more is asked for again.
                with contextlib.suppress(DecodeError):
                    self._gathered.take(kept.body, kept.positions, is_batch=kept.is_batch)
            self._forget(self._unreadable(self._gathered))
        return self._gathered.done

    def _pump(self) -> float | None:
        """Start what may start; return the seconds until something else may, `None` if only an answer can help."""
        if self._is_pumping:
            return None
        self._is_pumping = True
        try:
            due_in = self._start_what_may_start()
        finally:
            self._is_pumping = False
        if not self._flying and self._queue.is_empty and not self.is_over:
            due_in = self._proof.wait(self._clock(), self._go_on)
            if due_in == 0 and not self.is_over:
                self._end()
        return due_in

    def _start_what_may_start(self) -> float | None:
        while True:
            now = self._clock()
            due_in = self._queue.due_in(now, may_start_several=not self._is_trying_several())
            allowed_in = None if due_in is None else self._governor.wait_before_start(now)
            if due_in is None or allowed_in is None:
                self._heed_stop()
                return None
            if allowed_in > 0 and self._held_since is None:
                self._held_since = now
            if due_in > 0 or allowed_in > 0:
                return max(due_in, allowed_in)
            self._start(self._queue.pop(now), now)
            if self._governor.is_full:
                return None

    def _is_trying_several(self) -> bool:
        # The first call for several rows is a question, too: whether the service takes such calls.
        if self._many_answered or self._queue.is_single:
            return False
        return any(len(unit.positions) > 1 for unit in self._flying) or self._queue.has_several_waiting()

    def _heed_stop(self) -> None:
        # A governor that outlived an earlier part may have stopped there already.
        if self._governor.stopped is not None:
            self._give_up_rest(self._governor.stopped)

    def _start(self, unit: Unit, now: float) -> None:
        unit.starts(self._governor.started(now, unit.retry), now, self._held_since)
        self._held_since = None
        self._flying.add(unit)
        try:
            unit.exchange = self._lane.send(
                self._asker.request([self._plan.requests[position] for position in unit.positions]),
                self._settings.deadline_seconds,
                partial(self._ended, unit),
                doubted=partial(_doubt, self._weakly, unit) if self._asks_again else nobody_asks_again,
            )
        except TectonError as error:
            self._ended(unit, error)

    def _ended(self, unit: Unit, outcome: HttpAnswer | BaseException) -> None:
        with self._lock:
            if unit not in self._flying:
                return
            self._flying.discard(unit)
            self._go_on(self._take, unit, outcome)

    def _doubted(self, unit: Unit) -> None:
        """Ask again for rows that have values, which may be another row's."""
        with self._lock:
            if not self.is_over and self._gathered.has(unit.positions):
                self._go_on(self._take_back, unit)

    def _go_on(self, step: Callable[..., None] | None = None, *arguments: object) -> None:
        with self._lock:
            try:
                if step:
                    step(*arguments)
                due_in = self._pump()
            except BaseException as error:  # noqa: BLE001  # a callback has no caller: `batch` raises it
                self._break_off(error)
                due_in = None
            if due_in is not None and self._clock() + due_in < self._driver_sleeps_until:
                self.wake_driver()

    def _take(self, unit: Unit, outcome: HttpAnswer | BaseException) -> None:
        if isinstance(outcome, HttpAnswer):
            answer, error = outcome, self._read(unit, outcome)
        elif isinstance(outcome, TectonError):
            answer, error = None, outcome
            self._gathered.calls_made.add(len(unit.positions), unit.attempts, unit.wait_seconds, None, None)
        else:
            raise outcome
        self._ended_at = now = self._clock()
        if error is not None:
            self._failed(unit, error, self._governor.failed(now, unit.attempt, error, answer), now)
        else:
            if answer and self._asks_again:
                self._proof.came(answer, now)
            self._governor.succeeded(now, unit.attempt)
            self._many_answered += len(unit.positions) > 1

    def _read(self, unit: Unit, answer: HttpAnswer) -> TectonError | None:
        """Take the rows of an answer; return the error if it brings none."""
        slo_info = None
        error: TectonError | None = None
        is_batch = len(unit.positions) > 1
        if not 200 <= answer.status < 300:
            error = http_error(answer, self._settings.template.locator, self._settings.connection.key)
        else:
            try:
                slo_info = self._gathered.take(answer.body, unit.positions, is_batch=is_batch, attempts=unit.attempts)
            except DecodeError as unreadable:
                error = readable(unreadable, answer, self._settings.connection.key)
        self._gathered.calls_made.add(len(unit.positions), unit.attempts, unit.wait_seconds, answer, slo_info)
        if error is None and self._ledger is not None:
            self._ledger.keep(answer.body, [self._keys[position] for position in unit.positions], is_batch=is_batch)
        return error

    def _take_back(self, unit: Unit) -> None:
        self._gathered.take_back(unit.positions)
        self._forget(unit.positions)
        now = self._clock()
        self._failed(unit, DOUBTED, self._governor.doubted(now, unit.attempt, DOUBTED), now)

    def _failed(self, unit: Unit, error: TectonError, verdict: Retry | GiveUp | Stop, now: float) -> None:
        unit.error = error
        if self._is_better_asked_singly(unit, verdict):
            self._queue.split(unit)
        elif isinstance(verdict, Retry):
            self._queue.again(unit, verdict, now)
        else:
            self._gathered.fail(unit.positions, verdict.error, unit.attempts)
        if isinstance(verdict, Stop):
            self._give_up_rest(verdict.rest)

    def _is_better_asked_singly(self, unit: Unit, verdict: Retry | GiveUp | Stop) -> bool:
        if len(unit.positions) == 1 or not isinstance(verdict, GiveUp) or self._governor.stopped is not None:
            return False
        if self._many_answered or verdict.cause is Cause.THROTTLED:
            return verdict.cause in _ONE_ROWS_FAULT
        # No call for several rows was ever answered: whatever the reason, the service may not take them.
        self._many_refused += 1
        if self._many_refused >= _MOST_REFUSALS:
            self._queue.ask_singly()
        return True

    def _give_up_rest(self, error: BatchStoppedError) -> None:
        """Start nothing any more; what never was asked ends with `error` when the last call is back."""
        self._rest = self._rest or error
        for unit in self._queue.give_up():
            self._gathered.fail(unit.positions, unit.error or error, unit.attempts)

    def _end(self) -> None:
        unreadable = self._unreadable(self._gathered)
        self._gathered.fail_unreadable(unreadable)
        self._forget(unreadable)
        if self._rest is not None:
            self._gathered.fail_rest(self._rest)
        self._over.set()
        self.wake_driver()

    def _unreadable(self, gathered: Gathered) -> dict[int, DecodeError]:
        # Not in there: what a batch keeps may be pickled, and the key may not.
        key = self._settings.connection.key
        return {position: without_key(error, key) for position, error in gathered.unreadable().items()}

    def _forget(self, positions: Iterable[int]) -> None:
        """Take rows out of the resume file that cannot be read, so that the next run asks for them."""
        if self._ledger is not None and (keys := [self._keys[position] for position in positions]):
            try:
                self._ledger.forget(keys)
            except LedgerError as error:
                self.ledger_error = error

    def _break_off(self, error: BaseException) -> None:
        self.broken = self.broken or error
        self.cancel()

    @property
    def is_commit_due(self) -> bool:
        """Whether `commit` has something to do."""
        is_time = self.is_over or self._clock() - self._committed_at >= _COMMIT_SECONDS
        return self._ledger is not None and is_time

    def commit(self) -> None:
        """Write what came since the last time into the resume file; it may take some milliseconds."""
        if self._ledger is None:
            return
        self._committed_at = self._clock()
        try:
            self._ledger.commit()
        except LedgerError as error:
            # The answers are in memory: the run goes on, and whoever waits for it is told at its end.
            self.ledger_error = error

    def _rows_per_second(self) -> float:
        seconds = (self._ended_at if self.is_over else self._clock()) - self._began_at
        return (self._gathered.done - self._resumed) / seconds if seconds > 0 else 0.0

    def _report(self, gathered: Gathered) -> BatchReport:
        failed, not_fetched = gathered.counts()
        return BatchReport.of(
            self._governor.report(),
            rows=len(self._plan.index),
            unique=len(self._plan.requests),
            resumed=self._resumed,
            failed=failed,
            not_fetched=not_fetched,
            calls=len(gathered.calls_made),
            seconds=(self._ended_at if self.is_over else self._clock()) - self._began_at,
            rows_per_second=self._rows_per_second(),
            answered_at=gathered.calls_made.answered_at,
        )


def _doubt(run: weakref.ref[BatchRun], unit: Unit) -> None:
    if (found := run()) is not None:
        found._doubted(unit)
