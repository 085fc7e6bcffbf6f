"""The client for ``async`` code; names and arguments as in `client.sync`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx
import pandas as pd

from ..batch.plan import Rows
from ..batch.result import FeatureBatch
from ..reprs import Card, HasCard
from ..transport.secret import Secret, hidden
from ..wire.requests import Locator
from . import flows
from .client_card import client_card
from .core import (
    BATCH_METADATA,
    DEADLINE_SECONDS,
    ClientCore,
    MetadataOptionsLike,
    Question,
    RequestOptionsLike,
    label_of,
    name_or_id,
)
from .drive import AsyncDriver
from .examples import ExampleRows
from .replies import GetFeatureServiceMetadataResponse, GetFeaturesResponse, QueryFeaturesResponse
from .service import AsyncFeatureService

if TYPE_CHECKING:
    from ..metrics.scrape import Scrape


class AsyncTectonClient(HasCard):
    """A client of a Tecton feature server, for ``async`` code.

    Use it in an ``async with`` block, or await `close`. Nothing is bound to one event loop: one client
    serves several ``asyncio.run``. Parameters and errors as for `TectonClient`; `client` is an
    `httpx.AsyncClient` of your own.
    """

    def __init__(
        self,
        url: str,
        api_key: str | Secret | None,
        default_workspace_name: str | None = None,
        client: httpx.AsyncClient | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        feature_service_names: Iterable[str] = (),
    ) -> None:
        api_key, key = None, hidden(api_key)
        self._core = ClientCore(url, key, default_workspace_name, deadline_seconds, feature_service_names)
        self._driver = AsyncDriver(self._core.connection, deadline_seconds, client)

    @name_or_id
    async def get_features(
        self,
        *,
        feature_service_name: str,
        join_key_map: Mapping[str, Any] | None = None,
        request_context_map: Mapping[str, Any] | None = None,
        metadata_options: MetadataOptionsLike = None,
        workspace_name: str | None = None,
        request_options: RequestOptionsLike = None,
        allow_partial_results: bool = False,
        feature_service_id: str | None = None,
    ) -> GetFeaturesResponse:
        """Return the feature vector of one row; as ``TectonClient.get_features``."""
        question = Question(
            feature_service_name,
            feature_service_id,
            workspace_name,
            join_key_map,
            request_context_map,
            metadata_options,
            request_options,
        )
        call = self._core.features_call(question, allow_partial_results=allow_partial_results)
        return await self._driver.run(flows.get_features(self._core, call))

    @name_or_id
    async def get_feature_service_metadata(
        self, *, feature_service_name: str, workspace_name: str | None = None, feature_service_id: str | None = None
    ) -> GetFeatureServiceMetadataResponse:
        """Return what a feature service takes and returns; as ``TectonClient.get_feature_service_metadata``."""
        locator = self._core.locator(feature_service_name, workspace_name, feature_service_id)
        return await self._driver.run(flows.service_metadata(self._core, locator))

    @name_or_id
    async def query_features(
        self,
        *,
        feature_service_name: str,
        join_key_map: Mapping[str, Any] | None = None,
        request_context_map: Mapping[str, Any] | None = None,
        metadata_options: MetadataOptionsLike = None,
        workspace_name: str | None = None,
        request_options: RequestOptionsLike = None,
        feature_service_id: str | None = None,
    ) -> QueryFeaturesResponse:
        """Return every vector behind the keys of a WILDCARD service; as ``TectonClient.query_features``."""
        question = Question(
            feature_service_name,
            feature_service_id,
            workspace_name,
            join_key_map,
            request_context_map,
            metadata_options,
            request_options,
        )
        call = self._core.query_call(question)
        return await self._driver.run(flows.query_features(self._core, call))

    @name_or_id
    async def get_features_batch(
        self,
        *,
        feature_service_name: str,
        rows: Rows,
        concurrency: int | Literal["auto"] = "auto",
        rows_per_call: int | Literal["auto"] = "auto",
        requests_per_second: float | None = None,
        deadline_seconds: float | None = None,
        progress: bool = True,
        resume: str | Path | None = None,
        to: str | Path | None = None,
        metadata_options: MetadataOptionsLike = BATCH_METADATA,
        workspace_name: str | None = None,
        request_options: RequestOptionsLike = None,
        feature_service_id: str | None = None,
    ) -> FeatureBatch:
        """Return values, statuses, times and errors of many rows; as ``TectonClient.get_features_batch``."""
        service = await self.feature_service(
            feature_service_name, workspace_name=workspace_name, feature_service_id=feature_service_id
        )
        return await service.get_features_batch(
            rows,
            concurrency=concurrency,
            rows_per_call=rows_per_call,
            requests_per_second=requests_per_second,
            deadline_seconds=deadline_seconds,
            progress=progress,
            resume=resume,
            to=to,
            metadata_options=metadata_options,
            request_options=request_options,
        )

    async def feature_service(
        self,
        feature_service_name: str | None = None,
        *,
        workspace_name: str | None = None,
        feature_service_id: str | None = None,
        example_rows: pd.DataFrame | None = None,
    ) -> AsyncFeatureService:
        """Return a feature service to work with; its metadata is read now; as ``TectonClient.feature_service``."""
        locator = self._core.locator(feature_service_name, workspace_name, feature_service_id)
        metadata = await self._driver.run(flows.find_service(self._core, locator))
        examples = ExampleRows(example_rows, lambda n: self._find_example_rows(locator, n))
        return AsyncFeatureService(self._core, self._driver, locator, metadata, examples)

    async def feature_services(self) -> pd.DataFrame:
        """Return one row per feature service that is known of; as ``TectonClient.feature_services``."""
        return await self._driver.run(flows.feature_services(self._core))

    async def get_metrics(self) -> Scrape:
        """Return the server's metrics as they are now; as ``TectonClient.get_metrics``."""
        return await self._driver.run(flows.scrape())

    async def close(self) -> None:
        """Close the connections; a client of your own stays open. May be called twice; as ``TectonClient.close``."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Address the requests go to."""
        return str(self._core.connection.address)

    def __repr__(self) -> str:
        return f"<AsyncTectonClient {label_of(self)}>"

    def _card(self) -> Card:
        return client_card("AsyncTectonClient", self)

    def _find_example_rows(self, locator: Locator, n: int) -> pd.DataFrame | None:  # noqa: ARG002
        """Return rows from elsewhere; the client of the embedded server knows some."""
        return None
