"""Online against offline: joined at the effective time, planted skew found, told by kind and explained."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from payments import NOW, MovableClock, payments, profiles, rows, server

import tecton_nb as tnb
from tecton_nb import columns
from tecton_nb.exceptions import InputError
from tecton_nb.experiments import compare_with_offline, offline_spine
from tecton_nb.local.faults import StaleValues

SPENT = [f"spend.amount_{function}_{window}_1h" for window in ("1d", "7d") for function in ("count", "sum")]


def twin(spine: pd.DataFrame) -> pd.DataFrame:
    """Return what pandas computes from the raw events for each key and time: the offline store's answer."""
    events, profile = payments(), profiles()
    rows = []
    for user, time in spine.itertuples(index=False):
        mine = events[events["user_id"].eq(user) & (events["timestamp"] < time)]
        row = {"user_id": user, "time": time}
        for window in ("1d", "7d"):
            amounts = mine.loc[mine["timestamp"] >= time - pd.Timedelta(window.upper()), "amount"]
            row[f"spend.amount_count_{window}_1h"] = len(amounts) or None
            row[f"spend.amount_sum_{window}_1h"] = amounts.sum() if len(amounts) else None
        seen = profile[profile["user_id"].eq(user) & (profile["timestamp"] <= time)]
        row["profile.limit"] = seen["limit"].iloc[-1] if len(seen) else None
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def batch():
    """What version 1 of the service answers."""
    with server(MovableClock()) as running, tnb.connect(running) as client:
        return client.feature_service("v1").get_features_batch(rows())


@pytest.fixture(scope="module")
def keys():
    """The join keys of the rows."""
    return rows()[["user_id"]]


@pytest.fixture(scope="module")
def offline(batch, keys):
    """The offline values at the effective times of what was served."""
    return twin(offline_spine(batch, keys=keys, time="time"))


def compared(batch, offline, keys):
    """Compare with the tolerance that sums of floats need."""
    return compare_with_offline(batch, offline, keys=keys, time="time", rtol=1e-9)


def kinds(found):
    """Return the kinds of skew by feature, each with its number of cells."""
    skew = found.skew()
    return {name: part["skew"].value_counts().to_dict() for name, part in skew.groupby("feature")}


def test_served_values_are_the_offline_ones_at_the_effective_time(batch, offline, keys):
    """Without planted skew every stored value of 60 users equals what pandas computes at its effective time."""
    found = compared(batch, offline, keys)

    assert found.comparison.equal
    assert found.without_time == ("check.share",)
    assert found.not_offline == ()
    assert found.skew().empty
    assert found.comparison.total(columns.EQUAL) + found.comparison.total(columns.WITHIN_TOLERANCE) == 60 * 5


def test_values_that_come_late_are_stale(keys):
    """A server that serves values of six hours ago under its newer effective time is found stale, by six hours."""
    with server(MovableClock()) as running, tnb.connect(running) as client:
        service = client.feature_service("v1")
        fresh = service.get_features_batch(rows())
        with running.faults.add(StaleValues("6h", view="spend")):
            old = service.get_features_batch(rows())
    late = Renamed(old, fresh.effective_times())
    spine = pd.concat([offline_spine(batch, keys=keys, time="time") for batch in (old, fresh)]).drop_duplicates()

    found = compared(late, twin(spine), keys)

    skew = found.skew()
    spend = skew[skew["feature"].isin(SPENT) & skew["skew"].eq("stale_online")]
    assert len(spend) > 40
    assert spend["lag_seconds"].eq(6 * 3_600).mean() > 0.9
    assert set(skew["skew"]) <= {"stale_online", "null_online", "null_offline"}


class Renamed:
    """A batch whose effective times are said to be others."""

    def __init__(self, batch, times):
        self._batch, self._times = batch, times

    def to_pandas(self):
        """Return the values as they were served."""
        return self._batch.to_pandas()

    def statuses(self):
        """Return the statuses."""
        return self._batch.statuses()

    def effective_times(self):
        """Return the times that are claimed."""
        return self._times


@dataclass
class Served:
    """A table of what was served: values, statuses and effective times of one feature by user."""

    values: list
    times: list
    dtype: str = "Int64"
    status: str = "PRESENT"

    @property
    def index(self):
        """Users a, b, c, ..."""
        return pd.Index(list("abcdefgh")[: len(self.values)], name="user_id")

    def to_pandas(self):
        """Return the values."""
        return pd.DataFrame({"v.n": pd.array(self.values, self.dtype)}, index=self.index)

    def statuses(self):
        """Return one status for all."""
        return pd.DataFrame({"v.n": pd.array([self.status] * len(self.values), "string")}, index=self.index)

    def effective_times(self):
        """Return the times, NaT for None."""
        return pd.DataFrame({"v.n": pd.DatetimeIndex(self.times, tz="UTC")}, index=self.index)


def stored(values, users="abcdefgh", times=("2024-05-01",)):
    """Return an offline frame of one feature by user and time."""
    at = [times[place % len(times)] for place in range(len(values))]
    return pd.DataFrame({"user_id": list(users)[: len(values)], "time": pd.to_datetime(at), "v.n": values})


def test_feature_that_was_never_served_is_the_worst_skew():
    """A feature that is null online for every row but has offline values is told, row by row."""
    served = Served([None, None], [None, None], status="MISSING_DATA")

    found = compare_with_offline(served, stored([1, 2]), keys="user_id", time="time")

    assert not found.comparison.equal
    assert found.without_time == ()
    assert kinds(found) == {"v.n": {"null_online": 2}}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([2**53 + 1, 2], "int64"), "Int64"),
        (np.array([2**53 + 1, 2], "uint64"), "Int64"),
        (np.array([2**53 + 1, 2], object), "Int64"),
        (np.array([True, False]), "boolean"),
    ],
)
def test_one_missing_offline_row_leaves_the_type_of_the_others(values, dtype):
    """Whole numbers and booleans of numpy stay what they are where offline lacks a row: only that row is told."""
    served = Served([*values.tolist(), values[0].item() if dtype == "boolean" else 7], ["2024-05-01"] * 3, dtype)

    found = compare_with_offline(served, stored(values), keys="user_id", time="time")

    assert kinds(found) == {"v.n": {"no_offline_row": 1}}
    assert found.comparison.total(columns.EQUAL) == 2


def test_batch_without_rows_is_refused():
    """Nothing was served, so nothing is equal: the sentence says that there are no rows."""
    with pytest.raises(InputError, match="The batch has no rows"):
        compare_with_offline(Served([], []), stored([1]), keys="user_id", time="time")


def test_null_is_not_compared_with_the_future():
    """An offline value that came after everything that was served is not what a null should have been."""
    served = Served([None, 2], [None, "2024-05-02"], status="PRESENT")
    offline = stored([2, 9], users="ba", times=("2024-05-02", "2024-05-03"))
    known = stored([2, 9], users="ba", times=("2024-05-02", "2024-05-01"))

    assert compare_with_offline(served, offline, keys="user_id", time="time").comparison.equal
    assert kinds(compare_with_offline(served, known, keys="user_id", time="time")) == {"v.n": {"null_online": 1}}


def test_text_online_and_number_offline_is_told_and_no_crash():
    """A feature that is text online and a number offline differs in its type; the search for its time finds none."""
    served = Served(["1.5", "2.5"], ["2024-05-01"] * 2, "string")

    offline = stored([1.5, 2.5, 1.5], users="aba", times=("2024-05-01", "2024-05-01", "2024-04-01"))
    found = compare_with_offline(served, offline, keys="user_id", time="time")

    assert kinds(found) == {"v.n": {"value": 2}}
    assert found.comparison.total(columns.DTYPE_DIFFERS) == 2


def test_ttl_online_is_told_as_null_and_explained(keys, offline):
    """Profiles older than the online ttl are null online; the explanation is the ttl."""
    with server(MovableClock()) as running, tnb.connect(running) as client:
        short = client.feature_service("v2").get_features_batch(rows())

    found = compared(short, offline, keys)

    old = (NOW - profiles()["timestamp"] > pd.Timedelta("30D")).sum()
    assert kinds(found) == {"profile.limit": {"null_online": old}}
    assert found.comparison.why()["cause"].iloc[0] == "ttl"


@pytest.mark.parametrize(
    ("plant", "skew", "cause"),
    [
        (lambda column: column * 100, "value", "unit_factor"),
        (lambda column: column + 1, "value", "offset"),
        (lambda column: column.where(column > column.median()), "null_offline", None),
        (lambda column: column.astype(np.float32).astype(float), "value", "precision"),
    ],
)
def test_planted_skew_is_told_and_explained(batch, offline, keys, plant, skew, cause):
    """A unit, an offset, a value that is missing or rounded offline: told by kind and explained by its cause."""
    name = "spend.amount_sum_7d_1h"

    found = compared(batch, offline.assign(**{name: plant(offline[name])}), keys)

    assert set(kinds(found)) == {name}
    assert set(kinds(found)[name]) == {skew}
    assert cause is None or found.comparison.why()["cause"].iloc[0] == cause


def test_keys_without_an_offline_row_are_told(batch, offline, keys):
    """Where offline knows nothing at the effective time, that is said, cell by cell."""
    gone = offline[offline["user_id"] != "u7"]

    found = compared(batch, gone, keys)

    assert kinds(found) == {name: {"no_offline_row": 1} for name in [*SPENT, "profile.limit"]}
    assert set(found.skew().index) == {"row 7"}


def test_offline_floats_with_nan_are_nulls_and_whole_numbers_are_whole(batch, offline, keys):
    """Counts that pandas made floats because one is missing are compared as whole numbers, and NaN as null."""
    assert offline["spend.amount_count_1d_1h"].dtype == "float64"
    assert offline["spend.amount_count_1d_1h"].isna().any()

    assert compared(batch, offline, keys).comparison.dtypes()["is_comparable"].all()


def test_keys_may_be_the_index_of_the_batch(batch, offline, keys):
    """Rows that are indexed by their keys need no frame of keys."""
    with server(MovableClock()) as running, tnb.connect(running) as client:
        indexed = client.feature_service("v1").get_features_batch(rows().set_index("user_id", drop=False))

    assert compared(indexed, offline, "user_id").comparison.equal


def test_spine_has_each_key_and_time_once(batch, keys):
    """The spine holds what the offline store must be asked for, sorted by time and without gaps."""
    spine = offline_spine(batch, keys=keys, time="time")

    assert not spine.duplicated().any()
    assert spine["time"].is_monotonic_increasing
    assert spine["time"].notna().all()
    assert set(spine["user_id"]) == set(keys["user_id"])


def test_skew_has_the_described_columns(batch, offline, keys):
    """The skew frame has the columns of columns.py, whether there is skew or not; the card counts it by kind."""
    expected = columns.by_name(columns.SKEW)
    found = compared(batch, offline.assign(**{SPENT[1]: offline[SPENT[1]] + 1}), keys)

    assert found.skew().dtypes.astype(str).to_dict() == expected
    assert compared(batch, offline, keys).skew().dtypes.astype(str).to_dict() == expected
    assert "two values, neither at any other time" in str(found)
    assert "check.share" in str(found)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (lambda o: o.drop(columns="time"), {}, "The offline frame has no column 'time'."),
        (lambda o: o.rename(columns={"user_id": "user"}), {}, "The offline frame has no column 'user_id'."),
        (lambda o: pd.concat([o, o.iloc[:1]]), {}, "more than once. Keep one row of each."),
        (lambda o: o.assign(time="soon"), {}, "The column 'time' holds values that are no times"),
        (lambda o: o.assign(time=1_714_564_800), {}, "The column 'time' holds numbers"),
        (lambda o: o.assign(user_id=range(len(o))), {}, "'user_id': it is text in the batch and a whole number in"),
        (lambda o: o, {"ignore": "profile.limt"}, "Did you mean 'profile.limit'?"),
        (lambda o: o, {"per_feature": {"profile.limt": {"rtol": 1}}}, "Did you mean 'profile.limit'?"),
        (lambda o: o[["user_id", "time"]], {}, "The offline frame has none of the features"),
        (lambda o: o, {"keys": "user_id"}, "The batch's index has no level 'user_id'"),
        (lambda o: o, {"keys": rows(3)[["user_id"]]}, "The keys must have one row per row of the batch"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(batch, offline, keys, change, options, sentence):
    """Missing columns, double rows, texts for times and keys that do not fit are refused in a sentence."""
    with pytest.raises(InputError, match=re.escape(sentence)):
        compare_with_offline(batch, change(offline), **({"keys": keys, "time": "time"} | options))


def test_batch_without_effective_times_is_refused(keys, offline):
    """A batch fetched without effective times cannot be placed in time: the sentence says what to ask for."""
    with server(MovableClock()) as running, tnb.connect(running) as client:
        bare = client.feature_service("v1").get_features_batch(rows(), metadata_options={})

    with pytest.raises(InputError, match=r"None of the features .* has an effective time\. Fetch them with"):
        compare_with_offline(bare, offline, keys=keys, time="time")


def test_batch_of_calls_for_several_rows_is_refused(keys, offline):
    """Rows of one call share an effective time on the wire: the sentence says how to fetch each row's own."""
    with server(MovableClock()) as running, tnb.connect(running) as client:
        shared = client.feature_service("v1").get_features_batch(rows(), rows_per_call=5)

    with pytest.raises(InputError, match=r"rows_per_call=1"):
        compare_with_offline(shared, offline, keys=keys, time="time")
