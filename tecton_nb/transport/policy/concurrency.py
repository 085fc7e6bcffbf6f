"""How many requests may be in flight at once: a number, or what the server turns out to bear."""

from __future__ import annotations

from numbers import Integral
from typing import Final, Literal, Self

from ...exceptions import InputError, quoted

_START: Final = 8
_CAP: Final = 64
_CUT: Final = 0.7
_LEAST_SHARE: Final = 8
_HELD_ANSWERS: Final = 100
_HELD_WINDOWS: Final = 20


def most_at_once(wanted: int | Literal["auto"]) -> int:
    """Return the most requests that a run of this concurrency has in flight."""
    return _CAP if wanted == "auto" else int(wanted)


class Concurrency:
    """A limit that grows by one a window and shrinks by 0.7 when the server has too much (AIMD).

    A window is as many successes as the limit allows at once, and counts only if the limit was really
    reached in it. A limit that failed twice in a row is remembered: the run holds below it and tries it again
    only every 100 successes or 20 windows, else a small server would refuse every tenth request.

    Parameters
    ----------
    start, floor, cap
        The limit at first, at least and at most.

    Attributes
    ----------
    limit
        How many requests may be in flight now.
    """

    def __init__(self, start: int = _START, floor: int = 1, cap: int = _CAP) -> None:
        self._limit = float(start)
        self.limit = start
        self._floor = floor
        self._cap = cap
        self._successes = 0
        self._troubles = 0
        self._was_reached = False
        self._cut_at = float("-inf")
        self._failed_limit: int | None = None
        self._held_limit: int | None = None

    @classmethod
    def of(cls, wanted: int | Literal["auto"], shares: int = 1) -> Self:
        """Return the concurrency for what a user asks for: a fixed number, or ``"auto"`` (8 at first, 1 to 64).

        Parameters
        ----------
        shares
            Among how many runs at once that is divided; never more than `most_at_once` says.

        Raises
        ------
        InputError
            If it is neither.
        """
        if wanted == "auto":
            return cls(max(1, _START // shares), 1, _CAP // shares)
        if isinstance(wanted, bool) or not isinstance(wanted, Integral) or wanted < 1:
            raise InputError(f"Cannot run with concurrency {quoted(wanted)}. Give a whole number from 1 or 'auto'.")
        share = int(wanted) // shares
        return cls(share, share, share)

    def started(self, in_flight: int) -> None:
        """Note that a request started, and how many are in flight with it."""
        if in_flight >= self.limit:
            self._was_reached = True

    def succeeded(self) -> None:
        """Note a success."""
        self._successes += 1
        if self._successes >= self._window():
            if self._was_reached:
                self._grow()
            self._begin_window()

    def overloaded(self, now: float, started_at: float, *, is_certain: bool) -> None:
        """Note that the server may have had too much with a request that started at `started_at`.

        Requests that were in flight at the last cut say nothing new, so there is one cut a round trip. Unless it
        `is_certain`, because the server says so, a cut takes more than one failure in eight of a window: servers
        fail now and then at any load.
        """
        if started_at <= self._cut_at:
            return
        self._troubles += 1
        if not is_certain and self._troubles * _LEAST_SHARE <= self.limit:
            return
        self._held_limit = self.limit - 1 if self.limit == self._failed_limit else None
        self._failed_limit = self.limit
        self._set(max(self._floor, self._limit * _CUT))
        self._cut_at = now
        self._begin_window()

    def _window(self) -> int:
        return max(_HELD_ANSWERS, _HELD_WINDOWS * self.limit) if self._is_held() else self.limit

    def _is_held(self) -> bool:
        return self._held_limit is not None and self.limit >= self._held_limit

    def _grow(self) -> None:
        if self._is_held():
            self._held_limit = None
        self._set(min(self._cap, self._limit + 1))

    def _set(self, limit: float) -> None:
        self._limit, self.limit = limit, int(limit)

    def _begin_window(self) -> None:
        self._successes = 0
        self._troubles = 0
        self._was_reached = False
