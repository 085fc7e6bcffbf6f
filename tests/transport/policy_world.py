"""A run in virtual time: a governor, rows, and a server that is a function of the time."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from tecton_nb.exceptions import HTTP_ERRORS, TectonError, TectonHttpException
from tecton_nb.transport.messages import HttpAnswer, Timing
from tecton_nb.transport.policy import Attempt, GiveUp, Governor, Retry, Stop

BEGAN = datetime(2026, 11, 20, tzinfo=UTC)
HEARTBEAT = 0.5


def http_error(status: int, **parts: object) -> TectonHttpException:
    """Return the exception that a status stands for."""
    return HTTP_ERRORS.get(status, TectonHttpException)(status, "X", "", **parts)


def answer_of(status: int, *headers: tuple[str, str], body: bytes = b"", at: float = 0.0) -> HttpAnswer:
    """Return an answer that came `at` seconds after the world began."""
    began_ns = round((BEGAN.timestamp() + at) * 1e9)
    timing = Timing(began_ns, 0, 0, 0, 0, 0, is_new_connection=False)
    return HttpAnswer(status, "X", headers, body, timing)


@dataclass(frozen=True)
class Outcome:
    """What the server does with one attempt; a success has no error."""

    seconds: float
    error: TectonError | None = None
    answer: HttpAnswer | None = None


@dataclass
class World:
    """Runs rows through a governor until nothing is left; `serve` is told the time, the row and how many are there."""

    governor: Governor
    serve: Callable[[float, int, int], Outcome]
    now: float = 0.0
    starts: list[tuple[float, int]] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    errors: dict[int, TectonError] = field(default_factory=dict)
    failures: list[tuple[float, TectonError]] = field(default_factory=list)
    most_in_flight: int = 0

    def run(self, rows: int, until: float = float("inf")) -> World:
        """Ask for every row, or as many as fit in the time."""
        self._new: deque[int] = deque(range(rows))
        self._retries: list[tuple[float, int, int, Retry]] = []
        self._flying: list[tuple[float, int, int, Attempt, Outcome]] = []
        self._order: Iterator[int] = count()
        while self.now < until and (self._new or self._retries or self._flying):
            wake = self._start_all()
            if self._flying or wake < float("inf"):
                self._wait_until(wake)
            self._end_all()
        return self

    def _start_all(self) -> float:
        while True:
            if not self._new and not self._retries:
                return float("inf")
            if not self._new and self._retries[0][0] > self.now:
                return self._retries[0][0]
            wait = self.governor.wait_before_start(self.now)
            if self.governor.stopped:
                self._end_rest()
                return float("inf")
            if wait is None:
                return float("inf")
            if wait > 0:
                return self.now + wait
            self._start()

    def _start(self) -> None:
        retry = None
        if self._retries and self._retries[0][0] <= self.now:
            _, _, row, retry = heapq.heappop(self._retries)
        else:
            row = self._new.popleft()
        attempt = self.governor.started(self.now, retry)
        outcome = self.serve(self.now, row, len(self._flying))
        self.starts.append((self.now, row))
        heapq.heappush(self._flying, (self.now + outcome.seconds, next(self._order), row, attempt, outcome))
        self.most_in_flight = max(self.most_in_flight, len(self._flying))

    def _wait_until(self, wake: float) -> None:
        # A retry that is ready waits for the same as everything else.
        ready = [each[0] for each in self._retries[:1] if each[0] > self.now]
        due = min([wake, *(each[0] for each in self._flying[:1]), *ready])
        while due - self.now > HEARTBEAT:
            self.now += HEARTBEAT
            self.governor.look(self.now)
        self.now = due

    def _end_all(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, row, attempt, outcome = heapq.heappop(self._flying)
            if outcome.error is None:
                self.governor.succeeded(self.now, attempt)
                self.successes.append(self.now)
                continue
            self.failures.append((self.now, outcome.error))
            self._take(row, self.governor.failed(self.now, attempt, outcome.error, outcome.answer))

    def _take(self, row: int, verdict: Retry | GiveUp | Stop) -> None:
        if isinstance(verdict, Retry):
            heapq.heappush(self._retries, (self.now + verdict.after_seconds, next(self._order), row, verdict))
        else:
            self.errors[row] = verdict.error

    def _end_rest(self) -> None:
        assert self.governor.stopped
        for row in [*self._new, *(each[2] for each in self._retries)]:
            self.errors[row] = self.governor.stopped
        self._new.clear()
        self._retries.clear()


def always(seconds: float, error: TectonError | None = None, answer: HttpAnswer | None = None):
    """Return a server that does the same with every attempt."""
    return lambda *_: Outcome(seconds, error, answer)


def bearing(capacity: int, seconds: float = 0.02, status: int = 429):
    """Return a server that takes `capacity` requests at once and refuses the others."""

    def serve(now: float, row: int, in_service: int) -> Outcome:
        if in_service < capacity:
            return Outcome(seconds)
        return Outcome(0.002, http_error(status))

    return serve


def failing(rng: random.Random, seconds: float, *kinds: tuple[float, Outcome]):
    """Return a server that fails with each probability, else answers."""

    def serve(now: float, row: int, in_service: int) -> Outcome:
        drawn = rng.random()
        for share, outcome in kinds:
            if drawn < share:
                return outcome
            drawn -= share
        return Outcome(seconds)

    return serve
