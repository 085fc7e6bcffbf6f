"""What a batch shows of itself: counts, statuses, ages and service objective from its own frames."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pandas as pd

from ..exceptions import InputError
from ..reprs import Age, Card, Kind, Section, Status, human_percent, human_seconds
from ..reprs.card import ROW_LIMIT
from ..reprs.sections import statuses_section
from .origin import Found, Origin
from .report import BatchReport

# Of a longer batch a card counts nothing: a recording may be larger than the memory.
MOST_COUNTED = 50_000
Facts = tuple[tuple[str, object], ...]


def batch_card(origin: Origin, found: Found, report: BatchReport) -> Card:
    """Return what a batch shows; a recording that was taken away since says so."""
    facts = (("workspace", origin.workspace or "—"), *report.facts(), ("features", f"{len(found.schema):,}"))
    try:
        more, sections = _read(found, report)
    except InputError as error:
        more, sections = (("frames", Status(str(error), Kind.BAD)),), ()
    return Card("FeatureBatch", origin.service, (*facts, *more), sections)


def _read(found: Found, report: BatchReport) -> tuple[Facts, tuple[Section, ...]]:
    failed = _failed_section(found.errors())
    if report.rows > MOST_COUNTED:
        told = f"not counted beyond {MOST_COUNTED:,} rows; see statuses(), effective_times(), slo_info()"
        return (("statuses, ages, objective", told),), (*failed, _features_section(found, None, None))
    times = found.effective_times()
    counts = _status_counts(found.statuses())
    sections = (statuses_section(counts),) if counts else ()
    features = _features_section(found, times, report.answered_at)
    return (*_age_facts(times, report.answered_at), *_slo_facts(found.slo_info())), (*failed, *sections, features)


def _failed_section(errors: pd.DataFrame) -> tuple[Section, ...]:
    rows = zip(errors.index[:ROW_LIMIT], *(errors[name] for name in ("exception", "message")), strict=False)
    failed = tuple((str(label), Status(exception, Kind.BAD), message) for label, exception, message in rows)
    return (Section("Failed rows", ("row", "exception", "message"), failed, len(errors)),) if failed else ()


def _status_counts(statuses: pd.DataFrame) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for _, column in statuses.items():
        counts.update({str(status): int(count) for status, count in column.value_counts().items()})
    return dict(counts)


def _age_facts(times: pd.DataFrame, at: datetime | None) -> Facts:
    oldest, newest = times.min().min(), times.max().max()
    if at is None or pd.isna(oldest) or pd.isna(newest):
        return ()
    return (
        ("answered", at),
        ("oldest value", _age(oldest, at)),
        ("newest value", _age(newest, at)),
    )


def _slo_facts(info: pd.DataFrame) -> Facts:
    eligible, seconds = info["slo_eligible"].dropna(), info["server_time_seconds"].dropna().astype(float)
    facts: list[tuple[str, object]] = []
    if len(eligible):
        counting = int(eligible.sum())
        said = f"{counting:,} of {len(eligible):,} rows count ({human_percent(counting / len(eligible))})"
        facts.append(("service objective", Status(said, Kind.GOOD if counting == len(eligible) else Kind.UNSURE)))
    if len(seconds):
        middle, slowest = human_seconds(seconds.median()), human_seconds(seconds.max())
        facts.append(("server time", f"median {middle}, slowest {slowest}"))
    return tuple(facts)


def _features_section(found: Found, times: pd.DataFrame | None, at: datetime | None) -> Section:
    rows: list[tuple[object, ...]] = [(item.name, str(item.data_type)) for item in found.schema]
    head: tuple[str, ...] = ("name", "data type")
    if times is not None and at is not None and times.notna().any(axis=None):
        oldest, newest = (list(edge) for edge in (times.min(), times.max()))
        ages = zip(oldest, newest, strict=True)
        rows = [(*row, _age(old, at), _age(new, at)) for row, (old, new) in zip(rows, ages, strict=True)]
        head = (*head, "oldest value", "newest value")
    return Section("Features", head, tuple(rows), is_open=False)


def _age(time: pd.Timestamp, at: datetime) -> Age | str:
    # Realtime features have no effective time: nothing is missing.
    return "—" if pd.isna(time) else Age((at - time).total_seconds())
