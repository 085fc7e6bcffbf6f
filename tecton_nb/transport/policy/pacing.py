"""When the next request may start: a true rate limit, and pauses a server asks for."""

from __future__ import annotations

import math
import threading
from numbers import Real
from typing import Final, Self

from ...exceptions import InputError, quoted

# Seen from the server, requests that left evenly arrive a little closer together or further apart:
# two in a hundred less than asked for keep the bound there too.
_AIM: Final = 0.98
_BURST_SECONDS: Final = 0.04
_LEAST_LATENESS_SECONDS: Final = 0.01
_RESOLUTION_SECONDS: Final = 1e-9


def whole_share(limit: float, shares: int) -> float:
    """Return the share of a limit that is divided among so many runs; whole, so that together they never pass it."""
    return limit if shares == 1 else limit // shares


class RateGate:
    """Lets at most `per_second` requests start in any second, wherever that second begins, and 5 % more at the utmost.

    Starts are spread evenly. One that comes late may be made up for within 0.04 s, which is also the largest burst:
    4 % of a second's requests, or one.

    Parameters
    ----------
    per_second
        More than 0; 0.2 is one every five seconds.
    follows
        Whether another gate for the same limit may have let a request through just now: this one waits first.
    """

    def __init__(self, per_second: float, *, follows: bool = False) -> None:
        self._interval = 1 / (per_second * _AIM)
        self._lateness = max(_LEAST_LATENESS_SECONDS, _BURST_SECONDS - 1 / per_second)
        self._due: float | None = None if follows else float("-inf")

    @classmethod
    def of(cls, wanted: float | None, shares: int | None = None) -> Self | None:
        """Return the gate for what a user asks for; `None` for no limit.

        Parameters
        ----------
        shares
            Among how many runs at once the limit is divided, in whole requests, each followed by others;
            `None` for a run by itself.

        Raises
        ------
        InputError
            If it is no number above 0.
        """
        if wanted is None:
            return None
        if isinstance(wanted, bool) or not isinstance(wanted, Real) or not 0 < wanted < math.inf:
            raise InputError(f"Cannot send {quoted(wanted)} requests per second. Give a number above 0, or None.")
        return cls(float(whole_share(float(wanted), shares or 1)), follows=shares is not None)

    def wait(self, now: float) -> float:
        """Return how many seconds the next request has to wait; 0 if it may start."""
        return _rounded(self._due_at(now) - self._lateness - now)

    def take(self, now: float) -> None:
        """Note that a request starts."""
        self._due = max(self._due_at(now), now) + self._interval

    def _due_at(self, now: float) -> float:
        if self._due is None:
            # Both gates may be late, so that neither makes up for what the other has let through.
            self._due = now + self._interval + 2 * self._lateness
        return self._due


class Pause:
    """Holds back every request to a host until the time it asked for.

    One pause serves all runs of a client; it may be used from several threads at once.

    Attributes
    ----------
    until
        By the clock of the runs; minus infinity if there was no pause yet.
    """

    def __init__(self) -> None:
        self.until = float("-inf")
        self._lock = threading.Lock()

    def hold(self, now: float, seconds: float) -> None:
        """Start nothing for so long from now; a longer pause that runs already stays."""
        with self._lock:
            self.until = max(self.until, now + seconds)

    def wait(self, now: float) -> float:
        """Return how many seconds the next request has to wait; 0 if it may start."""
        return _rounded(self.until - now)


class SleepWatch:
    """Notices that the computer slept, or the process was stopped, from a clock that went on without it.

    Parameters
    ----------
    longest_gap_seconds
        Whoever uses it looks more often than this while requests are in flight; a longer gap is sleep.
    """

    def __init__(self, longest_gap_seconds: float = 1.0) -> None:
        self._longest_gap = longest_gap_seconds
        self._looked_at = float("inf")
        self._woke_at = float("-inf")
        self.seconds = 0.0

    def look(self, now: float, *, is_busy: bool) -> None:
        """Note that the process is awake; `is_busy` if requests have been in flight since the last look."""
        gap = now - self._looked_at
        if is_busy and gap > self._longest_gap:
            self._woke_at = now
            self.seconds += gap
        self._looked_at = now

    def slept_since(self, started_at: float) -> bool:
        """Return whether there was sleep after `started_at`, when it was looked at too."""
        return self._woke_at > started_at


def _rounded(seconds: float) -> float:
    # Less than the clock can tell would only be asked for again.
    return seconds if seconds > _RESOLUTION_SECONDS else 0.0
