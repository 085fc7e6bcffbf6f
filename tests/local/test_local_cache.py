"""The serving cache: per entity, for a time, per workspace, as the request allows."""

import json
from dataclasses import replace

import pytest
from riders import AUTHORIZATION, Moving, ask, responder_of, rows_of

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import AggregatedView, Aggregation, BatchView, Definitions, Feature, FeatureService, Field
from tecton_nb.local.definitions.validation import check
from tecton_nb.local.definitions.views import RealtimeView
from tecton_nb.wire.types import STRING

SECOND = 10**9
ID = Field("id", STRING)
CACHED = BatchView("kept", (ID,), (Feature("x", STRING),), cache_ttl="30s")
PLAIN = BatchView("plain", (ID,), (Feature("x", STRING),))
ECHO = RealtimeView("echo", (Feature("y", STRING),), lambda _, given: {"y": given["kept.x"]}, sources=("kept",))
DEFINITIONS = Definitions(
    (CACHED, PLAIN, ECHO),
    (
        FeatureService("s", ("kept", "plain")),
        FeatureService("s", ("kept",), workspace="dev"),
        FeatureService("echo", ("kept", "echo")),
    ),
)
METADATA = {"includeServingStatus": True, "includeSloInfo": True, "includeEffectiveTimes": True}


class Cached:
    """A server with a cached view, its store and a clock to move."""

    def __init__(self) -> None:
        self.clock = Moving()
        self.responder = responder_of(
            DEFINITIONS, {"kept": rows_of({"a": "old"}), "plain": rows_of({"a": "old"})}, clock=self.clock
        )
        self.store = self.responder._endpoints._store

    def change(self) -> None:
        """Write new values behind the cache."""
        for view in ("kept", "plain"):
            self.store.append(view, rows_of({"a": "new"}))

    def ask(self, key: str = "a", service: str = "s", workspace: str = "prod", **options: object):
        """Values, statuses and SLO of one row."""
        params = {
            "featureServiceName": service,
            "workspaceName": workspace,
            "joinKeyMap": {"id": key},
            "metadataOptions": METADATA,
            "requestOptions": options,
        }
        body = ask(self.responder, "get-features", params)
        items = body["metadata"]["features"]
        return body["result"]["features"], [item["status"] for item in items], body["metadata"]["sloInfo"]


@pytest.fixture
def cached():
    """A fresh one."""
    return Cached()


def test_second_request_is_answered_from_the_cache_and_says_so(cached):
    """What was read a moment ago comes back unchanged with a CACHED status; views without a cache are read anew."""
    first = cached.ask()
    cached.change()
    second = cached.ask()

    assert first[:2] == (["old", "old"], ["PRESENT", "PRESENT"])
    assert second[:2] == (["old", "new"], ["CACHED_PRESENT", "PRESENT"])


def test_cached_view_reads_nothing_from_the_store(cached):
    """The size counts what was read from the store, which for a cached view is nothing."""
    sizes = [cached.ask()[2]["storeResponseSizeBytes"] for _ in range(2)]

    assert sizes[1] == sizes[0] / 2 > 0


def test_missing_entity_is_cached_as_missing(cached):
    """That nothing was found is remembered too."""
    cached.ask("b")

    assert cached.ask("b")[1] == ["CACHED_MISSING_DATA", "MISSING_DATA"]


def test_failed_read_is_unknown_and_cached_as_unknown(cached, monkeypatch, caplog):
    """A view that cannot be read is null with UNKNOWN_STATUS, the others are served; the cache remembers it."""
    read = cached.store.read

    def failing(view, key, now):
        if view == "kept":
            raise OSError("the disk is gone")
        return read(view, key, now)

    monkeypatch.setattr(cached.store, "read", failing)
    answers = [cached.ask()[:2] for _ in range(2)]

    assert answers == [
        ([None, "old"], ["UNKNOWN_STATUS", "PRESENT"]),
        ([None, "old"], ["CACHED_UNKNOWN", "PRESENT"]),
    ]
    assert "'kept' could not be read" in caplog.text


def test_realtime_view_over_a_failed_view_is_unknown(cached, monkeypatch):
    """From a feature that could not be read nothing is computed: null would claim that it was missing."""
    monkeypatch.setattr(cached.store, "read", lambda *_: 1 / 0)

    assert cached.ask(service="echo")[:2] == ([None, None], ["UNKNOWN_STATUS"] * 2)


def test_realtime_view_reads_the_cached_value(cached):
    """A realtime function gets what the answer shows."""
    cached.ask()
    cached.change()

    assert cached.ask(service="echo")[:2] == (["old", "old"], ["PRESENT", "CACHED_PRESENT"])


def test_cache_is_forgotten_after_its_ttl(cached):
    """An entry serves for its ttl and not a moment longer."""
    cached.ask()
    cached.change()
    cached.clock.at += 30 * SECOND - 1
    before = cached.ask()[:2]
    cached.clock.at += 1
    after = cached.ask()[:2]

    assert before == (["old", "new"], ["CACHED_PRESENT", "PRESENT"])
    assert after == (["new", "new"], ["PRESENT", "PRESENT"])


def test_entry_from_the_future_is_not_used(cached):
    """After the clock was set back nothing is taken from the cache."""
    cached.ask()
    cached.clock.at -= 1

    assert cached.ask()[1] == ["PRESENT", "PRESENT"]


def test_read_from_cache_off_asks_the_store_and_still_writes(cached):
    """readFromCache false skips the cache on the way in only."""
    cached.ask()
    cached.change()
    fresh = cached.ask(readFromCache=False)[:2]

    assert fresh == (["new", "new"], ["PRESENT", "PRESENT"])
    assert cached.ask()[:2] == (["new", "new"], ["CACHED_PRESENT", "PRESENT"])


def test_write_to_cache_off_leaves_no_entry(cached):
    """writeToCache false leaves the cache as it was."""
    cached.ask(writeToCache=False)

    assert cached.ask()[1] == ["PRESENT", "PRESENT"]
    assert cached.ask(writeToCache=False)[1] == ["CACHED_PRESENT", "PRESENT"]


def test_workspaces_do_not_share_entries(cached):
    """The same view in another workspace has its own cache."""
    cached.ask()

    assert cached.ask(workspace="dev")[1] == ["PRESENT"]
    assert cached.ask(workspace="dev")[1] == ["CACHED_PRESENT"]


def test_aggregated_view_may_be_cached_and_keeps_its_effective_time():
    """A cached aggregate comes with the effective time it was read with, also after the next interval began."""
    view = AggregatedView("sums", (ID,), (Aggregation("x", "sum", "1h"),), interval="1m", cache_ttl="1h")
    clock = Moving()
    events = rows_of({"a": "x"}).assign(x=[2.0], timestamp=[clock.at - 120 * SECOND])
    events["timestamp"] = events["timestamp"].astype("datetime64[ns]")
    responder = responder_of(Definitions((view,), (FeatureService("s", ("sums",)),)), {"sums": events}, clock=clock)
    answers = []
    for _ in range(2):
        params = {"featureServiceName": "s", "joinKeyMap": {"id": "a"}, "metadataOptions": METADATA}
        answers.append(ask(responder, "get-features", params)["metadata"]["features"][0])
        clock.at += 60 * SECOND

    assert [item["status"] for item in answers] == ["PRESENT", "CACHED_PRESENT"]
    assert answers[0]["effectiveTime"] == answers[1]["effectiveTime"]


def test_metrics_page_counts_the_cache(cached):
    """Reads, writes and hits of the cache are on the metrics page."""
    for _ in range(4):
        cached.ask()
    text = cached.responder.respond("GET", "/v1/observability/metrics", AUTHORIZATION, b"").body.decode()
    hits = next(line for line in text.splitlines() if line.startswith("feature_server_cache_hit_rate{"))

    assert hits.split()[-2] == "75"


def test_cache_ttl_is_at_most_a_day():
    """A ttl of more than 24 hours is refused in words."""
    service = (FeatureService("s", ("kept",)),)
    check(Definitions((replace(CACHED, cache_ttl="24h"),), service))

    with pytest.raises(SettingsError, match="cache_ttl '25h' of view 'kept' is longer than '24h'"):
        check(Definitions((replace(CACHED, cache_ttl="25h"),), service))
    with pytest.raises(SettingsError, match="cache_ttl of view 'kept'"):
        check(Definitions((replace(CACHED, cache_ttl="soon"),), service))


def test_batch_says_per_row_what_came_from_the_cache(cached):
    """In a batch each row has its own status."""
    cached.ask()
    params = {
        "featureServiceName": "s",
        "requestData": [{"joinKeyMap": {"id": key}} for key in ("a", "b")],
        "metadataOptions": METADATA,
    }
    body = json.loads(json.dumps(ask(cached.responder, "get-features-batch", params)))

    assert [item["status"] for item in body["metadata"]["features"]] == [
        ["CACHED_PRESENT", "MISSING_DATA"],
        ["PRESENT", "MISSING_DATA"],
    ]
