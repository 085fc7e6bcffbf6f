"""What a run has still to ask for: rows never asked, and rows that wait for another try."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from itertools import count

from ..exceptions import TectonError
from ..transport.exchange import Cancellable
from ..transport.policy import Attempt, Retry


class Unit:
    """Rows that are asked for together, and how far that is.

    Parameters
    ----------
    positions
        The different rows, by their place in the plan.
    """

    __slots__ = ("attempt", "attempts", "error", "exchange", "positions", "retry", "wait_seconds", "waits_since")

    # Set when it starts.
    attempt: Attempt

    def __init__(self, positions: tuple[int, ...], parent: Unit | None = None) -> None:
        self.positions = positions
        # How often the rows were asked for, by the unit it was split from too, and what came of it the last time.
        self.attempts: int = parent.attempts if parent else 0
        self.error: TectonError | None = parent.error if parent else None
        self.retry: Retry | None = None
        self.exchange: Cancellable | None = None
        # Since when only the clock holds it back, and how long it was held back before it started.
        self.waits_since: float | None = None
        self.wait_seconds = 0.0

    def starts(self, attempt: Attempt, now: float, held_since: float | None) -> None:
        """Note that it starts; `held_since` tells since when the whole run was held back."""
        since = self.waits_since if self.retry else held_since
        self.attempt = attempt
        self.attempts += 1
        self.wait_seconds = 0.0 if since is None else now - since


class Queue:
    """Units in the order in which they may start: retries that are due, then what was never asked.

    Parameters
    ----------
    positions
        Rows to ask for.
    rows_per_unit
        How many are asked for at once.
    """

    def __init__(self, positions: Sequence[int], rows_per_unit: int) -> None:
        self._positions = positions
        self._size = rows_per_unit
        self._at = 0
        self._split: deque[Unit] = deque()
        self._retries: list[tuple[float, int, Unit]] = []
        self._order = count()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to ask for."""
        return not (self._split or self._retries or self._at < len(self._positions))

    @property
    def is_single(self) -> bool:
        """Whether rows are asked for one at a time."""
        return self._size == 1

    def has_several_waiting(self) -> bool:
        """Whether a unit of several rows waits for another try."""
        return any(len(unit.positions) > 1 for _, _, unit in self._retries)

    def due_in(self, now: float, *, may_start_several: bool = True) -> float | None:
        """Return the seconds until a unit may start, 0 for now, `None` if there is none.

        Parameters
        ----------
        may_start_several
            Whether rows that were never asked for may be asked for several at a time.
        """
        if self._split or (self._at < len(self._positions) and (may_start_several or self.is_single)):
            return 0.0
        return max(0.0, self._retries[0][0] - now) if self._retries else None

    def pop(self, now: float) -> Unit:
        """Take the next unit; `due_in` must have said that there is one."""
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        if self._split:
            return self._split.popleft()
        unit = Unit(tuple(self._positions[self._at : self._at + self._size]))
        self._at += self._size
        return unit

    def again(self, unit: Unit, retry: Retry, now: float) -> None:
        """Put a unit back until its retry is due."""
        unit.retry, unit.waits_since = retry, now
        heapq.heappush(self._retries, (now + retry.after_seconds, next(self._order), unit))

    def split(self, unit: Unit) -> None:
        """Ask for each row of a unit by itself, before those that were never asked."""
        self._split.extend(Unit((position,), unit) for position in unit.positions)

    def ask_singly(self) -> None:
        """From now on ask for one row at a time."""
        self._size = 1

    def give_up(self) -> list[Unit]:
        """Forget everything; return the units that have been asked for before."""
        tried = [*(unit for _, _, unit in self._retries), *self._split]
        self._retries.clear()
        self._split.clear()
        self._at = len(self._positions)
        return tried
