"""What a metrics history shows of itself, from its own frames."""

from __future__ import annotations

import pandas as pd

from ..reprs import Card, Kind, Status, counted, human_bytes, human_seconds
from ..reprs.sections import schema_section
from .described import stage_status

_HEAD = ("metric", "kind", "unit", "stage", "series")


def history_card(name: str, families: pd.DataFrame, scrapes: pd.DataFrame, gaps: pd.DataFrame, size: int) -> Card:
    """Return from when to when it tells what, what went wrong, and every metric."""
    failed = int((scrapes["outcome"] != "ok").sum())
    facts = (
        *_span_facts(scrapes),
        ("scrapes", f"{len(scrapes):,}"),
        ("failed", counted(failed, Kind.BAD)),
        ("gaps", counted(len(gaps), Kind.UNSURE)),
        ("series", f"{int(families['series'].sum()):,}"),
        ("size", human_bytes(size)),
    )
    columns = (families[column] for column in _HEAD)
    rows = [
        (metric, kind, "—" if pd.isna(unit) else unit, stage_status(None if pd.isna(stage) else stage), series)
        for metric, kind, unit, stage, series in zip(*columns, strict=True)
    ]
    return Card("MetricsHistory", name, facts, (schema_section("Metrics", _HEAD, rows),))


def _span_facts(scrapes: pd.DataFrame) -> tuple[tuple[str, object], ...]:
    if scrapes.empty:
        return ()
    first, last = scrapes["started_at"].iloc[0], scrapes["started_at"].iloc[-1]
    outcome = str(scrapes["outcome"].iloc[-1])
    return (
        ("from", first.floor("s")),
        ("until", last.floor("s")),
        ("covers", human_seconds((last - first).total_seconds())),
        ("last scrape", Status(outcome, Kind.GOOD if outcome == "ok" else Kind.BAD)),
    )
