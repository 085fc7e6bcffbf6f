"""Online equals offline: what is served is what pandas computes from the raw events, at any time."""

import httpx
import numpy as np
import pandas as pd
import pytest

from tecton_nb.local import AggregatedView, Aggregation, Definitions, FeatureServer, FeatureService, Field
from tecton_nb.wire.types import INT64, STRING

NOW = pd.Timestamp("2024-05-01T10:20:30Z").value
MINUTE = 60 * 10**9
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
LENGTHS = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
FUNCTIONS = ("count", "sum", "mean", "min", "max", "last")
PAIRS, APPENDS = 1_000, 8
VIEW = AggregatedView(
    "spend",
    (Field("user_id", STRING), Field("card", INT64)),
    tuple(Aggregation("amount", function, window) for function in FUNCTIONS for window in LENGTHS),
    interval="1h",
)
NAMES = sorted((f"amount_{function}_{window}_1h", (function, window)) for function in FUNCTIONS for window in LENGTHS)


class MovableClock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> int:
        """Return the instant that was set."""
        return self.instant


def raw_events(random: np.random.Generator, size: int = 6_000) -> pd.DataFrame:
    """Random events of 75 days: bursts, gaps, missing amounts, and a third exactly on or beside an interval's edge."""
    times = NOW - random.integers(0, 75 * DAY, size)
    edges = random.random(size) < 1 / 3
    times[edges] = times[edges] // HOUR * HOUR + random.choice([-1, 0, 1], edges.sum())
    amounts = random.lognormal(3, 2, size)
    amounts[random.random(size) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "user_id": random.choice(["ann", "bob", "eve"], size, p=[0.8, 0.17, 0.03]),
            "card": random.choice([7, 9007199254740993], size),
            "amount": amounts,
            "timestamp": pd.to_datetime(times, utc=True),
        }
    )


def random_time(random: np.random.Generator, events: pd.DataFrame) -> int:
    """Any time, the edge of an interval, or the very moment an event enters or leaves a window; or 1 ns beside it."""
    kind = random.integers(4)
    if kind == 0:
        return NOW - int(random.integers(0, 80 * DAY))
    moment = int(events["timestamp"].dt.as_unit("ns").astype("int64").iloc[int(random.integers(len(events)))])
    if kind == 1:
        moment = moment // HOUR * HOUR
    elif kind == 2:
        moment = -(-moment // HOUR) * HOUR + int(random.choice(list(LENGTHS.values())))
    return moment + int(random.choice([-1, 0, 1]))


def computed(events: pd.DataFrame, user: str, card: int, now: int) -> dict[tuple[str, str], object]:
    """The aggregates straight from the events that were there, by function and window."""
    mine = events[events["user_id"].eq(user) & events["card"].eq(card)].dropna(subset="amount")
    mine = mine.sort_values("timestamp", kind="stable")
    times = mine["timestamp"].dt.as_unit("ns").astype("int64")
    end = now - now % HOUR
    found: dict[tuple[str, str], object] = {}
    for window, length in LENGTHS.items():
        amounts = mine.loc[(times < end) & (times >= end - length), "amount"]
        for function in FUNCTIONS:
            found[function, window] = None if amounts.empty else _aggregate(amounts, function)
    return found


def _aggregate(amounts: pd.Series, function: str) -> object:
    if function == "count":
        return str(len(amounts))
    return amounts.iloc[-1] if function == "last" else getattr(amounts, function)()


def matches(served: object, expected: object, function: str) -> bool:
    """Counts and picked values exactly; sums and means within 1e-9 relative."""
    if expected is None or function in {"count", "min", "max", "last"}:
        return served == expected
    return served == pytest.approx(expected, rel=1e-9, abs=0)


def test_1000_random_pairs_of_key_and_time_are_served_as_pandas_computes_them():
    """For 1,000 random keys and times, between appends with late events, all 24 aggregates equal the raw events'."""
    random, clock = np.random.default_rng(11), MovableClock()
    events = raw_events(random)
    parts = np.array_split(random.permutation(len(events)), APPENDS)
    service = FeatureService("s", (VIEW.name,))
    wrong, found = [], 0
    with (
        FeatureServer(Definitions((VIEW,), (service,)), clock=clock) as server,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Tecton-key {server.api_key}"}) as client,
    ):
        for i, part in enumerate(parts):
            server.append(VIEW.name, events.iloc[part])
            there = events.iloc[np.concatenate(parts[: i + 1])]
            for _ in range(PAIRS // APPENDS):
                user, card = str(random.choice(["ann", "bob", "eve", "nobody"])), int(random.choice([7, 2**53 + 1]))
                clock.instant = random_time(random, events)
                keys = {"user_id": user, "card": str(card)}
                answer = client.post(
                    "/v1/feature-service/get-features",
                    json={"params": {"featureServiceName": "s", "joinKeyMap": keys}},
                )
                expected = computed(there, user, card, clock.instant)
                served = dict(zip((pair for _, pair in NAMES), answer.json()["result"]["features"], strict=True))
                wrong += [
                    (keys, clock.instant, pair)
                    for pair in expected
                    if not matches(served[pair], expected[pair], pair[0])
                ]
                found += sum(value is not None for value in served.values())

    assert wrong == []
    assert found > 10 * PAIRS


def test_effective_time_is_the_end_of_the_newest_full_interval():
    """The effective time is a multiple of the interval, and moves at its edge to the nanosecond."""
    clock = MovableClock()
    events = pd.DataFrame(
        {"user_id": ["ann"], "card": [7], "amount": [1.0], "timestamp": [pd.Timestamp("2024-05-01T09:59:59Z")]}
    )
    times = []
    with FeatureServer(Definitions((VIEW,), (FeatureService("s", (VIEW.name,)),)), clock=clock) as server:
        server.append(VIEW.name, events)
        for text in ("2024-05-01T10:00:00Z", "2024-05-01T10:59:59.999999999Z", "2024-05-01T11:00:00Z"):
            clock.instant = pd.Timestamp(text).value
            params = {"joinKeyMap": {"user_id": "ann", "card": 7}, "metadataOptions": {"includeEffectiveTimes": True}}
            answer = httpx.post(
                f"{server.url}/v1/feature-service/get-features",
                json={"params": {"featureServiceName": "s", **params}},
                headers={"Authorization": f"Tecton-key {server.api_key}"},
            ).json()
            times.append({item["effectiveTime"] for item in answer["metadata"]["features"]})

    assert times == [{"2024-05-01T10:00:00Z"}, {"2024-05-01T10:00:00Z"}, {"2024-05-01T11:00:00Z"}]
