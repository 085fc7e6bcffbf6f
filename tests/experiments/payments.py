"""A feature server whose services differ in known ways: versions with planted differences, a cache, clocks, chance."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from tecton_nb.local import (
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureServer,
    FeatureService,
    Field,
    RealtimeView,
)
from tecton_nb.wire.types import FLOAT64, INT64, STRING

NOW = pd.Timestamp("2024-05-01T12:00:00Z")
USERS = [f"u{i}" for i in range(60)]
KEY = (Field("user_id", STRING),)
SPENT = tuple(Aggregation("amount", function, window) for function in ("sum", "count") for window in ("1d", "7d"))


class MovableClock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.instant = NOW.value

    def now(self) -> int:
        """Return the instant that was set."""
        return self.instant


def payments(count: int = 3_000, until: pd.Timestamp = NOW) -> pd.DataFrame:
    """Return seeded payments of the week before."""
    random = np.random.default_rng(23)
    return pd.DataFrame(
        {
            "user_id": random.choice(USERS, count),
            "amount": np.round(random.lognormal(3, 1, count), 2),
            "timestamp": until - pd.to_timedelta(random.integers(1, 7 * 86_400, count), unit="s"),
        }
    )


def profiles() -> pd.DataFrame:
    """Return a profile of each user, up to 100 days old."""
    random = np.random.default_rng(29)
    return pd.DataFrame(
        {
            "user_id": USERS,
            "limit": random.integers(100, 5_000, len(USERS)).astype(float),
            "timestamp": NOW - pd.to_timedelta(random.integers(1, 100 * 86_400, len(USERS)), unit="s"),
        }
    )


def _check(unit: float, name: str) -> RealtimeView:
    def compute(context, features):
        spent = features["spend.amount_sum_7d_1h"]
        return {"share": None if spent is None else context["amount"] / spent * unit}

    return RealtimeView(
        name, (Feature("share", FLOAT64),), compute, (Field("amount", FLOAT64),), ("spend",), namespace="check"
    )


def _moving() -> RealtimeView:
    ticks, random = itertools.count(), np.random.default_rng(31)

    def compute(context, features):
        return {"clock": next(ticks), "chance": float(random.random()), "steady": context["amount"] * 2}

    features = (Feature("clock", INT64), Feature("chance", FLOAT64), Feature("steady", FLOAT64))
    return RealtimeView("moving", features, compute, (Field("amount", FLOAT64),))


def server(clock: MovableClock, cache_ttl: str | None = None, **options) -> FeatureServer:
    """Return a server with two versions of a service, one with a clock and chance, and another ttl."""
    spend = AggregatedView("spend", KEY, SPENT, interval="1h", cache_ttl=cache_ttl)
    limits = (Feature("limit", FLOAT64),)
    profile = BatchView("profile", KEY, limits)
    short = BatchView("profile_short", KEY, limits, ttl="30d", namespace="profile")
    views = (spend, profile, short, _check(1.0, "check"), _check(100.0, "check_percent"), _moving())
    services = (
        FeatureService("v1", ("check", "spend", "profile")),
        FeatureService("v2", ("check_percent", "spend", "profile_short")),
        FeatureService("moving", ("moving", "spend")),
        FeatureService("spend_only", ("spend",)),
    )
    data = {"spend": payments(), "profile": profiles(), "profile_short": profiles()}
    return FeatureServer(Definitions(views, services), data=data, clock=clock, **options)


def rows(count: int = len(USERS)) -> pd.DataFrame:
    """Return rows to ask for, indexed by letters."""
    amounts = np.random.default_rng(37).integers(1, 500, count).astype(float)
    frame = pd.DataFrame({"user_id": USERS[:count], "amount": amounts})
    return frame.set_axis([f"row {i}" for i in range(count)], axis=0)
