"""The store: newest rows, windows over events, appends, files and threads."""

import threading

import numpy as np
import pandas as pd
import pytest
from riders import NOW, rider_data, rider_definitions

from tecton_nb.exceptions import InputError, SettingsError
from tecton_nb.local.definitions.views import AggregatedView, Aggregation, BatchView, Feature, Field, ordered_features
from tecton_nb.local.storage.store import Store
from tecton_nb.local.storage.wire_columns import packed_key
from tecton_nb.wire.types import FLOAT64, INT64, STRING

HOUR = 3_600 * 10**9
DAY = 24 * HOUR
R77 = packed_key(["R-77"])
FUNCTIONS = ("count", "sum", "mean", "min", "max", "last")
WINDOWS = ("1h", "1d", "7d", "30d")
SPEND = AggregatedView(
    "spend",
    (Field("user_id", STRING),),
    tuple(Aggregation("amount", function, window) for function in FUNCTIONS for window in WINDOWS),
    interval="1h",
)


@pytest.fixture
def riders():
    """The store of the rider service."""
    with Store(rider_definitions().stored_views) as store:
        for view, frame in rider_data().items():
            store.append(view, frame)
        yield store


def spend_events(seed: int, size: int = 4_000) -> pd.DataFrame:
    """Random events of 60 days, some without an amount."""
    random = np.random.default_rng(seed)
    amounts = random.normal(20, 400, size).round(3)
    amounts[random.random(size) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "user_id": random.choice(["a", "b", "c", "d"], size, p=[0.7, 0.2, 0.09, 0.01]),
            "amount": amounts,
            "timestamp": pd.to_datetime(NOW - random.integers(0, 60 * DAY, size), utc=True),
        }
    )


def independent(events: pd.DataFrame, user: str, now: int, function: str, window: str) -> object:
    """The aggregate straight from the events."""
    end = pd.Timestamp(now, unit="ns", tz="UTC").floor("h")
    times = events["timestamp"]
    part = events[(events["user_id"] == user) & (times < end) & (times >= end - pd.Timedelta(window.replace("d", "D")))]
    amounts = part.sort_values("timestamp", kind="stable")["amount"].dropna()
    if amounts.empty:
        return None
    return (
        len(amounts)
        if function == "count"
        else amounts.iloc[-1]
        if function == "last"
        else getattr(amounts, function)()
    )


def served(store: Store, user: str, now: int) -> dict[tuple[str, str], object]:
    """The aggregates that the store serves, by function and window."""
    names = sorted((f"amount_{f}_{w}_1h", (f, w)) for f in FUNCTIONS for w in WINDOWS)
    return dict(zip((pair for _, pair in names), store.read("spend", packed_key([user]), now).values, strict=True))


def test_aggregates_equal_pandas_on_the_events_at_random_times():
    """Whatever the key and the time, served windows are those of the raw events: counts exact, means within 1e-9."""
    events = spend_events(seed=1)
    random = np.random.default_rng(2)
    with Store([SPEND]) as store:
        for part in np.array_split(random.permutation(len(events)), 7):
            store.append("spend", events.iloc[part])

        for _ in range(200):
            user, now = str(random.choice(["a", "b", "c", "d", "nobody"])), NOW - int(random.integers(0, 70 * DAY))
            for (function, window), value in served(store, user, now).items():
                expected = independent(events, user, now, function, window)
                if expected is None or function == "count":
                    assert value == (None if expected is None else str(expected))
                else:
                    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_late_events_append_into_old_tiles():
    """An event that comes late counts from the next request on, in every window that covers it."""
    events = spend_events(seed=4, size=300)
    late = events.iloc[[100]].assign(amount=10_000.0)
    with Store([SPEND]) as store:
        store.append("spend", events)
        before = served(store, late["user_id"].iloc[0], NOW)
        store.append("spend", late)

        after = served(store, late["user_id"].iloc[0], NOW)

    assert after["max", "30d"] in (10_000, before["max", "30d"])
    for (function, window), value in after.items():
        expected = independent(pd.concat([events, late]), late["user_id"].iloc[0], NOW, function, window)
        assert value == (str(expected) if function == "count" and expected else pytest.approx(expected))


def test_window_ends_at_the_newest_full_interval_and_moves_with_the_clock():
    """An event counts once its interval is full, and the effective time says up to when the windows go."""
    view = AggregatedView("visits", (Field("id", INT64),), (Aggregation("x", "count", "1h"),), interval="1h")
    events = pd.DataFrame({"id": [7], "x": [1.0], "timestamp": pd.to_datetime(["2024-05-01T10:10:00Z"])})
    key = packed_key(["7"])
    with Store([view]) as store:
        store.append("visits", events)
        rows = {
            time: store.read("visits", key, pd.Timestamp(time).value)
            for time in ("2024-05-01T10:59:59Z", "2024-05-01T11:00:00Z", "2024-05-01T11:59:59Z", "2024-05-01T12:00:00Z")
        }

    assert {time: row.values for time, row in rows.items()} == {
        "2024-05-01T10:59:59Z": (None,),
        "2024-05-01T11:00:00Z": ("1",),
        "2024-05-01T11:59:59Z": ("1",),
        "2024-05-01T12:00:00Z": (None,),
    }
    assert rows["2024-05-01T11:59:59Z"].effective_time == "2024-05-01T11:00:00Z"
    assert rows["2024-05-01T12:00:00Z"].statuses == ("MISSING_DATA",)


def test_newest_row_not_after_now_is_served(riders):
    """A row of the future is not served before its time; an older one is until then."""
    later = riders.read("rider_history", R77, NOW + DAY)
    row = riders.read("rider_history", R77, NOW)

    assert row.values[4] == "9007199254740993"
    assert row.effective_time == "2024-05-01T00:00:00Z"
    assert later.values[4] == "99"


def test_row_is_missing_once_its_ttl_is_over(riders):
    """A row older than the ttl is missing, and its age is what was asked for: nothing is rounded."""
    end = pd.Timestamp("2024-06-01T00:00:00Z").value
    kept = riders.read("rider_history", R77, end - 1)
    gone = riders.read("rider_history", R77, end)

    assert kept.is_present
    assert gone.values == (None,) * 6
    assert gone.statuses == ("MISSING_DATA",) * 6
    assert gone.effective_time is None


def test_unknown_key_has_no_size_and_no_time(riders):
    """For a key that no one stored nothing is read."""
    row = riders.read("rider_history", packed_key(["nobody"]), NOW)

    assert (row.size, row.effective_time, row.is_present) == (0, None, False)


def test_appended_row_replaces_what_was_remembered(riders):
    """What was read a moment ago does not hide a row appended since."""
    before = riders.read("rider_history", R77, NOW)
    newer = rider_data()["rider_history"].iloc[[0]].assign(timestamp=pd.Timestamp("2024-05-01T09:00:00Z"))
    riders.append("rider_history", newer)

    assert riders.read("rider_history", R77, NOW).values != before.values
    assert riders.read("rider_history", R77, NOW).values[4] == "11"


def test_append_that_fails_changes_nothing(riders):
    """Rows are added all or none: one bad value leaves the store as it was."""
    bad = rider_data()["rider_history"].assign(rider_id="R-NEW").astype({"trips": object})
    bad.loc[3, "trips"] = "many"
    message = "Cannot send 'many' (str) as int64 for 'trips' of view 'rider_history'"

    with pytest.raises(InputError) as caught:
        riders.append("rider_history", bad)

    assert str(caught.value).startswith(message)
    assert not riders.read("rider_history", packed_key(["R-NEW"]), NOW).is_present


def test_failure_in_the_middle_of_writing_is_rolled_back():
    """When writing breaks off, nothing of that append is left."""
    view = BatchView("users", (Field("id", INT64),), (Feature("x", FLOAT64),))
    good = pd.DataFrame({"id": [1], "x": [0.5], "timestamp": pd.to_datetime(["2024-01-01T00:00:00Z"])})
    with Store([view]) as store:
        store.append("users", good)
        with pytest.raises(SettingsError):
            store.append("users", good.assign(id=2, timestamp=[None]))
        store.append("users", good.assign(id=3))

        assert [key for (key,) in store.keys("users")] == ["1", "3"]


def test_empty_frame_appends_nothing(riders):
    """An empty frame is fine."""
    riders.append("rider_history", rider_data()["rider_history"].iloc[:0])

    assert riders.read("rider_history", R77, NOW).is_present


def test_keys_are_listed_once_and_by_prefix(riders):
    """Every key is listed once, and the first join keys narrow the list."""
    assert list(riders.keys("rider_history")) == [["R-77"], ["R-OLD"]]
    assert list(riders.keys("zone_visits", ["R-77"])) == [
        ["R-77", "501"],
        ["R-77", "502"],
        ["R-77", "9007199254740993"],
    ]
    assert list(riders.keys("zone_visits", ["R-7"])) == []


def test_missing_column_is_told_with_a_near_name(riders):
    """A frame that lacks a column is refused in words."""
    frame = rider_data()["zone_visits"].rename(columns={"wait": "waits"})

    with pytest.raises(SettingsError) as caught:
        riders.append("zone_visits", frame)

    assert str(caught.value) == (
        "The data of view 'zone_visits' lacks the column 'wait'. "
        "Columns found: 'rider_id', 'zone_id', 'waits', 'timestamp'. Did you mean 'waits'?"
    )


@pytest.mark.parametrize(
    ("time", "sentence"),
    [
        ("soon", "The column 'timestamp' of view 'zone_visits' holds what is no time: "),
        (None, "The column 'timestamp' of view 'zone_visits' has missing times."),
    ],
)
def test_event_time_that_is_none_is_refused(riders, time, sentence):
    """An event without a readable time is refused in words."""
    with pytest.raises(SettingsError) as caught:
        riders.append("zone_visits", rider_data()["zone_visits"].assign(timestamp=[time] * 5))

    assert str(caught.value).startswith(sentence)


def test_unknown_view_is_told_with_a_near_name(riders):
    """Data for a view that is not defined is refused with the views that are."""
    with pytest.raises(SettingsError) as caught:
        riders.append("rider_histroy", pd.DataFrame())

    assert str(caught.value) == (
        "No view 'rider_histroy' has data; those that have are 'rider_history', 'zone_visits'. "
        "Did you mean 'rider_history'?"
    )


def test_naive_and_text_times_are_utc():
    """Event times without an offset are UTC, as text with 0 to 9 fraction digits too."""
    view = BatchView("users", (Field("id", INT64),), (Feature("x", FLOAT64),))
    frames = [
        pd.DataFrame({"id": [1, 2], "x": [1.5, None], "timestamp": ["2024-01-01", "2024-01-01T00:00:00.5+01:00"]}),
        pd.DataFrame({"id": [3], "x": [float("inf")], "timestamp": pd.to_datetime(["2024-01-01"])}),
    ]
    with Store([view]) as store:
        for frame in frames:
            store.append("users", frame)
        rows = [store.read("users", packed_key([str(i)]), NOW) for i in (1, 2, 3)]

    assert [row.effective_time for row in rows] == [
        "2024-01-01T00:00:00Z",
        "2023-12-31T23:00:00.500Z",
        "2024-01-01T00:00:00Z",
    ]
    assert [row.values for row in rows] == [(1.5,), (None,), ("Infinity",)]


def test_file_keeps_the_data(tmp_path):
    """A store in a file has its data again after it was closed."""
    views = rider_definitions().stored_views
    with Store(views, tmp_path / "store.sqlite") as store:
        for view, frame in rider_data().items():
            store.append(view, frame)
        before = store.read("zone_visits", packed_key(["R-77", "501"]), NOW)

    with Store(views, tmp_path / "store.sqlite") as store:
        assert store.read("zone_visits", packed_key(["R-77", "501"]), NOW) == before
        assert store.read("rider_history", R77, NOW).is_present


def test_store_is_read_and_appended_from_several_threads():
    """Readers in other threads see whole appends only, and nothing breaks."""
    events = spend_events(seed=5, size=200).assign(
        user_id="a", timestamp=pd.Timestamp(NOW - 5 * HOUR, tz="UTC"), amount=1.0
    )
    seen: set[object] = set()
    with Store([SPEND]) as store:
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                seen.add(served(store, "a", NOW)["count", "1d"])

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(10):
            store.append("spend", events)
        done.set()
        for reader in readers:
            reader.join()

        assert served(store, "a", NOW)["count", "1d"] == "2000"
    assert seen <= {None, *(str(200 * n) for n in range(11))}


def test_memory_of_read_rows_is_bounded(riders, monkeypatch):
    """Asking for ever new keys does not grow the process without end."""
    monkeypatch.setattr("tecton_nb.local.storage.store._REMEMBERED", 10)
    for i in range(25):
        riders.read("rider_history", packed_key([f"R-{i}"]), NOW)

    assert riders.read("rider_history", R77, NOW).is_present


def test_infinity_and_its_opposite_add_up_to_nan_without_a_warning():
    """Both infinities in one window make its sum and mean NaN, in one append or two, and nothing is warned of."""
    times = pd.to_datetime(["2024-01-01T00:00:00Z", "2024-01-01T00:10:00Z"])
    events = pd.DataFrame({"user_id": ["u", "u"], "amount": [float("inf"), float("-inf")], "timestamp": times})
    now = pd.Timestamp("2024-01-01T01:00:00Z").value
    names = [feature.name for feature in ordered_features(SPEND)]
    found = []
    for frames in ([events], [events.iloc[:1], events.iloc[1:]]):
        with Store([SPEND]) as store:
            for frame in frames:
                store.append("spend", frame)
            found.append(dict(zip(names, store.read("spend", packed_key(["u"]), now).values, strict=True)))

    assert found[0] == found[1]
    assert found[0]["amount_sum_1h_1h"] == found[0]["amount_mean_1h_1h"] == "NaN"
