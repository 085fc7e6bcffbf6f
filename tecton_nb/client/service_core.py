"""What a feature service knows and shows of itself, and its operations as flows: for both kinds of client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from ..batch.dask import DaskFrame, Limits, spread
from ..batch.plan import Plan, Rows, labels_of, parts_of, plan_rows
from ..batch.recording import Recorder
from ..batch.report import BatchReport
from ..batch.result import FeatureBatch, frames_of
from ..exceptions import InputError, TectonError, quoted
from ..frames.dtypes import column_of
from ..frames.metadata import features_frame, inputs_frame
from ..reprs import Card, HasCard
from ..transport import calls
from ..transport.calls import Call
from ..transport.policy import Governor
from ..wire.options import MetadataOptions
from ..wire.requests import Locator, RequestRow
from ..wire.responses import FeaturesReply, ServiceMetadata
from ..wire.values import decode_value
from . import flows
from .cards import service_sections
from .core import ClientCore, MetadataOptionsLike, RequestOptionsLike, Wishes, both_options, path_of
from .examples import ExampleRows
from .flows import Flow
from .replies import GetFeatureServiceMetadataResponse, side_by_side

# The keys of one request.
Row: TypeAlias = "Mapping[str, Any] | pd.DataFrame"
_DESCRIBED = MetadataOptions(include_feature_descriptions=True, include_feature_tags=True)


class ServiceCore(HasCard):
    """What a service takes and returns and shows of itself, and its operations as flows."""

    def __init__(self, core: ClientCore, locator: Locator, metadata: ServiceMetadata, examples: ExampleRows) -> None:
        self._core = core
        self._locator = locator
        self._metadata = metadata
        self._examples = examples
        self._described: FeaturesReply | None = None

    @property
    def name(self) -> str:
        """Name (or id) by which the service was asked for."""
        return self._locator.value

    @property
    def workspace_name(self) -> str | None:
        """Workspace the service lives in."""
        return self._locator.workspace_name

    @property
    def metadata(self) -> GetFeatureServiceMetadataResponse:
        """What the server said about the service."""
        return GetFeatureServiceMetadataResponse.from_metadata(self._metadata)

    @property
    def is_wildcard(self) -> bool:
        """Whether the service returns many vectors per request, by ``query_features``."""
        return self._metadata.feature_service_type == "WILDCARD"

    def inputs(self) -> pd.DataFrame:
        """Return one row per join key and request context key; see ``columns.INPUTS``."""
        return inputs_frame(self._metadata)

    def example_rows(self, n: int = 5) -> pd.DataFrame:
        """Return up to `n` rows that the service takes, index 0, 1, 2, ...

        They come from the embedded server's data; elsewhere from the rows given to
        ``client.feature_service(..., example_rows=frame)`` or last sent.

        Raises
        ------
        InputError
            If none are known, or `n` is no number of rows.
        """
        found = self._examples.head(n)
        if found is None:
            raise InputError(
                f"No example rows are known for {quoted(self.name)}. Send a row first, or pass "
                "example_rows=frame to client.feature_service."
            )
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {quoted(self.name)} in workspace {quoted(self.workspace_name)}>"

    def _features(self) -> Flow[pd.DataFrame]:
        if self._described is None:
            self._described = yield from flows.described(self._description_call())
        return features_frame(self._metadata, self._described)

    def _batch(self, rows: Rows, wishes: Wishes, *, is_strict: bool = False) -> Flow[FeatureBatch]:
        plan = self._plan(rows)
        if is_strict:
            plan.raise_first()
        asked = self._core.batch(self._locator, self._metadata, plan, wishes)
        self._examples.remember(rows)
        batch: FeatureBatch = yield asked
        if is_strict:
            batch.raise_first()
        return batch

    def _spread(self, rows: DaskFrame, wishes: Wishes, include: Sequence[str], to: object) -> DaskFrame:
        """Return the lazy features of the rows of a Dask DataFrame; errors in columns and wishes come at once."""
        for name, wish in (("resume", wishes.resume), ("to", to)):
            if wish is not None:
                raise InputError(
                    f"{name} is for the rows of one process. With a Dask DataFrame leave it out and write the "
                    "result with to_parquet: each partition is a file."
                )
        settings = self._core.batch(self._locator, self._metadata, self._plan(rows._meta), wishes).settings
        limits = Limits(wishes.concurrency, wishes.requests_per_second)
        return spread(rows, settings, self._metadata, limits, include)

    def _recorded(self, rows: Rows, wishes: Wishes, to: str | Path) -> Flow[FeatureBatch]:
        """Fetch the rows part by part into a recording; what an interrupt leaves is a recording of whole parts.

        A run that brings no values at all leaves an older recording in its place and raises its first error.
        """
        self._refuse_wildcard()
        folder = path_of(to, "to")
        labels = labels_of(rows, self._metadata, self.name)
        recorder: Recorder | None = None
        reports: list[BatchReport] = []
        governor: Governor | None = None
        error: TectonError | None = None
        is_kept = False
        try:
            for first, part in parts_of(rows):
                asked = self._core.batch(self._locator, self._metadata, self._plan(part, first), wishes, governor)
                governor = asked.governor
                recorder = recorder or Recorder(folder, asked.settings.origin, asked.settings.schema, labels)
                batch: FeatureBatch = yield asked
                recorder.add(frames_of(batch))
                reports.append(batch.report)
                error = error or frames_of(batch).first_error()
        finally:
            if recorder is not None:
                is_kept = _end(recorder, reports)
        if is_kept and error is not None:
            error.add_note(f"No row has values, so the older recording at {quoted(folder)} stays as it was.")
            raise error
        self._examples.remember(rows)
        return FeatureBatch.load(folder)

    def _detailed(
        self, row: Row, metadata_options: MetadataOptionsLike, request_options: RequestOptionsLike
    ) -> Flow[pd.DataFrame]:
        _refuse_many(row, "details")
        plan = self._plan(row)
        plan.raise_first()
        options = both_options(metadata_options, request_options)
        call = calls.get_features(self._locator, plan.first_request(), *options)
        response = yield from flows.get_features(self._core, call)
        self._examples.remember(row)
        return response.details()

    def _query(
        self, keys: Row, metadata_options: MetadataOptionsLike, request_options: RequestOptionsLike
    ) -> Flow[pd.DataFrame]:
        _refuse_many(keys, "query_features")
        plan = plan_rows(keys, self._metadata, self.name)
        plan.raise_first()
        row = plan.first_request()
        call = calls.query_features(self._locator, row, *both_options(metadata_options, request_options))
        response = yield from flows.query_features(self._core, call)
        self._examples.remember(keys)
        found = response.to_pandas()
        return side_by_side(self._key_columns(row, found.index), found)

    def _plan(self, rows: Rows, first: int = 0) -> Plan:
        self._refuse_wildcard()
        return plan_rows(rows, self._metadata, self.name, first)

    def _refuse_wildcard(self) -> None:
        if self.is_wildcard:
            raise InputError(f"{quoted(self.name)} is a WILDCARD service; use query_features(keys).")

    def _key_columns(self, row: RequestRow, index: pd.Index) -> pd.DataFrame:
        """Return the keys of the request as columns of their own types, the same in every row."""
        keys = {item: row.join_key_map[item.name] for item in self._metadata.input_join_keys}
        values = {item: decode_value(raw, item.data_type, where=item.name) for item, raw in keys.items()}
        arrays = {item.name: column_of([value] * len(index), item.data_type) for item, value in values.items()}
        return pd.DataFrame(arrays, index=index)

    def _description_call(self) -> Call[FeaturesReply]:
        # Null keys are legal, and features are described alike in every row.
        keys = RequestRow(
            {item.name: None for item in self._metadata.input_join_keys},
            {item.name: None for item in self._metadata.input_request_context_keys},
        )
        operation = calls.query_features if self.is_wildcard else calls.get_features
        return operation(self._locator, keys, _DESCRIBED)

    def _card(self) -> Card:
        facts = (("workspace", self.workspace_name or ""), ("type", self._metadata.feature_service_type))
        sections = service_sections(self._metadata, self._described)
        return Card(type(self).__name__, self.name, facts, sections)


def refuse_include(include: Sequence[str]) -> None:
    """Raise an error if something is to be included that a batch has frames of its own for."""
    if include:
        raise InputError(
            f"include={quoted(include)} is for a Dask DataFrame. A FeatureBatch has it all: "
            "batch.to_pandas(include=...), batch.statuses()."
        )


def _end(recorder: Recorder, reports: Sequence[BatchReport]) -> bool:
    """Finish a recording of these parts, or take it away where what was there before is worth more; say which."""
    report = BatchReport.together(reports) if reports else None
    is_kept = report is None or (recorder.is_replacing and 0 < report.rows == report.failed + report.not_fetched)
    if report is None or is_kept:
        recorder.discard()
    else:
        recorder.finish(report)
    return is_kept


def _refuse_many(keys: object, operation: str) -> None:
    # Several rows would be answered for the first alone.
    if isinstance(keys, Mapping) or (isinstance(keys, pd.DataFrame) and len(keys) == 1):
        return
    got = f"{quoted(keys)} ({type(keys).__name__})"
    if isinstance(keys, pd.DataFrame):
        got = f"a frame of {len(keys):,} rows"
    raise InputError(f"{operation} takes the keys of one request, a dict or a frame of one row; got {got}.")
