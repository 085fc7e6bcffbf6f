"""Waits until the last answers of a run are beyond doubt: nothing in an answer tells whose it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..transport.exchange import Lane
from ..transport.messages import HttpAnswer


class Proof:
    """What a run does before it is over; its calls come one at a time.

    Parameters
    ----------
    lane
        Whence the answers came.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._doubtful_until = self._settled_until = float("-inf")
        self._longest_seconds = 0.0
        self._is_settling = False

    def came(self, answer: HttpAnswer, now: float) -> None:
        """Note an answer."""
        if answer.doubtful_seconds:
            # A wrong answer came too soon: how long the right one takes is told by the others.
            self._longest_seconds = max(self._longest_seconds, answer.doubtful_seconds)
            self._doubtful_until = now + self._longest_seconds

    def wait(self, now: float, settled: Callable[[], None]) -> float | None:
        """Return the seconds until it can be known, 0 when it is.

        `None` while the lane looks: `settled` is called then, on any thread, when there is more to say.
        """
        if not self._is_settling and self._doubtful_until > self._settled_until:
            if now < self._doubtful_until:
                return self._doubtful_until - now
            self._settled_until, self._is_settling = self._doubtful_until, True
            self._lane.settle(partial(self._looked, settled))
        return None if self._is_settling else 0.0

    def _looked(self, settled: Callable[[], None]) -> None:
        self._is_settling = False
        settled()
