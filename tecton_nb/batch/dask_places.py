"""Where a partition is fetched: a worker of a Dask cluster, or a thread of the process that asked.

Either place keeps the leases of a call: who holds one may send at its share of the limits.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from ..exceptions import SettingsError, quoted

if TYPE_CHECKING:
    import distributed

# How long to wait for a lease before looking whether the partition is still wanted.
_LOOK_SECONDS: Final = 1.0


class HerePlace:
    """A thread of the process in which the frame was made."""

    name = "this process"

    def check_wanted(self) -> None:
        """Go on: a scheduler without a cluster does not say whether anybody still waits for the partition."""

    @contextmanager
    def lease(self, call: str, leases: int) -> Iterator[None]:
        """Hold one of the leases of a call."""
        with _LEASES.of(call, leases):
            yield


class WorkerPlace:
    """A task on a worker of a cluster.

    Parameters
    ----------
    worker
        That runs the task.
    """

    def __init__(self, worker: distributed.Worker) -> None:
        self._worker = worker
        self._key = worker.get_current_task()
        self.name = f"the Dask worker {quoted(worker.address)}"

    def check_wanted(self) -> None:
        """End the task if nobody waits for the partition any more: Dask itself lets what it cancels go on.

        Raises
        ------
        distributed.Reschedule
            To end it; should the partition be wanted again by now, Dask starts anew.
        """
        from distributed import Reschedule

        task = self._worker.state.tasks.get(self._key)
        if task is None or task.state == "cancelled" or self._worker.status.name not in _AT_WORK:
            raise Reschedule

    @contextmanager
    def lease(self, call: str, leases: int) -> Iterator[None]:
        """Hold one of the leases of a call, which the scheduler hands out; one whose worker is lost comes back."""
        from distributed import Semaphore

        semaphore = Semaphore(max_leases=leases, name=f"tecton_nb {call}")
        try:
            while not semaphore.acquire(timeout=_LOOK_SECONDS):
                self.check_wanted()
            try:
                yield
            finally:
                semaphore.release()
        finally:
            # Else its refreshing goes on, and keeps it, as long as the worker lives. With leases that never end
            # (lease-timeout: inf) there is none.
            refreshing = getattr(semaphore, "refresh_callback", None)
            if refreshing is not None:
                semaphore.loop.add_callback(refreshing.stop)


Place: TypeAlias = HerePlace | WorkerPlace
_AT_WORK: Final = frozenset({"init", "running", "paused", "closing_gracefully"})


def place_of(pid: int) -> Place:
    """Return where the caller is.

    Parameters
    ----------
    pid
        Process in which the frame was made.

    Raises
    ------
    SettingsError
        In a process of Dask's scheduler ``processes``, where nothing could keep the limits for all of them.
    """
    worker = _worker()
    if worker is not None:
        return WorkerPlace(worker)
    if pid != os.getpid():
        raise SettingsError(
            "Dask's scheduler 'processes' cannot keep limits across its processes. Use the threads, or make a "
            "distributed.Client first: distributed.Client(processes=True) has processes, too."
        )
    return HerePlace()


def workers_now() -> int:
    """Return how many workers the current client of a cluster has; 1 without a client, or where it is asynchronous."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return 1
    try:
        client = distributed.get_client()
    except ValueError:
        return 1
    return 1 if client.asynchronous else len(client.nthreads())


def _worker() -> distributed.Worker | None:
    # Whoever runs in a worker has loaded it.
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_worker()
    except ValueError:
        return None


class _Leases:
    """A semaphore of this process for each call, as long as a partition of it is being fetched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: weakref.WeakValueDictionary[str, threading.Semaphore] = weakref.WeakValueDictionary()

    def of(self, call: str, leases: int) -> threading.Semaphore:
        with self._lock:
            return self._found.setdefault(call, threading.Semaphore(leases))


_LEASES = _Leases()
