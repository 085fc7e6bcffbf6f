"""Requests to a feature server: what a client writes and what a server reads, one shape for both.

A client writes camelCase and leaves unset options out. A server reads either spelling and ignores
names it does not know. Source: request definitions of the HTTP API documents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..exceptions import DecodeError, quoted
from .body import (
    as_list,
    as_object,
    optional_bool,
    optional_int,
    optional_object,
    optional_text,
    read_json,
    write_json,
)
from .options import MetadataOptions, RequestOptions
from .types import JsonObject, camel_case, member, snake_case

DEFAULT_WORKSPACE = "prod"
# Members of one proto oneof: exactly one may be set. The document knows the first two.
_LOCATORS = {
    "featureServiceName": "name",
    "featureServiceId": "id",
    "featureViewName": "feature_view_name",
    "featureViewId": "feature_view_id",
    "featurePackageName": "feature_package_name",
    "featurePackageId": "feature_package_id",
}
_METADATA_OPTIONS = frozenset(MetadataOptions.all().to_json()) | {"includeTypes"}


@dataclass(frozen=True, slots=True)
class Locator:
    """Which feature service is meant.

    Parameters
    ----------
    value
        Its name or id.
    workspace_name
        Where it lives; `None` leaves the choice to the server.
    by
        ``name`` or ``id``; a request read by a server may also name views and packages.
    """

    value: str
    workspace_name: str | None = None
    by: str = "name"

    def to_json(self) -> JsonObject:
        """Return the members that locate the service."""
        camel = next(camel for camel, by in _LOCATORS.items() if by == self.by)
        workspace: JsonObject = {} if self.workspace_name is None else {"workspaceName": self.workspace_name}
        return {**workspace, camel: self.value}

    def __str__(self) -> str:
        where = f" in workspace {quoted(self.workspace_name)}" if self.workspace_name is not None else ""
        return f"feature service {quoted(self.value)}{where}"


@dataclass(frozen=True, slots=True)
class RequestRow:
    """Join keys and request context of one row, as JSON values by name."""

    join_key_map: JsonObject = field(default_factory=dict)
    request_context_map: JsonObject = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Return the two maps, each only if it holds something."""
        maps = {"joinKeyMap": self.join_key_map, "requestContextMap": self.request_context_map}
        return {name: dict(values) for name, values in maps.items() if values}

    def to_bytes(self) -> bytes:
        """Return `to_json` as it stands in a request."""
        return write_row(self.join_key_map, self.request_context_map)


@dataclass(frozen=True, slots=True)
class FeaturesRequest:
    """A get-features, query-features (one row) or get-features-batch (several rows) request."""

    locator: Locator
    rows: tuple[RequestRow, ...]
    metadata_options: frozenset[str] = frozenset()
    request_options: JsonObject = field(default_factory=dict)
    allow_partial_results: bool = False

    def asks_for(self, option: str) -> bool:
        """Whether the metadata option, such as ``includeNames``, is on."""
        return option in self.metadata_options

    def option(self, name: str, default: bool) -> bool:
        """Return a boolean request option, such as ``readFromCache``."""
        value = optional_bool(self.request_options, name, "params.requestOptions")
        return default if value is None else value

    def latency_budget_seconds(self) -> float | None:
        """Return the latency budget, `None` if there is none."""
        budget = optional_int(self.request_options, "latencyBudgetMs", "params.requestOptions")
        return None if budget is None else budget / 1000


def write_row(join_keys: JsonObject, request_context: JsonObject) -> bytes:
    """Return one row as it stands in a request: the two maps, each only if it holds something."""
    if not request_context:
        return write_json({"joinKeyMap": join_keys}) if join_keys else b"{}"
    maps: JsonObject = {"joinKeyMap": join_keys} if join_keys else {}
    return write_json({**maps, "requestContextMap": request_context})


def read_row(row: bytes) -> RequestRow:
    """Return the row that `write_row` wrote."""
    return _row(as_object(read_json(row), ""), "")


class RequestTemplate:
    """What all requests for rows of one service share, written once; a request is a few bytes joined.

    Parameters
    ----------
    locator, metadata_options, request_options
        Whom to ask, what to say about each value, and other wishes.
    """

    def __init__(
        self, locator: Locator, metadata_options: MetadataOptions, request_options: RequestOptions | None = None
    ) -> None:
        self.locator = locator
        common: JsonObject = {**locator.to_json(), "metadataOptions": metadata_options.to_json()}
        if request_options is not None:
            common["requestOptions"] = request_options.to_json()
        # Without the brace at its end: the rows follow.
        self._start = b'{"params":' + write_json(common)[:-1]

    def one(self, row: bytes, *, allow_partial_results: bool = False) -> bytes:
        """Return the body of get-features and query-features for a row as `RequestRow.to_bytes` wrote it."""
        partial = b',"allowPartialResults":true' if allow_partial_results else b""
        members = b"," + row[1:-1] if len(row) > len(b"{}") else b""
        return self._start + members + partial + b"}}"

    def many(self, rows: Iterable[bytes]) -> bytes:
        """Return the body of get-features-batch, which has no ``allowPartialResults``."""
        return self._start + b',"requestData":[' + b",".join(rows) + b"]}}"


def write_features_request(
    locator: Locator,
    row: RequestRow,
    metadata_options: MetadataOptions,
    request_options: RequestOptions | None = None,
    *,
    allow_partial_results: bool = False,
) -> bytes:
    """Return the body of get-features and query-features."""
    template = RequestTemplate(locator, metadata_options, request_options)
    return template.one(row.to_bytes(), allow_partial_results=allow_partial_results)


def write_metadata_request(locator: Locator) -> bytes:
    """Return the body of the metadata request."""
    return write_json({"params": locator.to_json()})


def write_state_request(locator: Locator) -> bytes:
    """Return the body of get-feature-service-state, which has no ``params``."""
    return write_json({"featureServiceLocator": locator.to_json()})


def read_features_request(body: bytes) -> FeaturesRequest:
    """Return the get-features or query-features request in `body`.

    Raises
    ------
    DecodeError
        If it is no JSON object, names no or more than one locator, or a member has the wrong type.
    """
    params = _params(body)
    return _features_request(params, (_row(params, "params"),))


def read_batch_request(body: bytes) -> FeaturesRequest:
    """Return the get-features-batch request in `body`; errors as `read_features_request`."""
    params = _params(body)
    items = as_list(member(params, "requestData"), "params.requestData")
    rows = (
        _row(as_object(item, f"params.requestData[{i}]"), f"params.requestData[{i}]") for i, item in enumerate(items)
    )
    return _features_request(params, tuple(rows))


def read_metadata_request(body: bytes) -> Locator:
    """Return whom the metadata request in `body` asks about; errors as `read_features_request`."""
    return _locator(_params(body), "params")


def read_state_request(body: bytes) -> Locator:
    """Return whom the get-feature-service-state request asks about; errors as `read_features_request`."""
    message = as_object(read_json(body), "")
    return _locator(optional_object(message, "featureServiceLocator", ""), "featureServiceLocator")


def _params(body: bytes) -> JsonObject:
    message = as_object(read_json(body), "")
    return as_object(member(message, "params"), "params")


def _features_request(params: JsonObject, rows: tuple[RequestRow, ...]) -> FeaturesRequest:
    return FeaturesRequest(
        locator=_locator(params, "params"),
        rows=rows,
        metadata_options=_asked_for(optional_object(params, "metadataOptions", "params")),
        request_options=optional_object(params, "requestOptions", "params"),
        allow_partial_results=bool(optional_bool(params, "allowPartialResults", "params")),
    )


def _asked_for(options: JsonObject) -> frozenset[str]:
    names = {camel_case(name) for name in options} & _METADATA_OPTIONS
    return frozenset(name for name in names if optional_bool(options, name, "params.metadataOptions"))


def _row(item: JsonObject, where: str) -> RequestRow:
    return RequestRow(optional_object(item, "joinKeyMap", where), optional_object(item, "requestContextMap", where))


def _locator(params: JsonObject, where: str) -> Locator:
    spelled = [
        (camel, name) for camel in _LOCATORS for name in (camel, snake_case(camel)) if params.get(name) is not None
    ]
    if len(spelled) != 1:
        said = " and ".join(sorted(name for _, name in spelled)) or "none"
        raise DecodeError(
            f"Exactly one of feature_service_name and feature_service_id must be set in `{where}`; got {said}.", where
        )
    camel = spelled[0][0]
    value = optional_text(params, camel, where)
    return Locator(str(value), optional_text(params, "workspaceName", where), _LOCATORS[camel])
