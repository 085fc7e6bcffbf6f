"""What answers say of their values, as columns: serving statuses, effective times and SLO numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import pyarrow as pa

from .. import columns
from ..wire.quick_messages import Irregular, QuickSLO, astuple
from ..wire.responses import NameAndType
from ..wire.slo import SLOInfo
from ..wire.timestamps import parse_timestamp
from ..wire.types import BOOLEAN, FLOAT64, INT64, STRING, TIMESTAMP
from .dtypes import arrow_of, fits_nanoseconds
from .raw import raw_column

_DATA_TYPES = {"boolean": BOOLEAN, "Float64": FLOAT64, "Int64": INT64, "string": STRING}
SLO_SCHEMA = tuple(NameAndType(column.name, _DATA_TYPES[column.dtype]) for column in columns.SLO_INFO)
_LONGEST_TIME = len("2024-05-01T00:00:00.123456789+00:00")


def spelled_status(status: str | None) -> str | None:
    """Return a serving status in its one spelling; unknown ones as they came, `None` for none."""
    return columns.STATUS_SPELLINGS.get(status, status) if status else None


def effective_moment(text: str | None) -> int | None:
    """Return an effective time in nanoseconds since the epoch, `None` for text that names no moment they hold.

    A row is worth more than its effective time, so nothing is raised.
    """
    short = short_time(text)
    return None if short is None else _moment(short)


def short_time(text: str | None) -> str | None:
    """Return the text if it can be a time by its length, so that no foreign megabytes are remembered."""
    return None if text is None or len(text) > _LONGEST_TIME else text


# The same few times stand in every row. Only what can be a time is kept: foreign text may be megabytes.
@lru_cache(maxsize=65_536)
def _moment(text: str) -> int | None:
    try:
        moment = parse_timestamp(text)
    except ValueError:
        return None
    return moment if fits_nanoseconds(moment, TIMESTAMP) else None


def status_column(statuses: Sequence[str | None]) -> pa.Array:
    """Return raw serving statuses as a column of text, each in its one spelling."""
    return arrow_of([spelled_status(status) for status in statuses], STRING)


def time_column(texts: Sequence[str | None]) -> pa.Array:
    """Return raw effective times as a column of moments; see `effective_moment`."""
    try:
        return raw_column(texts, TIMESTAMP)
    except Irregular:
        return arrow_of([effective_moment(text) for text in texts], TIMESTAMP)


def slo_columns(slos: Sequence[QuickSLO]) -> list[pa.Array]:
    """Return the columns of ``columns.SLO_INFO``."""
    eligible, reasons, slo_seconds, seconds, latency, sizes, old_sizes, _ = zip(*map(astuple, slos), strict=True)
    texts = [", ".join(found) or None if found else None for found in reasons]
    if None in sizes:
        sizes = tuple([old if new is None else new for new, old in zip(sizes, old_sizes, strict=True)])
    found = zip((eligible, slo_seconds, seconds, latency, sizes, texts), SLO_SCHEMA, strict=True)
    return [arrow_of(values, item.data_type) for values, item in found]


def quick_slo(info: SLOInfo) -> QuickSLO:
    """Return SLO information in the form that quick answers have it in."""
    return QuickSLO(
        slo_eligible=info.slo_eligible,
        slo_ineligibility_reasons=info.slo_ineligibility_reasons,
        slo_server_time_seconds=info.slo_server_time_seconds,
        server_time_seconds=info.server_time_seconds,
        store_max_latency=info.store_max_latency,
        store_response_size_bytes=info.store_response_size_bytes,
    )
