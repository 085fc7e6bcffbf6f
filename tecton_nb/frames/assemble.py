"""Feature vectors to frames: columns grow as answers arrive, no parsed body is kept.

A row is taken whole or refused whole, so one bad value never shifts or half-fills a row.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from .. import columns
from ..exceptions import DecodeError, quoted
from ..wire.codecs import FeatureValue, Misfit, codec
from ..wire.quick import QuickReader, QuickRow
from ..wire.quick_messages import Irregular
from ..wire.quick_metadata import Annotations
from ..wire.responses import FeatureItem, FeaturesReply, NameAndType, read_get_features, read_get_features_batch
from ..wire.types import STRING, TIMESTAMP, DataType, JsonValue
from ..wire.values import decode_error
from .blocks import NONE, Blocks, KnownBlocks, Places, Positions, Schema
from .dtypes import STRING_DTYPE, arrow_of, fits_nanoseconds, moments
from .order import order_of
from .raw import raw_column
from .said import (
    SLO_SCHEMA,
    effective_moment,
    quick_slo,
    short_time,
    slo_columns,
    spelled_status,
    status_column,
    time_column,
)

__all__ = ["FeatureColumns", "Schema", "effective_moment", "frame_of", "schema_of", "spelled_status"]

# Rows that wait to become columns: enough to make it cheap, few enough to weigh nothing.
_BLOCK = 512
# Annotations whose numbers are remembered at most.
_MOST_NOTED = 2048
_GROWING = (
    "_values",
    "_statuses",
    "_effective_times",
    "_slo_infos",
    "_value_at",
    "_status_at",
    "_effective_time_at",
    "_slo_info_at",
)
# Position, place in its answer, and the row.
_Record: TypeAlias = tuple[int, str, QuickRow]


class ReportedTimes(Protocol):
    """How long a call took inside the server, as it reports; `None` is what it left out."""

    @property
    def server_time_seconds(self) -> float | None:
        """All time inside the server."""

    @property
    def store_max_latency(self) -> float | None:
        """Slowest read from the online store, in seconds."""


_Reported = TypeVar("_Reported", bound=ReportedTimes)


class FeatureColumns:
    """Columns for `row_count` rows of one schema; rows may arrive in any order. One thread at a time.

    Parameters
    ----------
    schema
        Names and types of the features, in the order of the frames' columns.
    row_count
        Rows of the table; a row that never arrives is missing in every column.
    """

    def __init__(self, schema: Schema, row_count: int) -> None:
        self.schema = schema
        self.row_count = row_count
        self._values = Blocks(schema)
        self._statuses = KnownBlocks(tuple(NameAndType(item.name, STRING) for item in schema), status_column)
        self._effective_times = KnownBlocks(tuple(NameAndType(f.name, TIMESTAMP) for f in schema), time_column)
        self._slo_infos = Blocks(SLO_SCHEMA)
        self._value_at, self._status_at = Places(row_count), Places(row_count)
        self._effective_time_at, self._slo_info_at = Places(row_count), Places(row_count)
        # Rows that wait to become columns: with raw values, and with decoded ones.
        self._raw: list[_Record] = []
        self._decoded: list[_Record] = []
        self._noted: dict[Annotations, tuple[int, int]] = {}
        self._marks: dict[int, str] = {}
        self._late: dict[int, DecodeError] = {}

    def put(self, reply: FeaturesReply, positions: Sequence[int | None]) -> None:
        """Take the rows of an answer; the i-th belongs at ``positions[i]``, or nowhere if that is `None`.

        Raises
        ------
        DecodeError
            If the answer has another number of rows, its features are not those of the schema, or
            a value is none of its type. Nothing is taken then.
        """
        if len(reply.rows) != len(positions):
            raise DecodeError(f"The answer has {len(reply.rows)} rows for {len(positions)} requested.", "result")
        order = order_of(reply.features, self.schema)
        values = [self._decode(row, order, _place(i, len(positions))) for i, row in enumerate(reply.rows)]
        items = [reply.features[k] for k in order] if reply.features else [FeatureItem()] * len(self.schema)
        effective_times = tuple([short_time(item.effective_time) for item in items])
        slos = [quick_slo(info) for info in reply.slo_infos] if len(reply.slo_infos) == len(values) else None
        for i, position in enumerate(positions):
            statuses = tuple([item.statuses[i] if item.statuses else None for item in items])
            row = values[i], Annotations(statuses, effective_times), slos[i] if slos else None
            self._append(self._decoded, position, _place(i, len(positions)), row)

    def put_body(self, body: bytes, positions: Sequence[int | None], *, is_batch: bool) -> ReportedTimes | None:
        """Take the rows of an answer as it came, and return the SLO information of the call.

        Parameters
        ----------
        body
            Answer of get-features, or of get-features-batch if `is_batch`.
        positions
            Where each requested row belongs; `None` for a row that nobody wants.

        Returns
        -------
        ReportedTimes or None
            Of a batch answer that of the whole batch, or of its slowest row if it has none.

        Raises
        ------
        DecodeError
            As from reading the body and `put`; nothing is taken then. That a text is no int64 or no
            time may show only in `settle`.
        """
        if is_batch:
            return self._put_batch(body, positions)
        row = self._reader.read(body) if self._reader else None
        if row is None or len(positions) != 1:
            return self._put_exactly(read_get_features(body), positions)
        self._append(self._raw, positions[0], "result", row)
        return row[2]

    def copied(self) -> FeatureColumns:
        """Return them as they are now, to look at while rows go on arriving here."""
        self._convert()
        twin = copy.copy(self)
        for name in _GROWING:
            setattr(twin, name, getattr(self, name).copied())
        twin._marks, twin._late = dict(self._marks), dict(self._late)
        twin._raw, twin._decoded, twin._noted = [], [], {}
        return twin

    def settle(self) -> dict[int, DecodeError]:
        """Return the errors of all rows that were found to be wrong after they had been taken, by position.

        The texts of many rows are read at once, so a wrong one shows late. Its row is missing then and
        marked ``FAILED``.
        """
        self._convert()
        return dict(self._late)

    def take_out(self, positions: Sequence[int]) -> None:
        """Make rows missing that were put: their values turned out to be no values of theirs."""
        self._convert()
        rows = np.array(positions)
        for places in (self._value_at, self._status_at, self._effective_time_at, self._slo_info_at):
            places.set(rows, NONE)
        for position in positions:
            self._forget(position)

    def features(self, index: pd.Index, rows: Positions | None = None) -> pd.DataFrame:
        """Return the values: one column per feature, dtypes from the schema.

        Parameters
        ----------
        index
            Index of the frame.
        rows
            Which row of the table each row of the frame shows, -1 for one that is missing; `None` means all in order.
        """
        self._convert()
        return self._values.frame(self._value_at.shown(rows), index)

    def statuses(self, index: pd.Index, rows: Positions | None = None) -> pd.DataFrame:
        """Return the serving status of each value as ``string``; missing where the server sent none.

        It is ``FAILED`` where `rows` is -1; see `features`.
        """
        self._convert()
        width = len(self.schema)
        failed, *marked = self._statuses.numbers([(s,) * width for s in (columns.FAILED, *self._marks.values())])
        if marked:
            self._status_at.set(np.array([*self._marks]), np.array(marked))
        return self._statuses.frame(self._status_at.shown(rows, otherwise=failed), index)

    def effective_times(self, index: pd.Index, rows: Positions | None = None) -> pd.DataFrame:
        """Return the effective time of each value as ``datetime64[ns, UTC]``; for `rows` see `features`.

        NaT for realtime features, where none was asked for, and where the text names no time.
        """
        self._convert()
        return self._effective_times.frame(self._effective_time_at.shown(rows), index)

    def slo_info(self, index: pd.Index, rows: Positions | None = None) -> pd.DataFrame:
        """Return the columns of ``columns.SLO_INFO``, one row per row; for `rows` see `features`."""
        self._convert()
        return self._slo_infos.frame(self._slo_info_at.shown(rows), index)

    def __getstate__(self) -> dict[str, Any]:
        # Made again where answers are read.
        return {name: part for name, part in self.__dict__.items() if name != "_reader"}

    @cached_property
    def _reader(self) -> QuickReader | None:
        try:
            return QuickReader(self.schema)
        except Irregular:
            return None

    def _put_batch(self, body: bytes, positions: Sequence[int | None]) -> ReportedTimes | None:
        found = self._reader.read_batch(body) if self._reader else None
        if found is None or len(found[0]) != len(positions):
            return self._put_exactly(read_get_features_batch(body), positions)
        rows, whole = found
        for position, place, row in zip(positions, _places(len(positions)), rows, strict=True):
            self._append(self._raw, position, place, row)
        return whole if whole is not None else _slowest([slo for _, _, slo in rows if slo is not None])

    def _put_exactly(self, reply: FeaturesReply, positions: Sequence[int | None]) -> ReportedTimes | None:
        self.put(reply, positions)
        return reply.batch_slo_info or _slowest(reply.slo_infos)

    def _append(self, waiting: list[_Record], position: int | None, place: str, row: QuickRow) -> None:
        if position is None:
            return
        if self._marks:
            self._forget(position)
        waiting.append((position, place, row))
        if len(waiting) == _BLOCK:
            self._convert()

    def _forget(self, position: int) -> None:
        self._marks.pop(position, None)
        self._late.pop(position, None)

    def _convert(self) -> None:
        """Make columns of the rows that wait."""
        raw, decoded = [*self._raw], [*self._decoded]
        self._raw.clear()
        self._decoded.clear()
        if raw:
            try:
                self._keep(raw, [raw_column(values, kind) for values, kind in self._columns(raw)])
            except Irregular:
                decoded += self._one_by_one(raw)
        if decoded:
            self._keep(decoded, [arrow_of(values, kind) for values, kind in self._columns(decoded)])

    def _columns(self, records: Sequence[_Record]) -> Iterator[tuple[Sequence[Any], DataType]]:
        values = zip(*[row[0] for _, _, row in records], strict=True)
        return zip(values, [item.data_type for item in self.schema], strict=True)

    def _one_by_one(self, records: Sequence[_Record]) -> Iterator[_Record]:
        """Yield the records with their values decoded; those that cannot be have failed."""
        for position, place, (values, said, slo) in records:
            self._forget(position)
            try:
                yield position, place, (self._decode(map(_json, values), range(len(values)), place), said, slo)
            except DecodeError as error:
                self._late[position] = error
                self._marks[position] = columns.FAILED

    def _keep(self, records: Sequence[_Record], arrays: Sequence[pa.Array]) -> None:
        at, _, rows = zip(*records, strict=True)
        _, annotations, slos = zip(*rows, strict=True)
        positions = np.array(at)
        self._value_at.set(positions, self._values.extend(arrays, len(records)))
        self._keep_annotations(positions, annotations)
        present = [slo for slo in slos if slo is not None]
        if present:
            numbers = self._slo_infos.extend(slo_columns(present), len(present))
            has_slo = slice(None) if len(present) == len(slos) else [slo is not None for slo in slos]
            self._slo_info_at.set(positions[has_slo], numbers)

    def _keep_annotations(self, positions: Positions, annotations: Sequence[Annotations]) -> None:
        # As a rule all rows share one.
        if annotations.count(annotations[0]) == len(annotations):
            annotations = annotations[:1]
        order = {one: i for i, one in enumerate(dict.fromkeys(annotations))}
        if len(self._noted) > _MOST_NOTED:
            self._noted = {}
        if new := [one for one in order if one not in self._noted]:
            statuses = self._statuses.numbers([one.statuses for one in new])
            times = self._effective_times.numbers([one.effective_times for one in new])
            self._noted.update(zip(new, zip(statuses.tolist(), times.tolist(), strict=True), strict=True))
        numbers = np.array([self._noted[one] for one in order], dtype=np.int32)
        which = np.fromiter(map(order.__getitem__, annotations), np.intp, len(annotations))
        self._status_at.set(positions, numbers[which, 0])
        self._effective_time_at.set(positions, numbers[which, 1])

    def _decode(self, row: Iterable[JsonValue], order: Sequence[int], place: str) -> tuple[FeatureValue, ...]:
        raw = [*row]
        if len(raw) != len(self.schema):
            raise DecodeError(
                f"`{place}.features` has {len(raw)} values for the {len(self.schema)} features of the service.",
                f"{place}.features",
            )
        pairs = zip(order, self.schema, strict=True)
        return tuple([_decoded(raw[k], item, f"{place}.features[{k}]") for k, item in pairs])


def frame_of(
    values: Mapping[str, list[object] | ExtensionArray],
    described: tuple[columns.Column, ...],
    index: pd.Index | None = None,
) -> pd.DataFrame:
    """Return a frame of the described columns, in their order and dtypes; an array has its dtype already."""
    labels = pd.RangeIndex(len(next(iter(values.values())))) if index is None else index
    dtypes = columns.by_name(described)
    return _frame({name: _typed(values[name], dtype, labels) for name, dtype in dtypes.items()}, labels)


def schema_of(reply: FeaturesReply) -> Schema:
    """Return names and types as an answer states them.

    Raises
    ------
    DecodeError
        If a feature has no name or no type.
    """
    for i, item in enumerate(reply.features):
        if item.name is None or item.data_type is None:
            missing = "name" if item.name is None else "data type"
            raise DecodeError(f"`metadata.features[{i}]` has no {missing}.", f"metadata.features[{i}]")
    return tuple(NameAndType(str(f.name), f.data_type) for f in reply.features if f.data_type is not None)


def _frame(arrays: dict[str, object], index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(arrays, index=index, copy=False)


def _typed(values: list[Any] | ExtensionArray, dtype: str, index: pd.Index) -> object:
    if isinstance(values, ExtensionArray):
        return values
    if dtype == "object":
        # Of an array pandas would make text where it holds nothing else, and NaN of null.
        return pd.Series(values, index=index, dtype=object)
    if dtype.startswith("datetime64"):
        return moments([value if isinstance(value, int) else None for value in values])
    return pd.array(values, dtype=cast(Any, STRING_DTYPE if dtype == "string" else dtype))


def _decoded(raw: JsonValue, item: NameAndType, where: str) -> FeatureValue:
    try:
        value = codec(item.data_type).decode(raw)
    except Misfit as misfit:
        raise decode_error(misfit, where=where, name=item.name) from None
    if not fits_nanoseconds(value, item.data_type):
        raise DecodeError(
            f"Cannot keep feature {quoted(item.name)}: {quoted(raw)} at `{where}` is outside the years 1678 to 2261 "
            "that datetime64[ns] holds.",
            where,
        )
    return value


def _place(i: int, rows: int) -> str:
    return "result" if rows == 1 else f"result[{i}]"


@lru_cache(maxsize=16)
def _places(rows: int) -> list[str]:
    return [_place(i, rows) for i in range(rows)]


def _json(raw: Any) -> JsonValue:
    """Return a raw value as JSON has it: a struct as a list."""
    if isinstance(raw, tuple | list):
        return [_json(item) for item in raw]
    return {name: _json(item) for name, item in raw.items()} if isinstance(raw, dict) else raw


def _slowest(infos: Sequence[_Reported]) -> _Reported | None:
    return max(infos, key=lambda info: info.server_time_seconds or 0.0, default=None)
