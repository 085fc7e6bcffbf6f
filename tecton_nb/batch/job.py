"""A run in the background, while cells go on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future

from ..exceptions import InputError
from ..reprs import Card, HasCard, Kind, Status, counted, human_seconds
from .drive import wait_for
from .report import BatchProgress
from .result import FeatureBatch
from .run import BatchRun


class BatchJob(HasCard):
    """A batch that is being fetched; made by ``FeatureService.start_features_batch``.

    Parameters
    ----------
    run
        What goes on, not yet started.
    close
        Frees what the run was sent through.
    """

    def __init__(self, run: BatchRun, close: Callable[[], None]) -> None:
        self._run = run
        self._close = close
        self._outcome: Future[FeatureBatch] = Future()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="tecton_nb batch", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether `result` returns at once."""
        return self._outcome.done()

    def progress(self) -> BatchProgress:
        """Return how far it is, as a plain record."""
        self._check_process()
        return self._run.progress()

    def cancel(self) -> None:
        """End it: nothing is sent any more, `result` returns at once with what came. Has no effect once it is over."""
        self._check_process()
        self._run.cancel()

    def result(self, timeout_seconds: float | None = None) -> FeatureBatch:
        """Return the batch, waiting for it; an interrupt ends the waiting, not the job.

        Raises
        ------
        TimeoutError
            If it is not over in time.
        LedgerError
            If the resume file could not be written; `partial` has every row.
        """
        self._check_process()
        return self._outcome.result(timeout_seconds)

    def partial(self) -> FeatureBatch:
        """Return what came until now; rows without an answer have the status ``NOT_FETCHED``."""
        self._check_process()
        return self._run.batch()

    def add_done_callback(self, call: Callable[[BatchJob], object]) -> None:
        """Call a function with this job when it is over, on the job's thread; at once if it is over already."""
        self._outcome.add_done_callback(lambda _: call(self))

    def __repr__(self) -> str:
        return f"<BatchJob: {'over' if self.is_over else 'running'}>"

    def _check_process(self) -> None:
        # Its thread and its lock stayed behind.
        if os.getpid() != self._process:
            raise InputError("The batch job belongs to the process that started it; start one of your own here.")

    def _work(self) -> None:
        try:
            batch = wait_for(self._run, progress=False, is_last=False)
        except BaseException as error:  # noqa: BLE001  # whoever asks for the result gets it
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(batch)
        finally:
            self._close()

    def _state(self) -> Status:
        if not self._outcome.done():
            return Status("running")
        error = self._outcome.exception()
        return Status(f"over: {type(error).__name__}", Kind.BAD) if error else Status("over", Kind.GOOD)

    def _card(self) -> Card:
        if os.getpid() != self._process:
            return Card("BatchJob", "", (("state", Status("of another process", Kind.UNSURE)),))
        found = self.progress()
        facts = (
            ("different rows", f"{found.rows:,}"),
            ("finished", f"{found.done:,}"),
            ("failed", counted(found.failed, Kind.BAD)),
            ("in flight", f"{found.in_flight:,}"),
            ("rows/s", f"{found.rows_per_second:,.0f}"),
            *((("left", human_seconds(found.eta_seconds)),) if found.eta_seconds and not self.is_over else ()),
            ("state", self._state()),
        )
        return Card("BatchJob", "", facts)
