"""Two services side by side: fetched by turns, noise set apart, planted differences found and explained."""

import re

import pandas as pd
import pytest
from payments import MovableClock, payments, rows, server

import tecton_nb as tnb
from tecton_nb import columns
from tecton_nb.exceptions import InputError
from tecton_nb.experiments import Asked, compare_caching, compare_services
from tecton_nb.local.faults import ErrorStatus


@pytest.fixture
def clock():
    """A clock that a test moves."""
    return MovableClock()


@pytest.fixture
def served(clock):
    """A server and a client of it."""
    with server(clock) as running, tnb.connect(running) as client:
        yield running, client


@pytest.fixture
def cached(clock):
    """The same with a serving cache."""
    with server(clock, cache_ttl="1h") as running, tnb.connect(running) as client:
        yield running, client


def test_versions_differ_where_planted_and_for_the_planted_cause(served):
    """Of seven features two differ: one by its unit, one by its ttl; both are explained so, nothing is noise."""
    _, client = served
    v1, v2 = client.feature_service("v1"), client.feature_service("v2")

    found = compare_services(v1, v2, rows())

    causes = found.comparison.why().query("rank == 1").set_index("feature")["cause"].to_dict()
    assert causes == {"check.share": "unit_factor", "profile.limit": "ttl"}
    assert sorted(found.comparison.differing) == ["check.share", "profile.limit"]
    assert found.noise == ()
    assert "v1 in prod against v2 in prod" in str(found)


def test_service_against_itself_names_clock_and_chance_as_noise(served):
    """A against A: exactly the clock and the random feature are noise, and the rest is equal."""
    _, client = served
    moving = client.feature_service("moving")

    found = compare_services(moving, moving, rows(20))

    assert sorted(found.noise) == ["moving.chance", "moving.clock"]
    assert found.comparison.equal
    assert set(found.comparison.counts) == {*client_features(moving)} - set(found.noise)
    assert "moving.clock" in str(found)


def test_one_value_that_changes_meanwhile_hides_no_difference(served, monkeypatch):
    """A payment of one user comes between the baselines: the feature that differs in its unit everywhere is told."""
    running, client = served
    v1, v2 = client.feature_service("v1"), client.feature_service("v2")
    original, calls = tnb.FeatureService.get_features_batch, []

    def noted(self, block, **options):
        calls.append(self.name)
        if len(calls) == 6:  # five blocks of the first baseline are fetched
            running.append("spend", payments(200).query("user_id == 'u3'").head(1))
        return original(self, block, **options)

    monkeypatch.setattr(tnb.FeatureService, "get_features_batch", noted)
    found = compare_services(v1, v2, rows(40), ignore="profile.limit")

    assert "check.share" in found.comparison.differing
    assert found.baselines[0].counts["check.share"]["different_value"] == 1
    assert "check.share" not in found.noise
    assert not found.comparison.equal


def test_card_never_says_equal_where_noise_was_set_apart(served):
    """Where the rest is equal, the card says for how many features that is not known."""
    _, client = served
    moving = client.feature_service("moving")

    found = compare_services(moving, moving, rows(20), ignore="moving.clock")

    assert found.noise == ("moving.chance",)
    assert "✓ equal but for 1 noisy feature\n" in str(found)


def client_features(service):
    """Return the names of a service's features."""
    return list(service.features()["name"])


def test_without_baseline_noise_is_not_told_apart(served):
    """Who saves the two further fetches gets clocks and chance among the differences."""
    _, client = served
    moving = client.feature_service("moving")

    found = compare_services(moving, moving, rows(5), repeat_baseline=False)

    assert found.noise == ()
    assert sorted(found.comparison.differing) == ["moving.chance", "moving.clock"]
    assert "not tried" in str(found)


def test_rows_that_fail_in_the_baseline_make_no_noise(served):
    """An error of the server says nothing of a feature: it is told as a status and not as noise."""
    running, client = served
    v1 = client.feature_service("spend_only")
    ask = rows(40)[["user_id"]]

    with running.faults.add(ErrorStatus(400, share=0.2)):
        found = compare_services(v1, v1, ask)

    assert found.noise == ()
    assert found.comparison.total(columns.STATUS_DIFFERS) > 0
    assert found.comparison.total(columns.DIFFERENT_VALUE) == 0


def test_sides_are_asked_by_turns(served, monkeypatch):
    """Blocks go A B B A: neither side is always the first, so a change in time hits both."""
    _, client = served
    v1, v2 = client.feature_service("v1"), client.feature_service("v2")
    asked = []
    original = tnb.FeatureService.get_features_batch

    def noted(self, block, **options):
        asked.append((self.name, len(block)))
        return original(self, block, **options)

    monkeypatch.setattr(tnb.FeatureService, "get_features_batch", noted)
    compare_services(v1, v2, rows(20), repeat_baseline=False)

    assert asked == [("v1", 8), ("v2", 8), ("v2", 8), ("v1", 8), ("v1", 4), ("v2", 4)]


def test_drift_in_time_hits_both_sides_alike(served, clock, monkeypatch):
    """While time goes on with every block, each side is the older one equally often: neither looks stale."""
    _, client = served
    spend = client.feature_service("spend_only")
    original = tnb.FeatureService.get_features_batch

    def later(self, block, **options):
        clock.instant += 3_600 * 10**9
        return original(self, block, **options)

    monkeypatch.setattr(tnb.FeatureService, "get_features_batch", later)
    found = compare_services(spend, spend, rows(48)[["user_id"]], repeat_baseline=False)

    left, right = (side.effective_times()["spend.amount_sum_1d_1h"] for side in (found.left, found.right))
    assert (left < right).sum() == (left > right).sum() == 24


def test_recorded_batch_is_compared_with_now(served, clock):
    """A batch kept from an hour ago stands on the left; new events are the differences, told as stale."""
    running, client = served
    spend = client.feature_service("spend_only")
    ask = rows()[["user_id"]]
    before = spend.get_features_batch(ask)
    running.append("spend", payments(500, until=pd.Timestamp("2024-05-01T12:59:00Z")))
    clock.instant += 3_600 * 10**9

    found = compare_services(before, spend, ask)

    assert found.noise == ()
    assert set(found.comparison.why().query("rank == 1")["cause"]) == {"stale"}
    assert "spend_only (recorded) against spend_only in prod" in str(found)


def test_recorded_batch_of_other_rows_is_refused(served):
    """A recording must hold the rows that are to be fetched."""
    _, client = served
    spend = client.feature_service("spend_only")
    batch = spend.get_features_batch(rows(5)[["user_id"]])

    with pytest.raises(InputError, match=re.escape("has other rows (5) than are to be fetched (6)")):
        compare_services(batch, spend, rows(6)[["user_id"]])


@pytest.mark.parametrize(
    ("ask", "options", "sentence"),
    [
        (rows(3), {"ignore": "check.sahre"}, "Did you mean 'check.share'?"),
        (rows(3), {"per_feature": {"check.sahre": {"rtol": 1.0}}}, "Did you mean 'check.share'?"),
        (rows(3), {"rtol": -1.0}, "Cannot use rtol="),
        (rows(3).set_axis(["a", "b", "a"], axis=0), {}, "The rows have the label 'a' more than once"),
    ],
)
def test_mistakes_are_told_before_anything_is_fetched(served, monkeypatch, ask, options, sentence):
    """A misspelt name, a bound that is none, or a label that stands twice costs no request."""
    _, client = served
    v1 = client.feature_service("v1")
    fetched = []
    monkeypatch.setattr(tnb.FeatureService, "get_features_batch", lambda *_, **__: fetched.append(1))

    for compare in (lambda: compare_services(v1, v1, ask, **options), lambda: compare_caching(v1, ask, **options)):
        with pytest.raises(InputError, match=re.escape(sentence)):
            compare()

    assert fetched == []


def test_recording_of_other_rows_is_refused_before_anything_is_fetched(served, monkeypatch):
    """That a recording does not fit is known from its index: no baseline is fetched in vain."""
    _, client = served
    spend = client.feature_service("spend_only")
    batch = spend.get_features_batch(rows(5)[["user_id"]])
    fetched = []
    monkeypatch.setattr(tnb.FeatureService, "get_features_batch", lambda *_, **__: fetched.append(1))

    with pytest.raises(InputError, match="has other rows"):
        compare_services(batch, spend, rows(6)[["user_id"]])

    assert fetched == []


def test_two_recorded_batches_need_no_server(served):
    """Two recordings are compared as they are, with the rows as segments."""
    _, client = served
    ask = rows(12)
    one, other = (client.feature_service(name).get_features_batch(ask) for name in ("v1", "v2"))

    found = compare_services(one, other, ask)

    assert found.baselines == ()
    assert "check.share" in found.comparison.differing


def test_each_side_is_asked_with_what_it_takes(served):
    """Rows may hold what only one of the services takes; what none takes is refused with the likely names."""
    _, client = served
    spend, v1 = client.feature_service("spend_only"), client.feature_service("v1")

    found = compare_services(spend, v1, rows(4))

    assert found.comparison.counts["check.share"]["only_right"] == 4
    with pytest.raises(InputError, match=re.escape("The rows have 'amont', which none of")):
        compare_services(spend, v1, rows(4).rename(columns={"amount": "amont"}))
    with pytest.raises(InputError, match=re.escape("Did you mean 'user_id'?")):
        compare_caching(spend, rows(4).rename(columns={"user_id": "userid"}))


@pytest.mark.parametrize("as_dicts", [True, False])
def test_rows_may_be_dicts(served, as_dicts):
    """Dicts do as well as a frame, one or many."""
    _, client = served
    v1 = client.feature_service("v1")
    every = rows(9).to_dict("records")

    found = compare_services(v1, v1, every if as_dicts else every[0], repeat_baseline=False)

    assert found.comparison.equal
    assert found.comparison.shape[0] == (9 if as_dicts else 1)


def test_tolerances_and_features_to_ignore_are_passed_on(served):
    """The options of compare_features hold here too."""
    _, client = served
    v1, v2 = client.feature_service("v1"), client.feature_service("v2")

    found = compare_services(v1, v2, rows(9), ignore="profile.limit", per_feature={"check.share": {"rtol": 0.995}})

    assert found.comparison.equal


def test_differences_of_one_segment_are_told_by_the_rows(served):
    """Where only some keys differ, the explanation names the column of the rows that tells them."""
    running, client = served
    v1 = client.feature_service("spend_only")
    ask = rows(48)[["user_id"]].assign(tier=["gold"] * 12 + ["basic"] * 36)
    before = v1.get_features_batch(ask[["user_id"]])
    changed = payments(2_000)
    running.append("spend", changed[changed["user_id"].isin(ask["user_id"].iloc[:12])])
    after = v1.get_features_batch(ask[["user_id"]])

    found = compare_services(before, after, ask)  # two recordings: further columns of the rows do no harm

    evidence = found.comparison.why().query("cause == 'segment'")["evidence"]
    assert len(evidence) == 4
    assert all("have 'tier' 'gold', which is 25.0 % of all rows" in said for said in evidence)


def test_title_tells_sides_of_one_service_apart(served):
    """Two sides that differ in their options only are told apart in the title."""
    _, client = served
    spend = client.feature_service("spend_only")
    past = Asked(spend, {"read_from_cache": False})

    found = compare_services(spend, past, rows(2)[["user_id"]], repeat_baseline=False)

    assert "spend_only in prod against spend_only in prod (read_from_cache=False)" in str(found)


def test_what_is_no_side_is_refused(served):
    """A name is no service: the sentence says what is."""
    with pytest.raises(InputError, match="Cannot fetch the left side: 'v1'"):
        compare_services("v1", "v2", rows())


def test_cached_values_are_told_from_fresh_ones(cached):
    """What came from the cache and is old by now is found and explained by the cache."""
    running, client = cached
    spend = client.feature_service("spend_only")
    ask = rows()[["user_id"]]
    spend.get_features_batch(ask)
    running.append("spend", payments(600))

    past = Asked(spend, {"read_from_cache": False, "write_to_cache": False})
    found = compare_services(spend, past, ask)

    assert set(found.comparison.why().query("rank == 1")["cause"]) == {"cache"}
    assert found.noise == ()


def test_cache_experiment_shows_the_cache_as_found_and_leaves_it_fresh(cached):
    """Reading alone shows the old values, reading and writing too, and past the cache all are new."""
    running, client = cached
    spend = client.feature_service("spend_only")
    ask = rows()[["user_id"]]
    spend.get_features_batch(ask)
    running.append("spend", payments(600))

    found = compare_caching(spend, ask)

    summary = found.summary().set_index(["read_from_cache", "write_to_cache"])
    assert summary["cached_ratio"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert summary.loc[(True, False), "mismatches"] > 60
    assert summary.loc[[(False, False), (False, True)], "mismatches"].tolist() == [0, 0]
    assert set(found.comparisons[True, False].why().query("rank == 1")["cause"]) == {"cache"}
    after = compare_caching(spend, ask).summary()
    assert after["mismatches"].tolist() == [0, 0, 0, 0]
    assert "from the cache" in str(found)


def test_cache_experiment_of_a_server_that_fails_matches_nowhere(served):
    """Where every row fails nothing is known to equal the store: 0 %, also for a server behind no cache at all."""
    running, client = served
    spend = client.feature_service("spend_only")
    ask = rows(4)[["user_id"]]
    spend.get_features_batch(ask)

    with running.faults.add(ErrorStatus(400)):
        summary = compare_caching(spend, ask).summary()

    assert summary["match_ratio"].tolist() == [0.0] * 4
    assert summary["failed"].tolist() == [4] * 4


def test_cache_experiment_sets_clocks_and_chance_apart(served):
    """What differs without the cache is not the cache's doing: it is named as noise and counts nowhere."""
    _, client = served

    found = compare_caching(client.feature_service("moving"), rows(12), ignore="spend.amount_sum_1d_1h")

    assert sorted(found.noise) == ["moving.chance", "moving.clock"]
    assert found.summary()["mismatches"].tolist() == [0] * 4
    assert found.summary()["match_ratio"].tolist() == [1.0] * 4
    assert "moving.clock" in str(found)


def test_cache_experiment_has_the_described_columns(served):
    """The summary has the columns of columns.py, also where nothing is cached."""
    _, client = served

    found = compare_caching(client.feature_service("spend_only"), rows(3)[["user_id"]]).summary()

    assert found.dtypes.astype(str).to_dict() == columns.by_name(columns.CACHE_EXPERIMENT)
    assert found["cached_ratio"].tolist() == [0.0] * 4
