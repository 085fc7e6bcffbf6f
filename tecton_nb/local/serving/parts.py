"""What one view contributes to a feature vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ...wire.types import JsonValue
from ..storage.store import StoredRow

PRESENT = "PRESENT"
MISSING_DATA = "MISSING_DATA"
UNKNOWN_STATUS = "UNKNOWN_STATUS"
TIME_OUT = "TIME_OUT"
_CACHED = {PRESENT: "CACHED_PRESENT", MISSING_DATA: "CACHED_MISSING_DATA", UNKNOWN_STATUS: "CACHED_UNKNOWN"}
_ABSENT = frozenset({MISSING_DATA, _CACHED[MISSING_DATA]})
_FAILED = frozenset({UNKNOWN_STATUS, _CACHED[UNKNOWN_STATUS], TIME_OUT})


# Not frozen: one is made per realtime view and request, and setting frozen fields takes three times as long.
@dataclass(slots=True, eq=False)
class Part:
    """The features of one view for one row.

    Parameters
    ----------
    view
        Name of the view.
    values, statuses
        JSON values and raw statuses in the order the view is served.
    text
        The values as JSON, separated by commas.
    effective_time
        RFC 3339 text; `None` where there is none.
    since
        The effective time in nanoseconds since the epoch; only to be compared.
    size
        Bytes read from the store for it.
    row
        What the store held, if it was asked.
    plain
        The values as realtime functions take them, by full name, once they were needed.
    """

    view: str
    values: tuple[JsonValue, ...]
    statuses: tuple[str, ...]
    text: bytes
    effective_time: str | None = None
    since: int = 0
    size: int = 0
    row: StoredRow | None = None
    plain: Mapping[str, Any] | None = None

    @property
    def is_found(self) -> bool:
        """Whether there is anything for the keys, or may be: a view that failed is not an empty one."""
        return not _ABSENT.issuperset(self.statuses)

    @property
    def failure(self) -> str | None:
        """The status of a view that could not be retrieved; `None` if it could."""
        return self.statuses[0] if self.statuses[0] in _FAILED else None


def stored_part(view: str, row: StoredRow) -> Part:
    """Return what the store's row contributes."""
    return Part(view, row.values, row.statuses, joined(row.values), row.effective_time, row.since, row.size, row)


def computed_part(view: str, values: list[JsonValue]) -> Part:
    """Return what a realtime view computed."""
    return Part(view, tuple(values), (PRESENT,) * len(values), joined(values))


def failed_part(view: str, width: int, status: str) -> Part:
    """Return `width` nulls with the status of a view that was not retrieved."""
    return Part(view, (None,) * width, (status,) * width, b",".join([b"null"] * width))


def cached_part(part: Part) -> Part:
    """Return the part as the cache answers it: nothing was read from the store for it."""
    return replace(part, statuses=tuple(_CACHED[status] for status in part.statuses), size=0, row=None)


def joined(values: list[JsonValue] | tuple[JsonValue, ...]) -> bytes:
    """Return the values as JSON, separated by commas."""
    return orjson.dumps(values)[1:-1]
