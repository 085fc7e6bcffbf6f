"""A small feature service with every kind of view and value, for tests of the embedded server."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tecton_nb.local.clock import Clock, FixedClock, Latency, LatencySource, MeasuredLatency
from tecton_nb.local.definitions.validation import check
from tecton_nb.local.definitions.views import (
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureService,
    Field,
    RealtimeView,
)
from tecton_nb.local.keys import Access, Account, ApiKey
from tecton_nb.local.serving.responder import Answer, Responder
from tecton_nb.local.storage.store import Store
from tecton_nb.wire.types import (
    BOOLEAN,
    FLOAT32,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    ArrayType,
    MapType,
    StructField,
    StructType,
)

KEY = "riders-test-key"
AUTHORIZATION = [f"Tecton-key {KEY}"]
NOW = pd.Timestamp("2024-05-01T10:20:30Z").value
QUOTE = StructType((StructField("band", STRING), StructField("minutes", INT64), StructField("score", FLOAT64)))
BASKET = StructType((StructField("value", FLOAT64), StructField("items", INT64)))
RIDER = Field("rider_id", STRING)
ZONE = Field("zone_id", INT64)


def eta(context: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, object]:
    """A realtime function of the request context and of a stored feature."""
    if context["basket_value"] == 13.0:
        raise RuntimeError("unlucky")
    minutes = 12 if features["rider_history.trips"] else 40
    return {
        "is_late": context["basket_value"] is not None and context["basket_value"] > 30,
        "quote": {"band": "near", "minutes": minutes, "score": 0.5},
    }


def rider_definitions() -> Definitions:
    """Two workspaces, a DEFAULT and a WILDCARD service."""
    quote = (Feature("is_late", BOOLEAN, "whether the order is late"), Feature("quote", QUOTE))
    history = (
        Feature("trips", INT64, "trips so far", {"owner": "logistics"}),
        Feature("ratio", FLOAT64),
        Feature("last_stop_at", TIMESTAMP),
        Feature("last_zones", ArrayType(STRING)),
        Feature("embedding", ArrayType(FLOAT32)),
        Feature("zone_counts", MapType(STRING, INT64)),
    )
    visits = (
        Aggregation("wait", "count", "7d"),
        Aggregation("wait", "mean", "7d"),
        Aggregation("wait", "mean", "1d"),
    )
    return check(
        Definitions(
            views=(
                RealtimeView("eta_realtime", quote, eta, (Field("basket_value", FLOAT64),), sources=("rider_history",)),
                RealtimeView("basket", (Feature("items", INT64),), _items, (Field("basket", BASKET),)),
                BatchView("rider_history", (RIDER,), history, ttl="30d"),
                AggregatedView("zone_visits", (RIDER, ZONE), visits, interval="1d"),
            ),
            services=(
                FeatureService("rider_eta_service", ("rider_history", "eta_realtime")),
                FeatureService("rider_zone_service", ("zone_visits",)),
                FeatureService("rider_recent_zones", ("zone_visits",), wildcard_key="zone_id"),
                FeatureService("basket_service", ("basket",)),
                FeatureService("rider_history_service", ("rider_history",), workspace="dev"),
            ),
        )
    )


def rider_data() -> dict[str, pd.DataFrame]:
    """Rows and events of the stored views."""
    history = pd.DataFrame(
        {
            "rider_id": ["R-77", "R-77", "R-77", "R-OLD"],
            "trips": pd.array([11, 9007199254740993, 99, 5], dtype="Int64"),
            "ratio": pd.arrays.FloatingArray(np.array([0.25, np.nan, 1.0, 2.0]), np.zeros(4, dtype=bool)),
            "last_stop_at": pd.to_datetime(
                ["2024-04-29", "2024-04-30T21:14:05.250Z", None, None], utc=True, format="ISO8601"
            ),
            "last_zones": [[], ["a", None], ["later"], []],
            "embedding": [[0.5], [0.25, None, float("-inf")], [1.0], None],
            "zone_counts": [{}, {"501": 4, "502": 1}, {}, None],
            "timestamp": pd.to_datetime(
                ["2024-04-20T00:00:00Z", "2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z", "2024-03-01T00:00:00Z"]
            ),
        }
    )
    visits = pd.DataFrame(
        {
            "rider_id": ["R-77", "R-77", "R-77", "R-77", "R-78"],
            "zone_id": [501, 501, 502, 9007199254740993, 501],
            "wait": [10.0, 15.0, None, 7.0, 1.0],
            "timestamp": pd.to_datetime(
                [
                    "2024-04-30T08:00Z",
                    "2024-04-28T08:00Z",
                    "2024-04-30T09:00Z",
                    "2024-04-27T08:00Z",
                    "2024-04-30T08:00Z",
                ]
            ),
        }
    )
    return {"rider_history": history, "zone_visits": visits}


class CountedLatency:
    """Reports latencies that are easy to read in a golden body: row n took n milliseconds."""

    def __init__(self) -> None:
        self.rows = 0

    def of_row(self, identity: str, measured: Latency) -> Latency:
        """Return four milliseconds more than for the last row."""
        self.rows += 1
        return Latency(total=0.004 * self.rows, store=0.001 * self.rows, realtime=0.001)

    def of_batch(self, rows: object, measured_total: float) -> float:
        """Return a sixteenth of a second."""
        return 0.0625


def rider_responder(clock: Clock | None = None, workspaces: frozenset[str] | None = frozenset({"prod"})) -> Responder:
    """A responder whose key reads `workspaces`."""
    return responder_of(rider_definitions(), rider_data(), clock=clock, workspaces=workspaces, latency=CountedLatency())


def responder_of(
    definitions: Definitions,
    data: Mapping[str, pd.DataFrame],
    *,
    clock: Clock | None = None,
    workspaces: frozenset[str] | None = None,
    latency: LatencySource | None = None,
    **more: Any,
) -> Responder:
    """A responder over data in memory, with the test key."""
    store = Store(check(definitions).stored_views)
    for view, frame in data.items():
        store.append(view, frame)
    access = Access([Account("test", ApiKey(KEY).digest(), workspaces)])
    return Responder(
        definitions, store, access, clock=clock or FixedClock(NOW), latency=latency or MeasuredLatency(), **more
    )


def rows_of(values: Mapping[str, str], view_key: str = "id", feature: str = "x") -> pd.DataFrame:
    """One row per key, with one text feature, from 1970."""
    return pd.DataFrame({view_key: [*values], feature: [*values.values()], "timestamp": pd.Timestamp(0, tz="UTC")})


class Moving:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        """Return where it stands."""
        return self.at


def post(responder: Responder, endpoint: str, body: object) -> Answer:
    """Ask one endpoint with the right key."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return responder.respond("POST", f"/api/v1/feature-service/{endpoint}", AUTHORIZATION, raw)


def ask(responder: Responder, endpoint: str, params: dict[str, Any]) -> Any:
    """Ask one endpoint with the right key and return the JSON of a 200 answer."""
    answer = post(responder, endpoint, {"params": params})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def _items(context: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, object]:
    return {"items": context["basket"]["items"]}
