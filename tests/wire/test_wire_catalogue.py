"""The catalogue of Tecton's metrics, against the table of the documents."""

from collections import Counter

import pytest

from tecton_nb.exceptions import SettingsError
from tecton_nb.wire.catalogue import LATEST, VERSIONS, catalogue

# The table of the Metrics API page, version 0.7: name, type, labels, stage.
PRINTED = """
feature_service_requests_total_rate|GAUGE|aws_region|GA
feature_service_requests_rate|GAUGE|aws_region, feature_service_id, feature_service_name|GA
feature_service_total_latency|SUMMARY||GA
feature_service_latency|SUMMARY|feature_service_id, feature_service_name|GA
feature_server_errors_rate|GAUGE|status|GA
feature_server_utilization|GAUGE|aws_region|GA
spark_stream_max_processed_event_age|GAUGE|workspace, feature_view_name, feature_view_id|Preview
spark_stream_average_processed_event_age|GAUGE|workspace, feature_view_name, feature_view_id|Preview
spark_stream_input_rate|GAUGE|workspace, feature_view_name, feature_view_id|Preview
spark_stream_processing_rate|GAUGE|workspace, feature_view_name, feature_view_id|Preview
spark_stream_served_feature_age|GAUGE|workspace, feature_view_name, feature_view_id|Preview
spark_stream_online_store_write_rate|GAUGE|workspace, feature_view_name, feature_view_id|Preview
stream_ingestapi_request_rate|GAUGE|aws_region|Preview
stream_ingestapi_request_processing_latency|SUMMARY|aws_region|Preview
stream_ingestapi_request_processing_error_rate|GAUGE|aws_region, error_code|Preview
stream_ingestapi_online_store_write_rate|GAUGE|workspace, feature_view_name, feature_view_id|Preview
stream_ingestapi_offline_store_write_rate|GAUGE|workspace, feature_view_name, feature_view_id|Preview
"""


def test_catalogue_of_0_7_is_the_printed_table():
    """Names, types, labels, stages and order are those of the page."""
    rows = [tuple(line.split("|")) for line in PRINTED.strip().splitlines()]

    assert [(m.name, m.kind.upper(), ", ".join(m.labels), m.stage) for m in catalogue("0.7")] == rows


def test_catalogue_of_1_x_has_the_documented_kinds_and_stages():
    """The newer pages list 40 metrics: 6 GA and 34 Preview; 36 gauges, 3 summaries, 1 histogram."""
    metrics = catalogue("1.x")

    assert len({metric.name for metric in metrics}) == len(metrics) == 40
    assert Counter(metric.stage for metric in metrics) == {"GA": 6, "Preview": 34}
    assert Counter(metric.kind for metric in metrics) == {"gauge": 36, "summary": 3, "histogram": 1}


def test_newest_version_has_every_metric_of_the_older_one_unchanged():
    """Who knows the metrics of 0.7 finds each of them in 1.x with the same type, unit, labels and stage."""
    newest = {metric.name: metric for metric in catalogue()}

    assert LATEST == VERSIONS[-1] == "1.x"
    for old in catalogue("0.7"):
        new = newest[old.name]
        assert (new.kind, new.unit, new.labels, new.stage) == (old.kind, old.unit, old.labels, old.stage)


def test_histogram_is_listed_by_its_buckets():
    """The documents name the one histogram by its bucket samples; its family lacks the suffix."""
    (histogram,) = [metric for metric in catalogue() if metric.kind == "histogram"]

    assert histogram.name == "feature_server_cache_read_duration_bucket"
    assert histogram.family == "feature_server_cache_read_duration"
    assert histogram.unit == "milliseconds"
    assert "le" in histogram.labels


def test_every_metric_says_in_a_sentence_what_it_tells():
    """Help texts are sentences, and every metric has a unit."""
    for version in VERSIONS:
        for metric in catalogue(version):
            assert metric.version == version
            assert metric.help[0].isupper()
            assert metric.help.endswith(".")
            assert metric.unit


def test_unknown_version_is_refused_in_words():
    """A version that no document has is told, with those there are."""
    with pytest.raises(SettingsError) as caught:
        catalogue("2.0")

    assert str(caught.value) == "There is no metrics version '2.0'; choose one of '0.7', '1.x'."
