"""How long a server asks to wait: the ``Retry-After`` header in each of its forms.

Source: RFC 9110, sections 5.6.7 (three forms of a date) and 10.2.3.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from ..messages import HttpAnswer, http_date

# Longer than any wait that means something; keeps digits without end a finite number.
LONGEST_SECONDS: Final = 1e9

_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def retry_after_seconds(value: str, date: str | None, received_at: datetime) -> float | None:
    """Return how long the header asks to wait, `None` if it says nothing that can be understood.

    Parameters
    ----------
    value
        Of ``Retry-After``: seconds, with decimals or without, or a date.
    date
        Of the ``Date`` header of the same answer. A date to wait for is read by the server's own clock, so one that
        is a day off asks for the same wait.
    received_at
        When the answer came; used where there is no such header. With a time zone.

    Returns
    -------
    float or None
        Seconds from when the answer came, 0 for a date that is over, at most `LONGEST_SECONDS`.
    """
    value = value.strip(" \t")
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_SECONDS)
    until = http_date(value)
    if until is None:
        return None
    sent_at = http_date(date) if date else None
    return min(max(0.0, (until - (sent_at or received_at)).total_seconds()), LONGEST_SECONDS)


def wait_asked_for(answer: HttpAnswer) -> float | None:
    """Return how long the answer asks to wait before the next request, in seconds; `None` if it does not."""
    value = answer.header("Retry-After")
    if value is None:
        return None
    received_at = answer.timing.started_at + timedelta(seconds=answer.timing.total_seconds)
    return retry_after_seconds(value, answer.header("Date"), received_at)
