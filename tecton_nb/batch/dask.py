"""A Dask DataFrame of keys to one of features: each partition is fetched where it lies.

What travels is a recipe without the API key. Each worker finds its own, see `_key_at`.
"""

from __future__ import annotations

import logging
import os
import random
import uuid
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd

from ..exceptions import BatchStoppedError, SettingsError
from ..transport.connection import Connection
from ..transport.engine import Engine
from ..transport.find_key import find_key
from ..transport.policy import Governor, Pause, RetryQuota, equal_shares, most_at_once
from ..transport.secret import KeyPlace, Secret, api_key
from ..wire.responses import ServiceMetadata
from .dask_places import Place, place_of, workers_now
from .job import BatchJob
from .plan import Plan, plan_rows
from .result import FeatureBatch
from .run import BatchRun
from .settings import BatchSettings

if TYPE_CHECKING:
    import dask.dataframe

DaskFrame: TypeAlias = "dask.dataframe.DataFrame"
KEY_SETTING = "tecton_nb.api_key"
_LOOK_SECONDS = 0.2
_log = logging.getLogger(__name__)
# Connections of the clients of this process by call, for partitions that are fetched here.
_CONNECTIONS: weakref.WeakValueDictionary[str, Connection] = weakref.WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Limits:
    """What all workers together keep to; see ``FeatureService.get_features_batch``."""

    concurrency: int | Literal["auto"]
    requests_per_second: float | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a worker must know to fetch a partition; it holds no API key.

    Parameters
    ----------
    call
        A name of its own for each call: leases belong to it, and Dask takes no two calls for one.
    pid
        Process in which it was made.
    settings
        As for `BatchRun`, with a connection that has no key.
    key_place
        Where a worker looks for the key; `None` if there is none to send.
    metadata
        What the service takes and returns.
    limits, shares
        What is divided, and among how many partitions at once.
    include
        As for ``FeatureBatch.to_pandas``.
    """

    call: str
    pid: int
    settings: BatchSettings
    key_place: KeyPlace | None
    metadata: ServiceMetadata
    limits: Limits
    shares: int
    include: tuple[str, ...]


def spread(
    rows: DaskFrame, settings: BatchSettings, metadata: ServiceMetadata, limits: Limits, include: Sequence[str]
) -> DaskFrame:
    """Return the lazy frame of features; index, divisions and partitions are those of the rows.

    Raises
    ------
    InputError
        If a key is missing, a column is unknown, or `limits` or `include` cannot be used.
    """
    at_most = min(workers_now(), rows.npartitions)
    recipe = Recipe(
        call=uuid.uuid4().hex,
        pid=os.getpid(),
        settings=replace(settings, connection=Connection(settings.connection.address)),
        key_place=settings.connection.key.place if settings.connection.key else None,
        metadata=metadata,
        limits=limits,
        shares=equal_shares(limits.concurrency, limits.requests_per_second, at_most),
        include=(include,) if isinstance(include, str) else tuple(include),
    )
    _CONNECTIONS[recipe.call] = settings.connection
    # Of no rows there is nothing to fetch: the meta comes about as every partition does.
    meta = fetch_partition(rows._meta, recipe)
    return rows.map_partitions(fetch_partition, recipe, meta=meta)


def fetch_partition(rows: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return the features of one partition; runs where Dask puts it.

    Raises
    ------
    SettingsError
        If no API key is found here.
    BatchStoppedError
        If the server refuses whatever is asked, or is down.
    """
    plan = plan_rows(rows, recipe.metadata, recipe.settings.origin.service)
    batch = _fetched(plan, recipe) if plan.requests else _wait(_job(plan, recipe, recipe.settings.connection))
    if batch.report.is_stopped:
        raise BatchStoppedError(batch.report.stop_reason)
    _tell_of_failures(batch)
    return batch.to_pandas(recipe.include)


def _fetched(plan: Plan, recipe: Recipe) -> FeatureBatch:
    place = place_of(recipe.pid)
    connection = replace(recipe.settings.connection, key=_key_at(place, recipe))
    with place.lease(recipe.call, recipe.shares):
        return _wait(_job(plan, recipe, connection), place)


def _job(plan: Plan, recipe: Recipe, connection: Connection) -> BatchJob:
    sender = _sender(os.getpid(), str(connection.address))
    governor = Governor(
        # Where retries land in time is no secret.
        random.Random(),  # noqa: S311
        concurrency=recipe.limits.concurrency,
        requests_per_second=recipe.limits.requests_per_second,
        quota=sender.quota,
        pause=sender.pause,
        shares=recipe.shares,
    )
    run = BatchRun(plan, replace(recipe.settings, connection=connection), sender.engine, governor)
    in_flight = most_at_once(recipe.limits.concurrency)
    sender.engine.reserve(in_flight)
    return BatchJob(run, partial(sender.engine.release, in_flight))


def _wait(job: BatchJob, place: Place | None = None) -> FeatureBatch:
    try:
        while True:
            try:
                return job.result(_LOOK_SECONDS)
            except TimeoutError:
                if job.is_over:
                    return job.result()
                if place is not None:
                    place.check_wanted()
    finally:
        # What is left early, by an interrupt too, sends nothing any more.
        job.cancel()


@dataclass(frozen=True, slots=True)
class _Sender:
    """What the partitions of one process share: connections, what they may spend on retries, and pauses."""

    engine: Engine
    quota: RetryQuota
    pause: Pause


@lru_cache(maxsize=8)
def _sender(pid: int, address: str) -> _Sender:  # noqa: ARG001  # a forked child has its own
    return _Sender(Engine(), RetryQuota(), Pause())


def _key_at(place: Place, recipe: Recipe) -> Secret | None:
    """Return the key: the client's own in its process, else what is found where the client found its own."""
    here = _CONNECTIONS.get(recipe.call)
    if here is not None or recipe.key_place is None:
        return here.key if here else None
    address = recipe.settings.connection.address
    try:
        found = api_key(find_key(recipe.key_place, address.host) or _key_of_dask())
    except SettingsError as error:
        raise SettingsError(f"On {place.name}: {error}") from None
    if found is None:
        raise SettingsError(
            f"No API key for {address} is on {place.name}; keys never travel with the work. Set "
            f"{recipe.key_place.variable} in the environment in which the workers start, or {KEY_SETTING} in their "
            "Dask configuration."
        )
    return found


def _key_of_dask() -> Secret | None:
    import dask

    found = Secret(dask.config.get(KEY_SETTING, default=None))
    return None if found.reveal() is None else found


def _tell_of_failures(batch: FeatureBatch) -> None:
    if batch.report.failed:
        message = batch.errors()["message"].iloc[0]
        _log.warning("%s of %s rows of a partition failed. The first: %s", batch.report.failed, len(batch), message)
