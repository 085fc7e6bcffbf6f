"""Where the explorer shows what came back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ipywidgets
import pandas as pd

from ..client.cards import details_section
from ..reprs import human_seconds
from ..reprs.card import ROW_LIMIT
from .answers import slo_words
from .changes import Changes, Fetch
from .pieces import place, section_html, strip_html, table_html, words_html

_FILTER_FROM = 12
_FEATURE_LIMIT = 1_000
_CALLS_KEPT = 500


class ResultView(ipywidgets.VBox):
    """Tables of values, statuses and ages; the service objective; what changed; the latencies of this session.

    Attributes
    ----------
    calls
        The HTTP calls of this session, the last 500; see ``columns.CALLS``. `None` before the first.
    """

    def __init__(self) -> None:
        self.calls: pd.DataFrame | None = None
        self._details: pd.DataFrame | None = None
        self._at: datetime | None = None
        self._slo, self._table, self._failures, self._change, self._strip = (place() for _ in range(5))
        self._filter = ipywidgets.Text(description="Filter features", placeholder="part of a name")
        self._filter.layout.display = "none"
        self._filter.observe(self._draw, "value")
        super().__init__([self._slo, self._filter, self._table, self._failures, self._change, self._strip])

    def show_details(self, fetch: Fetch, details: pd.DataFrame, changes: Changes) -> None:
        """Show one vector, and what changed since the fetch before."""
        self.clear()
        self._details = details
        self._change.value = changes.html
        self._filter.layout.display = "" if len(details) > _FILTER_FROM else "none"
        if fetch.batch is not None:
            self._at = fetch.batch.report.answered_at
            self._slo.value = words_html(slo_words(fetch.batch))
            self._note(fetch.batch.calls())
        self._draw(None)

    def show_frame(self, fetch: Fetch, changes: Changes) -> None:
        """Show the first rows, why rows of a batch failed, and what changed since the fetch before."""
        self.clear()
        self._table.value = table_html("Features", with_index(fetch.frame), total=len(fetch.frame))
        self._change.value = changes.html
        if fetch.batch is not None:
            errors = fetch.batch.errors()
            if len(errors):
                self._failures.value = table_html("Rows that failed", with_index(errors), total=len(errors))
            self._note(fetch.batch.calls())

    def clear(self) -> None:
        """Show no result; the latencies stay."""
        self._details = None
        self._filter.layout.display = "none"
        for each in (self._slo, self._table, self._failures, self._change):
            each.value = ""

    def _note(self, calls: pd.DataFrame) -> None:
        every = calls if self.calls is None else pd.concat([self.calls, calls], ignore_index=True)
        self.calls = every.tail(_CALLS_KEPT).reset_index(drop=True)
        self._strip.value = strip_html(self.calls)

    def _draw(self, change: Any) -> None:
        del change
        if self._details is None:
            return
        wanted = str(self._filter.value).strip().casefold()
        names = self._details["name"].str.casefold()
        kept = self._details[names.str.contains(wanted, regex=False).to_numpy(dtype=bool)]
        self._table.value = section_html(details_section(kept, self._at, limit=_FEATURE_LIMIT))


def fetched_words(fetch: Fetch) -> str:
    """Return how much came and how long it took, in one line."""
    batch = fetch.batch
    if batch is None:
        return f"{len(fetch.frame):,} row{'' if len(fetch.frame) == 1 else 's'}."
    calls, features = batch.calls(), len(batch.to_pandas().columns)
    if len(batch) == 1:
        times = calls["client_time_seconds"].dropna()
        took = f" in {human_seconds(float(times.iloc[-1]))}" if len(times) else ""
        return f"{features:,} feature{'' if features == 1 else 's'}{took}."
    failed = len(batch.errors())
    return f"{len(batch) - failed:,} of {len(batch):,} rows have their values; {failed:,} do not."


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the first rows of a frame with its index as the first columns, as they stand."""
    first = frame.head(ROW_LIMIT)
    labels = pd.DataFrame({"row": [str(label) for label in first.index]}, dtype=object)
    return pd.concat([labels, first.reset_index(drop=True)], axis=1)
