"""Answers of a feature server: what a server writes and what a client reads, one shape for both.

get-features, get-features-batch and query-features all become a `FeaturesReply` of n rows: a single
answer is a table of one row. Reading takes either spelling, defaults every absent list, keeps unknown
enum texts, and refuses what would shift, cut or overwrite a value.
Source: response definitions of the HTTP API documents and the recorded bodies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..exceptions import DecodeError, quoted, shown
from .body import as_list, as_object, optional_bool, optional_object, optional_text, without_empty, write_json
from .errors import ErrorBody, read_error_body, read_success, write_error_body
from .slo import SLOInfo, read_slo_info, slo_info_to_json
from .types import (
    DataType,
    JsonObject,
    JsonValue,
    data_type_of,
    data_type_to_json,
    legacy_type,
    member,
    parse_data_type,
    snake_case,
)

__all__ = [
    "ErrorBody",
    "FeatureItem",
    "FeaturesReply",
    "NameAndType",
    "ServiceMetadata",
    "read_error_body",
    "read_get_features",
    "read_get_features_batch",
    "read_query_features",
    "read_service_metadata",
    "write_error_body",
    "write_feature_items",
    "write_get_features",
    "write_get_features_batch",
    "write_query_features",
    "write_service_metadata",
]

# Enum numbers of the protobuf schema, for servers that print them.
_STATUS_NUMBERS = (
    "PRESENT",
    "MISSING_DATA",
    "UNKNOWN_STATUS",
    "CACHED_UNKNOWN",
    "CACHED_MISSING_DATA",
    "CACHED_PRESENT",
    "TIME_OUT",
)
_SCHEMA_LISTS = ("inputJoinKeys", "inputRequestContextKeys", "outputJoinKeys", "featureValues")


@dataclass(frozen=True, slots=True)
class FeatureItem:
    """What the response metadata says about one feature, or one join key, of every row.

    Parameters
    ----------
    name, data_type
        `None` if the answer does not state them.
    statuses
        One raw status text per row; empty if the answer has none.
    effective_time
        RFC 3339 text as it came; `None` for realtime features.
    flat_type
        The deprecated flat type to write beside the data type; reading leaves it out.
    """

    name: str | None = None
    data_type: DataType | None = None
    statuses: tuple[str, ...] = ()
    effective_time: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None
    flat_type: str | None = None


@dataclass(frozen=True, slots=True)
class FeaturesReply:
    """Feature vectors as they stand on the wire, with what the metadata says about their columns.

    Parameters
    ----------
    rows
        One list of raw JSON values per row.
    features
        One item per value; empty if the answer has no metadata.
    join_keys
        One list of raw join key values per row; empty lists outside query-features.
    join_key_items
        One item per join key value.
    slo_infos
        One per row (get-features-batch), one in all (get-features, query-features), or none.
    batch_slo_info
        That of the whole batch.
    answered_at
        When the server sent it, by the server's clock; `None` if it does not say.
    """

    rows: tuple[list[JsonValue], ...]
    features: tuple[FeatureItem, ...] = ()
    join_keys: tuple[list[JsonValue], ...] = ()
    join_key_items: tuple[FeatureItem, ...] = ()
    slo_infos: tuple[SLOInfo, ...] = ()
    batch_slo_info: SLOInfo | None = None
    is_partial: bool = False
    raw_metadata: JsonObject | None = field(default=None, compare=False)
    answered_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NameAndType:
    """A named field of a feature service."""

    name: str
    data_type: DataType


@dataclass(frozen=True, slots=True)
class ServiceMetadata:
    """What a feature service takes and returns; `feature_values` is in the order of every vector."""

    input_join_keys: tuple[NameAndType, ...] = ()
    input_request_context_keys: tuple[NameAndType, ...] = ()
    feature_values: tuple[NameAndType, ...] = ()
    output_join_keys: tuple[NameAndType, ...] = ()
    feature_service_type: str = "DEFAULT"
    raw: JsonObject = field(default_factory=dict, compare=False)


def read_get_features(body: bytes) -> FeaturesReply:
    """Return the one-row table of a get-features answer.

    Raises
    ------
    DecodeError
        If the body is no such answer, names and values or rows and statuses differ in number, or a name stands twice.
    """
    message = read_success(body, "result")
    return _reply(message, [as_object(member(message, "result"), "result")], "result")


def read_get_features_batch(body: bytes) -> FeaturesReply:
    """Return the table of a get-features-batch answer, rows in request order; errors as `read_get_features`."""
    message = read_success(body, "result")
    result = member(message, "result")
    if isinstance(result, dict):
        # Oldest documents print one object with a list of vectors.
        vectors = as_list(member(result, "features"), "result.features")
        return _reply(message, [{"features": vector} for vector in vectors], "result")
    return _reply(message, _objects(result, "result"), "result")


def read_query_features(body: bytes) -> FeaturesReply:
    """Return the table of a query-features answer with its join key values; errors as `read_get_features`.

    An answer without rows may be an empty object, because proto-JSON leaves empty lists out.
    """
    message = read_success(body)
    if "result" in message and "results" not in message:
        raise DecodeError("The answer has `result` where query-features has `results`.", "result")
    return _reply(message, _objects(member(message, "results"), "results"), "results")


def read_service_metadata(body: bytes) -> ServiceMetadata:
    """Return what the metadata answer says.

    Raises
    ------
    DecodeError
        If the body is no such answer, or two fields of one list share a name.
    """
    message = read_success(body, "featureServiceType", *_SCHEMA_LISTS)
    return ServiceMetadata(
        input_join_keys=_names_and_types(message, "inputJoinKeys"),
        input_request_context_keys=_names_and_types(message, "inputRequestContextKeys"),
        feature_values=_names_and_types(message, "featureValues"),
        output_join_keys=_names_and_types(message, "outputJoinKeys"),
        feature_service_type=optional_text(message, "featureServiceType", "") or "DEFAULT",
        raw=message,
    )


def write_get_features(reply: FeaturesReply) -> bytes:
    """Return the get-features answer that says `reply`, a table of one row."""
    row = without_empty({"features": reply.rows[0]})
    return _write(reply, "result", row, one_status=True)


def write_get_features_batch(reply: FeaturesReply) -> bytes:
    """Return the get-features-batch answer that says `reply`."""
    return _write(reply, "result", [without_empty({"features": row}) for row in reply.rows], one_status=False)


def write_query_features(reply: FeaturesReply) -> bytes:
    """Return the query-features answer that says `reply`."""
    pairs = zip(reply.rows, reply.join_keys, strict=True)
    results: list[JsonValue] = [without_empty({"features": row, "joinKeys": keys}) for row, keys in pairs]
    return _write(reply, "results", results, one_status=True)


def write_feature_items(items: Iterable[FeatureItem]) -> bytes:
    """Return the items as get-features puts them into ``metadata.features``, separated by commas."""
    return b",".join([write_json(_item_json(item, one_status=True)) for item in items])


def write_service_metadata(metadata: ServiceMetadata, *, legacy_types: bool = True) -> bytes:
    """Return the metadata answer; empty lists are left out.

    With `legacy_types` the deprecated flat type stands beside each data type, as older servers have it.
    """
    lists = {
        "inputJoinKeys": metadata.input_join_keys,
        "inputRequestContextKeys": metadata.input_request_context_keys,
        "outputJoinKeys": metadata.output_join_keys,
        "featureValues": metadata.feature_values,
    }
    message: JsonObject = {"featureServiceType": metadata.feature_service_type}
    for name, items in lists.items():
        message[name] = [_field_json(item, legacy_types) for item in items]
    return write_json(without_empty(message))


def _objects(raw: JsonValue, where: str) -> list[JsonObject]:
    return [as_object(item, f"{where}[{i}]") for i, item in enumerate(as_list(raw, where))]


def _reply(message: JsonObject, results: list[JsonObject], where: str) -> FeaturesReply:
    # Left out it was not asked for; an explicit null breaks a promise.
    stated = as_object(message["metadata"], "metadata") if "metadata" in message else None
    metadata = stated or {}
    places = [f"{where}[{i}]" if len(results) > 1 else where for i in range(len(results))]
    reply = FeaturesReply(
        rows=tuple(_vector(item, "features", place) for item, place in zip(results, places, strict=True)),
        features=_items(metadata, "features", len(results)),
        join_keys=tuple(_vector(item, "joinKeys", place) for item, place in zip(results, places, strict=True)),
        join_key_items=_items(metadata, "joinKeys", len(results)),
        slo_infos=_slo_infos(metadata, len(results)),
        batch_slo_info=read_slo_info(member(metadata, "batchSloInfo"), "metadata.batchSloInfo"),
        is_partial=bool(optional_bool(metadata, "partialResults", "metadata")),
        raw_metadata=stated,
    )
    _check_lengths(reply, places)
    return reply


def _vector(item: JsonObject, camel: str, where: str) -> list[JsonValue]:
    """Return a list of raw values; left out it is empty, but an explicit null is no vector."""
    spelled = next((name for name in (camel, snake_case(camel)) if name in item), None)
    if spelled is None:
        return []
    if item[spelled] is None:
        raise DecodeError(f"Expected a list at `{where}.{camel}`, got null.", f"{where}.{camel}")
    return as_list(item[spelled], f"{where}.{camel}")


def _items(metadata: JsonObject, camel: str, row_count: int) -> tuple[FeatureItem, ...]:
    where = f"metadata.{camel}"
    raw = as_list(member(metadata, camel), where)
    items = tuple([_item(item, f"{where}[{i}]", row_count) for i, item in enumerate(raw)])
    _refuse_twice((item.name for item in items), where)
    return items


def _item(item: JsonValue, where: str, row_count: int) -> FeatureItem:
    raw = as_object(item, where)
    stated = data_type_of(raw)
    status = raw.get("status")
    return FeatureItem(
        name=optional_text(raw, "name", where),
        data_type=None if stated is None else parse_data_type(stated, where=f"{where}.dataType"),
        statuses=() if status is None else _statuses(status, where, row_count),
        effective_time=_raw_text(member(raw, "effectiveTime")),
        description=_raw_text(raw.get("description")),
        tags=_tags(raw, where) if "tags" in raw else None,
    )


def _tags(raw: JsonObject, where: str) -> dict[str, str] | None:
    tags = optional_object(raw, "tags", where)
    return {name: _raw_text(value) or "" for name, value in tags.items()} or None


def _statuses(raw: JsonValue, where: str, row_count: int) -> tuple[str, ...]:
    """Return one status per row; a single text, as older servers answer a batch, holds for every row."""
    if not isinstance(raw, list):
        return (_status(raw),) * row_count
    if len(raw) != row_count:
        raise DecodeError(f"`{where}.status` has {len(raw)} statuses for {_rows(row_count)}.", f"{where}.status")
    return tuple([_status(item) for item in raw])


def _status(raw: JsonValue) -> str:
    if type(raw) is int and 0 <= raw < len(_STATUS_NUMBERS):
        return _STATUS_NUMBERS[raw]
    return _raw_text(raw) or "UNKNOWN_STATUS"


def _raw_text(raw: JsonValue) -> str | None:
    """Return what only informs as text, whatever it is: a row is worth more than its annotations."""
    return raw if raw is None or isinstance(raw, str) else shown(raw)


def _slo_infos(metadata: JsonObject, row_count: int) -> tuple[SLOInfo, ...]:
    raw, where = member(metadata, "sloInfo"), "metadata.sloInfo"
    if not isinstance(raw, list):
        info = read_slo_info(raw, where)
        return () if info is None else (info,)
    if raw and len(raw) != row_count:
        raise DecodeError(f"`{where}` has {len(raw)} entries for {_rows(row_count)}.", where)
    return tuple([read_slo_info(item, f"{where}[{i}]") or SLOInfo() for i, item in enumerate(raw)])


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _check_lengths(reply: FeaturesReply, places: list[str]) -> None:
    pairs = ((reply.rows, reply.features, "features"), (reply.join_keys, reply.join_key_items, "joinKeys"))
    for vectors, items, called in pairs:
        for vector, place in zip(vectors, places, strict=True):
            if items and len(vector) != len(items):
                raise DecodeError(
                    f"`{place}.{called}` has {len(vector)} values, but `metadata.{called}` describes {len(items)}; "
                    "no value can be told from another.",
                    f"{place}.{called}",
                )


def _names_and_types(message: JsonObject, camel: str) -> tuple[NameAndType, ...]:
    raw = as_list(member(message, camel), camel)
    found = tuple(_name_and_type(as_object(item, f"{camel}[{i}]"), f"{camel}[{i}]") for i, item in enumerate(raw))
    _refuse_twice((item.name for item in found), camel)
    return found


def _name_and_type(item: JsonObject, where: str) -> NameAndType:
    name = optional_text(item, "name", where)
    if name is None:
        raise DecodeError(f"The field at `{where}` has no name.", where)
    return NameAndType(name, parse_data_type(data_type_of(item), where=f"{where}.dataType"))


def _refuse_twice(names: Iterable[str | None], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DecodeError(f"`{where}` has the name {quoted(name)} twice; one would overwrite the other.", where)
        if name is not None:
            seen.add(name)


def _write(reply: FeaturesReply, called: str, result: JsonValue, *, one_status: bool) -> bytes:
    message: JsonObject = {called: result}
    slo_infos = [slo_info_to_json(info) for info in reply.slo_infos]
    metadata = without_empty(
        {
            "features": [_item_json(item, one_status) for item in reply.features],
            "joinKeys": [_item_json(item, one_status) for item in reply.join_key_items],
            "sloInfo": (slo_infos[0] if one_status and slo_infos else [*slo_infos]),
            "batchSloInfo": None if reply.batch_slo_info is None else slo_info_to_json(reply.batch_slo_info),
            "partialResults": True if reply.is_partial else None,
        }
    )
    return write_json(without_empty({**message, "metadata": metadata or None}))


def _item_json(item: FeatureItem, one_status: bool) -> JsonObject:
    statuses: JsonValue = item.statuses[0] if one_status and item.statuses else [*item.statuses]
    return without_empty(
        {
            "name": item.name,
            "effectiveTime": item.effective_time,
            "dataType": None if item.data_type is None else data_type_to_json(item.data_type),
            "type": item.flat_type,
            "status": statuses,
            "description": item.description,
            "tags": None if not item.tags else {**item.tags},
        }
    )


def _field_json(item: NameAndType, with_legacy_type: bool) -> JsonObject:
    flat = legacy_type(item.data_type) if with_legacy_type else None
    return without_empty({"name": item.name, "dataType": data_type_to_json(item.data_type), "type": flat})
