"""One example of every class that shows itself as a card, with a text of the caller's in every place that takes one."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from canned import KEY, typed

import tecton_nb as tnb
from tecton_nb import columns
from tecton_nb.batch.job import BatchJob
from tecton_nb.batch.origin import Origin
from tecton_nb.batch.report import BatchProgress, BatchReport
from tecton_nb.client.examples import ExampleRows
from tecton_nb.client.service_core import ServiceCore
from tecton_nb.exceptions import ConnectionFailedError
from tecton_nb.experiments.caching import CacheExperiment
from tecton_nb.experiments.offline import OfflineComparison
from tecton_nb.experiments.services import ServiceComparison
from tecton_nb.experiments.sides import Fetched
from tecton_nb.metrics.history import MetricsHistory
from tecton_nb.metrics.scrape import Scrape
from tecton_nb.wire.metrics_page import Heading, Page, Series
from tecton_nb.wire.requests import Locator
from tecton_nb.wire.responses import FeatureItem, FeaturesReply, NameAndType, ServiceMetadata
from tecton_nb.wire.types import FLOAT64, INT64, STRING

# More than a card shows.
MANY = 30
AT = datetime(2024, 5, 1, 12, tzinfo=UTC)
_HOOKS = {"_card", "_repr_mimebundle_", "_repr_html_"}
_APART = ("tecton_nb.widgets.", "tecton_nb.plots.", "tecton_nb.reprs.")
_STATUSES = ("PRESENT", "MISSING_DATA", "TIME_OUT", "CACHED_PRESENT", "UNKNOWN_STATUS")


def card_classes() -> set[type]:
    """Return every class of the package whose body says how it shows itself, but for panels and pictures.

    Both have tests of their own: a panel's card goes through ``Panel._repr_mimebundle_``, a picture has none.
    """
    names = [module.name for module in pkgutil.walk_packages(tnb.__path__, "tecton_nb.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    kinds = {item for module in modules for item in vars(module).values() if isinstance(item, type)}
    ours = {kind for kind in kinds if str(kind.__module__).startswith("tecton_nb.")}
    return {kind for kind in ours if _HOOKS & set(vars(kind)) and not kind.__module__.startswith(_APART)}


class Requests:
    """Requests that were made, none of which is answered."""

    def __init__(self) -> None:
        self.made: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Note a request."""
        self.made.append(request)
        return httpx.Response(500)


def example(kind: type, text: str, folder: Path, requests: Requests) -> Any:
    """Return an object of the class, or of a class below it, that holds the text wherever it can."""
    return EXAMPLES[kind](_Made(text, folder, requests))


@dataclass(frozen=True)
class _Made:
    text: str
    folder: Path
    requests: Requests

    @property
    def names(self) -> list[str]:
        """Many names that differ."""
        return [f"{self.text}{i}" for i in range(MANY)]


def _client(made: _Made) -> tnb.TectonClient:
    http = httpx.Client(transport=httpx.MockTransport(made.requests))
    client = tnb.TectonClient("https://x.tecton.ai", KEY, made.text, http, feature_service_names=made.names)
    client._core.metadata[Locator(made.text, made.text)] = _metadata(made)
    return client


def _async_client(made: _Made) -> tnb.AsyncTectonClient:
    http = httpx.AsyncClient(transport=httpx.MockTransport(made.requests))
    return tnb.AsyncTectonClient("https://x.tecton.ai", KEY, made.text, http, feature_service_names=made.names)


def _metadata(made: _Made) -> ServiceMetadata:
    return ServiceMetadata(
        input_join_keys=tuple(NameAndType(name, STRING) for name in made.names),
        feature_values=tuple(NameAndType(name, INT64) for name in made.names),
        output_join_keys=(NameAndType(f"{made.text} key", STRING),),
        feature_service_type=made.text,
    )


def _service(made: _Made) -> tnb.FeatureService:
    client = _client(made)
    metadata, locator = _metadata(made), Locator(made.text, made.text)
    service = tnb.FeatureService(client._core, client._driver, locator, metadata, ExampleRows(None, lambda _: None))
    items = tuple(FeatureItem(name, INT64, description=made.text) for name in made.names)
    service._described = FeaturesReply(rows=([],), features=items)
    return service


def _items(made: _Made) -> list[dict[str, Any]]:
    statuses = [*_STATUSES, made.text]
    return [
        {
            **typed(name, "string"),
            "status": statuses[i % len(statuses)],
            "effectiveTime": f"2024-04-{i + 1:02}T00:00:00Z" if i % 2 else None,
            "description": made.text,
            "tags": {made.text: made.text},
        }
        for i, name in enumerate(made.names)
    ]


def _vector(made: _Made) -> list[Any]:
    return [None if i % 6 in {1, 2, 4, 5} or i == 3 else f"{made.text} value" for i in range(MANY)]


def slo_info(made: _Made) -> tnb.SLOInfo:
    """Return SLO information of a request that does not count."""
    return tnb.SLOInfo(False, [made.text], 0.0042, 0.0081, 0.0031, 59_613)


def _response(made: _Made) -> tnb.GetFeaturesResponse:
    metadata = {"features": _items(made), "partialResults": True}
    result = tnb.GetFeaturesResult(_vector(made))
    return tnb.GetFeaturesResponse(result, metadata, slo_info(made), answered_at=AT)


def _query(made: _Made) -> tnb.QueryFeaturesResponse:
    key = f"{made.text} key"
    metadata = {"features": _items(made), "joinKeys": [typed(key, "string")]}
    results = [tnb.GetFeaturesResult(_vector(made), [name]) for name in made.names]
    return tnb.QueryFeaturesResponse(results, metadata, slo_info(made), answered_at=AT)


def _described(made: _Made) -> tnb.GetFeatureServiceMetadataResponse:
    fields = [typed(name, "string") for name in made.names]
    keys = [typed(f"{made.text} key", "string")]
    return tnb.GetFeatureServiceMetadataResponse(
        fields, None, fields, feature_service_type=made.text, output_join_keys=keys
    )


class _Frames:
    """The frames of a batch, as `batch.origin.Found` has them."""

    def __init__(self, made: _Made) -> None:
        self._made = made
        self.schema = tuple(NameAndType(name, FLOAT64) for name in made.names)
        self.index = pd.Index(made.names)

    def statuses(self) -> pd.DataFrame:
        """Return every status, and one that nobody knows."""
        statuses = [*_STATUSES, "FAILED", "NOT_FETCHED", self._made.text]
        column = [statuses[i % len(statuses)] for i in range(MANY)]
        return pd.DataFrame({name: pd.array(column, "string") for name in self.index}, index=self.index)

    def effective_times(self) -> pd.DataFrame:
        """Return times of some days; the first feature has none."""
        times = pd.date_range("2024-04-01", periods=MANY, tz="UTC").astype("datetime64[ns, UTC]")
        none = pd.DatetimeIndex([pd.NaT] * MANY, tz="UTC").astype("datetime64[ns, UTC]")
        return pd.DataFrame({name: times if i else none for i, name in enumerate(self.index)}, index=self.index)

    def slo_info(self) -> pd.DataFrame:
        """Return rows of which every other one counts."""
        values: dict[str, Any] = {name: [None] * MANY for name in columns.by_name(columns.SLO_INFO)}
        values |= {"slo_eligible": [i % 2 == 0 for i in range(MANY)], "server_time_seconds": [0.01] * MANY}
        return pd.DataFrame(values, index=self.index).astype(columns.by_name(columns.SLO_INFO))

    def errors(self) -> pd.DataFrame:
        """Return an error for every row."""
        values = {"exception": self._made.text, "status": 500, "message": self._made.text, "attempts": 1}
        return pd.DataFrame(values, index=self.index)


def _report(made: _Made) -> BatchReport:
    counts = {"attempts": 40, "quota_left": 3, "refused_by_quota": 1, "concurrency": ((0.0, 8),)}
    waits = dict.fromkeys(("backoff_seconds", "pause_seconds", "rate_wait_seconds", "asleep_seconds"), 0.5)
    causes = dict.fromkeys(made.names, 2)
    rows = {"rows": MANY, "unique": MANY, "resumed": 2, "failed": 3, "not_fetched": 4, "calls": 40}
    times = {"seconds": 1.5, "rows_per_second": 20.0, "answered_at": AT}
    stop = {"is_stopped": True, "stop_reason": made.text, "failures": causes, "retries": causes}
    return BatchReport(**{**counts, **waits, **rows, **times, **stop})


def _batch(made: _Made) -> tnb.FeatureBatch:
    return tnb.FeatureBatch(Origin(made.text, made.text, made.text, {}), _Frames(made), _report(made))  # type: ignore[arg-type]  # what a card reads


class _Run:
    def progress(self) -> BatchProgress:
        return BatchProgress(2_000, 500, 3, 8, 250.0, 6.0, is_over=False)


def _job(_: _Made) -> BatchJob:
    job = BatchJob.__new__(BatchJob)
    outcome: Future[tnb.FeatureBatch] = Future()
    outcome.set_exception(ConnectionFailedError("refused"))
    job._run, job._outcome, job._process = _Run(), outcome, os.getpid()  # type: ignore[assignment]  # nothing is run
    return job


def comparison(made: _Made) -> tnb.Comparison:
    """Return a comparison in which many features differ, and rows stand on one side only."""
    left = pd.DataFrame({name: [1.0, 2.0, 3.0] for name in made.names}, index=["a", "b", made.text])
    right = pd.DataFrame({name: [1.0, 4.0, 3.0] for name in made.names}, index=["a", "b", "c"])
    return tnb.compare_features(left, right)


def _services(made: _Made) -> ServiceComparison:
    noise = dict.fromkeys(made.names, 3)
    both: Any = None
    return ServiceComparison(comparison(made), tuple(noise), (comparison(made),), both, both, made.text, noise)


def _offline(made: _Made) -> OfflineComparison:
    skew = pd.DataFrame({"feature": made.names, "skew": "stale_online"})
    return OfflineComparison(comparison(made), (made.text,), (made.text,), skew)


def _caching(made: _Made) -> CacheExperiment:
    combinations = [(read, written) for read in (True, False) for written in (True, False)]
    empty = {column.name: pd.Series([0.01], dtype="Float64") for column in columns.CALLS}
    statuses = pd.DataFrame({"f": pd.array(["CACHED_PRESENT", "PRESENT"], "string")})
    frames = Fetched(statuses, statuses, statuses, pd.DataFrame(empty), pd.DataFrame())
    compared = comparison(made)
    return CacheExperiment(
        made.text, dict.fromkeys(combinations, compared), dict.fromkeys(combinations, frames), (made.text,)
    )


def _scrape(made: _Made) -> Scrape:
    helps = ["(GA) x", "[Preview] x", "Deprecated. x"]
    headings = tuple(
        Heading(name, made.text, f"{helps[i % 3]} {made.text}", made.text) for i, name in enumerate(made.names)
    )
    series = [Series(name, {made.text: made.text}) for name in made.names]
    return Scrape(Page(headings, series, [1.0] * MANY, [None] * MANY), AT, 0.011)


def _history(made: _Made) -> MetricsHistory:
    history = MetricsHistory(made.folder / "metrics.db")
    history.record(_scrape(made))
    return history


def _slo(made: _Made) -> tnb.SLOInfo:
    return slo_info(made)


def _result(made: _Made) -> tnb.GetFeaturesResult:
    raw = [None, {made.text: [made.text, None]}, *made.names]
    return tnb.GetFeaturesResult(raw, [made.text])


# By the class whose body makes the card.
EXAMPLES: dict[type, Callable[[_Made], Any]] = {
    tnb.TectonClient: _client,
    tnb.AsyncTectonClient: _async_client,
    ServiceCore: _service,
    tnb.GetFeaturesResult: _result,
    tnb.GetFeaturesResponse: _response,
    tnb.QueryFeaturesResponse: _query,
    tnb.GetFeatureServiceMetadataResponse: _described,
    tnb.SLOInfo: _slo,
    tnb.FeatureBatch: _batch,
    BatchReport: _report,
    BatchJob: _job,
    tnb.Comparison: comparison,
    ServiceComparison: _services,
    OfflineComparison: _offline,
    CacheExperiment: _caching,
    Scrape: _scrape,
    MetricsHistory: _history,
}
