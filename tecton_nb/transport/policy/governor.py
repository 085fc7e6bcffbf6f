"""The one object a run asks: may a request start, and what happens to one that failed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from ...exceptions import BatchStoppedError, TectonError, TectonHttpException, full_stop
from ..messages import HttpAnswer
from .breaker import Breaker
from .causes import MOST_ATTEMPTS, RULES, Cause, Rule, classify
from .concurrency import Concurrency
from .pacing import Pause, RateGate, SleepWatch
from .quota import RetryQuota, backoff_seconds
from .report import PolicyReport, Tally, Timeline
from .retry_after import LONGEST_SECONDS, wait_asked_for

RETRY_AFTER_CAP_SECONDS: Final = 60.0
# One row that is told to come back much later may be its own trouble; the next one, without a success between, is not.
_MOST_SENT_AWAY: Final = 2


class Attempt(NamedTuple):
    """A request in flight.

    Parameters
    ----------
    started_at
        By the clock of the run.
    causes
        Why the attempts before it failed, oldest first.
    cost
        What it took from the quota.
    """

    started_at: float
    causes: tuple[Cause, ...] = ()
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the row again, not before `after_seconds` from now.

    Parameters
    ----------
    after_seconds
        `Governor.wait_before_start` may ask for more then, as for every start.
    cause
        Why the last attempt failed.
    causes
        The same for every attempt yet, `cause` at the end.
    cost
        What the retry took from the quota; the retry gives it back if it succeeds.
    """

    after_seconds: float
    cause: Cause
    causes: tuple[Cause, ...]
    cost: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The row ends with this error."""

    error: TectonError
    cause: Cause


@dataclass(frozen=True, slots=True)
class Stop:
    """The row ends with `error`, and the run with it: every row that was never sent ends with `rest`.

    What is still in flight may end as it likes; a failure there is a `GiveUp`. A row that waits for a retry
    ends with its own last error.
    """

    error: TectonError
    cause: Cause
    rest: BatchStoppedError


class Governor:
    """All policy of one run; a function of its calls and the time they state.

    Calls come one at a time (the run's lock), `now` never goes back, and every `Attempt` ends in exactly one of
    `succeeded`, `failed` and `abandoned`. While requests are in flight something is called at least twice a
    second, `look` if there is nothing else: a longer silence is taken for sleep.

    Parameters
    ----------
    rng
        Where the jitter comes from.
    concurrency
        Requests in flight at most, or ``"auto"``.
    requests_per_second
        Requests started at most in any second; `None` for no limit.
    quota, pause
        Those of the client, shared by its runs, which all read one clock.
    shares
        Among how many runs at once both limits are divided, each followed by others; `None` for a run by itself.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        concurrency: int | Literal["auto"] = "auto",
        requests_per_second: float | None = None,
        quota: RetryQuota | None = None,
        pause: Pause | None = None,
        shares: int | None = None,
    ) -> None:
        self.in_flight = 0
        self.stopped: BatchStoppedError | None = None
        self._rng = rng
        self._concurrency = Concurrency.of(concurrency, shares or 1)
        self._gate = RateGate.of(requests_per_second, shares)
        self._quota = quota or RetryQuota()
        self._breaker = Breaker()
        self._pause = pause or Pause()
        self._paused_until = float("-inf")
        self._watch = SleepWatch()
        self._tally = Tally()
        self._timeline = Timeline()
        self._began_at: float | None = None
        self._noted_limit = 0
        self._sent_away = 0
        self._held_since: float | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._concurrency.limit

    @property
    def is_full(self) -> bool:
        """Whether only the end of a request in flight lets another one start."""
        return self.in_flight >= self._concurrency.limit

    def look(self, now: float) -> None:
        """Note that the process is awake."""
        self._watch.look(now, is_busy=self.in_flight > 0)

    def wait_before_start(self, now: float) -> float | None:
        """Return how long to wait before the next request may start.

        Returns
        -------
        float or None
            0.0 if it may start now, else the seconds after which to ask again; `None` if there is nothing to
            wait for but the end of a request in flight, or the run is stopped.
        """
        self.look(now)
        if self.stopped is not None or self.is_full:
            return None
        pause = self._wait_for_pause(now)
        if self._gate is None:
            return pause
        rate = self._gate.wait(now)
        if rate > pause and self._held_since is None:
            self._held_since = now
        return max(pause, rate)

    def started(self, now: float, retry: Retry | None = None) -> Attempt:
        """Note that a request starts, which `wait_before_start` allowed, and return it.

        Parameters
        ----------
        retry
            What `failed` said about the attempt before, if there was one.
        """
        self.look(now)
        self.in_flight += 1
        self._tally.attempts += 1
        if self._held_since is not None:
            self._tally.rate_wait_seconds += now - self._held_since
            self._held_since = None
        if self._gate:
            self._gate.take(now)
        self._breaker.started(now)
        self._concurrency.started(self.in_flight)
        self._note_limit(now)
        return Attempt(now, retry.causes, retry.cost) if retry else Attempt(now)

    def succeeded(self, now: float, attempt: Attempt) -> None:
        """Note that an attempt brought what was asked for."""
        self._ended(now)
        self._sent_away = 0
        self._quota.give_back(attempt.cost or 1)
        self._breaker.succeeded(now)
        self._concurrency.succeeded()
        self._note_limit(now)

    def abandoned(self, now: float, attempt: Attempt) -> None:
        """Note that nobody waits for an attempt any more; it says nothing about the server."""
        self._ended(now)
        self._quota.give_back(attempt.cost)

    def failed(
        self, now: float, attempt: Attempt, error: TectonError, answer: HttpAnswer | None = None
    ) -> Retry | GiveUp | Stop:
        """Return what happens to the row of an attempt that failed.

        Parameters
        ----------
        answer
            What the error is about, if an answer came: its headers and body say more than the error.
        """
        self._ended(now)
        cause = self._cause(attempt, error, answer)
        self._tally.failures[cause] += 1
        self._learn(now, attempt, cause)
        asked = _wait_asked_for(error, answer) if RULES[cause].retries else 0.0
        is_too_long = asked > RETRY_AFTER_CAP_SECONDS
        told = _come_back_later(error, asked) if is_too_long else error
        if self.stopped is not None:
            return GiveUp(told, cause)
        reason = self._reason_to_stop(RULES[cause])
        if is_too_long:
            self._sent_away += 1
            if self._sent_away < _MOST_SENT_AWAY:
                return GiveUp(told, cause)
            # Nothing succeeded in between: every other row would be told the same, and the host has asked for peace.
            reason = f"the server {_later(asked)}"
        if reason:
            self.stopped = BatchStoppedError(f"Not asked for, because {reason} The error was: {full_stop(str(error))}")
            return Stop(told, cause, self.stopped)
        return self._verdict(now, attempt, cause, error, asked)

    def doubted(self, now: float, attempt: Attempt, error: TectonError) -> Retry | GiveUp:
        """Return what happens to the row of an attempt that succeeded, but maybe with another row's answer."""
        self.look(now)
        self._tally.failures[Cause.DOUBTED] += 1
        if self.stopped is not None:
            return GiveUp(error, Cause.DOUBTED)
        return self._verdict(now, attempt, Cause.DOUBTED, error, 0.0)

    def report(self) -> PolicyReport:
        """Return what was done until now."""
        tally = self._tally
        return PolicyReport(
            attempts=tally.attempts,
            failures=_by_name(tally.failures),
            retries=_by_name(tally.retries),
            quota_left=self._quota.left,
            refused_by_quota=tally.refused_by_quota,
            backoff_seconds=tally.backoff_seconds,
            pause_seconds=tally.pause_seconds,
            rate_wait_seconds=tally.rate_wait_seconds,
            asleep_seconds=self._watch.seconds,
            is_stopped=self.stopped is not None,
            stop_reason=str(self.stopped or ""),
            concurrency=self._timeline.samples(),
        )

    def _wait_for_pause(self, now: float) -> float:
        # Whichever run of the client was asked for it.
        begins, until = max(now, self._paused_until), self._pause.until
        if until > begins:
            self._tally.pause_seconds += until - begins
            self._paused_until = until
        return self._pause.wait(now)

    def _ended(self, now: float) -> None:
        self.look(now)
        self.in_flight -= 1

    def _cause(self, attempt: Attempt, error: TectonError, answer: HttpAnswer | None) -> Cause:
        cause = classify(error, answer.body if answer else None)
        has_slept = cause is Cause.TIMEOUT and self._watch.slept_since(attempt.started_at)
        return Cause.ASLEEP if has_slept and Cause.ASLEEP not in attempt.causes else cause

    def _learn(self, now: float, attempt: Attempt, cause: Cause) -> None:
        rule = RULES[cause]
        if rule.is_overload:
            self._concurrency.overloaded(now, attempt.started_at, is_certain=cause is Cause.THROTTLED)
            self._note_limit(now)
        if rule.is_outage:
            self._breaker.failed(now, attempt.started_at, is_first=not attempt.causes)
        elif cause is Cause.THROTTLED:
            self._breaker.throttled(now, attempt.started_at, is_first=not attempt.causes)
        elif cause is not Cause.ASLEEP:
            self._breaker.succeeded(now)

    def _reason_to_stop(self, rule: Rule) -> str:
        if rule.stops_batch:
            return "another row met an error that every row would meet. Put it right and run again."
        if self._breaker.is_open:
            return f"{self._breaker.reason}. Check the feature server and run again for the rows that are missing."
        return ""

    def _verdict(self, now: float, attempt: Attempt, cause: Cause, error: TectonError, asked: float) -> Retry | GiveUp:
        rule, causes = RULES[cause], (*attempt.causes, cause)
        if causes.count(cause) > rule.retries or _failures(causes) >= MOST_ATTEMPTS:
            return GiveUp(error, cause)
        if not self._quota.take(rule.cost):
            self._tally.refused_by_quota += 1
            return GiveUp(error, cause)
        return self._retry(now, causes, rule.cost, asked)

    def _retry(self, now: float, causes: tuple[Cause, ...], cost: int, asked: float) -> Retry:
        backoff = 0.0 if causes[-1] is Cause.ASLEEP else backoff_seconds(_failures(causes), self._rng)
        if asked:
            self._pause.hold(now, asked)
            self._wait_for_pause(now)
        self._tally.backoff_seconds += backoff
        self._tally.retries[causes[-1]] += 1
        return Retry(asked + backoff, causes[-1], causes, cost)

    def _note_limit(self, now: float) -> None:
        limit = self._concurrency.limit
        if limit == self._noted_limit:
            return
        if self._began_at is None:
            self._began_at = now
        self._noted_limit = limit
        self._timeline.note(now - self._began_at, limit)


def _by_name(counts: Counter[Cause]) -> dict[str, int]:
    return {cause.value: counts[cause] for cause in sorted(counts)}


def _failures(causes: tuple[Cause, ...]) -> int:
    return len(causes) - causes.count(Cause.ASLEEP)


def _wait_asked_for(error: TectonError, answer: HttpAnswer | None) -> float:
    if answer is not None:
        return wait_asked_for(answer) or 0.0
    return (error.retry_after_seconds if isinstance(error, TectonHttpException) else None) or 0.0


def _come_back_later(error: TectonError, seconds: float) -> TectonError:
    if not isinstance(error, TectonHttpException):
        return error
    # Not by copy.copy: packages that teach exceptions to be pickled make its copies share their attributes.
    return type(error)(
        error.status_code,
        error.reason_phrase,
        error.message,
        code=error.code,
        retry_after_seconds=seconds,
        sentence=f"{error} It {_later(seconds)}",
    )


def _later(seconds: float) -> str:
    return (
        f"asks to come back in {_span(seconds)}, longer than the {RETRY_AFTER_CAP_SECONDS:g} s that a run waits. "
        "Run again then for the rows that are missing."
    )


def _span(seconds: float) -> str:
    if seconds >= LONGEST_SECONDS:
        return "more than 30 years"
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds:,.0f} s ({seconds / size:.3g} {unit})"
    return f"{seconds:,.0f} s"
