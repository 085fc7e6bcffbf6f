"""What a run did, and how far it is: plain records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import msgspec

from ..reprs import Card, HasCard, Kind, Section, Status, counted, human_seconds
from ..transport.policy import PolicyReport
from ..wire.types import JsonObject

# Of each part; the rest goes on from part to part.
_SUMMED = ("rows", "unique", "resumed", "failed", "not_fetched", "calls", "seconds")


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a run is.

    Parameters
    ----------
    rows
        Different rows to ask for; equal rows are asked for once.
    done
        Of them, those that have their values.
    failed
        Of them, those that ended with an error.
    in_flight
        Requests on their way now.
    rows_per_second
        Since the run began; 0 before the first row is done.
    eta_seconds
        Until the end at that rate; `None` where there is none yet.
    is_over
        Whether the run has ended.
    """

    rows: int
    done: int
    failed: int
    in_flight: int
    rows_per_second: float
    eta_seconds: float | None
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BatchReport(HasCard, PolicyReport):
    """What a run did, beside the rows it brought; the rest as in `PolicyReport`.

    Parameters
    ----------
    rows, unique
        Rows of the caller, and how many of them differ: equal rows are asked for once.
    resumed
        Different rows that came from the resume file.
    failed, not_fetched
        Rows of the caller that ended with an error, and that were not asked for because the run ended before.
    calls
        HTTP calls.
    seconds
        From the first request to the last answer.
    rows_per_second
        Different rows with values that were fetched in a second.
    answered_at
        When the server sent the last answer, by its own clock; ages are counted to it. `None` if it does not say.
    """

    rows: int
    unique: int
    resumed: int
    failed: int
    not_fetched: int
    calls: int
    seconds: float
    rows_per_second: float
    answered_at: datetime | None = None

    @classmethod
    def together(cls, reports: Sequence[BatchReport]) -> BatchReport:
        """Return the report of a run in parts that shared one policy, whose numbers go on from part to part."""
        last = reports[-1]
        summed = {name: sum(getattr(report, name) for report in reports) for name in _SUMMED}
        fetched = sum(report.rows_per_second * report.seconds for report in reports)
        seconds = summed["seconds"]
        return replace(last, **summed, rows_per_second=fetched / seconds if seconds else 0.0)

    @classmethod
    def of(cls, policy: PolicyReport, **counts: Any) -> BatchReport:
        """Return the report of a run from that of its policy and its own counts."""
        return cls(**{field.name: getattr(policy, field.name) for field in fields(policy)}, **counts)

    def to_json(self) -> JsonObject:
        """Return it for a manifest."""
        parts: JsonObject = {item.name: getattr(self, item.name) for item in fields(self)}
        answered = {"answered_at": self.answered_at.isoformat() if self.answered_at else None}
        return {**parts, **answered, "concurrency": [list(sample) for sample in self.concurrency]}

    @classmethod
    def from_json(cls, kept: JsonObject) -> BatchReport:
        """Return what `to_json` wrote.

        Raises
        ------
        ValueError
            If a part is missing, of the wrong type or below 0.
        """
        report = msgspec.convert(kept, cls)
        counts = [getattr(report, item.name) for item in fields(cls) if item.type in {"int", "float"}]
        if min(counts) < 0:
            raise ValueError("its report counts below 0")
        return report

    def facts(self) -> tuple[tuple[str, object], ...]:
        """Return what a card shows of it."""
        return (
            ("rows", f"{self.rows:,}"),
            ("different rows", f"{self.unique:,}"),
            *((("from the resume file", f"{self.resumed:,}"),) if self.resumed else ()),
            ("failed", counted(self.failed, Kind.BAD)),
            *((("not asked for", counted(self.not_fetched, Kind.UNSURE)),) if self.not_fetched else ()),
            ("HTTP calls", f"{self.calls:,}"),
            ("retries", f"{sum(self.retries.values()):,}"),
        )

    def __repr__(self) -> str:
        return f"<BatchReport: {self.rows:,} rows, {self.failed:,} failed, {self.calls:,} calls>"

    def _card(self) -> Card:
        waits = (
            ("before retries", human_seconds(self.backoff_seconds)),
            ("asked for by the server", human_seconds(self.pause_seconds)),
            ("rate limit", human_seconds(self.rate_wait_seconds)),
            ("computer asleep", human_seconds(self.asleep_seconds)),
        )
        tried = tuple(
            (Status(cause, Kind.BAD), count, self.retries.get(cause, 0)) for cause, count in self.failures.items()
        )
        sections = (
            *((Section("Failed attempts", ("cause", "failed", "tried again"), tried),) if tried else ()),
            Section("Waits", ("what for", "time"), waits, is_open=False),
        )
        speed = (("time", human_seconds(self.seconds)), ("rows/s", f"{self.rows_per_second:,.0f}"))
        stopped = (("stopped", Status(self.stop_reason, Kind.BAD)),) if self.is_stopped else ()
        return Card("BatchReport", "", (*self.facts(), *speed, *stopped), sections)
