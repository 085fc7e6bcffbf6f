"""The demo server: real flights and the services that Tecton's documents print, one call away."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd

from ..exceptions import SettingsError, quoted
from .clock import Clock, FixedClock, LatencySource, MeasuredLatency, SimulatedLatency, SystemClock
from .definitions import Definitions, FeatureService
from .documented import documented_data, documented_definitions, documented_examples
from .flight_services import flight_data, flight_definitions, flight_examples
from .flights import are_installed, load_flights
from .server import FeatureServer

DEMO_WORKSPACE = "prod"
CLOSED_WORKSPACE = "dev"


def demo_server(
    now: str | datetime | None = None,
    seed: int | None = None,
    port: int = 0,
    api_key: str | None = None,
    workspace: str = DEMO_WORKSPACE,
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
        Seed of the made-up data and latencies; `None` is 0.
    port
        0 takes a free one.
    api_key
        `None` makes a random one.
    workspace
        Where the services live, instead of ``prod``.

    Raises
    ------
    SettingsError
        If `now` is no instant, or the address or key cannot be used.

    Warns
    -----
    UserWarning
        If the flights are not installed; then only the documents' services are there.
    """
    clock, latency = _time(now, seed or 0)
    instant = pd.Timestamp(clock.now(), unit="ns", tz="UTC").floor("s")
    data = documented_data(instant, seed or 0)
    examples = documented_examples(data)
    definitions = documented_definitions()
    if are_installed():
        flights = load_flights(instant)
        definitions += flight_definitions()
        data |= flight_data(flights)
        examples |= flight_examples(flights)
    else:
        warnings.warn(
            "The flights of the demo server are not installed, so it serves the documents' services only. "
            'Install them with: pip install "tecton-nb[demo]".',
            stacklevel=2,
        )
    server = FeatureServer(
        _placed(definitions, workspace),
        data=data,
        port=port,
        api_key=api_key,
        readable_workspaces=[workspace],
        clock=clock,
        latency=latency,
        examples=examples,
    )
    return server.start()


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
