"""What the synchronous and the asynchronous client share: settings, and arguments made into calls."""

from __future__ import annotations

import functools
import inspect
import math
import os
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

from ..batch.ledger_scope import LedgerScope
from ..batch.origin import Origin
from ..batch.plan import Plan
from ..batch.settings import BatchSettings
from ..exceptions import InputError, SettingsError, quoted
from ..frames.parquet import full_path
from ..transport import calls
from ..transport.calls import Call
from ..transport.connection import Connection
from ..transport.policy import Governor, Pause, RetryQuota, most_at_once
from ..transport.secret import Secret, hidden
from ..wire.options import MetadataOptions, RequestOptions, options_from
from ..wire.requests import Locator, RequestRow, RequestTemplate
from ..wire.responses import FeaturesReply, NameAndType, ServiceMetadata
from ..wire.types import JsonObject
from ..wire.values import encode_value

DEADLINE_SECONDS = 5.0

MetadataOptionsLike: TypeAlias = "MetadataOptions | Mapping[str, Any] | None"
RequestOptionsLike: TypeAlias = "RequestOptions | Mapping[str, Any] | None"
# What a batch's frames need; descriptions and tags are the same in every row.
BATCH_METADATA = MetadataOptions(include_effective_times=True, include_slo_info=True, include_serving_status=True)
# The server's own limit.
MOST_ROWS_PER_CALL = 10
_Method = TypeVar("_Method", bound=Callable[..., Any])


def name_or_id(method: _Method) -> _Method:
    """Let ``feature_service_id`` stand in for the name, whose parameter has no default in the reference document."""

    @functools.wraps(method)
    def either(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **_with_name(kwargs))

    @functools.wraps(method)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await method(*args, **_with_name(kwargs))

    return awaited if inspect.iscoroutinefunction(method) else either  # type: ignore[return-value]  # as wrapped


@dataclass(frozen=True, slots=True)
class Question:
    """What a user asks for one row, as stated: nothing is checked yet."""

    name: str | None
    service_id: str | None
    workspace_name: str | None
    join_key_map: Mapping[str, Any] | None
    request_context_map: Mapping[str, Any] | None
    metadata_options: MetadataOptionsLike
    request_options: RequestOptionsLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a batch is to go, as a user states it; see ``FeatureService.get_features_batch``. Nothing is checked yet."""

    concurrency: int | Literal["auto"] = "auto"
    rows_per_call: int | Literal["auto"] = "auto"
    requests_per_second: float | None = None
    deadline_seconds: float | None = None
    progress: bool = True
    resume: str | Path | None = None
    metadata_options: MetadataOptionsLike = BATCH_METADATA
    request_options: RequestOptionsLike = None
    is_remembered: bool = True


class BatchOptions(TypedDict, total=False):
    """The arguments that ``get_features_batch`` takes for rows of either kind, for its overloads."""

    concurrency: int | Literal["auto"]
    rows_per_call: int | Literal["auto"]
    requests_per_second: float | None
    deadline_seconds: float | None
    progress: bool
    resume: str | Path | None
    to: str | Path | None
    metadata_options: MetadataOptionsLike
    request_options: RequestOptionsLike


@dataclass(frozen=True, slots=True)
class Batch:
    """A planned batch to run; its result is a `FeatureBatch`.

    Parameters
    ----------
    plan, settings, governor
        As for `BatchRun`.
    most_in_flight
        How many requests the lane must bear at once.
    progress
        Whether to show a bar.
    is_remembered
        Whether ``FeatureBatch.last`` is to return it.
    resume
        Path of a resume file.
    scope
        What the rows of such a file belong to.
    """

    plan: Plan
    settings: BatchSettings
    governor: Governor
    most_in_flight: int
    progress: bool
    is_remembered: bool
    resume: Path | None
    scope: LedgerScope


class ClientCore:
    """Connection, default workspace and what has been learnt of the server's services.

    Parameters
    ----------
    url, api_key, default_workspace_name
        As a user states them.
    deadline_seconds
        Total time for one request.
    feature_service_names
        Names that a profile or the user gives, for servers whose metrics are not readable.

    Raises
    ------
    SettingsError
        If one of them cannot be used.
    """

    def __init__(
        self,
        url: str,
        api_key: str | Secret | None,
        default_workspace_name: str | None,
        deadline_seconds: float,
        feature_service_names: Iterable[str],
    ) -> None:
        api_key = hidden(api_key)
        if not _is_duration(deadline_seconds):
            raise SettingsError(_deadline_sentence(deadline_seconds))
        self.connection = Connection.open(url, api_key)
        self.default_workspace_name = default_workspace_name
        self.deadline_seconds = deadline_seconds
        self.given_names = tuple(feature_service_names)
        self.metadata: dict[Locator, ServiceMetadata] = {}
        # What a resume file calls the server; the demo gets another port with each start.
        self.resume_place = str(self.connection.address)
        self._quota = RetryQuota()
        self._pause = Pause()

    def locator(self, name: str | None, workspace_name: str | None, service_id: str | None = None) -> Locator:
        """Return whom a request asks about.

        Raises
        ------
        InputError
            If not exactly one of name and id is given, or it is no text.
        SettingsError
            If neither the call nor the client names a workspace.
        """
        if (name is None) == (service_id is None):
            raise InputError("Pass exactly one of feature_service_name and feature_service_id.")
        value, by = (name, "name") if service_id is None else (service_id, "id")
        if not isinstance(value, str) or not value:
            raise InputError(f"A feature service is named by text that is not empty; got {quoted(value)}.")
        workspace = workspace_name or self.default_workspace_name
        if not workspace:
            raise SettingsError(
                "No workspace is named. Pass workspace_name, or default_workspace_name when making the client."
            )
        return Locator(value, workspace, by)

    def features_call(self, question: Question, *, allow_partial_results: bool = False) -> Call[FeaturesReply]:
        """Return the get-features call; errors as `locator`, and `InputError` for what cannot be sent."""
        locator, row, options = self._asked(question)
        return calls.get_features(locator, row, *options, allow_partial_results=allow_partial_results)

    def query_call(self, question: Question) -> Call[FeaturesReply]:
        """Return the query-features call; errors as `features_call`."""
        locator, row, options = self._asked(question)
        return calls.query_features(locator, row, *options)

    def _asked(self, question: Question) -> tuple[Locator, RequestRow, tuple[MetadataOptions, RequestOptions | None]]:
        locator = self.locator(question.name, question.workspace_name, question.service_id)
        row = self._row(locator, question.join_key_map, question.request_context_map)
        return locator, row, both_options(question.metadata_options, question.request_options)

    def _row(
        self, locator: Locator, join_key_map: Mapping[str, Any] | None, request_context_map: Mapping[str, Any] | None
    ) -> RequestRow:
        # By the service's types where its metadata has been read.
        known = self.metadata.get(locator, ServiceMetadata())
        keys = _encoded(join_key_map, "join key", known.input_join_keys)
        return RequestRow(keys, _encoded(request_context_map, "request context", known.input_request_context_keys))

    def batch(
        self,
        locator: Locator,
        metadata: ServiceMetadata,
        plan: Plan,
        wishes: Wishes,
        governor: Governor | None = None,
    ) -> Batch:
        """Return a planned batch as it is to go.

        Parameters
        ----------
        metadata
            The one by which the rows were planned.
        governor
            That of the part before, where a batch is fetched in parts.

        Raises
        ------
        InputError
            If a wish cannot be fulfilled.
        """
        deadline = self.deadline_seconds if wishes.deadline_seconds is None else wishes.deadline_seconds
        if not _is_duration(deadline):
            raise InputError(_deadline_sentence(deadline))
        _check_rows_per_call(wishes.rows_per_call)
        options = both_options(wishes.metadata_options, wishes.request_options)
        origin = Origin(locator.value, locator.workspace_name, str(self.connection.address), _as_json(*options))
        settings = BatchSettings(
            origin=origin,
            schema=metadata.feature_values,
            template=RequestTemplate(locator, *options),
            connection=self.connection,
            deadline_seconds=deadline,
            rows_per_call="auto" if wishes.rows_per_call == "auto" else int(wishes.rows_per_call),
        )
        return Batch(
            plan,
            settings,
            governor or self._governor(wishes),
            most_at_once(wishes.concurrency),
            wishes.progress,
            wishes.is_remembered,
            None if wishes.resume is None else path_of(wishes.resume, "resume"),
            LedgerScope.of(locator, metadata, self.resume_place, origin.options),
        )

    def _governor(self, wishes: Wishes) -> Governor:
        return Governor(
            # Where retries land in time is no secret.
            random.Random(),  # noqa: S311
            concurrency=wishes.concurrency,
            requests_per_second=wishes.requests_per_second,
            quota=self._quota,
            pause=self._pause,
        )

    def used_names(self) -> list[str]:
        """Return the names of the services whose metadata has been read."""
        # A list first: another thread may add a service meanwhile.
        return [locator.value for locator in list(self.metadata) if locator.by == "name"]

    def label(self) -> str:
        """Return address and default workspace."""
        workspace = f", workspace {quoted(self.default_workspace_name)}" if self.default_workspace_name else ""
        return f"{self.connection.address}{workspace}"


def label_of(client: object) -> str:
    """Return what the repr of a client shows; a traceback may hold one whose constructor failed."""
    core = getattr(client, "_core", None)
    return core.label() if isinstance(core, ClientCore) else "that could not be made"


def both_options(
    metadata_options: MetadataOptionsLike, request_options: RequestOptionsLike
) -> tuple[MetadataOptions, RequestOptions | None]:
    """Return the options as objects; where nothing is asked for, names and data types are.

    Raises
    ------
    InputError
        If an option is unknown or has the wrong type.
    """
    options = options_from(metadata_options, MetadataOptions) or MetadataOptions()
    return options, options_from(request_options, RequestOptions)


def _with_name(kwargs: dict[str, Any]) -> dict[str, Any]:
    return kwargs if kwargs.get("feature_service_id") is None else {"feature_service_name": None, **kwargs}


def _is_duration(seconds: object) -> bool:
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        return False
    return math.isfinite(seconds) and float(seconds) > 0


def _deadline_sentence(seconds: object) -> str:
    return f"deadline_seconds takes a number of seconds above 0; got {quoted(seconds)} ({type(seconds).__name__})."


def _as_json(metadata: MetadataOptions, request: RequestOptions | None) -> JsonObject:
    return {"metadata": metadata.to_json(), "request": request.to_json() if request else {}}


def path_of(given: object, called: str) -> Path:
    """Return the path that a user names, ``~`` replaced by the home folder.

    Raises
    ------
    InputError
        If it is no path, or empty.
    """
    if not isinstance(given, str | os.PathLike) or not str(given):
        raise InputError(f"{called} takes the path of a file or folder; got {quoted(given)} ({type(given).__name__}).")
    return full_path(given)


def _check_rows_per_call(wanted: object) -> None:
    is_number = isinstance(wanted, Integral) and not isinstance(wanted, bool)
    if wanted != "auto" and not (is_number and 1 <= int(wanted) <= MOST_ROWS_PER_CALL):  # type: ignore[call-overload]
        raise InputError(
            f"rows_per_call takes a number from 1 to {MOST_ROWS_PER_CALL}, or 'auto'; got {quoted(wanted)}."
        )


def _encoded(values: Mapping[str, Any] | None, called: str, known: tuple[NameAndType, ...]) -> JsonObject:
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise InputError(f"The {called}s are passed as a dict of values by name; got {quoted(values)}.")
    types = {item.name: item.data_type for item in known}
    return {
        name: encode_value(value, types.get(name), where=f"{called} {quoted(name)}") for name, value in values.items()
    }
