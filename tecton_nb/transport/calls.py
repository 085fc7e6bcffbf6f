"""Every operation of a feature server: what to send, and how to read what comes back.

Source: the FeatureService API reference and the Metrics API document; paths and messages of batch,
query and state from the official clients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from ..wire.options import MetadataOptions, RequestOptions
from ..wire.requests import (
    Locator,
    RequestRow,
    RequestTemplate,
    write_features_request,
    write_metadata_request,
    write_state_request,
)
from ..wire.responses import (
    FeaturesReply,
    ServiceMetadata,
    read_get_features,
    read_get_features_batch,
    read_query_features,
    read_service_metadata,
)
from .messages import HttpAnswer, sent_at

if TYPE_CHECKING:
    from ..wire.metrics_page import Page

T = TypeVar("T")
_ACCEPT_METRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.9,*/*;q=0.1"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One operation, not yet sent.

    Parameters
    ----------
    path
        Below ``/api/v1``.
    body
        JSON in UTF-8; `None` makes it a GET.
    read
        Turns a success into the result.
    locator
        Whom it asks about; `None` for metrics.
    """

    path: str
    body: bytes | None
    read: Callable[[HttpAnswer], T]
    locator: Locator | None = None
    accept: str = "application/json"

    @property
    def method(self) -> str:
        """``POST`` with a body, ``GET`` without."""
        return "GET" if self.body is None else "POST"


def get_features(
    locator: Locator,
    row: RequestRow,
    metadata_options: MetadataOptions,
    request_options: RequestOptions | None = None,
    *,
    allow_partial_results: bool = False,
) -> Call[FeaturesReply]:
    """Return the call that fetches the feature vector of one row."""
    body = write_features_request(
        locator, row, metadata_options, request_options, allow_partial_results=allow_partial_results
    )
    return _features_call("get-features", body, read_get_features, locator)


def get_rows(template: RequestTemplate, rows: Sequence[bytes]) -> Call[FeaturesReply]:
    """Return the call that fetches rows written by ``wire.requests.write_row``: several go to get-features-batch."""
    if len(rows) == 1:
        return _features_call("get-features", template.one(rows[0]), read_get_features, template.locator)
    return _features_call("get-features-batch", template.many(rows), read_get_features_batch, template.locator)


def query_features(
    locator: Locator,
    row: RequestRow,
    metadata_options: MetadataOptions,
    request_options: RequestOptions | None = None,
) -> Call[FeaturesReply]:
    """Return the call that fetches every vector behind the keys of a wildcard service."""
    body = write_features_request(locator, row, metadata_options, request_options)
    return _features_call("query-features", body, read_query_features, locator)


def service_metadata(locator: Locator) -> Call[ServiceMetadata]:
    """Return the call that fetches what a service takes and returns."""
    return _service_call("metadata", write_metadata_request(locator), read_service_metadata, locator)


def service_state(locator: Locator) -> Call[None]:
    """Return the call that succeeds once a service is ready to serve."""
    return _service_call("get-feature-service-state", write_state_request(locator), lambda _: None, locator)


def metrics() -> Call[Page]:
    """Return the call that fetches the metrics page."""
    return Call("observability/metrics", None, _read_metrics, accept=_ACCEPT_METRICS)


def _read_metrics(answer: HttpAnswer) -> Page:
    # A parser that most sessions never need takes as long to load as a tenth of the rest.
    from ..wire.exposition import read_page

    return read_page(answer.body, answer.header("Content-Type"))


def _features_call(
    operation: str, body: bytes, read: Callable[[bytes], FeaturesReply], locator: Locator
) -> Call[FeaturesReply]:
    def dated(answer: HttpAnswer) -> FeaturesReply:
        return replace(read(answer.body), answered_at=sent_at(answer.headers))

    return Call(f"feature-service/{operation}", body, dated, locator)


def _service_call(operation: str, body: bytes, read: Callable[[bytes], T], locator: Locator) -> Call[T]:
    return Call(f"feature-service/{operation}", body, lambda answer: read(answer.body), locator)
