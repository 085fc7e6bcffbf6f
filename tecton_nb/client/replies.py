"""Answers of single requests, with the names and shapes of the official client's.

What the server said is kept as it came (`result`, `metadata`); typed views are made when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import pandas as pd

from .. import columns
from ..exceptions import DecodeError, full_stop, quoted, shown
from ..frames.assemble import FeatureColumns, Schema, effective_moment, frame_of, schema_of, spelled_status
from ..frames.dtypes import column_of, to_timestamp
from ..frames.metadata import features_frame, inputs_frame, tags_text
from ..reprs import Card, HasCard
from ..reprs.sections import raw_section
from ..wire.codecs import FeatureValue
from ..wire.responses import (
    FeatureItem,
    FeaturesReply,
    NameAndType,
    ServiceMetadata,
    read_get_features,
    read_query_features,
    read_service_metadata,
)
from ..wire.slo import SLOInfo
from ..wire.timestamps import EpochNanoseconds
from ..wire.types import JsonObject, JsonValue, data_type_to_json, member
from ..wire.values import decode_value
from .cards import answer_card, rows_card, service_sections, vector_card


@dataclass(frozen=True, repr=False)
class GetFeaturesResult(HasCard):
    """Raw values as the server sent them.

    Parameters
    ----------
    features
        int64 as decimal text, structs as lists; for values by name see ``get_features_dict``.
    join_keys
        Raw values of the wildcard join keys; empty outside query-features.
    """

    features: list[JsonValue]
    join_keys: list[JsonValue] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<GetFeaturesResult: {len(self.features):,} values, {len(self.join_keys):,} join keys>"

    def _card(self) -> Card:
        keys = (raw_section(self.join_keys, "Raw join keys"),) if self.join_keys else ()
        return Card("GetFeaturesResult", "as the server sent it", (), (*keys, raw_section(self.features)))


@dataclass(frozen=True, repr=False)
class GetFeaturesResponse(HasCard):
    """Answer of one get-features request.

    Parameters
    ----------
    result
        Raw values.
    metadata
        What the server said about them, as it came; `None` if it said nothing.
    slo_info
        Serving times and eligibility; `None` unless asked for.
    answered_at
        When the server sent it, by the server's own clock; `None` if it does not say. Ages are counted to it.
    """

    result: GetFeaturesResult
    metadata: dict[str, Any] | None
    slo_info: SLOInfo | None
    answered_at: datetime | None = field(default=None, compare=False, kw_only=True)

    @classmethod
    def from_reply(cls, reply: FeaturesReply, metadata: dict[str, Any] | None) -> GetFeaturesResponse:
        """Return the response that an answer says; `metadata` may have been completed."""
        result = GetFeaturesResult(*_vectors(reply)[0])
        return cls(result, metadata, _first(reply.slo_infos), answered_at=reply.answered_at)

    def get_features_dict(self) -> dict[str, Any]:
        """Return the values by full feature name.

        Returns
        -------
        dict
            `bool`, `int` (exact), `float` (NaN and infinities are floats), `str`, UTC
            ``pd.Timestamp``, `list`, `dict` (struct and map) or `None`.

        Raises
        ------
        DecodeError
            If names or types are missing, or a value is none of its type. A `ValueError`, too.
        """
        reply = self._reply()
        pairs = zip(schema_of(reply), reply.rows[0], strict=True)
        return {item.name: _python_value(item, raw, f"result.features[{i}]") for i, (item, raw) in enumerate(pairs)}

    def to_pandas(self) -> pd.DataFrame:
        """Return one row with one column per feature; dtypes from the metadata. Errors as `get_features_dict`."""
        return _table(self._reply()).features(pd.RangeIndex(1))

    def details(self) -> pd.DataFrame:
        """Return one row per feature: value, type, status, effective time; see ``columns.DETAILS``."""
        reply = self._reply()
        items, values = reply.features, self.get_features_dict()
        return frame_of(
            {
                "name": list(values),
                "value": list(values.values()),
                "data_type": [str(item.data_type) for item in items],
                "status": [spelled_status(item.statuses[0]) if item.statuses else None for item in items],
                "effective_time": [effective_moment(item.effective_time) for item in items],
                "description": [item.description for item in items],
                "tags": [tags_text(item) for item in items],
            },
            columns.DETAILS,
        )

    def __repr__(self) -> str:
        return f"<GetFeaturesResponse: {len(self.result.features):,} values>"

    def _card(self) -> Card:
        return answer_card(
            "GetFeaturesResponse",
            self.slo_info,
            self.answered_at,
            self.result.features,
            lambda: vector_card(self.details(), self.answered_at, is_partial=self._reply().is_partial),
        )

    def _reply(self) -> FeaturesReply:
        result = {"features": self.result.features, "joinKeys": self.result.join_keys}
        reply = read_get_features(_body({"result": result, "metadata": self.metadata or {}}))
        if reply.rows[0] and not reply.features:
            raise DecodeError(
                "The response has no names and data types, so its values have no columns. "
                "Ask for them with MetadataOptions(include_names=True, include_data_types=True).",
                "metadata.features",
            )
        return reply


@dataclass(frozen=True, repr=False)
class QueryFeaturesResponse(HasCard):
    """Answer of one query-features request: one result per value of the wildcard join key.

    Parameters
    ----------
    results
        Raw values and raw join key values of each row.
    metadata
        What the server said about them, as it came.
    slo_info
        Serving times and eligibility of the whole request; `None` unless asked for.
    answered_at
        As for `GetFeaturesResponse`.
    """

    results: list[GetFeaturesResult]
    metadata: dict[str, Any] | None
    slo_info: SLOInfo | None
    answered_at: datetime | None = field(default=None, compare=False, kw_only=True)

    @classmethod
    def from_reply(cls, reply: FeaturesReply, metadata: dict[str, Any] | None) -> QueryFeaturesResponse:
        """Return the response that an answer says; `metadata` may have been completed."""
        results = [GetFeaturesResult(*vectors) for vectors in _vectors(reply)]
        return cls(results, metadata, _first(reply.slo_infos), answered_at=reply.answered_at)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per result: the wildcard join keys first, then the features.

        Raises
        ------
        DecodeError
            If names or types are missing, a value is none of its type, or a feature has the name of a key.
        """
        reply, index = self._reply(), pd.RangeIndex(len(self.results))
        return side_by_side(_key_columns(reply, index), _table(reply).features(index))

    def __repr__(self) -> str:
        return f"<QueryFeaturesResponse: {len(self.results):,} rows>"

    def _card(self) -> Card:
        return answer_card(
            "QueryFeaturesResponse",
            self.slo_info,
            self.answered_at,
            [[*result.join_keys, *result.features] for result in self.results],
            lambda: rows_card(self.to_pandas(), self._reply()),
        )

    def _reply(self) -> FeaturesReply:
        results = [{"features": r.features, "joinKeys": r.join_keys} for r in self.results]
        return read_query_features(_body({"results": results, "metadata": self.metadata or {}}))


@dataclass(frozen=True, repr=False)
class GetFeatureServiceMetadataResponse(HasCard):
    """What a feature service takes and returns, as the server says it.

    Parameters
    ----------
    input_join_keys, input_request_context_keys
        Name and type of what goes in; `None` if there is none.
    feature_values
        Name and type of what comes out, in the order of every vector.
    feature_service_type
        ``DEFAULT`` or ``WILDCARD``.
    output_join_keys
        The wildcard join keys that query-features returns; `None` if there is none.
    """

    input_join_keys: list[dict[str, Any]] | None
    input_request_context_keys: list[dict[str, Any]] | None
    feature_values: list[dict[str, Any]]
    feature_service_type: str = field(default="DEFAULT", kw_only=True)
    output_join_keys: list[dict[str, Any]] | None = field(default=None, kw_only=True)

    @classmethod
    def from_metadata(cls, metadata: ServiceMetadata) -> GetFeatureServiceMetadataResponse:
        """Return the response that an answer says."""
        raw = metadata.raw
        return cls(
            _list(raw, "inputJoinKeys") or None,
            _list(raw, "inputRequestContextKeys") or None,
            _list(raw, "featureValues"),
            feature_service_type=metadata.feature_service_type,
            output_join_keys=_list(raw, "outputJoinKeys") or None,
        )

    def inputs(self) -> pd.DataFrame:
        """Return one row per join key and request context key; see ``columns.INPUTS``."""
        return inputs_frame(self._metadata())

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per feature; see ``columns.FEATURES``."""
        return features_frame(self._metadata())

    def __repr__(self) -> str:
        return f"<GetFeatureServiceMetadataResponse: {len(self.feature_values):,} features>"

    def _card(self) -> Card:
        facts = (("type", self.feature_service_type),)
        sections = service_sections(self._metadata())
        return Card("GetFeatureServiceMetadataResponse", f"{len(self.feature_values):,} features", facts, sections)

    def _metadata(self) -> ServiceMetadata:
        message = {
            "featureServiceType": self.feature_service_type,
            "inputJoinKeys": self.input_join_keys,
            "inputRequestContextKeys": self.input_request_context_keys,
            "featureValues": self.feature_values,
            "outputJoinKeys": self.output_join_keys,
        }
        return read_service_metadata(_body(message))


def side_by_side(keys: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Return join key columns and other columns as one frame.

    Raises
    ------
    DecodeError
        If a name stands on both sides; one would hide the other.
    """
    both = [name for name in keys.columns if name in others.columns]
    if both:
        raise DecodeError(f"{quoted(both[0])} is the name of a join key and of another column.", "metadata")
    return pd.concat([keys, others], axis=1)


def completed(reply: FeaturesReply, service: ServiceMetadata) -> dict[str, Any]:
    """Return the metadata of an answer with names and types filled in from the service's own.

    Raises
    ------
    DecodeError
        If the vectors have another length than the service has features, or one of them is none of the service's.
    """
    raw = dict(reply.raw_metadata or {})
    raw["features"] = _filled(reply.features, service.feature_values, reply.rows, "features")
    if any(reply.join_keys) or (service.output_join_keys and not reply.rows):
        raw["joinKeys"] = _filled(reply.join_key_items, service.output_join_keys, reply.join_keys, "joinKeys")
    return raw


def is_labelled(reply: FeaturesReply) -> bool:
    """Whether the answer names and types every value it holds; without rows it must state the columns."""
    parts = ((reply.rows, reply.features), (reply.join_keys, reply.join_key_items))
    return all(_describes(items, vectors) for vectors, items in parts)


def _describes(items: Sequence[FeatureItem], vectors: Sequence[list[JsonValue]]) -> bool:
    return all(item.name and item.data_type for item in items) and (bool(items) or (bool(vectors) and not any(vectors)))


def _filled(
    items: Sequence[FeatureItem], fields: Sequence[NameAndType], vectors: Sequence[list[JsonValue]], called: str
) -> list[Any]:
    stated = [*items] or [FeatureItem()] * len(fields)
    lengths = {len(vector) for vector in vectors} | {len(stated)}
    if other := lengths - {len(fields)}:
        raise DecodeError(
            f"The answer does not name and type its {min(other)} {called}, "
            f"and the service's metadata has {len(fields)}.",
            called,
        )
    by_name = {field.name: field for field in fields}
    return [_described(item, _stated(item, fields[i], by_name, called)) for i, item in enumerate(stated)]


def _stated(item: FeatureItem, at_place: NameAndType, by_name: Mapping[str, NameAndType], called: str) -> NameAndType:
    """Return what the service says about an item: by its name, as answers may order them differently."""
    found = at_place if item.name is None else by_name.get(item.name)
    if found is None:
        raise DecodeError(f"The service's metadata has no {quoted(item.name)}, which the answer holds.", called)
    if item.data_type is not None and item.data_type != found.data_type:
        raise DecodeError(
            f"The answer holds {item.data_type} where the service's metadata has {quoted(found.name)} as "
            f"{found.data_type}. Read the service's metadata again.",
            called,
        )
    return found


def _described(item: FeatureItem, stated: NameAndType) -> JsonObject:
    known: dict[str, JsonValue] = {
        "name": item.name or stated.name,
        "dataType": data_type_to_json(item.data_type or stated.data_type),
        "effectiveTime": item.effective_time,
        "status": item.statuses[0] if item.statuses else None,
        "description": item.description,
        "tags": dict(item.tags) if item.tags else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _vectors(reply: FeaturesReply) -> list[tuple[list[JsonValue], list[JsonValue]]]:
    keys = reply.join_keys or ([],) * len(reply.rows)
    return list(zip(reply.rows, keys, strict=True))


def _first(slo_infos: Sequence[SLOInfo]) -> SLOInfo | None:
    return slo_infos[0] if slo_infos else None


def _body(message: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(message)
    except orjson.JSONEncodeError as error:
        raise DecodeError(f"The answer cannot be read: {full_stop(shown(error, 200))}", "") from None


def _list(raw: Mapping[str, JsonValue], camel: str) -> list[Any]:
    found = member(raw, camel)
    return found if isinstance(found, list) else []


def _table(reply: FeaturesReply) -> FeatureColumns:
    table = FeatureColumns(schema_of(reply), len(reply.rows))
    table.put(reply, range(len(reply.rows)))
    return table


def _key_columns(reply: FeaturesReply, index: pd.Index) -> pd.DataFrame:
    schema: Schema = tuple(NameAndType(str(i.name), i.data_type) for i in reply.join_key_items if i.data_type)
    found: dict[str, object] = {}
    for k, item in enumerate(schema):
        places = (f"results[{i}].joinKeys[{k}]" for i in range(len(reply.rows)))
        pairs = zip(reply.join_keys, places, strict=True)
        values = [decode_value(keys[k], item.data_type, where=place, name=item.name) for keys, place in pairs]
        found[item.name] = column_of(values, item.data_type)
    return pd.DataFrame(found, index=index)


def _python_value(item: NameAndType, raw: JsonValue, where: str) -> Any:
    return _with_timestamps(decode_value(raw, item.data_type, where=where, name=item.name))


def _with_timestamps(value: FeatureValue) -> Any:
    if isinstance(value, EpochNanoseconds):
        return to_timestamp(value)
    if isinstance(value, list):
        return [_with_timestamps(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_timestamps(item) for key, item in value.items()}
    return value
