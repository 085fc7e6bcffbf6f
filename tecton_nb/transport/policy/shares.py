"""Among how many runs at once the limits of one are divided, where none of them sees the others."""

from __future__ import annotations

from typing import Final, Literal

from .concurrency import Concurrency, most_at_once
from .pacing import RateGate, whole_share

_LEAST_USED: Final = 0.9


def equal_shares(concurrency: int | Literal["auto"], requests_per_second: float | None, at_most: int) -> int:
    """Return the number of shares: `at_most`, or as many fewer as leave no more than a tenth of a limit unused.

    Shares are whole numbers, and all runs together never pass what a user asked for: of 7 requests a second
    four runs could have 1 each, so one run has them all.

    Raises
    ------
    InputError
        If one of the limits is none.
    """
    Concurrency.of(concurrency)
    RateGate.of(requests_per_second)
    limits = [most_at_once(concurrency), *([] if requests_per_second is None else [requests_per_second])]
    return next(
        shares
        for shares in range(max(1, at_most), 0, -1)
        if all(whole_share(limit, shares) * shares >= _LEAST_USED * limit for limit in limits)
    )
