"""Rows to requests, checked against a service's metadata before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from ..exceptions import InputError, did_you_mean, listed, quoted, shown
from ..wire.requests import RequestRow
from ..wire.responses import NameAndType, ServiceMetadata
from ..wire.types import JsonValue
from ..wire.values import encode_value

Rows: TypeAlias = "pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for, in the caller's order.

    Parameters
    ----------
    index
        Index of the caller's frame; 0, 1, 2, ... for dicts.
    rows
        One request per row, or the `InputError` that tells why it cannot be sent.
    """

    index: pd.Index
    rows: tuple[RequestRow | InputError, ...]

    def raise_first(self) -> None:
        """Raise the error of the first row that cannot be sent, if there is one."""
        for row in self.rows:
            if isinstance(row, InputError):
                raise row

    def requests(self) -> list[RequestRow]:
        """Return the rows that can be sent."""
        return [row for row in self.rows if isinstance(row, RequestRow)]


def plan_rows(rows: Rows, metadata: ServiceMetadata, service: str) -> Plan:
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

    Raises
    ------
    InputError
        If a join key or request context key is missing, or a column is none of them. A value of
        the wrong type spoils its own row only.
    """
    table = _Table.of(rows)
    inputs = (*metadata.input_join_keys, *metadata.input_request_context_keys)
    _check_names(table, metadata, service)
    encoded = {item.name: _encoded(table, item, _called(item, metadata)) for item in inputs}
    requests = (_request(encoded, metadata, i) for i in range(len(table.index)))
    return Plan(table.index, tuple(requests))


@dataclass(frozen=True, slots=True)
class _Table:
    """The caller's rows as columns of untouched values."""

    index: pd.Index
    columns: Mapping[str, Sequence[Any]]
    lacks: tuple[tuple[object, str], ...] = ()

    @classmethod
    def of(cls, rows: Rows) -> _Table:
        if isinstance(rows, pd.DataFrame):
            return cls._of_frame(rows)
        if isinstance(rows, Mapping):
            return cls._of_dicts([rows])
        if isinstance(rows, Sequence) and not isinstance(rows, str | bytes) and all(map(_is_row, rows)):
            return cls._of_dicts(rows)
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
        return cls(frame.index, {name: list(frame.iloc[:, k]) for k, name in enumerate(names)})

    @classmethod
    def _of_dicts(cls, rows: Sequence[Mapping[str, Any]]) -> _Table:
        names = list(dict.fromkeys(str(name) for row in rows for name in row))
        lacks = tuple((i, name) for i, row in enumerate(rows) for name in names if name not in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        return cls(pd.RangeIndex(len(rows)), columns, lacks)


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


def _encoded(table: _Table, item: NameAndType, called: str) -> list[JsonValue | InputError]:
    return [
        _encode(value, item, called, label)
        for value, label in zip(table.columns.get(item.name, ()), table.index, strict=True)
    ]


def _encode(value: object, item: NameAndType, called: str, label: object) -> JsonValue | InputError:
    try:
        return encode_value(value, item.data_type, where=called)
    except InputError as error:
        named = quoted(label) if isinstance(label, str) else shown(label, 80)
        return InputError(f"Row {named}: {error}")


def _request(
    encoded: Mapping[str, Sequence[JsonValue | InputError]], metadata: ServiceMetadata, i: int
) -> RequestRow | InputError:
    for values in encoded.values():
        if isinstance(value := values[i], InputError):
            return value
    keys = _part(encoded, metadata.input_join_keys, i)
    return RequestRow(keys, _part(encoded, metadata.input_request_context_keys, i))


def _part(encoded: Mapping[str, Sequence[Any]], items: Iterable[NameAndType], i: int) -> dict[str, JsonValue]:
    return {item.name: encoded[item.name][i] for item in items}
