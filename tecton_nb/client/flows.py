"""Every operation of a client, written once for synchronous and asynchronous use.

A flow yields what it needs (a call to send, or a batch to run), is sent the result or thrown the
error, and returns its own result. It knows nothing of waiting; that is `client.drive`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pandas as pd

from ..exceptions import NotFoundError, TectonError, TectonHttpException
from ..transport import calls
from ..transport.calls import Call
from ..wire.requests import Locator
from ..wire.responses import FeaturesReply, ServiceMetadata
from .core import Batch, ClientCore
from .discovery import may_go_without_metrics, services_frame, with_hint
from .replies import (
    GetFeatureServiceMetadataResponse,
    GetFeaturesResponse,
    QueryFeaturesResponse,
    completed,
    is_labelled,
)

if TYPE_CHECKING:
    from ..metrics.scrape import Scrape
    from ..metrics.services import ServiceKey
    from ..wire.metrics_page import Page

T = TypeVar("T")


Flow: TypeAlias = Generator[Call[Any] | Batch, Any, T]


def get_features(core: ClientCore, call: Call[FeaturesReply]) -> Flow[GetFeaturesResponse]:
    """Fetch one feature vector; names and types that the answer lacks come from the service's metadata."""
    return GetFeaturesResponse.from_reply(*(yield from _labelled(core, call)))


def query_features(core: ClientCore, call: Call[FeaturesReply]) -> Flow[QueryFeaturesResponse]:
    """Fetch every vector behind the keys of a wildcard service."""
    return QueryFeaturesResponse.from_reply(*(yield from _labelled(core, call)))


def service_metadata(core: ClientCore, locator: Locator) -> Flow[GetFeatureServiceMetadataResponse]:
    """Fetch what a service takes and returns, and remember it."""
    core.metadata[locator] = yield calls.service_metadata(locator)
    return GetFeatureServiceMetadataResponse.from_metadata(core.metadata[locator])


def known_metadata(core: ClientCore, locator: Locator) -> Flow[ServiceMetadata]:
    """Return the remembered metadata of a service, fetched if there is none."""
    if locator not in core.metadata:
        core.metadata[locator] = yield calls.service_metadata(locator)
    return core.metadata[locator]


def find_service(core: ClientCore, locator: Locator) -> Flow[ServiceMetadata]:
    """Return fresh metadata of a service; where there is none, the error names the likeliest service."""
    try:
        core.metadata[locator] = yield calls.service_metadata(locator)
    except NotFoundError as error:
        names = yield from _names(core)
        raise with_hint(error, locator, names) from None
    return core.metadata[locator]


def feature_services(core: ClientCore) -> Flow[pd.DataFrame]:
    """Return one row per feature service that metrics, profile or use make known."""
    used = core.used_names()
    found: dict[ServiceKey, float | None] = {}
    try:
        found = _services_in((yield calls.metrics()))
    except TectonHttpException as error:
        if not may_go_without_metrics(error, (*core.given_names, *used)):
            raise
    return services_frame(found, core.given_names, used)


def scrape() -> Flow[Scrape]:
    """Read the metrics page once."""
    from ..metrics.scrape import Scrape

    started_at, clock = datetime.now(UTC), time.perf_counter()
    page = yield calls.metrics()
    return Scrape(page, started_at, time.perf_counter() - clock)


def described(call: Call[FeaturesReply]) -> Flow[FeaturesReply | None]:
    """Fetch descriptions and tags; `None` where the server refuses."""
    try:
        reply: FeaturesReply = yield call
    except TectonHttpException:
        return None
    return reply


def _names(core: ClientCore) -> Flow[list[str]]:
    known = [*core.given_names, *core.used_names()]
    try:
        page = yield calls.metrics()
    except TectonError:
        return known
    return [*known, *(name for name, _ in _services_in(page))]


def _services_in(page: Page) -> dict[ServiceKey, float | None]:
    from ..metrics.services import services_in

    return services_in(page)


def _labelled(core: ClientCore, call: Call[FeaturesReply]) -> Flow[tuple[FeaturesReply, dict[str, Any] | None]]:
    reply: FeaturesReply = yield call
    if is_labelled(reply) or call.locator is None:
        return reply, reply.raw_metadata
    return reply, completed(reply, (yield from known_metadata(core, call.locator)))
