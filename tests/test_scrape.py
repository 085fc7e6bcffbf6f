"""One reading of the metrics page as a tidy frame."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pandas as pd
import pytest
from canned import Reply

import tecton_nb as tnb
from tecton_nb import columns
from tecton_nb.exceptions import ScrapeFormatError
from tecton_nb.metrics import parse_exposition
from tecton_nb.wire.catalogue import VERSIONS, catalogue

AT = datetime(2024, 5, 1, 12, tzinfo=UTC)
PAGE = """\
# HELP feature_service_latency [GA] latency by service
# TYPE feature_service_latency summary
feature_service_latency{feature_service_id="5f2a",feature_service_name="s",quantile="0.99"} 0.081 1692222226141
feature_service_latency{feature_service_id="5f2a",feature_service_name="s",quantile="0.5"} NaN 1692222226141
feature_service_latency_sum{feature_service_id="5f2a",feature_service_name="s"} 3.2 1692222226141
feature_service_latency_count{feature_service_id="5f2a",feature_service_name="s"} 120
# TYPE sizes histogram
sizes_bucket{le="0.5"} 1
sizes_bucket{le="+Inf"} 2
sizes_sum 0.75
sizes_count 2
# TYPE feature_server_utilization gauge
feature_server_utilization{aws_region="us-west-2"} +Inf
no_type_at_all 7
"""


def _frame(page: str) -> pd.DataFrame:
    return parse_exposition(page, scraped_at=AT).to_pandas()


def _dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


@pytest.mark.parametrize("page", [PAGE, "no_type_at_all 7\n", "# EOF\n"], ids=["full", "one line", "empty"])
def test_dtypes_are_those_of_the_reference(page):
    """Whatever the page holds, the frame's columns and dtypes are those of columns.METRIC_SAMPLES."""
    assert _dtypes(_frame(page)) == columns.by_name(columns.METRIC_SAMPLES)


def test_timestamps_are_exact_to_the_millisecond():
    """A sample's own time is kept digit for digit; one without has the time of the scrape."""
    frame = _frame(PAGE)

    assert frame["timestamp"][0].value == 1692222226141 * 1_000_000
    assert frame["timestamp"][3] == pd.Timestamp(AT)
    assert frame["timestamp_source"].tolist()[2:5] == ["exposed", "scrape", "scrape"]


def test_nan_is_a_number_and_no_gap():
    """A summary without observations says NaN, which is not missing."""
    values = _frame(PAGE)["value"]

    assert values.isna().sum() == 0
    assert math.isnan(values[1])
    assert math.inf in values.tolist()


def test_samples_are_told_apart_by_columns():
    """Quantiles, bounds, sums, counts and buckets have columns of their own, and so have Tecton's own labels."""
    frame = _frame(PAGE)

    assert frame["sample"].tolist()[:6] == ["value", "value", "sum", "count", "bucket", "bucket"]
    assert frame["quantile"].dropna().tolist() == [0.99, 0.5]
    assert frame["le"].dropna().tolist() == [0.5, math.inf]
    assert frame["feature_service_name"].dropna().tolist() == ["s"] * 4
    assert frame["aws_region"].dropna().tolist() == ["us-west-2"]
    assert set(frame["labels"]) == {"{}"}
    assert frame["kind"].iloc[-1] == "unknown"


def test_every_label_of_tecton_s_metrics_has_a_column():
    """The columns of labels are those of the catalogue: no more, no less."""
    listed = {label for version in VERSIONS for metric in catalogue(version) for label in metric.labels}

    assert {column.name for column in columns.METRIC_LABELS} | {"le"} == listed


def test_other_labels_are_json_and_empty_ones_are_none():
    """A label that Tecton does not have stands in the JSON; an empty one is the same as none."""
    frame = _frame('a{zone="b",status="",empty="",cell="1"} 1\n')

    assert frame["labels"].tolist() == ['{"cell":"1","zone":"b"}']
    assert frame["status"].isna().all()


def test_demo_server_s_page_is_read(client):
    """The demo server's own numbers come out under Tecton's names."""
    scrape = client.get_metrics()

    assert isinstance(scrape, tnb.Scrape)
    assert _dtypes(scrape.to_pandas()) == columns.by_name(columns.METRIC_SAMPLES)
    assert "feature_service_latency" in scrape.families()["metric"].tolist()
    assert repr(scrape) == f"<Scrape of {len(scrape.families())} metrics, {len(scrape.to_pandas())} samples>"


def test_quantile_that_is_no_number_stays_among_the_labels():
    """A label that only bears the name of a quantile is kept as it is."""
    frame = _frame('a{quantile="high",le="wide"} 1\n')

    assert frame["quantile"].isna().all()
    assert frame["labels"][0] == '{"le":"wide","quantile":"high"}'


def test_page_that_is_none_is_refused(ours):
    """A login page in place of the metrics is a ScrapeFormatError that shows how it begins."""
    with pytest.raises(ScrapeFormatError) as caught:
        ours(Reply(b"<html>Sign in</html>")).get_metrics()

    sentence = "The text is no metrics page but HTML: line 1 is '<html>Sign in</html>'"
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("stamp", ["99999999999999999", "-99999999999999999", "1e300"])
def test_time_that_no_nanoseconds_hold_is_missing(stamp):
    """A sample stamped far outside the years that frames hold keeps its value and has no time."""
    frame = _frame(f"# TYPE a gauge\na 1 {stamp}\na 2 1692222226141\n")

    assert frame["timestamp"].isna().tolist() == [True, False]
    assert str(frame["timestamp"].dtype) == "datetime64[ns, UTC]"
    assert frame["value"].tolist() == [1, 2]


# The metrics document's example output and table (name, type, unit, labels, stage), version 0.7.
EXAMPLE = """\
feature_service_requests_rate{aws_region="us-west-2",feature_service_id="072b546997cb6e586ed460ff0a3743ee",\
feature_service_name="fvfs_1"} 0.003703703703703704 1692222226141
feature_service_requests_rate{aws_region="us-west-2",feature_service_id="005c5a6f3517e1e2a4ce411372a15d84",\
feature_service_name="fvfs_2"} 0 1692222226141
feature_service_requests_rate{aws_region="us-west-2",feature_service_id="00c922b96f55a948e1bbfa08fdb3a699",\
feature_service_name="fvfs_3"} 0 1692222226141
"""


@pytest.mark.parametrize("page", [EXAMPLE, EXAMPLE.encode(), EXAMPLE.rstrip("\n")], ids=["text", "bytes", "stripped"])
def test_documented_example_is_read_right(page):
    """The three lines of the metrics document are a gauge of three services, in milliseconds, with all their labels."""
    frame = parse_exposition(page, scraped_at=AT).to_pandas()

    assert frame["value"].tolist() == [0.003703703703703704, 0.0, 0.0]
    assert set(frame["timestamp"]) == {pd.Timestamp(1692222226141, unit="ms", tz="UTC")}
    assert set(frame["timestamp_source"]) == {"exposed"}
    assert frame["feature_service_name"].tolist() == ["fvfs_1", "fvfs_2", "fvfs_3"]
    assert frame["feature_service_id"][1] == "005c5a6f3517e1e2a4ce411372a15d84"
    assert set(frame["aws_region"]) == {"us-west-2"}
    # What the page does not say is known from the documents.
    assert set(frame["kind"]) == {"gauge"}
    assert set(frame["stage"]) == {"GA"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_listed_metric_is_described_without_help_or_type(version):
    """A page of bare lines still tells type, unit, stage and meaning of every metric of the documents."""
    lines = []
    for metric in catalogue(version):
        labels = ",".join(f'{label}="{"+Inf" if label == "le" else "x"}"' for label in metric.labels)
        inside = f"{{{labels}}}" if labels else ""
        lines.append(f"{metric.name}{inside} 1 1692222226141")
        if metric.kind == "summary":
            lines += [f"{metric.name}_sum{inside} 2", f"{metric.name}_count{inside} 3"]
    families = parse_exposition("\n".join(lines) + "\n").families().set_index("metric")

    assert families.index.tolist() == [metric.family for metric in catalogue(version)]
    for metric in catalogue(version):
        row = families.loc[metric.family]
        assert (row["kind"], row["unit"], row["stage"]) == (metric.kind, metric.unit, metric.stage)
        assert row["help"].endswith(".")
        assert row["samples"] == (3 if metric.kind == "summary" else 1)
    assert set(families["version"]) <= {"0.7", "1.x"}
    assert (families["version"] == "0.7").sum() == 17


def test_page_s_own_words_go_before_those_of_the_documents():
    """Type, help and stage are the page's where it states them; unknown metrics pass through."""
    page = (
        "# HELP feature_server_utilization [Deprecated] Gone soon.\n# TYPE feature_server_utilization counter\n"
        "feature_server_utilization 1\n# HELP tecton_new_thing [Preview] New.\ntecton_new_thing 1\nother 2\n"
    )
    families = parse_exposition(page).families()

    assert families["metric"].tolist() == ["feature_server_utilization", "tecton_new_thing", "other"]
    assert families["kind"].tolist() == ["counter", "unknown", "unknown"]
    assert families["stage"].tolist() == ["Deprecated", "Preview", pd.NA]
    assert families["version"].tolist() == ["0.7", pd.NA, pd.NA]
    assert families["help"][0] == "[Deprecated] Gone soon."


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ("[GA] Requests.", "GA"),
        ("Preview: requests", "Preview"),
        ("Requests (Deprecated)", "Deprecated"),
        ("Requests. Release stage: Preview", "Preview"),
        ("Generally Available - requests", "GA"),
        ("This metric is deprecated.", "Deprecated"),
        ("This metric is deprecated and will be removed.", "Deprecated"),
        ("Requests. It has been deprecated", "Deprecated"),
        ("Requests. This metric is now generally available", "GA"),
        ("The metric is in public preview: names may change", "Preview"),
        ("Deprecated since 1.2, use y", "Deprecated"),
        ("DEPRECATED; use y", "Deprecated"),
        ("Preview images that were rendered", None),
        ("Views that are deprecated", None),
        ("Deprecated views", None),
        ("This metric is not deprecated.", None),
        ("requests", None),
    ],
)
def test_stage_is_read_from_the_help_text(said, stage):
    """However HELP states the release stage it is found; a word that only looks like one is not taken for it."""
    found = parse_exposition(f"# HELP x {said}\nx 1\n").to_pandas()["stage"][0]

    assert found is pd.NA if stage is None else found == stage


def test_page_s_sentence_about_the_stage_goes_before_the_documents():
    """A metric that the documents call GA is Deprecated once the page says so in a sentence."""
    page = "# HELP feature_service_latency This metric is deprecated.\nfeature_service_latency_count 1\n"

    assert parse_exposition(page).families()["stage"].tolist() == ["Deprecated"]


def test_scrape_shows_stages_kinds_and_units():
    """The card of a scrape, as text and as HTML, marks every metric with its release stage; foreign text is inert."""
    page = PAGE + "# HELP spark_stream_input_rate <script>\nspark_stream_input_rate 1\n"
    bundle = parse_exposition(page, scraped_at=AT)._repr_mimebundle_()

    assert "? Preview" in bundle["text/plain"]
    assert "2024-05-01 12:00:00 UTC" in bundle["text/plain"]
    for word in ("Preview", "GA", "summary", "histogram", "requests per second"):
        assert word in bundle["text/html"]
    assert "<script>" not in bundle["text/html"]


def test_services_are_discovered_from_labels():
    """Every service that a label names is listed, idle ones too; one name in two workspaces is two services."""
    page = EXAMPLE + (
        'feature_service_requests_rate{aws_region="eu",feature_service_id="2",feature_service_name="fvfs_1"} 1\n'
        'feature_service_requests_rate{aws_region="us",feature_service_id="2",feature_service_name="fvfs_1"} 2\n'
        'feature_server_cache_hit_rate{feature_service_name="fvfs_2",feature_view="v"} 2\n'
        'feature_server_cache_hit_rate{feature_service_name="fvfs_9",feature_view="v"} 2\n'
    )
    services = parse_exposition(page).discover_services()

    assert {str(n): str(t) for n, t in services.dtypes.items()} == columns.by_name(columns.METRIC_SERVICES)
    assert services["name"].tolist() == ["fvfs_1", "fvfs_1", "fvfs_2", "fvfs_3", "fvfs_9"]
    assert services["id"].tolist()[:2] == ["072b546997cb6e586ed460ff0a3743ee", "2"]
    assert services["requests_per_second"].tolist() == [0.003703703703703704, 3.0, 0.0, 0.0, pd.NA]


def test_frames_of_a_scrape_have_the_dtypes_of_the_reference():
    """Families and services are typed by columns.py, with and without rows."""
    for page in (PAGE, "# EOF\n"):
        scrape = parse_exposition(page)

        assert _dtypes(scrape.families()) == columns.by_name(columns.METRIC_FAMILIES)
        assert _dtypes(scrape.discover_services()) == columns.by_name(columns.METRIC_SERVICES)


def test_scrape_of_a_server_tells_when_and_how_long(client):
    """A scrape knows when it was asked for and how long that took."""
    before = datetime.now(UTC)
    scrape = client.get_metrics()

    assert before <= scrape.scraped_at <= datetime.now(UTC)
    assert 0 < scrape.duration_seconds < 60


def test_changing_a_frame_changes_no_later_one():
    """What is remembered between scrapes of the same series is out of a user's reach."""
    first = _frame(PAGE)
    first.loc[:, ["metric", "feature_service_name"]] = "changed"
    first["quantile"].array[0] = 0.1

    assert "changed" not in _frame(PAGE)["metric"].tolist()
    assert _frame(PAGE)["quantile"][0] == 0.99
