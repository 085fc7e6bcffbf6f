"""Rows to requests, checked against a service's metadata before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ..exceptions import InputError, did_you_mean, listed, quoted, shown
from ..wire.requests import RequestRow, read_row, write_rows
from ..wire.responses import NameAndType, ServiceMetadata
from ..wire.types import JsonValue
from ..wire.values import encode_value
from .quick_keys import quick_column

Positions: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Rows: TypeAlias = "pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]"


# A frame's rows are planned, fetched and written so many at a time where the result goes to files.
PART_ROWS = 50_000


def parts_of(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yield the rows in parts of `PART_ROWS`, each with the number of its first row; at least one, perhaps empty."""
    if isinstance(rows, Mapping) or len(rows) <= PART_ROWS:
        yield 0, rows
        return
    for begin in range(0, len(rows), PART_ROWS):
        part = slice(begin, begin + PART_ROWS)
        yield begin, rows.iloc[part] if isinstance(rows, pd.DataFrame) else rows[part]


def is_dask(rows: object) -> bool:
    """Whether these rows are a Dask DataFrame; Dask is not loaded for it."""
    kind = type(rows)
    return kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] in {"dask", "dask_expr"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for: every different row once, and which of them answers each of the caller's rows.

    Parameters
    ----------
    index
        Index of the caller's frame; for dicts their numbers.
    requests
        Each different row as it stands in a request, in the order of its first appearance.
    positions
        Per row of the caller its place in `requests`; -1 for one that cannot be sent.
    errors
        Why, by the row's number.
    """

    index: pd.Index
    requests: tuple[bytes, ...]
    positions: Positions
    errors: Mapping[int, InputError]

    def raise_first(self) -> None:
        """Raise the error of the first row that cannot be sent, if there is one."""
        for error in self.errors.values():
            raise error

    def first_request(self) -> RequestRow:
        """Return the one row of a plan for one, as keys by name."""
        return read_row(self.requests[0])


def labels_of(rows: Rows, metadata: ServiceMetadata, service: str) -> pd.Index:
    """Return the labels of the rows after a look at their names; parameters and errors as `plan_rows`."""
    table = _Table.of(rows)
    _check_names(table, metadata, service)
    return table.index


def plan_rows(rows: Rows, metadata: ServiceMetadata, service: str, first: int = 0) -> Plan:
    """Return the requests for the rows.

    Parameters
    ----------
    rows
        A dict for one row, a list of dicts, or a DataFrame with one row per request. Join keys and
        request context are found by the metadata's names; the index is kept.
    metadata
        What the service takes.
    service
        Name of the service; used in errors only.
    first
        Number of the first row, where dicts are a part of more.

    Raises
    ------
    InputError
        If a join key or request context key is missing, or a column is none of them. A value of
        the wrong type spoils its own row only.
    """
    table = _Table.of(rows, first)
    _check_names(table, metadata, service)
    errors: dict[int, InputError] = {}
    keys, context = [
        [(item.name, _encoded(table, item, _called(item, metadata), errors)) for item in items]
        for items in (metadata.input_join_keys, metadata.input_request_context_keys)
    ]
    return _numbered(table.index, [*write_rows(keys, context, len(table.index))], errors)


def _numbered(index: pd.Index, rows: list[bytes], errors: Mapping[int, InputError]) -> Plan:
    sendable = [row for i, row in enumerate(rows) if i not in errors] if errors else rows
    places = {row: place for place, row in enumerate(dict.fromkeys(sendable))}
    positions = np.fromiter(map(places.get, rows, repeat(-1)), dtype=np.int64, count=len(rows))
    positions[list(errors)] = -1
    return Plan(index, tuple(places), positions, dict(sorted(errors.items())))


@dataclass(frozen=True, slots=True)
class _Table:
    """The caller's rows as columns of untouched values."""

    index: pd.Index
    columns: Mapping[str, Sequence[Any] | pd.Series[Any]]
    lacks: tuple[tuple[object, str], ...] = ()

    @classmethod
    def of(cls, rows: Rows, first: int = 0) -> _Table:
        if isinstance(rows, pd.DataFrame):
            return cls._of_frame(rows)
        if isinstance(rows, Mapping):
            return cls._of_dicts([rows], first)
        if isinstance(rows, Sequence) and not isinstance(rows, str | bytes) and all(map(_is_row, rows)):
            return cls._of_dicts(rows, first)
        if is_dask(rows):
            raise InputError("A Dask DataFrame goes to get_features_batch of a FeatureService, and nowhere else.")
        raise InputError(
            f"Cannot read rows from {quoted(rows)} ({type(rows).__name__}). "
            "Pass a dict, a list of dicts or a DataFrame."
        )

    @classmethod
    def _of_frame(cls, frame: pd.DataFrame) -> _Table:
        names = [str(name) for name in frame.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"The rows have the column {quoted(twice[0])} twice; keep one of them.")
        # Column by column: a mixed row of a frame would turn its whole numbers into floats.
        return cls(frame.index, {name: frame.iloc[:, k] for k, name in enumerate(names)})

    @classmethod
    def _of_dicts(cls, rows: Sequence[Mapping[str, Any]], first: int) -> _Table:
        names = list(dict.fromkeys(str(name) for row in rows for name in row))
        lacks = tuple((i, name) for i, row in enumerate(rows, first) for name in names if name not in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        return cls(pd.RangeIndex(first, first + len(rows)), columns, lacks)


def _is_row(row: object) -> bool:
    return isinstance(row, Mapping)


def _check_names(table: _Table, metadata: ServiceMetadata, service: str) -> None:
    inputs = (*metadata.input_join_keys, *metadata.input_request_context_keys)
    names = [item.name for item in inputs]
    unknown = [column for column in table.columns if column not in names]
    if len(table.index) or table.columns:
        for item in inputs:
            if item.name not in table.columns:
                hint = _renamed(item.name, unknown)
                raise InputError(
                    f"The rows lack the {_called(item, metadata)} that {quoted(service)} needs. "
                    f"Columns found: {listed(table.columns)}.{hint}"
                )
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise InputError(f"{quoted(service)} takes no {quoted(unknown[0])}. It takes: {listed(names)}.{hint}")
    for row, name in table.lacks:
        item = next(item for item in inputs if item.name == name)
        raise InputError(
            f"Row {row} lacks the {_called(item, metadata)} that {quoted(service)} needs. Pass None to send null."
        )


def _renamed(name: str, unknown: Sequence[str]) -> str:
    hint = did_you_mean(name, unknown)
    return f" Is {hint.partition(' mean ')[2].removesuffix('?')} meant?" if hint else ""


def _called(item: NameAndType, metadata: ServiceMetadata) -> str:
    kind = "join key" if item in metadata.input_join_keys else "request context"
    return f"{kind} {quoted(item.name)}"


def _encoded(table: _Table, item: NameAndType, called: str, errors: dict[int, InputError]) -> list[JsonValue]:
    """Return a column as JSON values; what cannot be one stands in `errors`, and null in its place."""
    values = table.columns.get(item.name, ())
    quick = quick_column(values, item.data_type)
    if quick is not None:
        return quick
    encoded: list[JsonValue] = []
    for i, value in enumerate(values):
        try:
            encoded.append(encode_value(value, item.data_type, where=called))
        except InputError as error:
            encoded.append(None)
            errors.setdefault(i, InputError(f"Row {_label(table.index[i])}: {error}"))
    return encoded


def _label(label: object) -> str:
    return quoted(label) if isinstance(label, str) else shown(label, 80)
