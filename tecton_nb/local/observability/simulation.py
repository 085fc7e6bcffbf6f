"""Numbers for what the embedded server does not have, such as streams: seeded, and moving with the clock.

Every number is a function of the seed, of what it is about and of the time, so it repeats at a fixed
instant, needs no state, and two scrapes see the same course however often they come.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache

SECOND = 1_000_000_000
# Weight and period in seconds of the waves of a course: of the day, of the hour and of minutes.
_WAVES = ((0.25, 86_400.0), (0.15, 2_820.0), (0.1, 420.0))


class Simulation:
    """Courses drawn from a seed.

    Parameters
    ----------
    seed
        Any whole number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def level(self, subject: str, low: float, high: float, now: int) -> float:
        """Return where the course of a subject stands between `low` and `high`.

        Parameters
        ----------
        subject
            What the number is about; every subject has a course of its own.
        low, high
            The course never leaves them.
        now
            Nanoseconds since the epoch.
        """
        share = sum(weight * math.sin(_angle(now, period, phase)) for weight, period, phase in self._waves(subject))
        return low + (high - low) * (0.5 + share)

    def events(self, subject: str, low: float, high: float, start: int, end: int) -> float:
        """Return how many events came between two instants at a rate of `low` to `high` per second."""
        # The integral of `level`.
        waves = sum(
            weight * period * (math.cos(_angle(start, period, phase)) - math.cos(_angle(end, period, phase)))
            for weight, period, phase in self._waves(subject)
        )
        return (end - start) / SECOND * (low + high) / 2 + (high - low) * waves / math.tau

    def constant(self, subject: str, low: float, high: float) -> float:
        """Return a number between `low` and `high` that does not move."""
        return low + (high - low) * self._waves(subject)[0][2] / math.tau

    def _waves(self, subject: str) -> tuple[tuple[float, float, float], ...]:
        return _drawn_waves(self._seed, subject)


@lru_cache(maxsize=4096)
def _drawn_waves(seed: int, subject: str) -> tuple[tuple[float, float, float], ...]:
    draw = random.Random(f"{seed}/{subject}")  # noqa: S311  # no secret
    return tuple((weight, period, draw.uniform(0.0, math.tau)) for weight, period in _WAVES)


def _angle(now: int, period: float, phase: float) -> float:
    return math.tau * math.fmod(now / SECOND, period) / period + phase
