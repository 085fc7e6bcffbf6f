"""Two tables of features side by side: the summary first, then the cells that differ, feature by feature."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import ipywidgets
import pandas as pd
import traitlets

from ..compare.compared import compare_features
from ..reprs import Card, Status, frame_section, human_percent
from ..reprs.cells import cell_of
from .background import Latest
from .pieces import Panel, error_html, place, table_html, telling, words_html

_ALL = "all features"


class Differences(Protocol):
    """What a panel shows of a comparison: `Comparison` is one."""

    @property
    def verdict(self) -> Status:
        """Whether the two are equal, in a few words with a sign."""

    def left_only(self) -> pd.DataFrame:
        """Return the rows that the right side lacks."""

    def right_only(self) -> pd.DataFrame:
        """Return the rows that the left side lacks."""

    def summary(self) -> pd.DataFrame:
        """Return one row per feature, with the columns ``feature`` and ``mismatches``, how many cells differ."""

    def mismatches(self) -> pd.DataFrame:
        """Return one row per cell that differs, under its key, with the column ``feature``."""


class ComparePanel(Panel):
    """What differs between two tables; the first feature shown is the one that differs most.

    Parameters
    ----------
    left, right
        Whatever ``compare_features`` takes.
    compare
        What compares them, for tolerances of your own: ``functools.partial(compare_features, rtol=1e-6)``.

    Attributes
    ----------
    comparison
        The comparison; `None` before it is done.
    error
        The error that is shown; `None` if there is none.
    """

    comparison = traitlets.Any(allow_none=True)
    error = traitlets.Instance(Exception, allow_none=True)

    def __init__(self, left: Any, right: Any, *, compare: Callable[[Any, Any], Differences] = compare_features) -> None:
        self._latest = Latest(threading.RLock())
        self._mismatches = pd.DataFrame()
        self._feature = ipywidgets.Dropdown(description="Feature", options=[_ALL])
        self._said, self._refused = place("status"), place("alert")
        self._summary, self._cells = place(), place()
        children = [self._said, self._refused, self._summary, self._feature, self._cells]
        super().__init__(children, label="Comparison")
        self._feature.observe(self._draw, "value")
        self._said.value = words_html("Comparing …")
        self._latest.start(lambda: _compared(compare, left, right), self._show, self._failed)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the comparison is there; whether that came in time."""
        return self._latest.wait(timeout_seconds)

    def _show(self, found: tuple[Differences, pd.DataFrame, pd.DataFrame]) -> None:
        self.comparison, summary, mismatches = found
        self._mismatches = mismatches.reset_index()
        counts = mismatches["feature"].value_counts()
        self._summary.value = table_html("Summary", _in_short(summary), limit=len(summary))
        self._feature.options = [_ALL, *(str(name) for name in counts.index)]
        cells = "1 cell differs" if len(mismatches) == 1 else f"{len(mismatches):,} cells differ"
        where = f" {cells} in {len(counts):,} of {len(summary):,} features." if len(mismatches) else ""
        verdict = cell_of(self.comparison.verdict).text
        self._said.value = words_html(f"{verdict}.{where}{_one_sided(self.comparison)}")
        self._feature.value = self._feature.options[min(1, len(counts))]
        self._draw(None)

    def _draw(self, change: object) -> None:
        del change
        wanted = self._feature.value
        cells = self._mismatches
        if wanted != _ALL:
            cells = cells[cells["feature"].astype(str) == wanted]
        self._cells.value = table_html("Cells that differ", telling(cells)) if len(cells) else ""

    def _failed(self, error: Exception) -> None:
        self.error = error
        self._refused.value, self._said.value = error_html(error), ""

    def _card(self) -> Card:
        if self.comparison is None:
            return Card("ComparePanel")
        verdict = self.comparison.verdict
        summary = _in_short(self.comparison.summary())
        rows = summary.itertuples(index=False)
        return Card("ComparePanel", verdict, sections=(frame_section("Summary", summary.columns, rows),))


def _one_sided(found: Differences) -> str:
    sides = {"left": len(found.left_only()), "right": len(found.right_only())}
    return "".join(f" Rows on the {side} only: {count:,}." for side, count in sides.items() if count)


def _in_short(summary: pd.DataFrame) -> pd.DataFrame:
    """Return a summary to be read: worst feature first, numbers rounded, no columns that say nothing."""
    shown = telling(summary.sort_values("mismatches", ascending=False, kind="stable"))
    floats = [str(name) for name in shown.select_dtypes("float")]
    rounded: dict[str, Any] = {name: [_short(name, value) for value in shown[name]] for name in floats}
    return shown.assign(**rounded)


def _short(name: str, value: Any) -> Any:
    if name.endswith("_ratio"):
        return human_percent(value)
    return None if pd.isna(value) else float(f"{value:.4g}")


def _compared(
    compare: Callable[[Any, Any], Differences], left: Any, right: Any
) -> tuple[Differences, pd.DataFrame, pd.DataFrame]:
    found = compare(left, right)
    return found, found.summary(), found.mismatches()
