"""Other ways to say the same: how older servers and hand-written documents spell answers, and strict requests.

Everything here works on JSON that is already written or not yet read, so the usual answer does not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from ...wire.body import read_json, write_json
from ...wire.types import JsonObject, JsonValue, camel_case, snake_case
from .refusals import refusal

_DOCUMENTED = {
    "UNKNOWN_STATUS": "UNKNOWN",
    "CACHED_PRESENT": "CACHED",
    "CACHED_MISSING_DATA": "CACHED",
    "CACHED_UNKNOWN": "CACHED",
}
_SCHEMA_LISTS = ("inputJoinKeys", "inputRequestContextKeys", "outputJoinKeys", "featureValues")
_LOCATOR = {"featureServiceName", "featureServiceId", "workspaceName"}
_ANY_LOCATOR = _LOCATOR | {"featureViewName", "featureViewId", "featurePackageName", "featurePackageId"}
_OPTIONS = {"metadataOptions", "requestOptions", "isCallerBatch"}
_ROW = {"joinKeyMap", "requestContextMap"}
# What the published messages have; coerceNullCountsToZero is in none of them.
_PARAMS = {
    "get-features": _ANY_LOCATOR | _OPTIONS | _ROW | {"allowPartialResults"},
    "query-features": _ANY_LOCATOR | _OPTIONS | _ROW | {"allowPartialResults"},
    "get-features-batch": _LOCATOR | _OPTIONS | {"requestData"},
    "metadata": _ANY_LOCATOR,
}
_METADATA_OPTIONS = {
    f"include{name}"
    for name in (
        "Names",
        "DataTypes",
        "Types",
        "EffectiveTimes",
        "SloInfo",
        "ServingStatus",
        "FeatureDescriptions",
        "FeatureTags",
    )
}
_REQUEST_OPTIONS = {
    "readFromCache",
    "writeToCache",
    "ignoreExtraRequestContextFields",
    "latencyBudgetMs",
    "aggregationLeadingEdge",
    "highWatermarkOverride",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server answers, and how strictly it reads; the default is what was recorded of real servers.

    Parameters
    ----------
    snake_case
        Members are spelled ``data_type`` instead of ``dataType``.
    documented_statuses
        ``UNKNOWN`` and ``CACHED``, as the documents print them.
    flat_types
        The deprecated flat ``type`` stands in place of ``dataType``, where a type has one.
    dynamodb_size_only
        The size stands under ``dynamodbResponseSizeBytes`` only.
    writes_empty_lists
        Empty lists are written ``[]`` instead of left out.
    refuses_unknown_fields
        A request with a field that the published messages lack is refused, as a strict proto-JSON
        parser does.
    """

    snake_case: bool = False
    documented_statuses: bool = False
    flat_types: bool = False
    dynamodb_size_only: bool = False
    writes_empty_lists: bool = False
    refuses_unknown_fields: bool = False

    def check_request(self, endpoint: str, body: bytes) -> None:
        """Check that a strict parser would read the request.

        Raises
        ------
        DecodeError
            If it is no JSON.
        BadRequestError
            If it has an unknown field.
        """
        if not self.refuses_unknown_fields:
            return
        for message, where, known in _messages(endpoint, read_json(body)):
            for name in message:
                # The internal flag has the same name in both spellings.
                if camel_case(name) not in known or name == "is_caller_batch":
                    raise refusal(400, f'unknown field "{name}" in {where}')

    def answer(self, endpoint: str, body: bytes) -> bytes:
        """Return the answer as the dialect has it."""
        if not self._changes:
            return body
        message = cast("JsonObject", read_json(body))
        for change in self._changes:
            change(endpoint, message)
        return write_json(_snake_message(message) if self.snake_case else message)

    @property
    def _changes(self) -> list[Callable[[str, JsonObject], None]]:
        switches = (
            (self.documented_statuses, _rename_statuses),
            (self.flat_types, _flatten_types),
            (self.dynamodb_size_only, _drop_store_size),
            (self.writes_empty_lists, _add_empty_lists),
            (self.snake_case, lambda *_: None),
        )
        return [change for is_on, change in switches if is_on]


def _messages(endpoint: str, body: JsonValue) -> Iterator[tuple[JsonObject, str, set[str]]]:
    """Yield the objects of a request with their place and the fields they may have."""
    if endpoint == "get-feature-service-state":
        yield from _one(body, "the request", {"featureServiceLocator"})
        yield from _one(_inside(body, "featureServiceLocator"), "featureServiceLocator", _ANY_LOCATOR)
        return
    yield from _one(body, "the request", {"params"})
    params = _inside(body, "params")
    yield from _one(params, "params", _PARAMS[endpoint])
    yield from _one(_inside(params, "metadataOptions"), "params.metadataOptions", _METADATA_OPTIONS)
    yield from _one(_inside(params, "requestOptions"), "params.requestOptions", _REQUEST_OPTIONS)
    rows = _inside(params, "requestData")
    for i, row in enumerate(rows if isinstance(rows, list) else []):
        yield from _one(row, f"params.requestData[{i}]", _ROW)


def _one(message: JsonValue, where: str, known: set[str]) -> Iterator[tuple[JsonObject, str, set[str]]]:
    if isinstance(message, dict):
        yield message, where, known


def _inside(message: JsonValue, camel: str) -> JsonValue:
    return message.get(camel, message.get(snake_case(camel))) if isinstance(message, dict) else None


def _objects(parent: JsonValue, name: str) -> Iterator[JsonObject]:
    """Yield the object, or the objects of the list, under a name."""
    found = parent.get(name) if isinstance(parent, dict) else None
    yield from (item for item in (found if isinstance(found, list) else [found]) if isinstance(item, dict))


def _items(endpoint: str, message: JsonObject) -> Iterator[JsonObject]:
    """Yield what describes a feature or a key."""
    parent = message if endpoint == "metadata" else message.get("metadata")
    for name in (*_SCHEMA_LISTS, "features", "joinKeys"):
        yield from _objects(parent, name)


def _rename_statuses(endpoint: str, message: JsonObject) -> None:
    for item in _items(endpoint, message):
        status = item.get("status")
        if isinstance(status, list):
            item["status"] = [_DOCUMENTED.get(str(one), one) for one in status]
        elif status is not None:
            item["status"] = _DOCUMENTED.get(str(status), status)


def _flatten_types(endpoint: str, message: JsonObject) -> None:
    for item in _items(endpoint, message):
        stated = item.get("dataType")
        if isinstance(stated, dict):
            flat = _flat(stated)
            if flat is not None:
                del item["dataType"]
                item["type"] = flat


def _flat(data_type: JsonObject) -> str | None:
    kind = str(data_type["type"])
    if kind == "array":
        return "string_array" if data_type.get("elementType") == {"type": "string"} else None
    return None if kind in {"struct", "map"} else kind


def _drop_store_size(_: str, message: JsonObject) -> None:
    for info in _objects(message.get("metadata"), "sloInfo"):
        info.pop("storeResponseSizeBytes", None)


def _add_empty_lists(endpoint: str, message: JsonObject) -> None:
    if endpoint == "metadata":
        for name in _SCHEMA_LISTS:
            message.setdefault(name, [])
    result = {"get-features": "result", "get-features-batch": "result", "query-features": "results"}.get(endpoint)
    if result is None:
        return
    lists = ("features", "joinKeys") if endpoint == "query-features" else ("features",)
    message.setdefault(result, [])
    parents = [*_objects(message, result), *_objects(message, "metadata")]
    for parent in parents:
        for name in lists:
            parent.setdefault(name, [])
    for name in ("sloInfo", "batchSloInfo"):
        for info in _objects(message.get("metadata"), name):
            info.setdefault("sloIneligibilityReasons", [])


def _snake_message(message: JsonObject) -> JsonObject:
    """Return the message in snake_case; feature values keep their keys, for those are the user's."""
    results = {"result", "results"}
    return {snake_case(n): _snake_results(v) if n in results else _snake(v) for n, v in message.items()}


def _snake_results(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_snake_results(item) for item in value]
    return {snake_case(name): part for name, part in value.items()} if isinstance(value, dict) else value


def _snake(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_snake(item) for item in value]
    if isinstance(value, dict):
        return {snake_case(name): part if name == "tags" else _snake(part) for name, part in value.items()}
    return value
