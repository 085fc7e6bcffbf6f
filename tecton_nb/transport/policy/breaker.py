"""Tells a server that is down from one that fails now and then."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_SECONDS: Final = 10.0
_LEAST_OUTCOMES: Final = 50
_LEAST_ROUNDS: Final = 5
_BUCKET_SECONDS: Final = 0.25


class _Bucket:
    __slots__ = ("begins", "failures", "outcomes")

    def __init__(self, begins: float) -> None:
        self.begins = begins
        self.outcomes = 0
        self.failures = 0


class Breaker:
    """Opens when a run should stop asking, and stays open.

    It opens when at least half of 50 or more outcomes within 10 s are failures, or when nothing has
    succeeded for 10 s, five round trips and five rows: requests that hang are too slow to fill the window,
    and one row that always fails is not the server's end.
    There is no half-open state: a run that stopped is over, and the next one begins with a breaker
    of its own, so it is the trial.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._buckets: deque[_Bucket] = deque()
        self._silent_since = float("inf")
        self._silent_rounds = 0
        self._silent_rows = 0
        self._round_ended_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether the run should stop; `reason` says why then."""
        return bool(self.reason)

    def started(self, now: float) -> None:
        """Note that an attempt starts: silence is counted from the first one on."""
        self._silent_since = min(self._silent_since, now)

    def succeeded(self, now: float) -> None:
        """Note that the server gave an answer of its own, be it a refusal of the request."""
        self._silent_since = now
        self._silent_rounds = self._silent_rows = 0
        self._bucket(now).outcomes += 1

    def failed(self, now: float, started_at: float, *, is_first: bool) -> None:
        """Note a failure of the server in an attempt started at `started_at`; `is_first` if it is its row's first."""
        bucket = self._bucket(now)
        bucket.outcomes += 1
        bucket.failures += 1
        self.throttled(now, started_at, is_first=is_first)
        outcomes = sum(bucket.outcomes for bucket in self._buckets)
        failures = sum(bucket.failures for bucket in self._buckets)
        if outcomes >= _LEAST_OUTCOMES and 2 * failures >= outcomes:
            self._open(f"{failures} of the last {outcomes} requests failed")

    def throttled(self, now: float, started_at: float, *, is_first: bool) -> None:
        """Note that the server is up but takes no more: no outcome for the window, but no success either."""
        self._silent_rows += is_first
        # What was in the air together is one round: a whole crowd sent away at once says no more than one.
        if started_at >= self._round_ended_at:
            self._silent_rounds += 1
            self._round_ended_at = now
        silence = now - self._silent_since
        if min(self._silent_rounds, self._silent_rows) >= _LEAST_ROUNDS and silence >= WINDOW_SECONDS:
            self._open(f"no request succeeded for {silence:.0f} s")

    def _open(self, reason: str) -> None:
        self.reason = self.reason or reason

    def _bucket(self, now: float) -> _Bucket:
        while self._buckets and self._buckets[0].begins <= now - WINDOW_SECONDS:
            self._buckets.popleft()
        if not self._buckets or now - self._buckets[-1].begins >= _BUCKET_SECONDS:
            self._buckets.append(_Bucket(now))
        return self._buckets[-1]
