"""What the server counts about its own traffic: rates over five minutes, latencies, errors, busy time."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

WINDOW_SECONDS = 300
_SECOND = 1_000_000_000
_KEPT_LATENCIES = 2_000


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


class WindowSum:
    """A sum over the last five minutes, in steps of a second."""

    def __init__(self) -> None:
        self._sums: deque[tuple[int, float]] = deque()

    def add(self, now: int, amount: float) -> None:
        """Add an amount at `now`, in nanoseconds since the epoch."""
        second = now // _SECOND
        last, total = self._sums[-1] if self._sums else (None, 0.0)
        if last == second:
            self._sums[-1] = (second, total + amount)
        else:
            self._sums.append((second, amount))

    def total(self, now: int) -> float:
        """Return the sum of what was added in the five minutes before `now`."""
        oldest = now // _SECOND - WINDOW_SECONDS
        while self._sums and self._sums[0][0] <= oldest:
            self._sums.popleft()
        return sum(amount for _, amount in self._sums)


class LatencySummary:
    """Count and sum of all latencies, and the last of them for quantiles; in seconds."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self._last: deque[float] = deque(maxlen=_KEPT_LATENCIES)

    def add(self, seconds: float) -> None:
        """Add one latency."""
        self.count += 1
        self.sum += seconds
        self._last.append(seconds)

    def quantile(self, share: float) -> float:
        """Return the quantile of the last 2,000 latencies, NaN if there are none."""
        if not self._last:
            return float("nan")
        ordered = sorted(self._last)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class Telemetry:
    """Traffic of one server since it started."""

    def __init__(self) -> None:
        self.requests: defaultdict[str | None, WindowSum] = defaultdict(WindowSum)
        self.latencies: defaultdict[str | None, LatencySummary] = defaultdict(LatencySummary)
        self.statuses: defaultdict[int, WindowSum] = defaultdict(WindowSum)
        self._answers = WindowSum()
        self._busy = WindowSum()

    def record(self, call: Call, status: int, now: int) -> None:
        """Count one answered request; under `None` stands the total over all services."""
        for service_id in {None, call.service_id}:
            self.requests[service_id].add(now, call.rows)
            if status == 200:
                self.latencies[service_id].add(call.seconds)
        self.statuses[status].add(now, 1)
        self._answers.add(now, 1)
        self._busy.add(now, call.seconds)

    def request_rate(self, service_id: str | None, now: int) -> float:
        """Return requests per second over the last five minutes, of one service or (`None`) of all."""
        return self.requests[service_id].total(now) / WINDOW_SECONDS

    def status_percent(self, status: int, now: int) -> float:
        """Return how many percent of the answers of the last five minutes had this HTTP status."""
        answers = self._answers.total(now)
        return 100 * self.statuses[status].total(now) / answers if answers else 0.0

    def utilization_percent(self, now: int) -> float:
        """Return how many percent of the last five minutes went into answering."""
        return min(100 * self._busy.total(now) / WINDOW_SECONDS, 100.0)
