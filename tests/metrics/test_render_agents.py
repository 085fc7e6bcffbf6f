"""Configurations of agents and alert rules in the real programs that read them."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import prometheus_client.openmetrics.parser
import prometheus_client.parser
import pytest
import yaml
from canned import Reply
from programs import program, running_prometheus

from tecton_nb import local
from tecton_nb.local.faults import ErrorStatus
from tecton_nb.metrics import render
from tecton_nb.metrics.slo import Objective, tecton_objectives
from tecton_nb.wire.catalogue import catalogue
from tecton_nb.wire.exposition import parse_exposition

URL = "https://yourcluster.tecton.ai"
# The scrape configuration as Tecton's document prints it for the collector.
DOCUMENTED = """
scrape_configs:
- job_name: otel-collector
  scrape_interval: 30s
  scheme: https
  metrics_path: /api/v1/observability/metrics
  headers:
    Authorization: Tecton-key <TOKEN>
  static_configs:
  - targets: [<cluster>.tecton.ai]
"""
OBJECTIVES = [
    *tecton_objectives("0.6"),
    *tecton_objectives("1.x"),
    Objective("availability", 0.999, method="ratio_timeslices", name="with {{ braces }} and 'quotes' \"here\""),
    Objective("latency", 0.95, 0.2, method="timeslices", slice_target=0.99),
    Objective("latency", 0.95, 0.2, method="ratio_timeslices"),
]


def promtool(*arguments: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run promtool in a folder."""
    command = [program("promtool"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603


def inner(collector: str) -> str:
    """Return what a collector hands to Prometheus' code: the inner configuration, variables put in, dollars single."""
    config = next(iter(yaml.safe_load(collector)["receivers"].values()))["config"]
    return yaml.safe_dump(config).replace("${env:TECTON_API_KEY}", "key").replace("$$", "$")


@pytest.mark.prometheus
@pytest.mark.parametrize("agent", ["prometheus", "otel", "signalfx"])
def test_promtool_accepts_our_configuration(agent, tmp_path):
    """Prometheus' own checker has no complaint about what we write, with dollar signs in the address, too."""
    text = getattr(render, agent)("https://gateway.example/a$b")
    (tmp_path / "prometheus.yml").write_text(text if agent == "prometheus" else inner(text))
    (tmp_path / "tecton.key").write_text("key")

    checked = promtool("check", "config", "prometheus.yml", cwd=tmp_path)

    assert (checked.returncode, "SUCCESS" in checked.stdout) == (0, True), checked.stderr


@pytest.mark.prometheus
def test_promtool_refuses_the_documented_sample(tmp_path):
    """The sample that Tecton's document prints is refused, for its headers."""
    (tmp_path / "prometheus.yml").write_text(DOCUMENTED)

    checked = promtool("check", "config", "prometheus.yml", cwd=tmp_path)

    assert checked.returncode == 1
    assert "field headers not found" in checked.stderr


@pytest.mark.prometheus
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: f"{objective.kind}-{objective.method}")
def test_promtool_accepts_our_rules(objective, tmp_path):
    """Every kind and method gives rules that Prometheus reads."""
    (tmp_path / "rules.yml").write_text(render.rules(objective))

    checked = promtool("check", "rules", "rules.yml", cwd=tmp_path)

    assert (checked.returncode, "SUCCESS" in checked.stdout) == (0, True), checked.stderr


def _series(metric: str, values: str, **labels: str) -> dict[str, str]:
    inside = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return {"series": f"{metric}{{{inside}}}", "values": values}


# By case: the objective, the series over two hours, and the severities that must fire after them.
CASES: dict[str, tuple[Objective, list[dict[str, str]], list[str]]] = {
    "two percent of errors": (
        Objective("availability", 0.999),
        [
            _series("feature_server_errors_rate", "2x240", status="503"),
            _series("feature_service_requests_total_rate", "5x240", aws_region="local"),
        ],
        ["page", "page", "ticket", "ticket"],
    ),
    "no errors at all": (
        Objective("availability", 0.999),
        [_series("feature_service_requests_total_rate", "5x240", aws_region="local")],
        [],
    ),
    "errors without traffic": (
        Objective("availability", 0.999),
        [
            _series("feature_server_errors_rate", "100x240", status="500"),
            _series("feature_service_requests_total_rate", "0x240", aws_region="local"),
        ],
        [],
    ),
    "timeouts that do not count": (
        Objective("availability", 0.999, timeouts="exclude"),
        [
            _series("feature_server_errors_rate", "50x240", status="504"),
            _series("feature_service_requests_total_rate", "5x240", aws_region="local"),
        ],
        [],
    ),
    "slow service beside an idle one": (
        Objective("latency", 0.99, 0.1),
        [
            _series("feature_service_latency", "0.3x240", quantile="0.5", feature_service_id="1"),
            _series("feature_service_latency", "0.9x240", quantile="0.99", feature_service_id="1"),
            _series("feature_service_latency", " ".join(["NaN"] * 241), quantile="0.5", feature_service_id="2"),
            _series("feature_service_requests_rate", "3x240", feature_service_id="1"),
            _series("feature_service_requests_rate", "0x240", feature_service_id="2"),
        ],
        ["page", "page", "ticket", "ticket"],
    ),
    "fast service": (
        Objective("latency", 0.99, 0.1),
        [
            _series("feature_service_latency", "0.02x240", quantile="0.5", feature_service_id="1"),
            _series("feature_service_latency", "0.1x240", quantile="0.99", feature_service_id="1"),
            _series("feature_service_requests_rate", "3x240", feature_service_id="1"),
        ],
        [],
    ),
    "every slice bad": (
        Objective("latency", 0.95, 0.1, method="timeslices", slice_target=0.99),
        [
            _series("feature_service_latency", "0.2x240", quantile="0.95", feature_service_id="1"),
            _series("feature_service_requests_rate", "3x240", feature_service_id="1"),
        ],
        ["page", "page", "ticket", "ticket"],
    ),
}


@pytest.mark.prometheus
@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_when_they_should(case, tmp_path):
    """Fed with two hours of series, Prometheus fires exactly the alerts that the objective means."""
    objective, series, severities = CASES[case]
    (tmp_path / "rules.yml").write_text(render.rules(objective))
    expression = 'count by (severity) (ALERTS{alertname="TectonErrorBudgetBurn", alertstate="firing"})'
    counts = {severity: severities.count(severity) for severity in ("page", "ticket")}
    expected = [{"labels": f'{{severity="{name}"}}', "value": count} for name, count in counts.items() if count]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "30s",
                "input_series": series,
                "promql_expr_test": [{"expr": expression, "eval_time": "119m", "exp_samples": expected}],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))

    checked = promtool("test", "rules", "test.yml", cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def _recorded_ratio(objective: Objective, series: list[dict[str, str]], at: str, ratio: float) -> dict[str, Any]:
    """Return a test of promtool: what part of the last hour's requests the rules recorded as bad."""
    named = yaml.safe_load(render.rules(objective))["groups"][0]["rules"][0]["labels"]["objective"]
    bad, every = (
        f'sum_over_time({name}{{objective="{named}"}}[1h])' for name in ("tecton_slo:bad:rate", "tecton_slo:all:rate")
    )
    exact = [{"expr": f"abs({bad} / {every} - {ratio!r}) < bool 1e-9", "eval_time": at, "exp_samples": [{"value": 1}]}]
    exact[0]["exp_samples"][0]["labels"] = f'{{objective="{named}"}}'
    return {"interval": "30s", "input_series": series, "promql_expr_test": exact}


# Eleven readings of 90 % 504 and 5 % 500, then 109 clean ones, all at the same rate of requests: without the 504s
# 11 x 5 are bad of 11 x 10 + 109 x 100 that count.
_BURST = [
    _series("feature_server_errors_rate", "90x10 0x300", status="504"),
    _series("feature_server_errors_rate", "5x10 0x300", status="500"),
    _series("feature_service_requests_total_rate", "5x400", aws_region="local"),
]
_UNREAD = [
    _series("feature_server_errors_rate", " ".join(["5", "NaN", *["5"] * 300]), status="500"),
    _series("feature_service_requests_total_rate", "5x400", aws_region="local"),
]


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("objective", "series", "ratio"),
    [
        (Objective("availability", 0.9995, timeouts="exclude"), _BURST, 55 / (110 + 109 * 100)),
        (Objective("availability", 0.9995, timeouts="if_eligible"), _BURST, 55 / (110 + 109 * 100)),
        (Objective("availability", 0.9995), _BURST, 11 * 95 / (120 * 100)),
        (Objective("availability", 0.9995), _UNREAD, 119 * 5 / (120 * 100)),
    ],
    ids=["exclude", "if_eligible", "count", "one reading of NaN"],
)
def test_rules_record_what_is_bad_of_what_counts(objective, series, ratio, tmp_path):
    """After an outage of time-outs the recorded share of the hour is bad requests by requests that count."""
    (tmp_path / "rules.yml").write_text(render.rules(objective))
    tests = [_recorded_ratio(objective, series, "59m30s", ratio)]
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "30s", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))

    checked = promtool("test", "rules", "test.yml", cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.prometheus
def test_prometheus_scrapes_the_embedded_server_by_our_file(demo_with_traffic, tmp_path):
    """A real Prometheus started on the rendered file finds the server up and stores its series."""
    server = demo_with_traffic
    (tmp_path / "prometheus.yml").write_text(
        render.prometheus(server.url).replace("scrape_interval: 30s", "scrape_interval: 1s\n  scrape_timeout: 1s")
    )
    (tmp_path / "tecton.key").write_text(f"{server.api_key}\n")

    with (
        running_prometheus(tmp_path) as address,
        httpx.Client(base_url=f"http://{address}/api/v1", trust_env=False) as asking,
    ):

        def found(path: str, **params: str) -> Any:
            return asking.get(path, params=params).raise_for_status().json()["data"]

        stored = once_there(lambda: found("/query", query='{job="tecton",__name__!~"up|scrape_.*"}')["result"])
        (target,) = found("/targets")["activeTargets"]

    assert (target["health"], target["lastError"]) == ("up", "")
    assert {metric.name for metric in catalogue()} <= {series["metric"]["__name__"] for series in stored}


def once_there(probe: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return what another process has to say once it has anything to say, or at last."""
    last = time.monotonic() + seconds
    while not (said := probe()) and time.monotonic() < last:
        time.sleep(0.05)
    return said


@pytest.fixture(scope="module")
def demo_with_traffic():
    """An embedded server on the machine's clock that has answered, failed and read its cache."""
    row = {"joinKeyMap": {"user_id": "C1000262126"}, "requestContextMap": {"amount": 100}}
    params = {"featureServiceName": "fraud_detection_feature_service", "workspaceName": "prod", **row}
    with local.demo_server() as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        client.headers["Authorization"] = f"Tecton-key {server.api_key}"
        for _ in range(20):
            client.post("/api/v1/feature-service/get-features", json={"params": params}).raise_for_status()
        with server.faults.add(ErrorStatus(500)):
            client.post("/api/v1/feature-service/get-features", json={"params": params})
        yield server


@pytest.fixture
def datadog():
    """Datadog's package and its stubs; what it replaces inside prometheus_client is put back for later tests."""
    modules = (prometheus_client.parser, prometheus_client.openmetrics.parser)
    before = [dict(vars(module)) for module in modules]
    base = pytest.importorskip("datadog_checks.base", reason="datadog-checks-base is not installed.")
    stubs = pytest.importorskip("datadog_checks.base.stubs", reason="datadog-checks-base is not installed.")
    # The class itself is loaded late.
    assert base.OpenMetricsBaseCheckV2
    yield base, stubs
    for module, names in zip(modules, before, strict=True):
        vars(module).update(names)


def test_datadog_s_own_check_yields_every_metric(datadog, demo_with_traffic, tmp_path):
    """The agent's real check, run on the rendered file, sends every catalogue metric that has a number to send."""
    base, stubs = datadog
    server = demo_with_traffic
    (tmp_path / "tecton.key").write_text(f"{server.api_key}\n")
    (instance,) = yaml.safe_load(render.datadog(server.url, key_file=str(tmp_path / "tecton.key")))["instances"]
    stubs.aggregator.reset()

    failed = base.OpenMetricsBaseCheckV2("openmetrics", {}, [instance]).run()

    assert failed == ""
    sent = {name.removeprefix("tecton.") for name in stubs.aggregator.metric_names}
    assert {metric.family for metric in catalogue() if _has_number(server, metric.family)} == {
        metric.family for metric in catalogue() if any(name.startswith(metric.family) for name in sent)
    }
    assert {"feature_service_latency.quantile", "feature_service_latency.count", "feature_service_latency.sum"} <= sent


def test_datadog_s_own_check_needs_no_types_of_the_page(datadog, canned, tmp_path):
    """From a page without TYPE lines, of which the documented configuration sends nothing, ours sends the metrics."""
    base, stubs = datadog

    page = b'feature_service_requests_rate{feature_service_name="a"} 2 1692222226141\nfeature_server_utilization 7\n'
    server = canned(Reply(page, headers={"Content-Type": "text/plain; version=0.0.4"}))
    (tmp_path / "key").write_text("k")
    (ours,) = yaml.safe_load(render.datadog(server.url, key_file=str(tmp_path / "key")))["instances"]
    theirs = {**ours, "metrics": [".+"]}
    sent = []
    for instance in (theirs, ours):
        stubs.aggregator.reset()
        assert base.OpenMetricsBaseCheckV2("openmetrics", {}, [instance]).run() == ""
        sent.append({name for name in stubs.aggregator.metric_names if name.startswith("tecton.feature")})

    assert sent == [set(), {"tecton.feature_service_requests_rate", "tecton.feature_server_utilization"}]


def _has_number(server: local.FeatureServer, family: str) -> bool:
    headers = {"Authorization": f"Tecton-key {server.api_key}"}
    page = httpx.get(f"{server.url}/api/v1/observability/metrics", headers=headers, trust_env=False).text
    samples = [sample for found in parse_exposition(page) if found.name == family for sample in found.samples]
    return any(sample.value == sample.value for sample in samples)
