"""A history that outgrows its file moves to a real Prometheus, and notebooks read the same frames there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from histories import HEADINGS, START, STEP, scrape
from programs import program, running_prometheus

from tecton_nb.exceptions import NotFoundError
from tecton_nb.metrics import MetricsHistory, PrometheusSource

pytestmark = pytest.mark.prometheus

THREE_DAYS = 3 * 2880
# An hour in which nobody scraped.
OUTAGE = range(4_000, 4_120)
PREFIX = "/prometheus"
METRICS = [*(heading.name for heading in HEADINGS), "other", "feature_service_latency_count"]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetricsHistory]:
    """Three days of scrapes every 30 s, a little early or late, with an outage."""
    jitter = np.random.default_rng(3).integers(-200, 200, THREE_DAYS).tolist()
    with MetricsHistory(tmp_path_factory.mktemp("history") / "metrics.db") as history:
        for i in range(THREE_DAYS):
            if i not in OUTAGE:
                history.record(scrape(i, jitter_ms=jitter[i]))
        yield history


@pytest.fixture(scope="module")
def source(history: MetricsHistory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusSource]:
    """A Prometheus, under a prefix as Mimir has it, on blocks that promtool made of the exported history."""
    folder = tmp_path_factory.mktemp("backfilled")
    promtool = program("promtool")
    exported = history.export_openmetrics(folder / "history.om")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(exported), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    options = (f"--web.route-prefix={PREFIX}", "--storage.tsdb.retention.time=90y")
    with (
        running_prometheus(folder, *options) as address,
        PrometheusSource(f"http://{address}", prefix=PREFIX) as source,
    ):
        yield source


def asked(store: MetricsHistory | PrometheusSource, metric: str) -> pd.DataFrame:
    """All three days, as a notebook asks either for them."""
    return store.frame(metric, START - timedelta(hours=1), START + timedelta(days=3, hours=1))


@pytest.mark.parametrize("metric", METRICS)
def test_backfilled_history_reads_back_equal(history: MetricsHistory, source: PrometheusSource, metric: str) -> None:
    """Three days exported, backfilled with promtool and asked of Prometheus are the frame of the history.

    Times to the millisecond, values to the last bit, NaN, infinities, labels with quotes, and the outage, which
    is not filled in.
    """
    expected = asked(history, metric)

    assert len(expected) % (THREE_DAYS - len(OUTAGE)) == 0
    assert len(expected) > 0
    pd.testing.assert_frame_equal(asked(source, metric), expected, check_exact=True)


@pytest.mark.parametrize(
    "labels",
    [
        {"quantile": 0.99, "feature_service_name": 'b "quoted"\n\\'},
        {"sample": ["sum", "count"], "feature_service_name": ["a", "c"]},
        {"feature_service_name": "nobody"},
    ],
)
def test_labels_select_the_same(history: MetricsHistory, source: PrometheusSource, labels: dict[str, object]) -> None:
    """The same words for labels select the same samples on either side."""
    begin, end = START + OUTAGE.start * STEP - timedelta(hours=1), START + OUTAGE.stop * STEP + timedelta(hours=1)
    expected = history.frame("feature_service_latency", begin, end, **labels)

    found = source.frame("feature_service_latency", begin, end, **labels)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_both_ends_are_included(history: MetricsHistory, source: PrometheusSource) -> None:
    """A question from one sample to another has both of them, on either side."""
    times = asked(history, "other")["timestamp"]
    expected = history.frame("other", times[100], times[104])

    assert expected["timestamp"].tolist() == times[100:105].tolist()
    pd.testing.assert_frame_equal(source.frame("other", times[100], times[104]), expected, check_exact=True)


def test_wrong_prefix_is_told(source: PrometheusSource) -> None:
    """Under another path there is no Prometheus: the sentence has the address and what came from there."""
    address = str(source._url.copy_with(path="/wrong"))

    with PrometheusSource(address) as elsewhere, pytest.raises(NotFoundError) as caught:
        elsewhere.frame("other", START, START + pd.Timedelta("1h"))

    assert str(caught.value).startswith(f"The Prometheus at '{address}/api/v1/query_range' answered 404 Not Found")
