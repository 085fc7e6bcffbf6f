"""Work off the kernel's main thread, where only the last wish counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Latest:
    """Runs work on threads of its own; what a later start or a drop has overtaken is never delivered.

    A kernel that waits in a callback can neither cancel nor run the next cell.

    Parameters
    ----------
    lock
        Held while something is delivered. Whatever tells one another of deliveries shares one: with two, each could
        wait for the other for ever.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._idle = threading.Condition(self._lock)
        self._serial = 0
        self._running = 0
        self._is_under_way = False

    def start(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        """Begin some work; `done` or `failed` is told how it ended, unless something else was begun since."""
        with self._lock:
            self._serial += 1
            self._running += 1
            self._is_under_way = True
            serial = self._serial
        thread = threading.Thread(target=self._run, args=(serial, work, done, failed), daemon=True)
        thread.start()

    def interrupt(self, call: Callable[[], None]) -> None:
        """Call a function between two deliveries, if there is something that was neither delivered nor dropped."""
        with self._lock:
            if self._is_under_way:
                call()

    def drop(self) -> None:
        """Forget what is under way."""
        with self._lock:
            self._serial += 1
            self._is_under_way = False
            self._idle.notify_all()

    def deliver(self, call: Callable[[], None]) -> None:
        """Call a function between two deliveries."""
        with self._lock:
            call()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until nothing is under way; whether that came in time."""
        with self._lock:
            return self._idle.wait_for(lambda: not self._running, timeout_seconds)

    def _run(
        self, serial: int, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]
    ) -> None:
        try:
            found = work()
        except Exception as error:  # noqa: BLE001  # shown where the user looks; a thread has no caller
            self._end(serial, failed, error)
        else:
            self._end(serial, lambda brought: _tell(done, failed, brought), found)

    def _end(self, serial: int, tell: Callable[[T], None], found: T) -> None:
        with self._lock:
            try:
                if serial == self._serial:
                    self._is_under_way = False
                    tell(found)
            finally:
                self._running -= 1
                self._idle.notify_all()


def _tell(done: Callable[[T], None], failed: Callable[[Exception], None], found: T) -> None:
    try:
        done(found)
    except Exception as error:  # noqa: BLE001  # what cannot be shown is told as well
        failed(error)
