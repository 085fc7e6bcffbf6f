"""How many retries a client can afford, and how long each waits."""

from __future__ import annotations

import random
import threading
from typing import Final

_FIRST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 5.0


def backoff_seconds(failures: int, rng: random.Random) -> float:
    """Return how long to wait after this many failures of one row: full jitter, 0.1 s doubling to at most 5 s.

    Anything from zero is possible, so rows that failed together do not come back together.
    """
    return rng.uniform(0.0, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** (failures - 1)))


class RetryQuota:
    """What a client may spend on retries: failures drain it, successes fill it up again.

    In an outage the first retries empty it and every row after them gets one attempt, so a server in trouble
    gets little more than the requests it would get anyway. One quota serves all runs of a client; it may
    be used from several threads at once.

    Parameters
    ----------
    size
        What it holds at first and at most. 500 pays for 35 retries at 14.
    """

    def __init__(self, size: int = 500) -> None:
        self.size = size
        self._left = size
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """What there is to spend; never below 0, never above `size`."""
        return self._left

    def take(self, cost: int) -> bool:
        """Pay for a retry; false, and nothing is taken, if there is not enough."""
        with self._lock:
            if cost > self._left:
                return False
            self._left -= cost
            return True

    def give_back(self, amount: int) -> None:
        """Put back what a retry cost that helped, or 1 for a success at the first attempt."""
        # Most of the time nothing is missing.
        if self._left < self.size:
            with self._lock:
                self._left = min(self.size, self._left + amount)
