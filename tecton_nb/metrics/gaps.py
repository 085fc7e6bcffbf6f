"""Stretches of time without a good scrape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from .. import columns
from .identity import moments, number_column, text_column
from .packing import Times

NOBODY = "nobody scraped"
# How many usual intervals two scrapes may lie apart.
_TOLERANCE = 2.5


@dataclass(frozen=True, slots=True)
class Gap:
    """From the last good scrape to the next one, in milliseconds; `None` where there is none."""

    start: int | None
    end: int | None
    failures: tuple[tuple[int, str], ...]

    def breaks(self) -> list[int]:
        """Return times within it: those of the failures, or the middle."""
        if self.failures or self.start is None or self.end is None:
            return [moment for moment, _ in self.failures]
        return [(self.start + self.end) // 2]


def find_gaps(scrapes: Sequence[tuple[int, str | None]], longer_than_ms: float | None = None) -> list[Gap]:
    """Return the gaps between scrapes, given as their times in milliseconds and what went wrong (`None`: nothing).

    A gap is where a scrape failed, or where two good ones lie further apart than `longer_than_ms`, by
    default 2.5 times the usual interval.
    """
    limit = _usual_limit(scrapes) if longer_than_ms is None else longer_than_ms
    good = [None, *(place for place, (_, error) in enumerate(scrapes) if error is None), None]
    return list(_gaps(scrapes, good, limit))


def gaps_frame(gaps: Sequence[Gap]) -> pd.DataFrame:
    """Return one row per gap; see ``columns.METRIC_GAPS``."""
    values = {
        "start": _moments([gap.start for gap in gaps]),
        "end": _moments([gap.end for gap in gaps]),
        "duration_seconds": number_column(
            [None if gap.start is None or gap.end is None else (gap.end - gap.start) / 1000 for gap in gaps]
        ),
        "failed_scrapes": pd.array([len(gap.failures) for gap in gaps], dtype="Int64"),
        "reason": text_column([gap.failures[-1][1] if gap.failures else NOBODY for gap in gaps]),
    }
    return pd.DataFrame({column.name: values[column.name] for column in columns.METRIC_GAPS})


def _gaps(scrapes: Sequence[tuple[int, str | None]], good: Sequence[int | None], limit: float) -> Iterator[Gap]:
    for before, after in pairwise(good):
        between = scrapes[0 if before is None else before + 1 : after]
        failures = tuple((moment, error) for moment, error in between if error is not None)
        start = None if before is None else scrapes[before][0]
        end = None if after is None else scrapes[after][0]
        if failures or (start is not None and end is not None and end - start > limit):
            yield Gap(start, end, failures)


def _usual_limit(scrapes: Sequence[tuple[int, str | None]]) -> float:
    steps = np.diff([moment for moment, _ in scrapes])
    return float(np.median(steps)) * _TOLERANCE if len(steps) else np.inf


def _moments(milliseconds: Sequence[int | None]) -> pd.DatetimeIndex:
    missing = np.iinfo(np.int64).min
    found: Times = np.array([missing if one is None else one for one in milliseconds], np.int64)
    return moments(found)
