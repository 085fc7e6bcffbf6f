"""How a comparison shows itself: as a card, and as a page of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from .. import columns
from ..reprs import Card, Kind, Section, Status, counted, frame_section, human_percent
from ..reprs.page import page_html
from .tables import match_ratio, mismatches_of

Counts: TypeAlias = Mapping[str, int]
_FEATURES_IN_PAGE = 50
ROWS_PER_FEATURE = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a card tells: counts by feature, the names of those that differ, rows joined and on one side only."""

    is_equal: bool
    counts: Mapping[str, Counts]
    differing: Sequence[str]
    rows: tuple[int, int, int]

    @property
    def words(self) -> str:
        """The verdict in a few words."""
        if self.is_equal:
            return "equal"
        if self.differing:
            return f"{len(self.differing):,} of {len(self.counts):,} features differ"
        return "different rows" if any(self.rows[1:]) else "not equal: some cells have no answer"

    @property
    def status(self) -> Status:
        """The same with a sign; cells without an answer leave it open."""
        is_open = not self.differing and not any(self.rows[1:])
        return Status(self.words, Kind.GOOD if self.is_equal else Kind.UNSURE if is_open else Kind.BAD)

    def total(self, verdict: str) -> int:
        """Return how many cells have this verdict."""
        return sum(counts[verdict] for counts in self.counts.values())


def card_of(verdict: Verdict, why: pd.DataFrame) -> Card:
    """Return verdict, counts, the features that differ and the likeliest cause of each."""
    totals = {name: verdict.total(name) for name in columns.VERDICTS}
    both, left, right = verdict.rows
    facts = (
        ("rows on both sides", f"{both:,}"),
        ("rows on the left only", counted(left, Kind.BAD)),
        ("rows on the right only", counted(right, Kind.BAD)),
        ("features", f"{len(verdict.counts):,}"),
        ("cells that match", human_percent(match_ratio(totals))),
        *((f"cells {name.replace('_', ' ')}", counted(count, _kind(name))) for name, count in totals.items() if count),
    )
    return Card("Comparison", verdict.status, facts, tuple(_sections(verdict, why)))


def mismatch_words(counts: Counts) -> str:
    """Return how many cells differ in which way: ``12 different value, 3 null against value``."""
    found = ((name, count) for name, count in counts.items() if count and name in columns.MISMATCH)
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in found)


def write_page(
    card: Card,
    tables: Mapping[str, pd.DataFrame],
    mismatches: pd.DataFrame,
    verdict: Verdict,
    path: str | os.PathLike[str],
) -> Path:
    """Write the card, whole tables, and the first mismatches of each feature as an HTML page.

    `mismatches` holds those to show; the verdict knows how many there are.
    """
    whole = [_table(title, frame, max(len(frame), 1)) for title, frame in tables.items()]
    by_feature = mismatches.groupby("feature", sort=False).indices if len(mismatches) else {}
    found = [
        _table(
            f"Mismatches of {name}", mismatches.iloc[rows], ROWS_PER_FEATURE, mismatches_of(verdict.counts[str(name)])
        )
        for name, rows in list(by_feature.items())[:_FEATURES_IN_PAGE]
    ]
    page = page_html(Card(card.title, card.subtitle, card.facts, (*card.sections, *whole, *found)))
    target = Path(path)
    target.write_text(page, encoding="utf-8")
    return target


def _sections(verdict: Verdict, why: pd.DataFrame) -> list[Section]:
    if not verdict.differing:
        return []
    each = ((name, verdict.counts[name]) for name in verdict.differing)
    rows = [
        (name, Status(human_percent(match_ratio(c)), Kind.BAD), mismatches_of(c), mismatch_words(c)) for name, c in each
    ]
    sections = [frame_section("Features that differ", ("feature", "match", "mismatches", "what"), rows)]
    likeliest = why[why["rank"] == 1][["feature", "cause", "explained_ratio", "evidence"]]
    explained = [(f, cause, human_percent(ratio), said) for f, cause, ratio, said in likeliest.itertuples(index=False)]
    head = ("feature", "likeliest cause", "explains", "evidence")
    return [*sections, *([frame_section("Why", head, explained)] if explained else [])]


def _kind(verdict: str) -> Kind | None:
    return Kind.BAD if verdict in columns.MISMATCH else Kind.UNSURE if verdict == columns.NO_ANSWER else None


def _table(title: str, frame: pd.DataFrame, limit: int, total: int | None = None) -> Section:
    head = frame.head(limit)
    rows = tuple(zip(*(head[name] for name in head.columns), strict=True))
    return Section(
        title, tuple(map(str, head.columns)), rows, len(frame) if total is None else total, is_open=False, limit=limit
    )
