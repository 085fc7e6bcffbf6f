"""Where the explorer shows what came back."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pandas as pd

from ..batch.result import FeatureBatch
from ..reprs import human_seconds
from ..reprs.card import ROW_LIMIT
from .answers import call_moment, changed_cells, shown_details, slo_words
from .pieces import place, strip_html, table_html, words_html

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
        self._at: pd.Timestamp | None = None
        self._slo, self._table, self._change, self._strip = place(), place(), place(), place()
        self._filter = ipywidgets.Text(description="Filter features", placeholder="part of a name")
        self._filter.layout.display = "none"
        self._filter.observe(self._draw, "value")
        super().__init__([self._slo, self._filter, self._table, self._change, self._strip])

    def show_details(self, details: pd.DataFrame, batch: FeatureBatch, previous: pd.DataFrame | None) -> None:
        """Show one vector; `previous` is that of the fetch before, if there is one to compare with."""
        self._details, self._at = details, call_moment(batch.calls())
        self._slo.value = words_html(slo_words(batch))
        self._filter.layout.display = "" if len(details) > _FILTER_FROM else "none"
        self._change.value = "" if previous is None else _change_html(previous, details)
        self._note(batch.calls())
        self._draw(None)

    def show_frame(self, title: str, frame: pd.DataFrame, batch: FeatureBatch | None = None) -> None:
        """Show the first rows of a frame, and why rows of the batch failed."""
        self._details = None
        self._filter.layout.display = "none"
        self._slo.value, self._change.value = "", ""
        self._table.value = table_html(title, with_index(frame), total=len(frame))
        if batch is not None:
            errors = batch.errors()
            self._change.value = (
                table_html("Rows that failed", with_index(errors), total=len(errors)) if len(errors) else ""
            )
            self._note(batch.calls())

    def clear(self) -> None:
        """Show no result; the latencies stay."""
        self._details = None
        self._filter.layout.display = "none"
        for each in (self._slo, self._table, self._change):
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
        self._table.value = table_html("Features", shown_details(kept, self._at), limit=_FEATURE_LIMIT)


def fetched_words(batch: FeatureBatch) -> str:
    """Return how much came and how long it took, in one line."""
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


def _change_html(before: pd.DataFrame, after: pd.DataFrame) -> str:
    changed = changed_cells(before, after)
    if changed.empty:
        return words_html("Nothing has changed since the previous fetch.")
    return table_html("Changed since the previous fetch", changed)
