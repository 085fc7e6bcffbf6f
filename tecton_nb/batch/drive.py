"""Keeps a run going until it is over: by waiting, or by awaiting; and shows how far it is."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from types import TracebackType
from typing import Self

from .report import BatchProgress
from .result import FeatureBatch, remember
from .run import BatchRun

# A run that is over before shows no bar.
_BAR_AFTER_SECONDS = 1.0


def wait_for(run: BatchRun, *, progress: bool, is_last: bool = True) -> FeatureBatch:
    """Return the batch of a run.

    With `is_last` it becomes the one that ``FeatureBatch.last`` returns.

    An interrupt ends the run at once: nothing is sent any more, and ``FeatureBatch.last`` has what came.

    Raises
    ------
    LedgerError
        If the resume file could not be written; every row is in ``FeatureBatch.last`` then.
    """
    awake = threading.Event()
    run.wake_driver = awake.set
    # The bar is put away last: an interrupt must first end what is under way.
    with _Bar(run, progress) as bar, _Ending(run, is_last):
        while not run.is_over:
            awake.clear()
            awake.wait(run.tick())
            if run.is_commit_due:
                run.commit()
            bar.show()
    return _whole(run, is_last)


async def wait_async(run: BatchRun, *, progress: bool, is_last: bool = True) -> FeatureBatch:
    """As `wait_for`, on the loop that is running; cancelling the task ends the run."""
    loop, awake = asyncio.get_running_loop(), asyncio.Event()
    run.wake_driver = lambda: _wake(loop, awake)
    with _Bar(run, progress) as bar, _Ending(run, is_last):
        while not run.is_over:
            awake.clear()
            seconds = run.tick()
            if run.is_commit_due:
                await asyncio.to_thread(run.commit)
            try:
                async with asyncio.timeout(seconds):
                    await awake.wait()
            except TimeoutError:
                pass
            bar.show()
    return _whole(run, is_last)


def _wake(loop: asyncio.AbstractEventLoop, awake: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(awake.set)


def _whole(run: BatchRun, is_last: bool) -> FeatureBatch:
    batch = run.batch()
    if is_last:
        remember(batch, is_lost_otherwise=run.ledger_error is not None)
    if run.ledger_error is not None:
        where = "FeatureBatch.last()" if is_last else "partial() of the job"
        run.ledger_error.add_note(f"The run went on in memory: every row is in {where}.")
        raise run.ledger_error
    return batch


class _Ending:
    """Ends a run that its driver leaves early, and keeps what came."""

    def __init__(self, run: BatchRun, is_last: bool) -> None:
        self._run = run
        self._is_last = is_last

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                self._leave(error)
        finally:
            # Whatever happens, also a second interrupt: the resume file is not left locked.
            self._run.close()

    def _leave(self, error: BaseException) -> None:
        self._run.cancel()
        if self._is_last and self._run.broken is None:
            remember(self._run.batch(), is_lost_otherwise=True)
            found = self._run.progress()
            error.add_note(f"{found.done:,} of {found.rows:,} different rows were finished: FeatureBatch.last()")


class _Bar:
    """A bar of rows with errors, requests in flight, rows per second and time left."""

    def __init__(self, run: BatchRun, is_shown: bool) -> None:
        self._run = run
        self._is_shown = is_shown and _is_somebody_looking()

    def __enter__(self) -> Self:
        # tqdm has a thread of its own, so there is none where nobody looks.
        if self._is_shown:
            from tqdm.auto import tqdm

            rows = self._run.progress().rows
            self._bar = tqdm(total=rows, unit="row", unit_scale=True, delay=_BAR_AFTER_SECONDS, desc="features")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_shown:
            self.show()
            self._bar.close()

    def show(self) -> None:
        """Show how far it is."""
        if self._is_shown:
            found: BatchProgress = self._run.progress()
            self._bar.set_postfix({"errors": found.failed, "in flight": found.in_flight}, refresh=False)
            self._bar.update(found.done + found.failed - self._bar.n)


def _is_somebody_looking() -> bool:
    # tqdm's own switch, which its notebook bar does not heed.
    if os.environ.get("TQDM_DISABLE"):
        return False
    from tqdm.auto import tqdm

    # In a notebook the bar is a widget; a plain one belongs on a terminal and not in a log.
    return any(base.__name__ == "tqdm_notebook" for base in tqdm.__mro__) or sys.stderr.isatty()
