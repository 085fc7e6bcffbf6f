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
from tecton_nb.metrics.scrape import Scrape
from tecton_nb.wire.exposition import parse_exposition

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
    return Scrape(parse_exposition(page), AT).to_pandas()


def _dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


@pytest.mark.parametrize("page", [PAGE, "no_type_at_all 7\n", ""], ids=["full", "one line", "empty"])
def test_dtypes_are_those_of_the_reference(page):
    """Whatever the page holds, the frame's columns and dtypes are those of columns.METRIC_SAMPLES."""
    assert _dtypes(_frame(page)) == columns.by_name(columns.METRIC_SAMPLES)


def test_timestamps_are_exact_to_the_millisecond():
    """A sample's own time is kept digit for digit; one without has the time of the scrape."""
    frame = _frame(PAGE)

    assert frame["timestamp"][0].value == 1692222226141 * 1_000_000
    assert frame["timestamp"][3] == pd.Timestamp(AT)


def test_nan_is_a_number_and_no_gap():
    """A summary without observations says NaN, which is not missing."""
    values = _frame(PAGE)["value"]

    assert values.isna().sum() == 0
    assert math.isnan(values[1])
    assert math.inf in values.tolist()


def test_samples_are_told_apart_by_columns():
    """Quantiles, bounds, sums, counts and buckets have columns of their own; other labels are JSON."""
    frame = _frame(PAGE)

    assert frame["sample"].tolist()[:6] == ["value", "value", "sum", "count", "bucket", "bucket"]
    assert frame["quantile"].dropna().tolist() == [0.99, 0.5]
    assert frame["le"].dropna().tolist() == [0.5, math.inf]
    assert frame["labels"][0] == '{"feature_service_id":"5f2a","feature_service_name":"s"}'
    assert frame["kind"].iloc[-1] == "unknown"


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

    assert str(caught.value) == "The text is no metrics page; it begins with '<html>Sign in</html>'."


@pytest.mark.parametrize("stamp", ["99999999999999999", "-99999999999999999", "1e300"])
def test_time_that_no_nanoseconds_hold_is_missing(stamp):
    """A sample stamped far outside the years that frames hold keeps its value and has no time."""
    frame = _frame(f"# TYPE a gauge\na 1 {stamp}\na 2 1692222226141\n")

    assert frame["timestamp"].isna().tolist() == [True, False]
    assert str(frame["timestamp"].dtype) == "datetime64[ns, UTC]"
    assert frame["value"].tolist() == [1, 2]
