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
class Outcome:
    """When a scrape was started, what went wrong (`None`: nothing), and the time that its samples state.

    The two times, in milliseconds, are those of two clocks: the scraper's and the server's.
    """

    started: int
    error: str | None = None
    stamp: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """From the last good scrape to the next one; `None` where there is none."""

    before: Outcome | None
    after: Outcome | None
    failures: tuple[Outcome, ...]

    @property
    def start(self) -> int | None:
        """Begin by the scraper's clock, in milliseconds."""
        return None if self.before is None else self.before.started

    @property
    def end(self) -> int | None:
        """End by the scraper's clock, in milliseconds."""
        return None if self.after is None else self.after.started

    def breaks(self) -> list[int]:
        """Return times within it by the clock of the samples: those of the failures, or the middle."""
        moments = [one.started for one in self.failures]
        if not moments and self.start is not None and self.end is not None:
            moments = [(self.start + self.end) // 2]
        return [place for moment in moments if (place := self._by_samples(moment)) is not None]

    def _by_samples(self, moment: int) -> int | None:
        """Return a moment of the scraper's clock as one of the samples', between those of both ends."""
        ends = [(one.started, one.stamp) for one in (self.before, self.after) if one and one.stamp is not None]
        if len(ends) < 2:
            return moment + sum(stamp - started for started, stamp in ends)
        (start, first), (end, last) = ends
        place = first + (moment - start) * (last - first) // max(end - start, 1)
        # Where the page had not changed meanwhile there is nothing between its samples.
        return place if first < place < last else None


def find_gaps(scrapes: Sequence[Outcome], longer_than_ms: float | None = None) -> list[Gap]:
    """Return the gaps between scrapes.

    A gap is where a scrape failed, or where two good ones lie further apart than `longer_than_ms`, by
    default 2.5 times the usual interval.
    """
    limit = _usual_limit(scrapes) if longer_than_ms is None else longer_than_ms
    good = [None, *(place for place, one in enumerate(scrapes) if one.error is None), None]
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
        "reason": text_column([gap.failures[-1].error if gap.failures else NOBODY for gap in gaps]),
    }
    return pd.DataFrame({column.name: values[column.name] for column in columns.METRIC_GAPS})


def _gaps(scrapes: Sequence[Outcome], good: Sequence[int | None], limit: float) -> Iterator[Gap]:
    for before, after in pairwise(good):
        failures = tuple(scrapes[0 if before is None else before + 1 : after])
        gap = Gap(None if before is None else scrapes[before], None if after is None else scrapes[after], failures)
        if failures or (gap.start is not None and gap.end is not None and gap.end - gap.start > limit):
            yield gap


def _usual_limit(scrapes: Sequence[Outcome]) -> float:
    steps = np.diff([one.started for one in scrapes])
    return float(np.median(steps)) * _TOLERANCE if len(steps) else np.inf


def _moments(milliseconds: Sequence[int | None]) -> pd.DatetimeIndex:
    missing = np.iinfo(np.int64).min
    found: Times = np.array([missing if one is None else one for one in milliseconds], np.int64)
    return moments(found)
