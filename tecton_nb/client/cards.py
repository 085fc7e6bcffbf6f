"""What answers and services show of themselves, from the frames that they hand out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from .. import columns
from ..exceptions import DecodeError, listed
from ..frames.metadata import features_frame, inputs_frame
from ..reprs import Age, Card, Kind, Section, Status, frame_section
from ..reprs.card import ROW_LIMIT
from ..reprs.human import is_missing
from ..reprs.sections import raw_section, schema_section, statuses_section
from ..wire.responses import FeaturesReply, ServiceMetadata
from ..wire.slo import SLOInfo

# More are not read side by side; the text twin has no scroll bar.
_MOST_COLUMNS = 8
_GAPS = {
    columns.PRESENT: Status("null", Kind.MISSING),
    "CACHED_PRESENT": Status("null", Kind.MISSING),
    columns.MISSING_DATA: Status("missing", Kind.MISSING),
    "CACHED_MISSING_DATA": Status("missing", Kind.MISSING),
    columns.TIME_OUT: Status("timed out", Kind.BAD),
}
_HERE = (columns.PRESENT, "CACHED_PRESENT")
_ASK = "names and types only; metadata_options=MetadataOptions.all() asks for statuses and effective times"


def answer_card(
    title: str, slo_info: SLOInfo | None, answered_at: datetime | None, raw: Sequence[object], read: Callable[[], Card]
) -> Card:
    """Return the card that `read` makes, with time and service objective; raw values where they cannot be read."""
    answered = (("answered", answered_at),) if answered_at else ()
    facts = (*answered, *(slo_info.facts() if slo_info else ()))
    try:
        card = read()
    except DecodeError as error:
        return Card(title, "", (*facts, ("readable", Status(f"no: {error}", Kind.BAD))), (raw_section(raw),))
    return Card(title, card.subtitle, (*facts, *card.facts), card.sections)


def vector_card(details: pd.DataFrame, answered_at: datetime | None, *, is_partial: bool) -> Card:
    """Return what one feature vector shows: its features, and the statuses of all of them."""
    partial = (("result", Status("partial: the size limit of the store was reached", Kind.BAD)),) if is_partial else ()
    is_bare = details[["status", "effective_time"]].isna().all(axis=None)
    ask = (("said of the values", _ASK),) if is_bare and len(details) else ()
    counts = {str(status): int(count) for status, count in details["status"].value_counts().items()}
    sections = [statuses_section(counts)] if counts else []
    features = details_section(details, answered_at)
    facts = (*partial, *ask, *_absent(details))
    return Card("", _counted(len(details), "feature"), facts, (*sections, features))


def rows_card(frame: pd.DataFrame, reply: FeaturesReply) -> Card:
    """Return what the rows of a wildcard query show: the first of them, and type and status of each column."""
    shown = frame.iloc[:, :_MOST_COLUMNS]
    left_out = frame.shape[1] - shown.shape[1]
    more = (("columns shown", f"{_MOST_COLUMNS} of {frame.shape[1]:,}; to_pandas() has all"),) if left_out else ()
    rows = shown.itertuples(index=False, name=None)
    described = [(item.name, str(item.data_type), "join key") for item in reply.join_key_items]
    described += [(item.name, str(item.data_type), "feature") for item in reply.features]
    sections = (
        frame_section("Rows", shown.columns, rows, total=len(frame)),
        Section("Columns", ("name", "data type", "kind"), tuple(described), is_open=False),
    )
    return Card("", _counted(len(frame), "row"), more, sections)


def service_sections(metadata: ServiceMetadata, described: FeaturesReply | None = None) -> tuple[Section, ...]:
    """Return what a service takes and returns; descriptions where `described` has them."""
    features = features_frame(metadata, described)[["name", "data_type", "dtype", "description"]]
    if not features["description"].notna().any():
        features = features.drop(columns="description")
    wildcards = [(item.name, str(item.data_type)) for item in metadata.output_join_keys]
    return (
        _frame("Inputs", inputs_frame(metadata)),
        *((schema_section("Wildcard keys", ("name", "data type"), wildcards),) if wildcards else ()),
        _frame("Features", features),
    )


def details_section(details: pd.DataFrame, at: datetime | None, *, limit: int = ROW_LIMIT) -> Section:
    """Return one row per feature without the columns that say nothing; ages are counted to `at`."""
    statuses, times = list(details["status"]), list(details["effective_time"])
    pairs = zip(details["value"], statuses, strict=True)
    found: dict[str, list[Any]] = {
        "name": list(details["name"]),
        "data type": list(details["data_type"]),
        "value": [_value(value, status) for value, status in pairs],
    }
    if not all(map(is_missing, statuses)):
        found["status"] = [status if is_missing(status) else Status(str(status)) for status in statuses]
    if not all(map(is_missing, times)):
        # Realtime features have none: nothing is missing.
        if at is not None:
            # First: in a narrow panel the rest has to be scrolled to.
            found["age"] = ["—" if is_missing(time) else Age((at - time).total_seconds()) for time in times]
        found["effective time"] = ["—" if is_missing(time) else time for time in times]
    for name in ("description", "tags"):
        if details[name].notna().any():
            found[name] = list(details[name])
    return frame_section("Features", found, zip(*found.values(), strict=True), total=len(details), limit=limit)


def _absent(details: pd.DataFrame) -> tuple[tuple[str, Status], ...]:
    # Those beyond the rows that are shown would go unnoticed.
    statuses = details["status"].fillna(columns.PRESENT)
    names = list(details["name"][~statuses.isin(_HERE)])
    return (("not present", Status(listed(names), Kind.UNSURE)),) if names else ()


def _value(value: object, status: object) -> object:
    if not is_missing(value):
        return value
    if is_missing(status):
        return Status("null", Kind.MISSING)
    return _GAPS.get(str(status), Status("not known", Kind.UNSURE))


def _frame(title: str, frame: pd.DataFrame) -> Section:
    return schema_section(title, frame.columns, list(frame.itertuples(index=False, name=None)))


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
