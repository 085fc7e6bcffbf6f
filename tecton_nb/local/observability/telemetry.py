"""What the server counts about its own traffic: rates over five minutes, latencies, errors, busy time.

Counting happens on the way of every request, so it only adds to sums and appends to short rings;
quantiles and rates are computed when a scrape asks for them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WINDOW_SECONDS = 300
_SECOND = 1_000_000_000
_KEPT_LATENCIES = 2_000
_KEPT_ROWS = 1_000
# Milliseconds; a read of the cache in this process takes microseconds, one over a network a millisecond.
CACHE_BOUNDS_MILLISECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0)


@dataclass(slots=True)
class Call:
    """One request for features, filled in while it is served.

    Parameters
    ----------
    service_id
        `None` until the service is known.
    rows
        Rows asked for; a batch counts as its rows.
    seconds
        Time inside the server.
    """

    service_id: str | None = None
    rows: int = 1
    seconds: float = 0.0


def quantiles(numbers: Iterable[float], shares: Sequence[float]) -> list[float]:
    """Return the quantiles of the numbers, NaN if there are none."""
    ordered = sorted(numbers)
    if not ordered:
        return [math.nan] * len(shares)
    return [ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in shares]


def _newest_rows() -> deque[tuple[int, Mapping[str, float]]]:
    return deque(maxlen=_KEPT_ROWS)


class WindowSum:
    """A sum over the last five minutes, in steps of a second."""

    __slots__ = ("_amount", "_earlier", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._amount = 0.0
        self._earlier: deque[tuple[int, float]] = deque(maxlen=WINDOW_SECONDS)

    def add(self, now: int, amount: float) -> None:
        """Add an amount at `now`, in nanoseconds since the epoch."""
        second = now // _SECOND
        if second == self._second:
            self._amount += amount
        else:
            self._earlier.append((self._second, self._amount))
            self._second, self._amount = second, amount

    def total(self, now: int) -> float:
        """Return the sum of what was added in the five minutes before `now`."""
        oldest = now // _SECOND - WINDOW_SECONDS
        seconds = (*self._earlier, (self._second, self._amount))
        return sum(amount for second, amount in seconds if second > oldest)


class LatencySummary:
    """Count and sum of all latencies, and the last of them for quantiles; in seconds."""

    __slots__ = ("_last", "count", "sum")

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self._last: deque[tuple[int, float]] = deque(maxlen=_KEPT_LATENCIES)

    def add(self, now: int, seconds: float) -> None:
        """Add one latency that ended at `now`, in nanoseconds since the epoch."""
        self.count += 1
        self.sum += seconds
        self._last.append((now, seconds))

    def quantiles(self, shares: Sequence[float], now: int) -> list[float]:
        """Return quantiles of the latencies of the last five minutes, of the newest 2,000 if there were more.

        NaN where there were none: no traffic is no latency.
        """
        oldest = now - WINDOW_SECONDS * _SECOND
        return quantiles((seconds for moment, seconds in self._last if moment > oldest), shares)


class Histogram:
    """How many durations lie between each two of a few bounds, and their sum; all in milliseconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(CACHE_BOUNDS_MILLISECONDS) + 1)
        self.sum = 0.0

    def add(self, milliseconds: float) -> None:
        """Add one duration."""
        self.counts[bisect_left(CACHE_BOUNDS_MILLISECONDS, milliseconds)] += 1
        self.sum += milliseconds


class CacheTraffic:
    """Reads and writes of the serving cache, by service id and view."""

    def __init__(self) -> None:
        self._operations: defaultdict[tuple[str, str], WindowSum] = defaultdict(WindowSum)
        self._reads: defaultdict[tuple[str, str], WindowSum] = defaultdict(WindowSum)
        self._hits: defaultdict[tuple[str, str], WindowSum] = defaultdict(WindowSum)
        self.durations: defaultdict[str, Histogram] = defaultdict(Histogram)

    def read(self, service_id: str, view: str, now: int, seconds: float, *, is_hit: bool) -> None:
        """Count one look into the cache for the features of a view."""
        self._operations[service_id, "read"].add(now, 1)
        self._reads[service_id, view].add(now, 1)
        if is_hit:
            self._hits[service_id, view].add(now, 1)
        self.durations[service_id].add(seconds * 1000)

    def wrote(self, service_id: str, now: int) -> None:
        """Count the features of one view put into the cache."""
        self._operations[service_id, "write"].add(now, 1)

    def rate(self, service_id: str, operation: str, now: int) -> float:
        """Return operations (``read``, ``write``) per second over the last five minutes."""
        return self._operations[service_id, operation].total(now) / WINDOW_SECONDS

    def reads(self, service_id: str, view: str, now: int) -> float:
        """Return how many reads there were in the last five minutes."""
        return self._reads[service_id, view].total(now)

    def hits(self, service_id: str, view: str, now: int) -> float:
        """Return how many reads of the last five minutes found a value."""
        return self._hits[service_id, view].total(now)


class Telemetry:
    """Traffic of one server since it started."""

    def __init__(self) -> None:
        self.requests: defaultdict[str | None, WindowSum] = defaultdict(WindowSum)
        self.latencies: defaultdict[str | None, LatencySummary] = defaultdict(LatencySummary)
        self.statuses: defaultdict[int, WindowSum] = defaultdict(WindowSum)
        self._reads: defaultdict[str, deque[tuple[int, Mapping[str, float]]]] = defaultdict(_newest_rows)
        self.cache = CacheTraffic()
        self._busy = WindowSum()

    def record(self, call: Call, status: int, now: int) -> None:
        """Count one answered request; under `None` stands the total over all services."""
        self._count(None, call, status, now)
        if call.service_id is not None:
            self._count(call.service_id, call, status, now)
        self.statuses[status].add(now, 1)
        self._busy.add(now, call.seconds)

    def record_reads(self, service_id: str, seconds: Mapping[str, float], now: int) -> None:
        """Note the reads of one row from the store: seconds by view."""
        self._reads[service_id].append((now, seconds))

    def read_seconds(self, service_id: str, now: int) -> dict[str, list[float]]:
        """Return by view how long the reads of the last five minutes took, of the newest 1,000 rows at most."""
        oldest = now - WINDOW_SECONDS * _SECOND
        found: defaultdict[str, list[float]] = defaultdict(list)
        for moment, seconds in self._reads[service_id]:
            if moment > oldest:
                for view, duration in seconds.items():
                    found[view].append(duration)
        return found

    def request_rate(self, service_id: str | None, now: int) -> float:
        """Return requests per second over the last five minutes, of one service or (`None`) of all."""
        return self.requests[service_id].total(now) / WINDOW_SECONDS

    def status_percents(self, now: int) -> dict[int, float]:
        """Return by HTTP status how many percent of the answers of the last five minutes had it."""
        counts = {status: window.total(now) for status, window in self.statuses.items()}
        answers = sum(counts.values())
        return {status: 100 * count / answers for status, count in counts.items() if answers}

    def utilization_percent(self, now: int) -> float:
        """Return how many percent of the last five minutes went into answering."""
        return min(100 * self._busy.total(now) / WINDOW_SECONDS, 100.0)

    def _count(self, service_id: str | None, call: Call, status: int, now: int) -> None:
        self.requests[service_id].add(now, call.rows)
        if status == 200:
            self.latencies[service_id].add(now, call.seconds)
