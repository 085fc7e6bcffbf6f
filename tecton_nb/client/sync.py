"""The client a notebook or a script holds. Names and arguments are those of the official client's reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

import httpx
import pandas as pd

from ..batch.dask import DaskFrame
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
    BatchOptions,
    ClientCore,
    MetadataOptionsLike,
    Question,
    RequestOptionsLike,
    label_of,
    name_or_id,
)
from .drive import Driver
from .examples import ExampleRows
from .replies import GetFeatureServiceMetadataResponse, GetFeaturesResponse, QueryFeaturesResponse
from .service import FeatureService

if TYPE_CHECKING:
    from ..metrics.scrape import Scrape


class TectonClient(HasCard):
    """A client of a Tecton feature server.

    Close it, or use it in a ``with`` block, to close its connections. It may be used from several
    threads, and where an event loop runs already.

    Parameters
    ----------
    url
        Address of the cluster, such as ``https://yourcluster.tecton.ai``; with or without ``/api``.
        Plain http is used for this computer only; any other http address goes by https with a warning.
    api_key
        API key with read access to the workspaces. `None` leaves authentication to `client`.
    default_workspace_name
        Workspace of every call that names none.
    client
        An `httpx.Client` of your own, used as it is: its time-outs, proxies and transport hold.
        Without one our engine is used, which is many times faster for batches.
    deadline_seconds
        Total time for one request.
    feature_service_names
        Names to list beside those that the server's metrics tell.

    Raises
    ------
    SettingsError
        If address, key or deadline cannot be used.

    Attributes
    ----------
    api_key_variable
        Environment variable from which copied code reads the API key; `connect` names the profile's.
    api_key_command
        Shell command that prints the API key for that variable, where `connect` found it in a file or in the keyring.
    made_by
        Python that makes such a client again, such as ``tnb.connect('staging')``; `None` if it was made by hand.
    """

    api_key_variable = "TECTON_API_KEY"
    api_key_command: str | None = None
    made_by: str | None = None

    def __init__(
        self,
        url: str,
        api_key: str | Secret | None,
        default_workspace_name: str | None = None,
        client: httpx.Client | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        feature_service_names: Iterable[str] = (),
    ) -> None:
        api_key, key = None, hidden(api_key)
        self._core = ClientCore(url, key, default_workspace_name, deadline_seconds, feature_service_names)
        self._driver = Driver(self._core.connection, deadline_seconds, client)

    @name_or_id
    def get_features(
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
        """Return the feature vector of one row.

        Parameters
        ----------
        feature_service_name, feature_service_id
            The service; exactly one of them.
        join_key_map
            Join key values by name. Whole numbers are sent as int64 and stay exact.
        request_context_map
            Request context values by name.
        metadata_options
            What to say about each value; names and data types always come along.
        workspace_name
            Workspace of the service, instead of the client's default.
        request_options
            Caching, latency budget and other wishes.
        allow_partial_results
            Return what there is where the size limit of the online store is exceeded, instead of an error.

        Returns
        -------
        GetFeaturesResponse
            Raw values in ``result``; by name from ``get_features_dict()``, as a typed row from
            ``to_pandas()``, one row per feature from ``details()``.

        Raises
        ------
        InputError
            If a value or an option cannot be sent.
        SettingsError
            If neither the call nor the client names a workspace.
        TectonHttpException
            If the server answers with an error status; the subclass follows from the status.
        ConnectionFailedError, DeadlineExceededError, DecodeError
            If there is no answer, none in time, or none that can be read.
        """
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
        return self._driver.run(flows.get_features(self._core, call))

    @name_or_id
    def get_feature_service_metadata(
        self, *, feature_service_name: str, workspace_name: str | None = None, feature_service_id: str | None = None
    ) -> GetFeatureServiceMetadataResponse:
        """Return what a feature service takes and returns. Arguments and errors as `get_features`."""
        locator = self._core.locator(feature_service_name, workspace_name, feature_service_id)
        return self._driver.run(flows.service_metadata(self._core, locator))

    @name_or_id
    def query_features(
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
        """Return every vector behind the keys of a WILDCARD service. Arguments and errors as `get_features`."""
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
        return self._driver.run(flows.query_features(self._core, call))

    @overload
    def get_features_batch(
        self,
        *,
        feature_service_name: str,
        rows: Rows,
        workspace_name: str | None = None,
        feature_service_id: str | None = None,
        **options: Unpack[BatchOptions],
    ) -> FeatureBatch: ...

    @overload
    def get_features_batch(
        self,
        *,
        feature_service_name: str,
        rows: DaskFrame,
        include: Sequence[str] = (),
        workspace_name: str | None = None,
        feature_service_id: str | None = None,
        **options: Unpack[BatchOptions],
    ) -> DaskFrame: ...

    @name_or_id
    def get_features_batch(
        self,
        *,
        feature_service_name: str,
        rows: Rows | DaskFrame,
        concurrency: int | Literal["auto"] = "auto",
        rows_per_call: int | Literal["auto"] = "auto",
        requests_per_second: float | None = None,
        deadline_seconds: float | None = None,
        progress: bool = True,
        resume: str | Path | None = None,
        to: str | Path | None = None,
        include: Sequence[str] = (),
        metadata_options: MetadataOptionsLike = BATCH_METADATA,
        workspace_name: str | None = None,
        request_options: RequestOptionsLike = None,
        feature_service_id: str | None = None,
    ) -> FeatureBatch | DaskFrame:
        """Return values, statuses, times and errors of many rows; see ``FeatureService.get_features_batch``."""
        service = self.feature_service(
            feature_service_name, workspace_name=workspace_name, feature_service_id=feature_service_id
        )
        return service.get_features_batch(
            rows,
            concurrency=concurrency,
            rows_per_call=rows_per_call,
            requests_per_second=requests_per_second,
            deadline_seconds=deadline_seconds,
            progress=progress,
            resume=resume,
            to=to,
            include=include,
            metadata_options=metadata_options,
            request_options=request_options,
        )

    def feature_service(
        self,
        feature_service_name: str | None = None,
        *,
        workspace_name: str | None = None,
        feature_service_id: str | None = None,
        example_rows: pd.DataFrame | None = None,
    ) -> FeatureService:
        """Return a feature service to work with; its metadata is read now.

        Parameters
        ----------
        feature_service_name, feature_service_id
            The service; exactly one of them.
        workspace_name
            Workspace of the service, instead of the client's default.
        example_rows
            Rows the service takes, for ``FeatureService.example_rows``.

        Raises
        ------
        NotFoundError
            If there is no such service; the sentence names the likeliest one where names are known.
        TectonError
            Any other error of `get_features`.
        """
        locator = self._core.locator(feature_service_name, workspace_name, feature_service_id)
        metadata = self._driver.run(flows.find_service(self._core, locator))
        examples = ExampleRows(example_rows, lambda n: self._find_example_rows(locator, n))
        return FeatureService(self._core, self._driver, locator, metadata, examples)

    def feature_services(self) -> pd.DataFrame:
        """Return one row per feature service that is known of; see ``columns.SERVICES``.

        The HTTP API has no list: names come from the labels of the server's metrics, from
        `feature_service_names` and from use.

        Raises
        ------
        TectonHttpException
            If the metrics are refused and no name is known otherwise.
        """
        return self._driver.run(flows.feature_services(self._core))

    def known_service_names(self) -> list[str]:
        """Return the names known without asking the server: given, or used before; for completion."""
        return sorted({*self._core.given_names, *self._core.used_names()})

    def get_metrics(self) -> Scrape:
        """Return the server's metrics as they are now.

        Raises
        ------
        TectonHttpException
            If the server refuses: the key must be allowed to read metrics.
        ScrapeFormatError
            If what the server sends is no metrics page.
        """
        return self._driver.run(flows.scrape())

    def close(self) -> None:
        """Close the connections; a client of your own stays open. May be called twice."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Address the requests go to."""
        return str(self._core.connection.address)

    def __repr__(self) -> str:
        return f"<TectonClient {label_of(self)}>"

    def _card(self) -> Card:
        return client_card("TectonClient", self)

    def _find_example_rows(self, locator: Locator, n: int) -> pd.DataFrame | None:  # noqa: ARG002
        """Return rows from elsewhere; the client of the embedded server knows some."""
        return None
