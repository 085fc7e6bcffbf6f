"""Time as the server sees it: the wall clock and real latencies, or a fixed instant and seeded ones.

With a fixed clock and seeded latencies the same requests get the same answers in every run, so a
notebook's outputs can be compared.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Protocol

_REMEMBERED = 200_000


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        return time.time_ns()


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still at `instant`, in nanoseconds since the epoch."""

    instant: int

    def now(self) -> int:
        """Return `instant`."""
        return self.instant


def http_date(clock: Clock) -> str:
    """Return the time of a clock as the ``Date`` header of an answer: who reads it can tell the age of a value."""
    return _formatted(clock.now() // 1_000_000_000)


@lru_cache(maxsize=4)
def _formatted(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one row took, in seconds.

    Parameters
    ----------
    total
        All time inside the server.
    store
        The slowest read from the store.
    realtime
        Time in realtime views after the store had answered.
    """

    total: float
    store: float
    realtime: float

    @property
    def slo(self) -> float:
        """Server time without the realtime views: what the latency objective measures."""
        return max(self.total - self.realtime, 0.0)


class LatencySource(Protocol):
    """Decides which latencies the server reports; an answer is held until what it reports has passed."""

    def of_row(self, identity: str, measured: Latency) -> Latency:
        """Return what to report for a row; `identity` names service and keys."""
        ...

    def of_batch(self, rows: Sequence[Latency], measured_total: float) -> float:
        """Return what to report as the seconds of a whole batch."""
        ...


class DelaySource(Protocol):
    """Decides by how much the retrieval of a view is late."""

    def of_view(self, service: str, view: str) -> float:
        """Return seconds for one row; `service` and `view` are names."""
        ...


class MeasuredLatency:
    """Reports what was measured."""

    def of_row(self, identity: str, measured: Latency) -> Latency:  # noqa: ARG002
        """Return `measured`."""
        return measured

    def of_batch(self, rows: Sequence[Latency], measured_total: float) -> float:  # noqa: ARG002
        """Return `measured_total`."""
        return measured_total


class SimulatedLatency:
    """Reports latencies drawn from a seed, like those of a cluster: some 10 ms, now and then 100.

    A draw depends on the seed, the service, the keys and how often they were asked before, not on
    the order in which parallel requests arrive.

    Parameters
    ----------
    seed
        Any whole number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked: Counter[str] = Counter()

    def of_row(self, identity: str, measured: Latency) -> Latency:  # noqa: ARG002
        """Return the next draw for `identity`."""
        if len(self._asked) >= _REMEMBERED:
            self._asked.clear()
        self._asked[identity] += 1
        draw = random.Random(f"{self._seed}/{identity}/{self._asked[identity]}")  # noqa: S311  # no secret
        slow = 8.0 if draw.random() < 0.02 else 1.0
        store = 0.004 * draw.lognormvariate(0.0, 0.4) * slow
        realtime = 0.001 * draw.lognormvariate(0.0, 0.5)
        overhead = 0.002 * draw.lognormvariate(0.0, 0.3)
        return Latency(round(store + realtime + overhead, 6), round(store, 6), round(realtime, 6))

    def of_batch(self, rows: Sequence[Latency], measured_total: float) -> float:  # noqa: ARG002
        """Return a little more than the slowest row."""
        slowest = max((row.total for row in rows), default=0.0)
        return round(slowest + 0.0002 * len(rows), 6)
