"""The demo server: real flights and the services that Tecton's documents print, one call away."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from ..exceptions import SettingsError, quoted
from ..wire.catalogue import LATEST
from .clock import Clock, FixedClock, LatencySource, MeasuredLatency, SimulatedLatency, SystemClock
from .definitions.views import Definitions, FeatureService
from .demonstration.data import DemoData, kept_instant
from .demonstration.flights import are_installed
from .faults.fields import Fault
from .faults.rules import Faults
from .server import FeatureServer

DEMO_WORKSPACE = "prod"
CLOSED_WORKSPACE = "dev"
_FRESH = pd.Timedelta(days=1)


def demo_server(
    now: str | datetime | None = None,
    seed: int | None = None,
    port: int = 0,
    api_key: str | None = None,
    workspace: str = DEMO_WORKSPACE,
    metrics_version: str = LATEST,
    store: str | Path | None = None,
    reload: bool = False,
    faults: Faults | Iterable[Fault] = (),
    host: str = "127.0.0.1",
    allow_remote: bool = False,
) -> FeatureServer:
    """Return a started feature server with real data; a context manager that closes it.

    Serves in workspace ``prod``: ``flight_delay_service`` and ``origin_carriers_service`` (all
    flights out of New York in 2013, moved so that the newest has just landed), and the services of
    Tecton's documents, ``fraud_detection_feature_service``, ``fraud_detection_feature_service:v2``
    and ``ctr_prediction_service``. In workspace ``dev`` is one that the key may not read.

    Parameters
    ----------
    now
        An instant, such as ``"2024-05-01T12:00:00Z"``, at which the server's clock stands still;
        then reported latencies are drawn from `seed`, and every run answers the same. `None` for
        the machine's clock and measured latencies.
    seed
        Seed of the made-up data, latencies and metrics; `None` is 0.
    port
        0 takes a free one.
    api_key
        `None` makes a random one.
    workspace
        Where the services live, instead of ``prod``.
    metrics_version
        Which of Tecton's documents the metrics endpoint follows: ``0.7`` or ``1.x``.
    store
        File to keep data and service accounts in; the next start reads the data from there. With the
        machine's clock it fits for a day, because the flights are to have just landed.
    reload
        Load the data anew if it does not fit, instead of refusing the store.
    faults
        What the server does wrong on purpose.
    host, allow_remote
        Where to listen; anywhere but on a loopback address only with `allow_remote`.

    Raises
    ------
    SettingsError
        If `now` is no instant, or the address, key, store or metrics version cannot be used.

    Warns
    -----
    UserWarning
        If the flights are not installed; then only the documents' services are there.
    """
    clock, latency = _time(now, seed or 0)
    data = DemoData(_instant(clock, store), seed or 0, has_flights=are_installed())
    if not data.has_flights:
        warnings.warn(
            "The flights of the demo server are not installed, so it serves the documents' services only. "
            'Install them with: pip install "tecton-nb[demo]".',
            stacklevel=2,
        )
    server = FeatureServer(
        _placed(data.definitions, workspace),
        data=data.sources(),
        port=port,
        api_key=api_key,
        readable_workspaces=[workspace],
        clock=clock,
        latency=latency,
        store=store,
        reload=reload,
        examples=data,
        metrics_version=metrics_version,
        metrics_seed=seed or 0,
        faults=faults,
        host=host,
        allow_remote=allow_remote,
    )
    return server.start()


def _instant(clock: Clock, store: str | Path | None) -> pd.Timestamp:
    """Return where the data ends: now, or where that of the store does, as long as that is recent enough."""
    now = pd.Timestamp(clock.now(), unit="ns", tz="UTC").floor("s")
    if store is None or isinstance(clock, FixedClock) or not Path(store).exists():
        return now
    kept = kept_instant(store)
    return kept if kept is not None and kept <= now < kept + _FRESH else now


def _placed(definitions: Definitions, workspace: str) -> Definitions:
    """Return the definitions in the workspace, with one service more in a workspace that is closed to the key."""
    services = tuple(replace(service, workspace=workspace) for service in definitions.services)
    name = "fraud_detection_feature_service"
    closed = FeatureService(name, ("last_transaction_amount_sql",), workspace=CLOSED_WORKSPACE)
    return Definitions(definitions.views, services if workspace == CLOSED_WORKSPACE else (*services, closed))


def _time(now: str | datetime | None, seed: int) -> tuple[Clock, LatencySource]:
    if now is None:
        return SystemClock(), MeasuredLatency()
    try:
        instant = pd.Timestamp(now)
        aware = instant.tz_localize(UTC) if instant.tzinfo is None else instant.tz_convert(UTC)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"Cannot read {quoted(now)} as an instant; write it as '2024-05-01T12:00:00Z'.") from error
    return FixedClock(aware.as_unit("ns").value), SimulatedLatency(seed)
