"""A feature service in hand: rows in, typed frames out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Unpack, overload

import pandas as pd

from ..batch.dask import DaskFrame
from ..batch.job import BatchJob
from ..batch.plan import Rows, is_dask
from ..batch.result import FeatureBatch
from ..wire.requests import Locator
from ..wire.responses import ServiceMetadata
from .core import BATCH_METADATA, BatchOptions, ClientCore, MetadataOptionsLike, RequestOptionsLike, Wishes
from .drive import AsyncDriver, Driver
from .examples import ExampleRows
from .service_core import Row, ServiceCore, refuse_include


class FeatureService(ServiceCore):
    """A feature service; made by ``TectonClient.feature_service``."""

    def __init__(
        self, core: ClientCore, driver: Driver, locator: Locator, metadata: ServiceMetadata, examples: ExampleRows
    ) -> None:
        super().__init__(core, locator, metadata, examples)
        self._driver = driver

    def features(self) -> pd.DataFrame:
        """Return one row per feature in the order of every vector; see ``columns.FEATURES``.

        Descriptions and tags come with feature values only, so the first call sends one request
        with null keys; where the server refuses it they are missing.
        """
        return self._driver.run(self._features())

    def get_features(
        self,
        rows: Rows,
        *,
        metadata_options: MetadataOptionsLike = None,
        request_options: RequestOptionsLike = None,
    ) -> pd.DataFrame:
        """Return the feature values: one row per row, one column per feature, the index kept, dtypes by the metadata.

        Parameters
        ----------
        rows
            A dict for one row, a list of dicts, or a DataFrame. Join keys and request context are
            found by the metadata's names.
        metadata_options, request_options
            As for ``TectonClient.get_features``.

        Raises
        ------
        InputError
            If a key is missing, a column is unknown or a value has the wrong type; nothing is sent then.
        TectonError
            The error of the first row that failed. To keep the others use `get_features_batch`.
        """
        return self._driver.run(
            self._batch(rows, _strict(metadata_options, request_options), is_strict=True)
        ).to_pandas()

    def details(
        self,
        row: Row,
        *,
        metadata_options: MetadataOptionsLike = BATCH_METADATA,
        request_options: RequestOptionsLike = None,
    ) -> pd.DataFrame:
        """Return one row per feature: value, type, status, effective time; see ``columns.DETAILS``.

        Parameters
        ----------
        row
            The keys of one request: a dict, or a frame of one row such as ``example_rows(1)``.
        metadata_options
            By default serving status and effective times are asked for; descriptions and tags come
            with ``MetadataOptions.all()``.
        request_options
            As for ``TectonClient.get_features``.

        Raises
        ------
        InputError
            If there are several rows, or a key is missing, unknown or of the wrong type.
        TectonError
            If the request fails.
        """
        return self._driver.run(self._detailed(row, metadata_options, request_options))

    @overload
    def get_features_batch(self, rows: Rows, **options: Unpack[BatchOptions]) -> FeatureBatch: ...

    @overload
    def get_features_batch(
        self, rows: DaskFrame, *, include: Sequence[str] = (), **options: Unpack[BatchOptions]
    ) -> DaskFrame: ...

    def get_features_batch(
        self,
        rows: Rows | DaskFrame,
        *,
        concurrency: int | Literal["auto"] = "auto",
        rows_per_call: int | Literal["auto"] = "auto",
        requests_per_second: float | None = None,
        deadline_seconds: float | None = None,
        progress: bool = True,
        resume: str | Path | None = None,
        to: str | Path | None = None,
        include: Sequence[str] = (),
        metadata_options: MetadataOptionsLike = BATCH_METADATA,
        request_options: RequestOptionsLike = None,
    ) -> FeatureBatch | DaskFrame:
        """Return values, statuses, times and errors of many rows; a bad row never spoils the others.

        Rows are checked before anything is sent, equal rows are asked for once, failures that may pass are
        tried again, and an interrupt keeps what came (``FeatureBatch.last``).

        Of a Dask DataFrame the features come as a Dask DataFrame with the same index, divisions and partitions:
        nothing is fetched before it is computed, it is fetched again each time it is computed (``persist()`` keeps
        it), and a partition that is lost with its worker is fetched again. `concurrency` and
        `requests_per_second` hold for all workers together; they are divided among the workers that the current
        ``distributed.Client`` has now. The API key does not travel: a worker finds it where this client found its
        own, or in ``TECTON_API_KEY``, or in its Dask configuration under ``tecton_nb.api_key``. Rows that failed
        are missing, ``include="statuses"`` tells them apart, and the log of the worker has the first error; where
        the server refuses every row or is down, computing raises. Equal rows are asked for once in each partition.

        Parameters
        ----------
        rows
            As for `get_features`; or a Dask DataFrame.
        concurrency
            Requests in flight: a number, or ``"auto"`` for what the server turns out to bear (8 at first, 1 to 64).
        rows_per_call
            1, or up to 10 by the get-features-batch endpoint. ``"auto"`` is 5 from 100 rows on and else 1. Where
            the service refuses calls for several rows, or one row spoils its call, rows are asked for one by one.
        requests_per_second
            Requests started in any second at most; `None` for no limit.
        deadline_seconds
            Total time for each attempt; the client's own by default.
        progress
            Show a bar on a terminal and in a notebook, from the first second on. Dask has bars of its own.
        resume
            Path of a file in which finished rows are kept; a second call with it asks only for what is missing.
            The feature values stand in it in clear. Not for a Dask DataFrame.
        to
            Path of a folder: rows are fetched and written in parts of 50,000, so memory stays flat however many
            they are, and the batch reads its frames from there. Names and labels are checked before anything is
            sent, values part by part, and equal rows are asked for once in each part. An older recording is replaced
            at the end, unless no row has values: then the first error is raised. Not for a Dask DataFrame, which has
            ``to_parquet``.
        include
            For a Dask DataFrame only, as for ``FeatureBatch.to_pandas``.
        metadata_options
            By default serving status, effective times and SLO information are asked for.
        request_options
            As for ``TectonClient.get_features``.

        Raises
        ------
        InputError
            If a key is missing, a column is unknown, or an argument cannot be used.
        LedgerError
            If the resume file cannot be used. One that cannot be written any more does not stop the run: the
            error comes at its end, and every row is in ``FeatureBatch.last``.
        BatchStoppedError, SettingsError
            When a Dask DataFrame is computed: a partition met an error that every row would meet, or a worker has
            no API key.
        """
        wishes = Wishes(
            concurrency=concurrency,
            rows_per_call=rows_per_call,
            requests_per_second=requests_per_second,
            deadline_seconds=deadline_seconds,
            progress=progress,
            resume=resume,
            metadata_options=metadata_options,
            request_options=request_options,
        )
        if is_dask(rows):
            self._driver.refuse_borrowed()
            return self._spread(rows, wishes, include, to)
        refuse_include(include)
        return self._driver.run(self._batch(rows, wishes) if to is None else self._recorded(rows, wishes, to))

    def start_features_batch(
        self,
        rows: Rows,
        *,
        concurrency: int | Literal["auto"] = "auto",
        rows_per_call: int | Literal["auto"] = "auto",
        requests_per_second: float | None = None,
        deadline_seconds: float | None = None,
        resume: str | Path | None = None,
        metadata_options: MetadataOptionsLike = BATCH_METADATA,
        request_options: RequestOptionsLike = None,
    ) -> BatchJob:
        """Begin to fetch many rows in the background and return at once.

        Parameters and errors as for `get_features_batch`.

        Returns
        -------
        BatchJob
            ``progress()``, ``partial()``, ``cancel()`` and ``result()``.
        """
        wishes = Wishes(
            concurrency=concurrency,
            rows_per_call=rows_per_call,
            requests_per_second=requests_per_second,
            deadline_seconds=deadline_seconds,
            progress=False,
            resume=resume,
            metadata_options=metadata_options,
            request_options=request_options,
        )
        return self._driver.start(self._batch(rows, wishes))

    def query_features(
        self,
        keys: Row,
        *,
        metadata_options: MetadataOptionsLike = None,
        request_options: RequestOptionsLike = None,
    ) -> pd.DataFrame:
        """Return every vector behind the keys of a WILDCARD service.

        Parameters
        ----------
        keys
            The keys of one request, without the wildcard keys: a dict, or a frame of one row.
        metadata_options, request_options
            As for ``TectonClient.get_features``.

        Returns
        -------
        DataFrame
            One row per value of the wildcard join key: the keys given, the wildcard keys, the features.

        Raises
        ------
        InputError
            If a key is missing, unknown or of the wrong type.
        TectonError
            If the request fails; a DEFAULT service answers `BadRequestError`.
        """
        return self._driver.run(self._query(keys, metadata_options, request_options))


class AsyncFeatureService(ServiceCore):
    """A feature service for ``async`` code; made by ``AsyncTectonClient.feature_service``."""

    def __init__(
        self, core: ClientCore, driver: AsyncDriver, locator: Locator, metadata: ServiceMetadata, examples: ExampleRows
    ) -> None:
        super().__init__(core, locator, metadata, examples)
        self._driver = driver

    async def features(self) -> pd.DataFrame:
        """Return one row per feature; as ``FeatureService.features``."""
        return await self._driver.run(self._features())

    async def get_features(
        self,
        rows: Rows,
        *,
        metadata_options: MetadataOptionsLike = None,
        request_options: RequestOptionsLike = None,
    ) -> pd.DataFrame:
        """Return the feature values of the rows; as ``FeatureService.get_features``."""
        wishes = _strict(metadata_options, request_options)
        batch = await self._driver.run(self._batch(rows, wishes, is_strict=True))
        return batch.to_pandas()

    async def details(
        self,
        row: Row,
        *,
        metadata_options: MetadataOptionsLike = BATCH_METADATA,
        request_options: RequestOptionsLike = None,
    ) -> pd.DataFrame:
        """Return one row per feature for one row of keys; as ``FeatureService.details``."""
        return await self._driver.run(self._detailed(row, metadata_options, request_options))

    async def get_features_batch(
        self,
        rows: Rows,
        *,
        concurrency: int | Literal["auto"] = "auto",
        rows_per_call: int | Literal["auto"] = "auto",
        requests_per_second: float | None = None,
        deadline_seconds: float | None = None,
        progress: bool = True,
        resume: str | Path | None = None,
        to: str | Path | None = None,
        metadata_options: MetadataOptionsLike = BATCH_METADATA,
        request_options: RequestOptionsLike = None,
    ) -> FeatureBatch:
        """Return values, statuses, times and errors of many rows; as ``FeatureService.get_features_batch``."""
        wishes = Wishes(
            concurrency=concurrency,
            rows_per_call=rows_per_call,
            requests_per_second=requests_per_second,
            deadline_seconds=deadline_seconds,
            progress=progress,
            resume=resume,
            metadata_options=metadata_options,
            request_options=request_options,
        )
        return await self._driver.run(self._batch(rows, wishes) if to is None else self._recorded(rows, wishes, to))

    async def query_features(
        self,
        keys: Row,
        *,
        metadata_options: MetadataOptionsLike = None,
        request_options: RequestOptionsLike = None,
    ) -> pd.DataFrame:
        """Return every vector behind the keys of a WILDCARD service; as ``FeatureService.query_features``."""
        return await self._driver.run(self._query(keys, metadata_options, request_options))


def _strict(metadata_options: MetadataOptionsLike, request_options: RequestOptionsLike) -> Wishes:
    return Wishes(
        progress=False, is_remembered=False, metadata_options=metadata_options, request_options=request_options
    )
