"""A comparison in hand: its verdict, its frames, and how it shows itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import pandas as pd

from .. import columns
from ..exceptions import InputError, did_you_mean, quoted
from ..reprs import Card, HasCard, Status, human_percent
from .cells import Cells
from .export import write_csv, write_excel
from .join import Join
from .pair import FeaturePair
from .report import ROWS_PER_FEATURE, Verdict, card_of, mismatch_words, write_page
from .sides import Side
from .tables import (
    counts_of,
    dtypes_frame,
    match_ratio,
    mismatch_frame,
    mismatches_of,
    pair_frame,
    summary_frame,
    with_keys,
    worst_rows_frame,
)
from .why import explain

_NAMED = 5


class Comparison(HasCard):
    """Two tables of features side by side; made by ``compare_features``.

    Frames carry the keys of the rows as their index: `reset_index()` makes columns of them.

    Attributes
    ----------
    counts
        How many cells have each verdict, by feature: ``counts["view.score"]["different_value"]``.
    """

    def __init__(
        self,
        left: Side,
        right: Side,
        join: Join,
        pairs: Mapping[str, FeaturePair],
        cells: Mapping[str, Cells],
        segments: pd.DataFrame | None = None,
    ) -> None:
        self.counts = {name: counts_of(pair, cells.get(name)) for name, pair in pairs.items()}
        self._left = left
        self._right = right
        self._join = join
        self._pairs = pairs
        self._cells = cells
        self._segments = segments

    @property
    def equal(self) -> bool:
        """Whether every cell of either side was compared and none differs by more than the tolerance.

        Cells that neither side has an answer for (failed, timed out, not fetched; beside a null without a status too)
        are not equal: nothing is known of them. A row or a feature on one side only is a difference.
        """
        one_sided_rows = len(self._join.left_only) + len(self._join.right_only)
        return not one_sided_rows and not self.mismatch_count and not self.total(columns.NO_ANSWER)

    @property
    def mismatch_count(self) -> int:
        """Number of cells that differ."""
        return sum(mismatches_of(counts) for counts in self.counts.values())

    @property
    def differing(self) -> list[str]:
        """Names of the features that differ, those with the most mismatches first."""
        found = {name: mismatches_of(counts) for name, counts in self.counts.items()}
        return sorted((name for name, count in found.items() if count), key=lambda name: -found[name])

    @property
    def match_ratio(self) -> float | None:
        """Share of all cells that are equal or within tolerance, 0 to 1; `None` without cells."""
        return match_ratio({verdict: self.total(verdict) for verdict in columns.VERDICTS})

    @property
    def shape(self) -> tuple[int, int]:
        """Number of joined rows and of features on either side."""
        return self._join.count, len(self._pairs)

    def total(self, verdict: str) -> int:
        """Return how many cells have this verdict, one of ``columns.VERDICTS``."""
        return sum(counts[verdict] for counts in self.counts.values())

    def summary(self) -> pd.DataFrame:
        """Return one row per feature: counts of each verdict, null rates, size of differences, drift.

        See ``columns.COMPARISON_SUMMARY``. Drift (``psi``, ``ks_statistic``) is over all rows of each side; it is
        computed here and nowhere else.
        """
        return self._summary.copy()

    def mismatches(self) -> pd.DataFrame:
        """Return one row per cell that differs, its key as the index, feature by feature.

        Both values, statuses and effective times; see ``columns.MISMATCHES``. Rows and features on one side only
        are here cell by cell too.
        """
        return mismatch_frame(self._pairs.values(), self._cells, self._join)

    def worst_rows(self, n: int = 10) -> pd.DataFrame:
        """Return up to `n` rows of both sides with the most mismatches, worst first; see ``columns.WORST_ROWS``."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise InputError(f"worst_rows takes a number of rows from 0 on; got {quoted(n)}.")
        return worst_rows_frame(self._cells, self._join, n)

    def left_only(self) -> pd.DataFrame:
        """Return the rows of the left whose key the right lacks, as the left has them."""
        return self._left.values.iloc[self._join.left_only]

    def right_only(self) -> pd.DataFrame:
        """Return the rows of the right whose key the left lacks, as the right has them."""
        return self._right.values.iloc[self._join.right_only]

    def dtypes(self) -> pd.DataFrame:
        """Return the dtypes of every feature on both sides; see ``columns.COMPARED_DTYPES``."""
        return dtypes_frame(self._pairs.values())

    def pairs(self, feature: str) -> pd.DataFrame:
        """Return the left and right value and the verdict of one feature in every joined row.

        See ``columns.FEATURE_PAIR``; ``plots.plot_feature_pair`` draws it.

        Raises
        ------
        InputError
            If not both sides have the feature.
        """
        if feature not in self._cells:
            raise InputError(f"Not both sides have a feature {quoted(feature)}.{did_you_mean(feature, self._cells)}")
        return pair_frame(self._pairs[feature], self._cells[feature])

    def why(self) -> pd.DataFrame:
        """Return ranked explanations with evidence for each feature that differs, worst feature first.

        See ``columns.EXPLANATIONS`` and ``compare.CAUSES``. Found on up to 5,000 differing cells of each feature,
        evenly spread. A feature without an explanation has no row.
        """
        return self._explanations.copy()

    def check(self) -> None:
        """Raise an AssertionError that names the worst features, unless the two are `equal`; for pytest."""
        if not self.equal:
            raise AssertionError(self._complaint())

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a report as one self-contained file, without scripts; return its path."""
        tables = {"Summary": self.summary(), "Dtypes": self.dtypes(), "Worst rows": with_keys(self.worst_rows(20))}
        # Not all of them: where everything differs they are many times as large as the two sides.
        first = mismatch_frame(self._pairs.values(), self._cells, self._join, ROWS_PER_FEATURE)
        return write_page(self.card(), tables, with_keys(first), self._verdict, path)

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the mismatches as CSV; return the path.

        A text that a spreadsheet might take for a formula gets an apostrophe before it, and so does one that starts
        with an apostrophe: drop one to have the text again. Numbers stay numbers, null is empty, NaN is ``NaN``.
        """
        return write_csv(with_keys(self.mismatches()), path)

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write summary, explanations, mismatches and dtypes as sheets of a workbook; return its path.

        Texts are stored as texts, so none is a formula. Whole numbers beyond 2**53, which a spreadsheet would round,
        are texts too.

        Raises
        ------
        SettingsError
            If the package openpyxl is not installed.
        InputError
            If a sheet cannot hold all mismatches.
        """
        frames = (self.summary(), self.why(), with_keys(self.mismatches()), self.dtypes())
        return write_excel(dict(zip(("summary", "why", "mismatches", "dtypes"), frames, strict=True)), path)

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return summary_frame(self._pairs.values(), self._cells)

    @cached_property
    def _explanations(self) -> pd.DataFrame:
        common = [name for name in self.differing if name in self._cells]
        return explain([(self._pairs[name], self._cells[name]) for name in common], self._join, self._segments)

    def _complaint(self) -> str:
        rows = len(self._join.left_only), len(self._join.right_only)
        said = [f"{self.mismatch_count:,} cells differ in {len(self.differing):,} of {len(self.counts):,} features"]
        if any(rows):
            said.append(f"{rows[0]:,} rows are only on the left and {rows[1]:,} only on the right")
        if unknown := self.total(columns.NO_ANSWER):
            said.append(f"{unknown:,} cells have no answer")
        worst = [f"  {quoted(name)}: {self._worst(name)}" for name in self.differing[:_NAMED]]
        more = [f"  and {len(self.differing) - _NAMED:,} more"] if len(self.differing) > _NAMED else []
        return "\n".join(["The two sides are not equal: " + "; ".join(said) + ".", *worst, *more])

    def _worst(self, name: str) -> str:
        counts = self.counts[name]
        return f"{human_percent(match_ratio(counts))} match ({mismatch_words(counts)})"

    @property
    def _verdict(self) -> Verdict:
        rows = self._join.count, len(self._join.left_only), len(self._join.right_only)
        return Verdict(self.equal, self.counts, self.differing, rows)

    @property
    def verdict(self) -> Status:
        """Whether the two are equal, in a few words with a sign."""
        return self._verdict.status

    def card(self) -> Card:
        """Return what the comparison shows of itself, for cards that hold more."""
        return card_of(self._verdict, self._explanations)

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict.word}>"

    def _card(self) -> Card:
        return self.card()
