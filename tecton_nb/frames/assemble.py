"""Feature vectors to frames: columns grow as answers arrive, no parsed body is kept.

A row is taken whole or refused whole, so one bad value never shifts or half-fills a row.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import pandas as pd
from pandas.api.extensions import ExtensionArray

from .. import columns
from ..exceptions import DecodeError, listed, quoted
from ..wire.codecs import FeatureValue, Misfit, codec
from ..wire.responses import FeatureItem, FeaturesReply, NameAndType, read_get_features, read_get_features_batch
from ..wire.slo import SLOInfo
from ..wire.timestamps import parse_timestamp
from ..wire.types import TIMESTAMP, JsonValue
from ..wire.values import decode_error
from .dtypes import STRING_DTYPE, column_of, fits_nanoseconds, moments

Schema = tuple[NameAndType, ...]
_LONGEST_TIME = len("2024-05-01T00:00:00.123456789+00:00")


class FeatureColumns:
    """Columns for `row_count` rows of one schema; rows may arrive in any order.

    Parameters
    ----------
    schema
        Names and types of the features, in the order of the frames' columns.
    row_count
        Rows of the frames; a row that never arrives is missing in every column.
    """

    def __init__(self, schema: Schema, row_count: int) -> None:
        self.schema = schema
        self.row_count = row_count
        self._values: list[list[FeatureValue]] = [[None] * row_count for _ in schema]
        self._statuses: list[list[str | None]] = [[None] * row_count for _ in schema]
        self._effective_times: list[list[str | None]] = [[None] * row_count for _ in schema]
        self._slo_infos: list[SLOInfo | None] = [None] * row_count

    def put(self, reply: FeaturesReply, positions: Sequence[int]) -> None:
        """Take the rows of an answer; the i-th belongs at ``positions[i]``.

        Raises
        ------
        DecodeError
            If the answer has another number of rows, its features are not those of the schema, or
            a value is none of its type. Nothing is taken then.
        """
        if len(reply.rows) != len(positions):
            raise DecodeError(f"The answer has {len(reply.rows)} rows for {len(positions)} requested.", "result")
        order = _order(reply.features, self.schema)
        decoded = [self._decode(row, order, _place(i, len(positions))) for i, row in enumerate(reply.rows)]
        for i, position in enumerate(positions):
            for column, value in zip(self._values, decoded[i], strict=True):
                column[position] = value
            self._put_metadata(reply, order, i, position)

    def copied(self) -> FeatureColumns:
        """Return it as it is now."""
        return copy.deepcopy(self)

    def put_body(self, body: bytes, positions: Sequence[int | None], *, is_batch: bool) -> SLOInfo | None:
        """Take an answer as it came."""
        reply = read_get_features_batch(body) if is_batch else read_get_features(body)
        if len(reply.rows) != len(positions):
            raise DecodeError(f"The answer has {len(reply.rows)} rows for {len(positions)} requested.", "result")
        self.put(reply, [p for p in positions if p is not None])
        return reply.slo_infos[0] if reply.slo_infos else None

    def mark(self, position: int, status: str) -> None:
        """Write one status, such as ``FAILED``, over the whole row."""
        for column in self._statuses:
            column[position] = status

    def features(self, index: pd.Index, rows: Any = None) -> pd.DataFrame:
        """Return the values: one column per feature, dtypes from the schema."""
        pairs = zip(self.schema, self._values, strict=True)
        return _shown(
            _frame(
                {item.name: column_of(values, item.data_type) for item, values in pairs}, pd.RangeIndex(self.row_count)
            ),
            index,
            rows,
        )

    def statuses(self, index: pd.Index, rows: Any = None) -> pd.DataFrame:
        """Return the serving status of each value as ``string``; missing where the server sent none."""
        pairs = zip(self.schema, self._statuses, strict=True)
        spelled = ((item.name, [spelled_status(status) for status in statuses]) for item, statuses in pairs)
        return _shown(
            _frame(
                {name: pd.array(statuses, dtype=STRING_DTYPE) for name, statuses in spelled},
                pd.RangeIndex(self.row_count),
            ),
            index,
            rows,
        )

    def effective_times(self, index: pd.Index, rows: Any = None) -> pd.DataFrame:
        """Return the effective time of each value as ``datetime64[ns, UTC]``.

        NaT for realtime features, where none was asked for, and where the text names no time.
        """
        pairs = zip(self.schema, self._effective_times, strict=True)
        return _shown(
            _frame(
                {item.name: moments([effective_moment(text) for text in texts]) for item, texts in pairs},
                pd.RangeIndex(self.row_count),
            ),
            index,
            rows,
        )

    def slo_info(self, index: pd.Index, rows: Any = None) -> pd.DataFrame:
        """Return the columns of ``columns.SLO_INFO``, one row per row."""
        return _shown(slo_frame(self._slo_infos, pd.RangeIndex(self.row_count)), index, rows)

    def _decode(self, row: list[JsonValue], order: Sequence[int], place: str) -> list[FeatureValue]:
        if len(row) != len(self.schema):
            raise DecodeError(
                f"`{place}.features` has {len(row)} values for the {len(self.schema)} features of the service.",
                f"{place}.features",
            )
        return [_decoded(row[k], item, f"{place}.features[{k}]") for k, item in zip(order, self.schema, strict=True)]

    def _put_metadata(self, reply: FeaturesReply, order: Sequence[int], i: int, position: int) -> None:
        if reply.features:
            for column, k in enumerate(order):
                item = reply.features[k]
                self._statuses[column][position] = item.statuses[i] if item.statuses else None
                self._effective_times[column][position] = item.effective_time
        if len(reply.slo_infos) == len(reply.rows):
            self._slo_infos[position] = reply.slo_infos[i]


def _shown(frame: pd.DataFrame, index: pd.Index, rows: Any) -> pd.DataFrame:
    if rows is not None:
        frame = pd.DataFrame({name: frame[name].array.take(rows, allow_fill=True) for name in frame}, copy=False)
    frame.index = index
    return frame


def slo_frame(slo_infos: Sequence[SLOInfo | None], index: pd.Index) -> pd.DataFrame:
    """Return the columns of ``columns.SLO_INFO`` with one row per entry; `None` is a row of missing values."""
    infos = [info if info is not None else SLOInfo() for info in slo_infos]
    found: dict[str, list[object]] = {
        "slo_eligible": [info.slo_eligible for info in infos],
        "slo_server_time_seconds": [info.slo_server_time_seconds for info in infos],
        "server_time_seconds": [info.server_time_seconds for info in infos],
        "store_max_latency_seconds": [info.store_max_latency for info in infos],
        "store_response_size_bytes": [info.store_response_size_bytes for info in infos],
        "slo_ineligibility_reasons": [", ".join(info.slo_ineligibility_reasons or ()) or None for info in infos],
    }
    return frame_of(found, columns.SLO_INFO, index)


def frame_of(
    values: Mapping[str, list[object] | ExtensionArray],
    described: tuple[columns.Column, ...],
    index: pd.Index | None = None,
) -> pd.DataFrame:
    """Return a frame of the described columns, in their order and dtypes; an array has its dtype already."""
    dtypes = columns.by_name(described)
    arrays = {name: _typed(values[name], dtype) for name, dtype in dtypes.items()}
    return _frame(arrays, pd.RangeIndex(len(next(iter(values.values())))) if index is None else index)


def spelled_status(status: str | None) -> str | None:
    """Return a serving status in its one spelling; unknown ones as they came, `None` for none."""
    return columns.STATUS_SPELLINGS.get(status, status) if status else None


def effective_moment(text: str | None) -> int | None:
    """Return an effective time in nanoseconds since the epoch, `None` for text that names no moment they hold.

    A row is worth more than its effective time, so nothing is raised.
    """
    return None if text is None or len(text) > _LONGEST_TIME else _moment(text)


# The same few times stand in every row. Only what can be a time is kept: foreign text may be megabytes.
@lru_cache(maxsize=65_536)
def _moment(text: str) -> int | None:
    try:
        moment = parse_timestamp(text)
    except ValueError:
        return None
    return moment if fits_nanoseconds(moment, TIMESTAMP) else None


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


def _typed(values: list[Any] | ExtensionArray, dtype: str) -> object:
    if isinstance(values, ExtensionArray):
        return values
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


def _order(items: tuple[FeatureItem, ...], schema: Schema) -> Sequence[int]:
    """Return where each feature of the schema stands in the answer, which may order them differently."""
    if all(item.name is None for item in items):
        return _by_position(items, schema)
    places = {item.name: k for k, item in enumerate(items)}
    names = {item.name: None for item in schema}
    if places.keys() != names.keys():
        gone, new = [n for n in names if n not in places], [n for n in places if n not in names]
        raise DecodeError(
            f"The features of the service changed: missing {listed(gone)}, new {listed(new)}. "
            "Read the service's metadata again.",
            "metadata.features",
        )
    order = [places[name] for name in names]
    for k, wanted in zip(order, schema, strict=True):
        _check_type(items[k], wanted, k)
    return order


def _by_position(items: Sequence[FeatureItem], schema: Schema) -> Sequence[int]:
    # Without names only the types can tell that the features are not those of the schema; rows are counted elsewhere.
    for k, (item, wanted) in enumerate(zip(items, schema, strict=False)):
        _check_type(item, wanted, k)
    return range(len(schema))


def _check_type(item: FeatureItem, wanted: NameAndType, k: int) -> None:
    if item.data_type is not None and item.data_type != wanted.data_type:
        raise DecodeError(
            f"Feature {quoted(wanted.name)} changed its type from {wanted.data_type} to {item.data_type}. "
            "Read the service's metadata again.",
            f"metadata.features[{k}].dataType",
        )


def _place(i: int, rows: int) -> str:
    return "result" if rows == 1 else f"result[{i}]"
