"""What the policy did in a run, as plain numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from .causes import Cause

_MOST_SAMPLES: Final = 512


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What the policy did in a run until now.

    Parameters
    ----------
    attempts
        Requests started.
    failures, retries
        How many attempts failed for each cause, and how many of them were tried again; by the names of `Cause`.
    quota_left
        What the client may still spend on retries.
    refused_by_quota
        Rows that were given up only because the quota was spent.
    backoff_seconds
        All waits of single rows before a retry, added up.
    pause_seconds
        How long the server asked for no request at all, this run or another one of the client.
    rate_wait_seconds
        How long the rate limit alone held back the next request.
    asleep_seconds
        How long the computer slept.
    is_stopped, stop_reason
        Whether the run was stopped early, and what for.
    concurrency
        Seconds since the first request and the limit that held from there on; at most 512 of them.
    """

    attempts: int
    failures: dict[str, int]
    retries: dict[str, int]
    quota_left: int
    refused_by_quota: int
    backoff_seconds: float
    pause_seconds: float
    rate_wait_seconds: float
    asleep_seconds: float
    is_stopped: bool
    stop_reason: str
    concurrency: tuple[tuple[float, int], ...]


@dataclass(slots=True)
class Tally:
    """The counts behind a report while they grow."""

    attempts: int = 0
    failures: Counter[Cause] = field(default_factory=Counter)
    retries: Counter[Cause] = field(default_factory=Counter)
    refused_by_quota: int = 0
    backoff_seconds: float = 0.0
    pause_seconds: float = 0.0
    rate_wait_seconds: float = 0.0


class Timeline:
    """A number over time, kept at its changes; every second one is dropped when there are too many."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []
        self._last: tuple[float, int] | None = None
        self._spacing = 0.0

    def note(self, seconds: float, value: int) -> None:
        """Note the number as it is now."""
        if self._last is not None and self._last[1] == value:
            return
        self._last = (seconds, value)
        if self._samples and seconds - self._samples[-1][0] < self._spacing:
            return
        self._samples.append(self._last)
        if len(self._samples) == _MOST_SAMPLES:
            del self._samples[1::2]
            self._spacing = seconds / (_MOST_SAMPLES / 2)

    def samples(self) -> tuple[tuple[float, int], ...]:
        """Return the changes, oldest first, the last one always among them."""
        is_missing = self._last is not None and self._last != self._samples[-1]
        return tuple([*self._samples, self._last] if is_missing and self._last else self._samples)
