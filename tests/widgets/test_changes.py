"""What changed since the previous fetch, as the package's comparison has it."""

import pandas as pd
import pytest
from canned import INT_ARRAY, Reply, typed, vector

import tecton_nb as tnb
from tecton_nb.widgets.changes import Fetch, changes_since

WAIT = 20
KEYS = [typed("k", "string"), typed("x", "float64")]
FEATURES = [typed("v.n", "int64"), typed("v.x", "float64"), typed("v.s", "string"), typed("v.a", INT_ARRAY)]
SAME = ["9007199254740993", "NaN", None, ["1", None]]


@pytest.fixture
def fetched(ours):
    """Fetch one vector after the other through a panel and return it; features may bring their statuses."""

    def start(*answers, values=({"k": "a", "x": "NaN"},) * 9):
        said = iter(answers)

        def plan(asked):
            if asked.operation == "metadata":
                return Reply({"inputJoinKeys": KEYS, "featureValues": FEATURES})
            if asked.operation == "metrics":
                return Reply({"message": "no"}, 403)
            return next(said)

        explorer = tnb.explore(ours(plan, feature_service_names=["s"]))
        explorer.picker.choose("s")
        explorer.wait(WAIT)
        for _, row in zip(answers, values, strict=False):
            explorer.value = {"service": "s", "values": row}
            explorer.wait(WAIT).fetch().wait(WAIT)
        return explorer

    return start


def answered(*values, statuses=("PRESENT",) * 4):
    """Return an answer with these values and statuses."""
    items = [item | {"status": status} for item, status in zip(FEATURES, statuses, strict=True)]
    return Reply(vector(list(values), *items))


def shown(explorer):
    """Return what stands where the changes are shown."""
    return explorer._results._change.value


def test_first_fetch_has_nothing_to_be_compared_with(fetched):
    """After the first fetch nothing is said of changes."""
    explorer = fetched(answered(*SAME))

    assert explorer.comparison is None
    assert shown(explorer) == ""


def test_equal_cells_are_equal_whatever_they_hold(fetched):
    """NaN equals NaN, null equals null, lists equal lists with null in them, and a large int64 equals itself."""
    explorer = fetched(answered(*SAME), answered(*SAME))

    assert explorer.comparison.equal
    assert explorer.comparison.total("equal") == 4
    assert "Nothing has changed since the previous fetch: all 4 values are equal." in shown(explorer)


def test_each_kind_of_change_is_named(fetched):
    """A digit beyond 2**53, NaN that became null, null that became a value and a list are told apart."""
    explorer = fetched(answered(*SAME), answered("9007199254740992", None, "", ["1", "2"]))

    verdicts = explorer.comparison.mismatches().set_index("feature")["verdict"].to_dict()

    assert verdicts == {
        "v.n": "different_value",
        "v.x": "nan_against_null",
        "v.s": "null_against_value",
        "v.a": "different_value",
    }
    assert "4 of 4 features have changed since the previous fetch." in shown(explorer)
    for part in ("9007199254740993", "9007199254740992", "nan against null", "null against value"):
        assert part in shown(explorer)


def test_status_that_changed_is_a_change(fetched):
    """A null that is missing now and was present before differs by its status, which is told."""
    before = ("PRESENT",) * 4
    explorer = fetched(answered(*SAME), answered(*SAME, statuses=(*before[:2], "MISSING_DATA", "PRESENT")))

    assert explorer.comparison.differing == ["v.s"]
    assert "status differs: PRESENT, now MISSING_DATA" in shown(explorer)


def test_null_without_an_answer_is_not_told_as_equal(fetched):
    """Of a value that timed out nothing is known, and that is what is said."""
    timed_out = ("PRESENT", "PRESENT", "TIME_OUT", "PRESENT")
    explorer = fetched(answered(*SAME, statuses=timed_out), answered(*SAME, statuses=timed_out))

    assert not explorer.comparison.equal
    assert "No value is known to have changed since the previous fetch." in shown(explorer)
    assert "Nothing is known of 1 value: no answer came." in shown(explorer)


def test_other_keys_are_told(fetched):
    """Where the keys differ too, their names stand beside the changes; NaN is the same key as NaN."""
    rows = ({"k": "a", "x": "NaN"}, {"k": "b", "x": "NaN"})

    explorer = fetched(answered(*SAME), answered(*SAME), values=rows)

    assert "That one had other values of &#39;k&#39;." in shown(explorer)


def test_failed_fetch_is_not_what_the_next_one_is_compared_with(fetched):
    """A fetch that failed stands between two: the second one is compared with the last that came."""
    explorer = fetched(answered(*SAME), Reply({"message": "no", "code": 3}, 400), answered("1", *SAME[1:]))

    assert explorer.comparison.differing == ["v.n"]


def test_another_service_begins_anew(client):
    """After another service is chosen nothing is compared with what the first one brought."""
    explorer = tnb.explore(client)
    for name in ("fraud_detection_feature_service", "ctr_prediction_service"):
        explorer.picker.choose(name)
        explorer.wait(WAIT).fetch().wait(WAIT)

    assert explorer.error is None
    assert explorer.comparison is None


def test_batches_are_compared_by_their_index(service):
    """Of two batches each feature is told with the number of rows that differ; a new label is a new row."""
    answers = {"a": "1", "b": "2", "c": "3"}
    found = service(lambda asked: vector([answers[asked.join_keys["k"]]], FEATURES[0]), FEATURES[:1], KEYS[:1])
    before = Fetch(found.get_features_batch(pd.DataFrame({"k": ["a", "b"]}, index=["one", "two"])))

    answers["b"] = "7"
    now = Fetch(found.get_features_batch(pd.DataFrame({"k": ["c", "b"]}, index=["three", "two"])))
    changes = changes_since(before, now)

    assert changes.comparison.mismatch_count == 3
    assert "1 different value, 1 no longer there, 1 new" in changes.html
    assert "1 of 1 feature has changed since the previous fetch." in changes.html


def test_batch_and_single_row_are_not_compared(service):
    """One row is compared with one row, a batch with a batch."""
    found = service(lambda _: vector(["1"], FEATURES[0]), FEATURES[:1], KEYS[:1])
    batch = found.get_features_batch([{"k": "a"}])

    assert changes_since(Fetch(batch), Fetch(batch, {"k": "a"})).html == ""


def test_batches_that_cannot_be_joined_say_why(service):
    """A label that stands twice is told in the words of the comparison; the values are there all the same."""
    found = service(lambda _: vector(["1"], FEATURES[0]), FEATURES[:1], KEYS[:1])
    batch = Fetch(found.get_features_batch(pd.DataFrame({"k": ["a", "b"]}, index=[0, 0])))

    changes = changes_since(batch, batch)

    assert changes.comparison is None
    assert "Not compared with the previous fetch." in changes.html


def test_rows_behind_a_key_are_compared_by_their_own_keys(client):
    """The rows of a WILDCARD service are told apart by the wildcard key, also where the key that was given differs."""
    explorer = tnb.explore(client)
    explorer.picker.choose("origin_carriers_service")
    explorer.wait(WAIT).fetch().wait(WAIT)
    first = explorer.frame

    explorer.fetch().wait(WAIT)
    same = explorer.comparison
    explorer.fill_example().fill_example().fetch().wait(WAIT)

    assert explorer.error is None
    assert same.equal
    assert same.shape == (len(first), first.shape[1] - 2)
    assert "That one had other values of &#39;origin&#39;." in shown(explorer)
    assert "origin" not in explorer.comparison.counts
