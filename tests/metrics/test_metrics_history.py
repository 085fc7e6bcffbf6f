"""A history of scrapes: what goes in comes out, once, with its gaps, however it is packed."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from canned import Reply
from histories import HEADINGS, SERIES, START, STEP, filled, scrape, text_scrape
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tecton_nb import TectonClient, columns
from tecton_nb.exceptions import (
    ConnectionFailedError,
    ForbiddenError,
    InputError,
    SettingsError,
    UnauthorizedError,
)
from tecton_nb.metrics import MetricsHistory, Scrape, points
from tecton_nb.metrics.packing import CODECS, DamagedError, pack_times, pack_values, unpack_times, unpack_values

DAY = timedelta(days=1)


@pytest.fixture
def history(tmp_path):
    """An empty history."""
    with MetricsHistory(tmp_path / "metrics.db") as history:
        yield history


def expected(scrapes: list[Scrape], metric: str) -> pd.DataFrame:
    """What the frames of the scrapes say of a metric, in the columns of a history."""
    frame = pd.concat([one.to_pandas() for one in scrapes])
    return sorted_alike(frame.loc[frame["metric"] == metric, [column.name for column in columns.METRIC_HISTORY]])


def sorted_alike(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame in an order of its own, to compare it with one whose rows stand otherwise."""
    keys = [name for name in frame.columns if name not in {"metric", "stage", "value"}]
    return frame.sort_values(keys, kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("every", [STEP, timedelta(hours=5)], ids=["within a day", "over days"])
def test_frames_are_those_of_the_scrapes(tmp_path, codec, every):
    """Whether samples are still in the head, in a block or sealed, a frame is what the pages said, bit for bit."""
    scrapes = [scrape(i, at=START + i * every) for i in range(150)]
    with MetricsHistory(tmp_path / "metrics.db", codec=codec) as history:
        for one in scrapes:
            assert history.record(one) == len(SERIES)

        for metric in (*(heading.name for heading in HEADINGS), "other"):
            pd.testing.assert_frame_equal(
                sorted_alike(history.frame(metric)), expected(scrapes, metric), check_exact=True
            )


def test_frame_has_the_columns_and_dtypes_of_the_reference(history):
    """With and without rows the dtypes are those of columns.METRIC_HISTORY."""
    filled(history, range(3))

    for labels in ({}, {"feature_service_name": "nobody"}):
        frame = history.frame("feature_service_latency", **labels)
        assert {str(n): str(t) for n, t in frame.dtypes.items()} == columns.by_name(columns.METRIC_HISTORY)


def test_series_stand_one_after_the_other_in_order_of_time(history):
    """A frame can be drawn series by series as it is."""
    filled(history, (5, 3, 4))
    frame = history.frame("feature_service_latency", sample="value")

    blocks = [key for key, _ in itertools.groupby(zip(frame["feature_service_name"], frame["quantile"], strict=True))]
    assert len(blocks) == 4
    assert frame.groupby(["feature_service_name", "quantile"])["timestamp"].is_monotonic_increasing.all()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
def test_rescrapes_are_no_ops_in_any_order(tmp_path, order):
    """A sample that is there is not recorded again, whatever came in between and wherever it is kept by now."""
    scrapes = [scrape(i, at=START + i * timedelta(hours=9)) for i in range(4)]
    with MetricsHistory(tmp_path / "metrics.db") as history:
        first = [history.record(scrapes[i]) for i in order]
        again = [history.record(scrapes[i]) for i in reversed(order)]
        frame = history.frame("feature_service_latency")

        assert first == [len(SERIES)] * 4
        assert again == [0] * 4
        assert len(history.scrapes()) == 4
        pd.testing.assert_frame_equal(sorted_alike(frame), expected(scrapes, "feature_service_latency"))


def test_page_that_has_not_changed_adds_no_samples(history):
    """A server that repeats a page for a minute is scraped twice, and has one sample: the times are the page's."""
    page = "a 1 1714521600000\n"
    new = [history.record(text_scrape(page, START + i * STEP)) for i in range(3)]

    assert new == [1, 0, 0]
    assert history.scrapes()["new_samples"].tolist() == [1, 0, 0]
    assert len(history.frame("a")) == 1


def test_first_of_two_values_with_one_time_counts(history):
    """What was recorded is not overwritten, neither by a later page nor by a second line of the same one."""
    history.record(text_scrape('a 1 1714521600000\na 2 1714521600000\nb{x=""} 5\nb 6\n'))
    history.record(text_scrape("a 3 1714521600000\n", START + STEP))

    assert history.frame("a")["value"].tolist() == [1]
    assert history.frame("b")["value"].tolist() == [5]


def test_some_samples_of_a_page_may_be_new(history):
    """Lines with times of their own, and lines without, are told apart one by one."""
    history.record(text_scrape("a 1 1714521600000\nb 1\n"))
    new = history.record(text_scrape("a 1 1714521600000\nb 2\nc 1\n", START + STEP))

    assert new == 2
    assert [len(history.frame(name)) for name in "abc"] == [1, 2, 1]


def test_page_that_leaves_out_a_type_does_not_take_it_back(tmp_path):
    """HELP without TYPE, or TYPE without HELP, adds to what pages said before, also once the file is opened again."""
    full = "# HELP a Something.\n# TYPE a summary\na_count 1\n"
    path = tmp_path / "metrics.db"
    with MetricsHistory(path) as history:
        history.record(text_scrape(full))
        history.record(text_scrape("# HELP a Something else.\na_count 2\n", START + STEP))
    with MetricsHistory(path) as history:
        history.record(text_scrape("# TYPE a summary\na_count 3\n", START + 2 * STEP))
        families = history.families()

        assert families[["metric", "kind", "help"]].values.tolist() == [["a", "summary", "Something else."]]
        assert history.frame("a", sample="count")["value"].tolist() == [1, 2, 3]


def test_page_that_changes_a_type_is_believed(history):
    """What a newer page states goes before what an older one did."""
    history.record(text_scrape("# TYPE a gauge\na 1\n"))
    history.record(text_scrape("# TYPE a counter\na 2\n", START + STEP))

    assert history.families()["kind"].tolist() == ["counter"]


def test_late_samples_join_their_sealed_day(tmp_path):
    """A page from the day before, recorded today, takes its place among the others and stays single."""
    late = scrape(10)
    with MetricsHistory(tmp_path / "metrics.db") as history:
        filled(history, [i for i in range(20) if i != 10])
        history.record(scrape(0, at=START + DAY))
        assert history.record(late) == len(SERIES)
        history.record(scrape(0, at=START + 2 * DAY))
        assert history.record(late) == 0
        frame = history.frame("other", until=START + DAY - STEP)

        assert frame["timestamp"].tolist() == [pd.Timestamp(START + i * STEP) for i in range(20)]
        with history._database.reading() as connection:
            assert connection.execute("SELECT day, count(*) FROM blocks WHERE size = 2 GROUP BY day").fetchall() == [
                (START.toordinal() - 719163, 1),
                (START.toordinal() - 719162, 1),
            ]


def test_history_is_the_same_when_opened_again(tmp_path):
    """Closing and opening lose and change nothing, also for the recorder's own memory."""
    path = tmp_path / "metrics.db"
    with MetricsHistory(path) as history:
        filled(history, range(70))
        before = history.frame("feature_service_latency")
    with MetricsHistory(path) as history:
        assert history.record(scrape(69)) == 0
        assert history.record(scrape(3)) == 0
        assert history.record(scrape(70)) == len(SERIES)

        after = history.frame("feature_service_latency", until=START + 69 * STEP)
        pd.testing.assert_frame_equal(after, before)


@pytest.mark.parametrize(
    ("since", "until", "which"),
    [
        (None, None, range(10)),
        (START + 3 * STEP, START + 5 * STEP, range(3, 6)),
        ("2024-05-01T00:01:30Z", "2024-05-01 00:02:30", range(3, 6)),
        ("2024-05-01T02:01:30+02:00", None, range(3, 10)),
        (pd.Timestamp(START) + pd.Timedelta("90s"), None, range(3, 10)),
        ("60s", None, range(7, 10)),
        ("1m 30s", None, range(6, 10)),
        ("0.5h", "1min", range(8)),
        (timedelta(minutes=1), "30s", range(7, 9)),
        ("2030-01-01", None, ()),
    ],
)
def test_times_select_both_ends_included(history, since, until, which):
    """Times with and without a zone (then UTC), datetimes, and durations before the newest sample."""
    filled(history, range(10))

    assert history.frame("other", since, until)["timestamp"].tolist() == [START + i * STEP for i in which]


@pytest.mark.parametrize(
    ("labels", "series"),
    [
        ({"quantile": 0.99}, 2),
        ({"quantile": "0.990"}, 2),
        ({"quantile": [0.5, 0.99], "feature_service_name": "a"}, 2),
        ({"sample": "count"}, 2),
        ({"sample": ["count", "sum"], "feature_service_name": ["a", "x"]}, 2),
        ({"feature_service_name": "x"}, 0),
    ],
)
def test_labels_select_series(history, labels, series):
    """A label is its text, a bound its number, a list any of its values."""
    filled(history, range(2))

    assert len(history.frame("feature_service_latency", **labels)) == 2 * series


def test_a_line_of_a_metric_can_be_asked_for(history):
    """The name of a line, such as a count or the documents' name of the histogram, selects just that."""
    filled(history, range(2))

    assert set(history.frame("feature_service_latency_count")["sample"]) == {"count"}
    assert set(history.frame("feature_server_cache_read_duration_bucket")["le"]) == {5.0, math.inf}


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda h: h.frame("feature_service_latencies"), "Did you mean 'feature_service_latency'?"),
        (lambda h: h.frame("feature_service_latency", service="a"), "they have 'feature_service_name', 'quantile'"),
        (lambda h: h.frame("other", since="yesterday"), "Cannot read 'yesterday' as a time"),
        (lambda h: h.frame("other", since="3 parsecs"), "Cannot read '3 parsecs' as a time"),
        (lambda h: h.frame("feature_service_latency", quantile="high"), "Cannot read quantile='high' as a number"),
        (lambda h: h.rollup("other", every="0s"), "Cannot read every='0s' as a duration"),
        (lambda h: h.rollup("other", quantiles=(99,)), "Quantiles lie between 0 and 1, and one is needed; got '99'"),
        (lambda h: h.rollup("other", quantiles=()), "Quantiles lie between 0 and 1, and one is needed; got none"),
        (lambda h: h.gaps(longer_than="never"), "Cannot read longer_than='never' as a duration"),
    ],
)
def test_question_that_makes_no_sense_is_told(history, ask, sentence):
    """A misspelt metric, label, time or number is an InputError that says what is possible."""
    filled(history, range(2))

    with pytest.raises(InputError) as caught:
        ask(history)

    assert sentence in str(caught.value)


def test_listed_metric_that_was_never_recorded_is_an_empty_frame(history):
    """A metric of Tecton's documents that the server did not show is no mistake of the user."""
    filled(history, range(2))

    assert len(history.frame("spark_stream_input_rate")) == 0
    assert len(history.wide("spark_stream_input_rate")) == 0
    assert len(history.rollup("spark_stream_input_rate")) == 0


def test_stage_is_marked_in_every_frame_of_a_history(history):
    """Preview metrics are marked, by the page's help or the documents."""
    history.record(
        text_scrape("# HELP x [Deprecated] Old.\nx 1\nspark_stream_input_rate 1\nfeature_server_utilization 1\n")
    )
    stages = {"x": "Deprecated", "spark_stream_input_rate": "Preview", "feature_server_utilization": "GA"}

    for metric, stage in stages.items():
        assert history.frame(metric)["stage"].tolist() == [stage]
        assert history.rollup(metric)["stage"].tolist() == [stage]
    assert dict(history.families().set_index("metric")["stage"]) == stages
    assert "Deprecated" in history._repr_mimebundle_()["text/html"]


class Server:
    """Says one thing after another: pages as scrapes, or errors."""

    def __init__(self, *replies: Any) -> None:
        self._replies = iter(replies)

    def get_metrics(self) -> Scrape:
        """Return the next reply."""
        reply = next(self._replies)
        if isinstance(reply, BaseException):
            raise reply
        return reply


def test_collecting_keeps_every_scrape_with_its_outcome(history):
    """Failed scrapes are rows too, with exception, status and sentence; the others go on."""
    refused = UnauthorizedError(401, "Unauthorized", "")
    server = Server(scrape(0), refused, ConnectionFailedError("No answer."), scrape(3))
    run = history.collect(server, every="1ms", count=4, progress=False)

    by_time = run.set_index("outcome")
    assert sorted(run["outcome"]) == ["ConnectionFailedError", "UnauthorizedError", "ok", "ok"]
    assert by_time.loc["UnauthorizedError", "status"] == 401
    assert by_time.loc["ConnectionFailedError", "error"] == "No answer."
    assert by_time.loc["ConnectionFailedError", "samples"] is pd.NA
    assert by_time.loc["ok", "new_samples"].tolist() == [len(SERIES)] * 2
    assert {str(n): str(t) for n, t in run.dtypes.items()} == columns.by_name(columns.METRIC_SCRAPES)


def test_empty_answer_is_no_good_scrape(history, canned):
    """A server that sends nothing at all is a failed scrape, and so a gap."""
    with TectonClient(canned(Reply(b"", headers={"Content-Type": "text/plain"})).url, "CANARY-KEY") as client:
        scrapes = history.collect(client, count=1)

    assert scrapes["outcome"].tolist() == ["ScrapeFormatError"]
    assert history.gaps()["failed_scrapes"].tolist() == [1]


def test_interrupt_ends_collecting_in_good_order(history):
    """The stop button ends the cell without a traceback; what was scraped is there."""
    run = history.collect(Server(scrape(0), scrape(1), KeyboardInterrupt()), every="1ms", progress=False)

    assert run["outcome"].tolist() == ["ok", "ok"]
    assert len(history.frame("other")) == 2


def test_progress_shows_scrapes_and_failures(history, capsys, monkeypatch):
    """On a terminal a bar counts scrapes, and says what failed."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    history.collect(Server(scrape(0), ForbiddenError(403, "Forbidden", "")), every="1ms", count=2)

    told = capsys.readouterr().err
    assert "2/2" in told
    assert "403 Forbidden" in told


def test_progress_is_for_who_looks(history, capsys):
    """In a log, or where tqdm is switched off, there is no bar."""
    history.collect(Server(scrape(0)), every="1ms", count=1)

    assert capsys.readouterr().err == ""


def test_collecting_stops_when_it_is_told_to(history):
    """A time that has passed lets no scrape happen; a duration that is short lets one."""
    server = Server(*(scrape(i) for i in range(5)))

    assert len(history.collect(server, every="1h", until="2020-01-01", progress=False)) == 0
    assert len(history.collect(server, every="1h", until="10s", progress=False)) == 1


def test_client_that_can_never_answer_is_no_failed_scrape(history):
    """A mistake of the user's, such as a closed client, ends the run at once."""
    with pytest.raises(SettingsError, match="closed"):
        history.collect(Server(SettingsError("The client is closed.")), every="1ms", count=3, progress=False)


def test_demo_server_s_metrics_are_collected(history, client):
    """A real client's scrapes become a history; with the demo's standing clock the second one adds nothing."""
    run = history.collect(client, every="1ms", count=2, progress=False)

    assert run["new_samples"].tolist() == [run["samples"][0], 0]
    assert len(history.frame("feature_service_requests_rate")) == 5


def failing(history: MetricsHistory, i: int) -> None:
    """Record that the i-th scrape failed."""
    history._open_recorder().record_failure(START + i * STEP, 0.1, ConnectionFailedError(f"No answer {i}."))


def test_gaps_tell_failures_from_silence(history):
    """Where scrapes failed the last failure is the reason; where nobody scraped that is said; jitter is no gap."""
    filled(history, [1, 2, 3])
    failing(history, 0)
    failing(history, 4)
    failing(history, 5)
    filled(history, [6, 7, 8, 20, 21])
    failing(history, 22)
    gaps = history.gaps()

    moments = [START + i * STEP for i in range(23)]
    assert {str(n): str(t) for n, t in gaps.dtypes.items()} == columns.by_name(columns.METRIC_GAPS)
    assert gaps["start"].tolist() == [pd.NaT, moments[3], moments[8], moments[21]]
    assert gaps["end"].tolist() == [moments[1], moments[6], moments[20], pd.NaT]
    assert gaps["duration_seconds"].tolist() == [pd.NA, 90, 360, pd.NA]
    assert gaps["failed_scrapes"].tolist() == [1, 2, 0, 1]
    assert gaps["reason"].tolist() == ["No answer 0.", "No answer 5.", "nobody scraped", "No answer 22."]
    assert len(history.gaps(longer_than="1h")) == 3


def test_empty_history_answers_every_question(history):
    """Before the first scrape there are no gaps, scrapes, families; the card says so."""
    assert [len(frame) for frame in (history.gaps(), history.scrapes(), history.families())] == [0, 0, 0]
    assert len(history.frame("feature_service_latency", since="24h")) == 0
    assert {str(n): str(t) for n, t in history.families().dtypes.items()} == columns.by_name(
        columns.METRIC_HISTORY_FAMILIES
    )
    assert "scrapes  0" in history._repr_mimebundle_()["text/plain"]


def test_wide_has_a_column_per_series_and_breaks_in_gaps(history):
    """Columns are named by what tells the series apart; NaN is a number, a gap is missing and has a row."""
    filled(history, [0, 1, 2, 10, 11])
    wide = history.wide("feature_service_latency", sample="value", feature_service_name="a")
    one = history.wide("feature_service_latency", quantile=0.5, feature_service_name="a")

    assert wide.columns.tolist() == [0.5, 0.99]
    assert wide.columns.name == "quantile"
    assert wide.index.tolist() == [START + i * STEP for i in (0, 1, 2, 6, 10, 11)]
    assert wide[0.5].isna().tolist() == [False, False, False, True, False, False]
    assert math.isnan(wide[0.5].iloc[0])
    assert one.columns.tolist() == ["feature_service_latency"]
    both = history.wide("feature_service_latency", sample="value")
    assert both.columns.names == ["quantile", "feature_service_name"]


SKEW = timedelta(minutes=20)


@pytest.mark.parametrize("skew", [SKEW, -SKEW, timedelta(milliseconds=-700)], ids=str)
def test_wide_breaks_between_the_samples_whatever_the_server_s_clock_says(history, skew):
    """Gaps are seen by the scraper's clock, samples bear the server's: the break stands where samples are missing."""
    for i in (0, 1, 2, 10, 11, 13):
        shifted = scrape(i, at=START + i * STEP + skew)
        history.record(Scrape(shifted.page, START + i * STEP, 0.01))
    failing(history, 12)
    failing(history, 14)

    wide = history.wide("other")

    assert wide.index.tolist() == [START + i * STEP + skew for i in (0, 1, 2, 6, 10, 11, 12, 13, 14)]
    assert wide["other"].isna().tolist() == [i in (6, 12, 14) for i in (0, 1, 2, 6, 10, 11, 12, 13, 14)]


def test_wide_breaks_where_one_sample_is_from_another_time(history):
    """A single line with a time of its own moves no break."""
    for i in (0, 1, 2, 10):
        at = START + i * STEP
        history.record(text_scrape("early 1 4102444800000\nother 1\nlate 1\n", at))

    assert history.wide("other").index.tolist() == [START + i * STEP for i in (0, 1, 2, 6, 10)]


def test_wide_has_no_break_where_the_page_stood_still(history):
    """A failed scrape between two readings of the same page is no gap between samples: there is one sample."""
    for i in (0, 2):
        history.record(text_scrape("a 1 1714521600000\n", START + i * STEP))
    failing(history, 1)

    assert history.wide("a").index.tolist() == [START]


def test_rollup_is_what_pandas_says_of_the_frame(history):
    """Quantiles by period are those of the values in it, whole or not; NaN is left out, nothing else is missing."""
    filled(history, [i for i in range(400) if i % 7 == 0 or i < 250])
    frame = history.frame("feature_service_latency", sample="value")
    rolled = history.rollup("feature_service_latency", sample="value", every="30min", quantiles=(0, 0.5, 0.95, 0.999))

    keys = ["feature_service_name", "quantile", frame["timestamp"].dt.floor("30min").rename("timestamp")]
    plain = frame.assign(value=frame["value"].to_numpy(float)).groupby(keys)["value"]
    assert [c for c in rolled.columns if c.startswith("p")] == ["p0", "p50", "p95", "p99.9"]
    for column, share in (("p0", 0), ("p50", 0.5), ("p95", 0.95), ("p99.9", 0.999)):
        found = rolled.set_index(["feature_service_name", "quantile", "timestamp"])[column].astype(float)
        pd.testing.assert_series_equal(found, plain.quantile(share), check_names=False, check_index_type=False)
    assert rolled["samples"].sum() == plain.count().sum()
    assert rolled["p50"].isna().sum() == (plain.count() == 0).sum() > 0


def test_rollup_of_infinities_is_no_nan(history):
    """Between two infinite values lies infinity."""
    for i in range(4):
        history.record(text_scrape("a +Inf\n", START + i * STEP))

    assert history.rollup("a")["p95"].tolist() == [math.inf]


def test_old_days_are_forgotten(tmp_path):
    """With `keep` whole days go once they are older, samples and scrapes alike; the file does not grow for ever."""
    with MetricsHistory(tmp_path / "metrics.db", keep="2d") as history:
        for hours in range(0, 24 * 10, 2):
            history.record(scrape(hours, at=START + timedelta(hours=hours)))
        oldest = history.frame("other")["timestamp"].min()

        assert START + timedelta(days=7) == oldest
        assert history.scrapes()["started_at"].min() >= START + timedelta(days=7)


def test_future_time_of_one_sample_forgets_nothing(tmp_path):
    """A sample that claims to be from the year 2200 makes no other one old, and ends no day."""
    with MetricsHistory(tmp_path / "metrics.db", keep="1d") as history:
        filled(history, range(3))
        history.record(text_scrape("other 1 7258118400000\n", START + 3 * STEP))
        filled(history, range(4, 6))

        assert len(history.frame("other")) == 6


@pytest.mark.parametrize("stamp", [4_102_444_800_000, 9_000_000_000_000_000], ids=["in 2100", "beyond all dates"])
def test_future_time_of_one_sample_moves_no_duration(history, stamp):
    """`since="60s"` counts back from the newest scrape, where another metric claims to be from a time to come."""
    filled(history, range(5))
    history.record(text_scrape(f"early 1 {stamp}\n", START + 5 * STEP))

    assert history.frame("other", "60s")["timestamp"].tolist() == [START + i * STEP for i in (3, 4)]
    assert history.wide("other", "60s").index.tolist() == [START + i * STEP for i in (3, 4)]


def test_future_time_of_one_sample_ends_no_day_of_a_history_that_is_opened_again(tmp_path):
    """After a sample from the year 2200 days still end, are forgotten when they are old, and not before."""
    path = tmp_path / "metrics.db"
    with MetricsHistory(path, keep="1d") as history:
        history.record(scrape(0))
        history.record(text_scrape("early 1 7258118400000\n", START + STEP))
    with MetricsHistory(path, keep="1d") as history:
        for i in range(1, 4):
            history.record(scrape(i, at=START + i * DAY))

        assert history.frame("other")["timestamp"].tolist() == [START + i * DAY for i in (2, 3)]


def test_export_holds_to_the_rules_of_openmetrics(history, tmp_path):
    """The strict parser reads what is exported: types, help with the stage, every sample with its time.

    One moment at a time: of a summary at several moments prometheus_client drops samples, which promtool does not.
    """
    for i in range(80):
        history.record(scrape(i, at=START + i * timedelta(hours=1), jitter_ms=i))
    for i in (1, 40, 79):
        at = START + i * timedelta(hours=1) + timedelta(milliseconds=i)
        path = history.export_openmetrics(tmp_path / "history.om", at, at)
        families = {family.name: family for family in text_string_to_metric_families(path.read_text("utf-8"))}

        kinds = {heading.name: heading.kind for heading in HEADINGS}
        assert {name: family.type for name, family in families.items()} == {**kinds, "other": "unknown"}
        assert families["feature_service_latency"].documentation == "[GA] How long \\ it takes."
        assert families["feature_server_utilization"].documentation.startswith("[GA] How busy")
        samples = [sample for family in families.values() for sample in family.samples]
        assert sorted(sample.value for sample in samples) == sorted(scrape(i).page.values)
        assert {round(float(sample.timestamp) * 1000) for sample in samples} == {round(at.timestamp() * 1000)}


def test_export_has_every_sample_once_and_no_time_goes_back(history, tmp_path):
    """Each metric stands together, its points in order of time, as a reader of OpenMetrics may expect."""
    for i in range(80):
        history.record(scrape(i, at=START + i * timedelta(hours=1)))
    lines = history.export_openmetrics(tmp_path / "history.om").read_text("utf-8").splitlines()

    samples = [line.rsplit(" ", 2) for line in lines if not line.startswith("#")]
    assert len(samples) == len({(head, stamp) for head, _, stamp in samples}) == 80 * len(SERIES)
    histogram = [float(stamp) for head, _, stamp in samples if head.startswith("feature_server_cache")]
    assert histogram == sorted(histogram)
    assert lines[-1] == "# EOF"


def test_export_of_some_time_has_no_more(history, tmp_path):
    """`since` and `until` bound the export as they bound a frame."""
    filled(history, range(10))
    text = history.export_openmetrics(tmp_path / "some.om", START + 3 * STEP, START + 4 * STEP).read_text("utf-8")

    assert sum(line.startswith("other ") for line in text.splitlines()) == 2
    assert text.endswith("# EOF\n")


def test_export_that_cannot_be_written_leaves_nothing(history, tmp_path):
    """A folder that is not there is told in a sentence, and no half of a file is left."""
    with pytest.raises(SettingsError, match=r"Cannot write '.*history\.om': No such file or directory\."):
        history.export_openmetrics(tmp_path / "nowhere" / "history.om")

    assert [path.name for path in tmp_path.iterdir() if "om" in path.name] == []


def test_second_recorder_is_refused_while_reading_works(tmp_path):
    """Two recorders would mix their scrapes: the second one is told who records; reading is free; then it may."""
    path = tmp_path / "metrics.db"
    with MetricsHistory(path) as first, MetricsHistory(path) as second:
        filled(first, range(2))
        with pytest.raises(SettingsError, match=r"Somebody records into .* already \(process '\d+' since '20"):
            second.record(scrape(2))
        assert len(second.frame("other")) == 2
        filled(first, [2])
        assert len(second.frame("other")) == 3
        first.close()
        assert second.record(scrape(3)) == len(SERIES)


def test_second_recorder_through_a_link_is_refused(tmp_path):
    """A link is another name of the same file, which has one recorder all the same."""
    path, link = tmp_path / "metrics.db", tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with MetricsHistory(path) as first, MetricsHistory(link) as second:
        first.record(scrape(0))

        with pytest.raises(SettingsError, match=r"Somebody records into .*link\.db' already"):
            second.record(scrape(1))
        assert second._database.size_bytes() == first._database.size_bytes()


def test_history_that_is_dropped_lets_the_next_one_record(tmp_path):
    """Running a cell again replaces the history of before; the new one may record at once."""
    path = tmp_path / "metrics.db"
    history = MetricsHistory(path)
    filled(history, [0])
    history = MetricsHistory(path)
    filled(history, [1])

    assert len(history.frame("other")) == 2
    history.close()
    history.close()


def test_lock_that_cannot_be_made_is_no_second_recorder(tmp_path):
    """Where the lock's file is something else the sentence says so, and not that somebody records."""
    path = tmp_path / "metrics.db"
    Path(f"{path}-recorder").write_bytes(b"no database" * 200)

    with MetricsHistory(path) as history, pytest.raises(SettingsError, match="file is not a database"):
        history.record(scrape(0))


def test_failed_write_forgets_what_was_not_kept(tmp_path, monkeypatch):
    """After a scrape that could not be written the next one is recorded whole: series, layout and all."""
    with MetricsHistory(tmp_path / "metrics.db") as history:
        filled(history, range(2))
        with monkeypatch.context() as patch:
            patch.setattr(points, "append", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                history.record(text_scrape("brand_new 1\nother 2\n", START + 2 * STEP))
        new = history.record(text_scrape("brand_new 1\nother 2\n", START + 2 * STEP))

        assert new == 2
        assert history.frame("brand_new")["value"].tolist() == [1]


def test_card_tells_extent_failures_and_size(history):
    """The card of a history says from when to when, how many scrapes failed, how many series, how large."""
    filled(history, range(3))
    failing(history, 3)
    text = history._repr_mimebundle_()["text/plain"]

    assert "  scrapes      4\n  failed       ✗ 1\n" in text
    assert "2024-05-01 00:00:00 UTC" in text
    assert "metrics.db" in text
    assert repr(history) == "<MetricsHistory 'metrics.db'>"


def test_closed_history_shows_that_it_cannot_be_read(history):
    """A history that was closed is a card with the reason, no traceback."""
    history.close()

    assert "readable  ✗ no: Cannot read the metrics history" in str(history)


@pytest.mark.parametrize("codec", CODECS)
def test_values_survive_packing_bit_for_bit(codec):
    """NaN with any bits, both zeros, infinities and the smallest numbers come back as they went in."""
    bits = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 0, 1, 0x7FF0000000000000], np.uint64)
    values = np.concatenate([bits.view(float), np.random.default_rng(1).random(500)])

    assert unpack_values(pack_values(values, codec), len(values)).tobytes() == values.tobytes()


def test_times_survive_packing():
    """Any increasing times come back, before the epoch too."""
    times = np.array([-(10**15), -1, 0, 5, 10**15])

    assert unpack_times(pack_times(times)).tolist() == times.tolist()


@pytest.mark.parametrize("body", [b"", b"z", b"zjunk", b"x123", b"p", b"pjunk" * 9])
def test_bytes_that_hold_no_values_are_refused(body):
    """Whatever stands in the file, it is numbers or an error."""
    with pytest.raises(DamagedError):
        unpack_values(body, 3)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [0, 2, 4, 10_000])
def test_values_of_another_number_are_refused(codec, count):
    """A chunk has as many values as times; more are never unpacked."""
    packed = pack_values(np.zeros(3), codec)

    with pytest.raises(DamagedError):
        unpack_values(packed, count)


def test_codec_that_is_not_there_is_told(tmp_path, monkeypatch):
    """An unknown codec is told with those there are; a package that is missing with how to install it."""
    with pytest.raises(SettingsError, match=r"no codec 'lzma'; choose one of 'zlib', 'pcodec'"):
        MetricsHistory(tmp_path / "metrics.db", codec="lzma")
    monkeypatch.setattr("tecton_nb.metrics.packing.pcodec", None)
    with pytest.raises(SettingsError, match=r"pip install \"tecton-nb\[pcodec\]\""):
        MetricsHistory(tmp_path / "metrics.db", codec="pcodec")


def test_scrapes_at_one_moment_of_two_pages_are_both_kept(history):
    """Two pages with the same time of scrape, of other series, are one scrape row and all samples."""
    history.record(text_scrape("a 1\n", datetime(2024, 5, 1, tzinfo=UTC)))
    history.record(text_scrape("b 1\n", datetime(2024, 5, 1, tzinfo=UTC)))

    assert len(history.scrapes()) == 1
    assert len(history.frame("b")) == 1
