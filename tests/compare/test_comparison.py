"""What a comparison says of two frames: verdicts, frames, joins, tolerances, and the words of refusals."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from planting import INTS, LIST, MAP, STRUCT, Table, arrow, floats

from tecton_nb import columns, compare_features, write_parquet
from tecton_nb.columns import by_name
from tecton_nb.exceptions import InputError

EVERY_FRAME = {
    "summary": columns.COMPARISON_SUMMARY,
    "mismatches": columns.MISMATCHES,
    "worst_rows": columns.WORST_ROWS,
    "dtypes": columns.COMPARED_DTYPES,
    "why": columns.EXPLANATIONS,
}


def verdicts(left, right, **options):
    """Return the verdict on each row of one column beside another."""
    index = pd.Index([f"k{i}" for i in range(len(left))])
    found = compare_features(pd.DataFrame({"x": left}, index=index), pd.DataFrame({"x": right}, index=index), **options)
    return found.pairs("x")["verdict"].tolist()


def one_row(**values):
    """Return a frame of one row with the key 'a'."""
    return pd.DataFrame({name: [value] for name, value in values.items()}, index=["a"])


def with_status(statuses, values=None, times=None):
    """Return a table of one feature with these statuses, null values unless given."""
    index = pd.RangeIndex(len(statuses))
    frame = pd.DataFrame({"x": pd.array(values or [None] * len(statuses), "Int64")}, index=index)
    moments = pd.DatetimeIndex(times or [pd.NaT] * len(statuses), tz="UTC")
    status = pd.DataFrame({"x": pd.array(statuses, "string")}, index=index)
    return Table(frame, status, pd.DataFrame({"x": moments}, index=index))


def test_int64_beyond_float_precision_is_exact():
    """2**53 and 2**53 + 1 differ, as columns and inside arrays, whatever the tolerance."""
    big = 2**53

    assert verdicts(pd.array([big], "Int64"), pd.array([big + 1], "Int64"), rtol=0.1) == ["different_value"]
    assert verdicts(arrow([[big]], INTS), arrow([[big + 1]], INTS), rtol=0.1) == ["different_value"]
    assert verdicts(np.array([2**63], "uint64"), np.array([-(2**63)], "int64")) == ["different_value"]


def test_whole_numbers_among_floats_are_exact():
    """Python objects of both kinds are compared as they are where floats would take 2**53 + 1 for 2**53."""
    one, other = (pd.Series([2**53 + extra, 1.5], dtype=object) for extra in (1, 0))

    assert verdicts(one.array, other.array) == ["different_value", "equal"]
    assert verdicts(pd.array([1, 1.5], object), floats([1.0, 1.5])) == ["equal", "equal"]


@pytest.mark.parametrize("on", [None, "key"])
def test_whole_keys_are_not_joined_to_floats(on):
    """The keys 2**53 + 1 and 2.0**53 are two keys; keys of two kinds are refused, not rounded."""
    left, right = (pd.DataFrame({"x": [1, 2]}, index=pd.Index([2**53 + extra, 1], name="key")) for extra in (1, 0))
    right.index = right.index.astype(float)

    with pytest.raises(InputError, match="it is integer on the left and float on the right"):
        compare_features(left.reset_index() if on else left, right.reset_index() if on else right, on=on)


def test_named_levels_are_joined_by_name():
    """Key levels with the same names belong together whatever their order."""
    left = pd.DataFrame({"x": [1, 2], "a": ["p", "q"], "b": ["q", "p"]})
    more = pd.concat([left, pd.DataFrame({"x": [3], "a": ["r"], "b": ["s"]})])

    found = compare_features(left.set_index(["a", "b"]), more.set_index(["b", "a"]))

    assert found.counts["x"]["equal"] == 2
    assert found.mismatches().index.tolist() == [("r", "s")]


def test_categories_with_null_are_read():
    """Categories of whole numbers, one of them null, are whole numbers and null."""
    left, right = pd.Categorical([2**53 + 1, None, 3]), pd.array([2**53 + 1, None, 4], "Int64")

    assert verdicts(left, right) == ["equal", "equal", "different_value"]
    assert verdicts(pd.Categorical([None]), pd.array([None], "Int64")) == ["equal"]


def test_arrays_beside_texts_are_compared():
    """A column of Python objects in which arrays and texts stand is compared value by value; NaN equals NaN."""
    left = pd.array([np.array([1.0, np.nan]), "a", [2**53 + 1]], object)
    right = pd.array([[1.0, float("nan")], "b", [2**53]], object)

    assert verdicts(left, right) == ["equal", "different_value", "different_value"]


def test_tolerance_of_times_holds_beyond_nanoseconds():
    """An atol that is a timedelta holds in the year 9999 too."""
    left, right = (pd.DatetimeIndex([f"9999-12-31T00:00:0{s}"], tz="UTC").as_unit("s").array for s in (0, 1))

    assert verdicts(left, right, atol=pd.Timedelta("1s")) == ["within_tolerance"]
    assert verdicts(left, right, atol=pd.Timedelta("999ms")) == ["different_value"]


def test_map_without_entries_is_an_empty_dict():
    """An empty map is shown as a map, within lists too, and not as a list."""
    kinds = [(MAP, [("a", 1.0)], {}), (pa.list_(MAP), [[("a", 1.0)]], [{}])]

    for kind, full, shown in kinds:
        left = pd.DataFrame({"x": arrow([[] if kind == MAP else [[]]], kind)})
        found = compare_features(left, pd.DataFrame({"x": arrow([full], kind)})).mismatches()

        assert found["left"].tolist() == [shown]


def test_null_nan_and_value_are_three_things():
    """Null equals null and NaN equals NaN; each against another has a verdict of its own."""
    left = floats([None, np.nan, np.nan, None, 1.0, np.nan])
    right = floats([None, np.nan, None, 1.0, None, 1.0])

    assert verdicts(left, right) == [
        "equal",
        "equal",
        "nan_against_null",
        "null_against_value",
        "null_against_value",
        "different_value",
    ]


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        (1.0, 1.0 + 1e-7, "within_tolerance"),
        (1.0, 1.0 + 1e-5, "different_value"),
        (np.inf, np.inf, "equal"),
        (np.inf, 1.0, "different_value"),
        (np.inf, -np.inf, "different_value"),
        (0.0, -0.0, "equal"),
        (1e300, -1e300, "different_value"),
    ],
)
def test_tolerance_of_floats_is_that_of_isclose(left, right, verdict):
    """Floats are close by the larger of the two; infinities are close to themselves only; inside arrays likewise."""
    assert verdicts([left], [right], rtol=1e-6) == [verdict]
    assert verdicts(arrow([[left, None]], LIST), arrow([[right, None]], LIST), rtol=1e-6) == [verdict]


def test_tolerance_of_times_is_a_timedelta():
    """A timedelta as atol holds for times to the nanosecond, and a number for floats only."""
    moment = pd.Timestamp("2024-05-01", tz="UTC").as_unit("ns")
    late = [moment + pd.Timedelta("1s"), moment + pd.Timedelta("1s") + pd.Timedelta(1, "ns")]

    found = verdicts([moment] * 2, late, atol=pd.Timedelta("1s"))

    assert found == ["within_tolerance", "different_value"]
    assert verdicts([moment], [late[0]], atol=10.0) == ["different_value"]


def test_own_tolerance_of_a_feature_goes_before_that_for_all():
    """per_feature names what differs from the tolerance for all; the rest of it stays."""
    left, right = one_row(x=1.0, y=1.0), one_row(x=1.05, y=1.05)

    found = compare_features(left, right, rtol=1e-9, per_feature={"x": {"atol": 0.1}})

    assert (found.counts["x"]["within_tolerance"], found.counts["y"]["different_value"]) == (1, 1)


def test_maps_are_equal_whatever_the_order_of_their_keys():
    """A map with the same pairs in another order is equal, one with another key is not."""
    left = arrow([[("a", 1.0), ("b", 2.0)], [("a", 1.0)], [], None], MAP)
    right = arrow([[("b", 2.0), ("a", 1.0)], [("b", 1.0)], [], []], MAP)

    assert verdicts(left, right) == ["equal", "different_value", "equal", "null_against_value"]


def test_structs_are_equal_by_field_name():
    """Fields may stand in another order; a null field equals null only."""
    turned = pa.struct([("s", pa.string()), ("x", pa.float64()), ("n", pa.int64())])
    value = {"n": 2**53 + 1, "x": np.nan, "s": None}

    assert verdicts(arrow([value, value], STRUCT), arrow([value, value | {"s": "a"}], turned)) == [
        "equal",
        "different_value",
    ]


def test_nested_values_as_python_objects_equal_those_of_arrow():
    """Lists and dicts as pandas reads them from parquet equal Arrow-backed ones."""
    objects = pd.Series([np.array([1.0, 2.0]), None, np.array([])], dtype=object)

    assert verdicts(arrow([[1.0, 2.0], None, []], LIST), objects.array) == ["equal"] * 3


@pytest.mark.parametrize("storage", ["int64", "Int64", "int64[pyarrow]", "Int32", "uint8"])
def test_storage_of_a_kind_does_not_matter(storage):
    """Whole numbers are equal whether numpy, nullable or Arrow holds them, of whatever width."""
    assert verdicts(pd.array([1, 2], "Int64"), pd.array([1, 3], storage)) == ["equal", "different_value"]


@pytest.mark.parametrize("other", [["1", None], [1.0, None], [True, None]])
def test_other_kind_is_told_apart(other):
    """A number against a text, a float or a boolean is a dtype that differs, null against null still equal."""
    assert verdicts(pd.array([1, None], "Int64"), pd.Series(other, dtype=object).array) == ["dtype_differs", "equal"]


def test_dtypes_say_what_can_be_compared():
    """The dtypes frame has both sides, same or not, comparable or not."""
    left = pd.DataFrame({"a": pd.array([1], "Int64"), "b": ["x"], "c": [1.0]})
    right = pd.DataFrame({"a": [1], "b": [1], "d": [1.0]})

    found = compare_features(left, right).dtypes().set_index("feature")

    assert found["is_same"].to_dict() == {"a": False, "b": False, "c": False, "d": False}
    assert found["is_comparable"].to_dict() == {"a": True, "b": False, "c": False, "d": False}
    assert found.loc["a"].tolist()[:2] == ["Int64", "int64"]
    assert pd.isna(found.loc["d", "left_dtype"])


@pytest.mark.parametrize("status", ["MISSING_DATA", "TIME_OUT", "UNKNOWN", "UNKNOWN_STATUS", "NOT_FETCHED", "FAILED"])
def test_status_that_differs_comes_before_the_value(status):
    """PRESENT against any other status is told as such, whatever the values."""
    found = compare_features(with_status(["PRESENT"], [1]), with_status([status]))

    assert found.mismatches()["verdict"].tolist() == ["status_differs"]


def test_cached_is_no_other_status():
    """CACHED_PRESENT equals PRESENT, CACHED_UNKNOWN equals UNKNOWN_STATUS; the frames keep both as they came."""
    left = with_status(["PRESENT", "MISSING_DATA"], [1, None])

    found = compare_features(left, with_status(["CACHED_PRESENT", "CACHED_MISSING_DATA"], [2, None]))

    assert found.counts["x"]["status_differs"] == 0
    assert found.mismatches()[["left_status", "right_status"]].values.tolist() == [["PRESENT", "CACHED_PRESENT"]]


@pytest.mark.parametrize("status", columns.NO_ANSWER_STATUSES)
def test_no_answer_on_both_sides_is_not_equal(status):
    """Two runs that both failed are not called equal: nothing is known of them, and check says so."""
    table = with_status([status, "PRESENT"], [None, 1])

    found = compare_features(table, table)

    assert found.counts["x"]["no_answer"] == 1
    assert not found.equal
    assert found.mismatches().empty
    with pytest.raises(AssertionError, match="1 cells have no answer"):
        found.check()


@pytest.mark.parametrize("is_left", [True, False])
def test_failed_beside_null_without_status_is_not_equal(is_left):
    """A cell that failed says nothing of a null in a plain frame; a cell that was served as null is equal to it."""
    batch = with_status(["FAILED", "TIME_OUT", "PRESENT", "MISSING_DATA", "FAILED"])
    plain = pd.DataFrame({"x": pd.array([None, None, None, None, 5], "Int64")})

    found = compare_features(batch, plain) if is_left else compare_features(plain, batch)

    told = ["no_answer", "no_answer", "equal", "equal", "null_against_value"]
    assert found.pairs("x")["verdict"].tolist() == told
    assert not found.equal
    with pytest.raises(AssertionError, match="2 cells have no answer"):
        found.check()


def test_any_number_of_statuses_is_told_apart():
    """A file may hold hundreds of statuses: those that differ are told, however many there are."""
    many = [f"STATUS_{number}" for number in range(300)]

    found = compare_features(with_status(many), with_status([*many[:-1], "STATUS_43"]))

    assert found.total(columns.STATUS_DIFFERS) == 1


def test_folder_of_a_recorded_batch_is_refused_as_a_path(tmp_path):
    """A recording passed as a path would lose its statuses: the sentence says how to load it."""
    one_row(x=1.0).to_parquet(tmp_path / "part-00000.parquet")
    (tmp_path / "_manifest.json").write_text("{}")

    with pytest.raises(InputError, match=re.escape("Pass FeatureBatch.load(")):
        compare_features(tmp_path, one_row(x=1.0))


def test_missing_data_on_both_sides_is_equal():
    """That a key has no data is an answer: the same on both sides, it is equal."""
    table = with_status(["MISSING_DATA"])

    assert compare_features(table, table).equal


def test_rows_are_joined_by_the_index_in_any_order():
    """Rows belong together by their labels; those on one side only are told, cell by cell and as rows."""
    left = pd.DataFrame({"x": [1, 2, 3]}, index=["a", "b", "c"])
    right = pd.DataFrame({"x": [3, 9, 1]}, index=["c", "d", "a"])

    found = compare_features(left, right)

    assert found.mismatches()["verdict"].to_dict() == {"b": "only_left", "d": "only_right"}
    assert (found.left_only().index.tolist(), found.right_only()["x"].tolist()) == (["b"], [9])
    assert found.shape == (2, 1)
    assert not found.equal


def test_rows_are_joined_by_key_columns():
    """Key columns named by on are the keys and no features; they are the index of what comes out."""
    left = pd.DataFrame({"user_id": ["a", "b"], "day": pd.array([2**53, 2**53 + 1], "Int64"), "x": [1.0, 2.0]})
    right = left.iloc[::-1].assign(x=[2.5, 1.0]).astype({"day": "int64"})

    found = compare_features(left, right, on=["user_id", "day"])

    assert found.mismatches().index.tolist() == [("b", 2**53 + 1)]
    assert found.mismatches().index.names == ["user_id", "day"]
    assert list(found.counts) == ["x"]


def test_null_keys_belong_together():
    """A null key is a key like any other: once on each side, it joins."""
    left = pd.DataFrame({"k": pd.array(["a", None], "string"), "x": [1, 2]})

    assert compare_features(left, left.iloc[::-1], on="k").equal


def test_null_key_is_no_zero():
    """A null among whole-number keys belongs to the other null, not to the key 0."""
    left = pd.DataFrame({"k": pd.array([0, None], "Int64"), "x": [1, 2]})

    found = compare_features(left, left.iloc[::-1].assign(x=[2, 5]), on="k")

    assert found.mismatches()["right"].to_dict() == {0: 5}


def test_features_on_one_side_are_told():
    """A feature that one side lacks is a difference in every row."""
    found = compare_features(one_row(x=1, y=2), one_row(x=1, z=3))

    assert found.counts["y"]["only_left"] == found.counts["z"]["only_right"] == 1
    assert not found.equal


def test_ignored_features_are_left_out():
    """Features to ignore take no part."""
    assert compare_features(one_row(x=1, y=2), one_row(x=1, y=3), ignore="y").equal


def test_parquet_files_are_compared_as_they_are(tmp_path):
    """Paths may stand for frames: NaN and null stay apart, int64 exact, nested columns and the index kept."""
    left = pd.DataFrame(
        {"x": floats([np.nan, None]), "n": pd.array([2**53 + 1, None], "Int64"), "l": arrow([[1.0], None], LIST)},
        index=pd.Index(["a", "b"], name="k"),
    )
    path = write_parquet(left, tmp_path / "left.parquet")

    assert compare_features(path, left).equal
    assert compare_features(str(path), left.iloc[::-1].assign(x=floats([None, None]))).mismatches()[
        "verdict"
    ].to_dict() == {"a": "nan_against_null"}


def test_worst_rows_come_first():
    """Rows are ranked by how many features differ, with their names."""
    left = pd.DataFrame({"x": [1, 2, 3], "y": [1, 2, 3]}, index=["a", "b", "c"])

    found = compare_features(left, left.assign(x=[1, 0, 0], y=[1, 2, 0])).worst_rows(5)

    assert found["features"].to_dict() == {"c": "x, y", "b": "x"}
    assert found["mismatches"].tolist() == [2, 1]


def test_summary_has_the_figures_of_each_feature():
    """Match rate, counts, null rates and the size of the differences are those of the cells."""
    left = pd.DataFrame({"x": floats([1.0, 2.0, None, 4.0]), "t": pd.to_datetime(["2024-05-01"] * 4, utc=True)})
    right = left.assign(x=floats([1.0, 3.0, 5.0, None]), t=left["t"] + pd.Timedelta("90s"))

    found = compare_features(left, right).summary().set_index("feature")

    x = found.loc["x"]
    assert (x["match_ratio"], x["mismatches"], x["different_value"], x["null_against_value"]) == (0.25, 3, 1, 2)
    assert (x["left_null_ratio"], x["right_null_ratio"]) == (0.25, 0.25)
    assert (x["mean_absolute_difference"], x["max_absolute_difference"]) == (0.5, 1.0)
    assert x["max_relative_difference"] == pytest.approx(1 / 3)
    assert found.loc["t", "max_absolute_difference"] == 90.0


def test_difference_of_whole_numbers_is_exact():
    """The difference of two large whole numbers is theirs, not that of two rounded floats."""
    left = pd.DataFrame({"x": pd.array([2**62, 2**63 - 1], "Int64")})
    right = pd.DataFrame({"x": pd.array([2**62 + 3, -(2**63) + 1], "Int64")})

    found = compare_features(left, right).mismatches()

    assert found["difference"].tolist() == [3.0, float(-(2**64) + 2)]
    assert found["right"].tolist() == [2**62 + 3, -(2**63) + 1]


@pytest.mark.parametrize("method", EVERY_FRAME)
@pytest.mark.parametrize("is_equal", [True, False])
def test_frames_have_the_described_columns(method, is_equal):
    """Every frame has the columns of columns.py in their dtypes, whether something differs or not."""
    left = pd.DataFrame({"x": [1.0, 2.0], "s": ["a", "b"]}, index=["a", "b"])
    right = left if is_equal else left.assign(x=[9.0, 8.0], s=["c", "d"])

    found = getattr(compare_features(left, right), method)()

    assert found.dtypes.astype(str).to_dict() == by_name(EVERY_FRAME[method])


def test_pairs_have_the_described_columns():
    """The pairs of one feature have both values and the verdict; an unknown feature is refused with the likeliest."""
    found = compare_features(one_row(score=1), one_row(score=2))

    assert found.pairs("score").dtypes.astype(str).to_dict() == by_name(columns.FEATURE_PAIR)
    with pytest.raises(InputError, match="Did you mean 'score'"):
        found.pairs("scores")


def test_check_names_the_worst_features():
    """check is silent where all is equal, and else names the worst features first with their numbers."""
    left = pd.DataFrame({"x": [1, 2, 3], "y": [1, 2, 3], "z": [1, 2, 3]})

    compare_features(left, left).check()
    with pytest.raises(AssertionError) as caught:
        compare_features(left, left.assign(x=[0, 0, 0], y=[1, 2, 0])).check()

    assert str(caught.value).splitlines() == [
        "The two sides are not equal: 4 cells differ in 2 of 3 features.",
        "  'x': 0 % match (3 different value)",
        "  'y': 66.6 % match (1 different value)",
    ]


def test_empty_frames_are_equal():
    """Two frames without rows are equal, and have no match rate."""
    empty = pd.DataFrame({"x": pd.array([], "Int64")})

    found = compare_features(empty, empty)

    assert found.equal
    assert found.summary()["match_ratio"].isna().all()
    assert "equal" in repr(found)


def test_drift_of_equal_distributions_is_none_and_of_shifted_ones_is_large():
    """PSI and KS are 0 for the same values in another order, and KS is the distance of the distributions."""
    random = np.random.default_rng(3)
    left = pd.DataFrame({"x": random.normal(0, 1, 500), "s": random.choice(["a", "b"], 500)})
    turned = left.iloc[::-1].reset_index(drop=True)
    moved = left.assign(x=left["x"] + 1, s="b")

    same, other = (compare_features(left, right).summary().set_index("feature") for right in (turned, moved))

    assert same["psi"].tolist() == [0.0, 0.0]
    assert same.loc["x", "ks_statistic"] == 0.0
    assert other.loc["x", "psi"] > 0.25
    assert other.loc["s", "psi"] > 0.25
    grid = np.concatenate([left["x"], moved["x"]])
    expected = max(abs((left["x"] <= x).mean() - (moved["x"] <= x).mean()) for x in grid)
    assert other.loc["x", "ks_statistic"] == pytest.approx(expected)


def test_psi_is_that_of_its_formula():
    """The index of two shares of a boolean is (r - l) ln(r / l) summed over both values."""
    left = pd.DataFrame({"b": [True] * 60 + [False] * 40})
    right = pd.DataFrame({"b": [True] * 80 + [False] * 20})

    found = compare_features(left, right).summary()["psi"].iloc[0]

    assert found == pytest.approx(0.2 * np.log(0.8 / 0.6) - 0.2 * np.log(0.2 / 0.4))


def test_rows_beside_each_other_in_memory_give_the_same_answer():
    """Frames that keep whole rows together are compared in another way, and found to be the same."""
    random = np.random.default_rng(11)
    values = random.normal(0, 1, (20_000, 4))
    values[random.random(values.shape) < 0.05] = np.nan
    other = values.copy()
    other[random.random(values.shape) < 0.01] += 1
    by_rows = compare_features(pd.DataFrame(values, copy=False), pd.DataFrame(other, copy=False))
    by_columns = compare_features(*(pd.DataFrame(np.asfortranarray(v)) for v in (values, other)))

    assert by_rows.mismatch_count > 100
    pd.testing.assert_frame_equal(by_rows.mismatches(), by_columns.mismatches())


def test_inputs_are_left_alone():
    """Nothing in the caller's frames changes."""
    left = pd.DataFrame({"x": floats([1.0, None]), "s": ["a", None]})
    before = left.copy(deep=True)

    found = compare_features(left, left.assign(s=["b", None]))
    found.summary()
    found.why()

    pd.testing.assert_frame_equal(left, before)


TWICE = pd.DataFrame({"x": [1, 2, 3], "k": ["a", "a", "b"]}, index=["a", "a", "b"])
PLAIN = pd.DataFrame({"x": [1, 2], "k": ["a", "b"]}, index=["a", "b"])


@pytest.mark.parametrize(
    ("left", "right", "options", "sentence"),
    [
        (TWICE, PLAIN, {}, "The left side has the key 'a' more than once"),
        (PLAIN, TWICE, {"on": "k"}, "The right side has the key 'a' more than once"),
        (PLAIN, PLAIN, {"on": "kk"}, "The left side has no key column 'kk'. Columns found: 'x', 'k'."),
        (PLAIN, PLAIN, {"on": []}, "names no key column"),
        (PLAIN, PLAIN.reset_index(drop=True), {}, "Cannot join by the index: it is string on the left and integer"),
        (PLAIN, PLAIN.set_index("k", append=True), {}, "indexed by 1 columns and the right by 2"),
        (PLAIN, PLAIN, {"ignore": ["y"]}, "ignore names 'y', which is no feature of either side."),
        (PLAIN, PLAIN, {"rtol": -1}, "Cannot use rtol='-1': give a number from 0 on."),
        (PLAIN, PLAIN, {"rtol": np.nan}, "Cannot use rtol='nan'"),
        (PLAIN, PLAIN, {"atol": "1s"}, "give a number from 0 on, or a timedelta for times."),
        (PLAIN, PLAIN, {"atol": pd.Timedelta("-1s")}, "give a timedelta from 0 on."),
        (PLAIN, PLAIN, {"per_feature": {"y": {}}}, "per_feature names 'y', which is no feature"),
        (PLAIN, PLAIN, {"per_feature": {"x": 0.1}}, "Cannot use '0.1' as the tolerance of 'x'"),
        ([1], PLAIN, {}, "Cannot compare the left side: '[1]' (list) is no FeatureBatch"),
        (PLAIN, PLAIN.set_axis(["x", "x"], axis=1), {}, "The right side has two columns 'x'."),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(left, right, options, sentence):
    """Keys that stand twice, names that are not there and tolerances that are none are refused in a sentence."""
    with pytest.raises(InputError, match=re.escape(sentence)):
        compare_features(left, right, **options)


def test_file_that_is_no_parquet_is_refused(tmp_path):
    """A file of another format is named, with the side it stands on."""
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")

    with pytest.raises(InputError, match=r"Cannot read the right side: .*rows\.csv' is no parquet file"):
        compare_features(PLAIN, path)


def test_worst_rows_of_no_number_are_refused():
    """worst_rows takes a whole number from 0 on."""
    with pytest.raises(InputError, match="got 'ten'"):
        compare_features(PLAIN, PLAIN).worst_rows("ten")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pd.array(["a", "b"], "category"), pd.array(["a", "b"], "string")),
        (pd.arrays.SparseArray([0.0, 1.5]), np.array([0.0, 1.5])),
        (pd.array([1, 2], "Int8"), pd.arrays.ArrowExtensionArray(pa.array([1, 2], pa.uint64()))),
        (pd.array([True, None], "boolean"), np.array([True, None], dtype=object)),
        (pd.to_datetime(["2024-05-01", None]), pd.to_datetime(["2024-05-01", None], utc=True).as_unit("s")),
        (pd.arrays.ArrowExtensionArray(pa.array([1], pa.date32())), pd.to_datetime(["1970-01-02"])),
        (pd.to_timedelta(["1s", None]), pd.arrays.ArrowExtensionArray(pa.array([10**6, None], pa.duration("us")))),
        (np.array([2**70, None], dtype=object), np.array([2**70, None], dtype=object)),
        (pd.period_range("2024-05", periods=2, freq="M"), pd.period_range("2024-05", periods=2, freq="M")),
        (arrow([[1.0, 2.0]], pa.list_(pa.float64(), 2)), arrow([[1.0, 2.0]], pa.large_list(pa.float32()))),
        (arrow([[("a", 1.0)]], MAP), arrow([[("a", 1.0)]], pa.map_(pa.large_string(), pa.float32()))),
        (np.array([None, None], dtype=object), pd.array([None, None], "Int64")),
        (np.array([pd.Timestamp("2024-05-01")], dtype=object), pd.to_datetime(["2024-05-01"])),
    ],
)
def test_every_storage_is_read(left, right):
    """Categories, sparse, periods, dates, durations and other storages equal the same values held elsewhere."""
    assert set(verdicts(left, right)) == {"equal"}


def test_numpy_floats_without_null_are_the_explanation_of_nan_against_null():
    """Where NaN stands for null because numpy floats have none, the explanation says so."""
    left = pd.DataFrame({"x": [1.0, np.nan, np.nan]})

    found = compare_features(left, left.astype("Float64")).why().iloc[0]

    assert found["cause"] == "type"
    assert found["evidence"].startswith("left is numpy's float64, in which NaN stands for null")


def test_tolerance_of_an_ignored_feature_does_no_harm():
    """A tolerance may name a feature that is left out, as happens to noise."""
    assert compare_features(one_row(x=1.0, y=2.0), one_row(x=1.0, y=3.0), ignore="y", per_feature={"y": {}}).equal
