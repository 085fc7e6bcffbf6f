"""All policy of a bulk run as functions of the time stated: no clock, no sleep, no thread, no randomness of its own.

`Governor` is what a run holds; the rest are its parts.
"""

from .causes import MOST_ATTEMPTS, RULES, Cause, Rule, classify
from .concurrency import Concurrency, most_at_once
from .governor import RETRY_AFTER_CAP_SECONDS, Attempt, GiveUp, Governor, Retry, Stop
from .pacing import Pause, RateGate
from .quota import RetryQuota
from .report import PolicyReport
from .retry_after import retry_after_seconds, wait_asked_for
from .shares import equal_shares

__all__ = [
    "MOST_ATTEMPTS",
    "RETRY_AFTER_CAP_SECONDS",
    "RULES",
    "Attempt",
    "Cause",
    "Concurrency",
    "GiveUp",
    "Governor",
    "Pause",
    "PolicyReport",
    "RateGate",
    "Retry",
    "RetryQuota",
    "Rule",
    "Stop",
    "classify",
    "equal_shares",
    "most_at_once",
    "retry_after_seconds",
    "wait_asked_for",
]
