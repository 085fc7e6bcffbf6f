"""A real Prometheus scrapes the embedded server."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from programs import program, running_prometheus

from tecton_nb import local
from tecton_nb.local.demonstration.documented import documented_definitions
from tecton_nb.wire.catalogue import VERSIONS, catalogue
from tecton_nb.wire.exposition import parse_exposition

pytestmark = pytest.mark.prometheus

METRICS = "/api/v1/observability/metrics"
# Names that Tecton chose against the habits of Prometheus; promtool says so of these and of nothing else.
ODD_NAMES = {
    "feature_server_autoscaler_current_replica_count",
    "feature_server_autoscaler_desired_replica_count",
    "feature_server_autoscaler_max_replica_count",
    "feature_server_cache_memory_provisioned_total",
    "feature_server_cache_memory_used_total",
    "feature_server_cache_primary_nodes_count",
    "feature_server_cache_replica_nodes_count",
}
JOB = """
- job_name: "{name}"
  metrics_path: {path}
  scrape_interval: 1s
  scrape_timeout: 1s
  authorization: {{type: Tecton-key, credentials_file: "{key_file}"}}
  static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, local.FeatureServer]]:
    """One server per version of the metrics, on the machine's clock: Prometheus takes no samples of other times."""
    definitions = documented_definitions()
    with local.FeatureServer(definitions, metrics_version="0.7") as old, local.demo_server() as newest:
        yield {"0.7": old, "1.x": newest}


@pytest.fixture(scope="module")
def prometheus(servers: dict[str, local.FeatureServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Prometheus with a job per version and one, 'wrong', whose key is wrong; asks its query API."""
    folder = tmp_path_factory.mktemp("prometheus")
    jobs = [
        *((name, server, server.api_key) for name, server in servers.items()),
        ("wrong", servers["1.x"], "not-the-key"),
    ]
    (folder / "prometheus.yml").write_text("scrape_configs:" + "".join(job(folder, *one) for one in jobs))
    with (
        running_prometheus(folder) as address,
        httpx.Client(base_url=f"http://{address}/api/v1", trust_env=False) as client,
    ):
        yield lambda path, **params: client.get(path, params=params).raise_for_status().json()["data"]


def job(folder: Path, name: str, server: local.FeatureServer, key: str) -> str:
    """The part of the configuration that scrapes one server; the key stands in a file of its own."""
    key_file = folder / f"{name}.key"
    key_file.write_text(f"{key}\n")
    return JOB.format(name=name, path=METRICS, key_file=key_file, target=server.url.removeprefix("http://"))


def eventually(probe: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return what a probe of another process returns once it is true, or at last."""
    deadline = time.monotonic() + seconds
    while not (found := probe()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def targets(prometheus: Any) -> dict[str, Any]:
    """What Prometheus says about its targets once those with the right key are up, or after a while."""

    def active() -> dict[str, Any]:
        return {target["scrapePool"]: target for target in prometheus("/targets")["activeTargets"]}

    def settled() -> bool:
        health = {name: target["health"] for name, target in active().items()}
        return health.pop("wrong", "unknown") != "unknown" and set(health.values()) == {"up"}

    eventually(settled)
    return active()


def page_of(server: local.FeatureServer) -> str:
    """The metrics page as the server prints it."""
    headers = {"Authorization": f"Tecton-key {server.api_key}"}
    return httpx.get(f"{server.url}{METRICS}", headers=headers, trust_env=False).text


@pytest.mark.parametrize("version", VERSIONS)
def test_target_with_the_right_key_is_up(targets, version):
    """With the server's key as a Tecton-key the scrape succeeds."""
    assert (targets[version]["health"], targets[version]["lastError"]) == ("up", "")


def test_target_with_a_wrong_key_is_down_with_401(targets):
    """With another key the target is down, and Prometheus says why."""
    assert targets["wrong"]["health"] == "down"
    assert "401 Unauthorized" in targets["wrong"]["lastError"]


@pytest.mark.parametrize("version", VERSIONS)
def test_all_series_of_a_version_are_stored(prometheus, targets, servers, version):
    """Every listed metric can be queried, and there is a series for each line of the page."""
    samples = [sample for family in parse_exposition(page_of(servers[version])) for sample in family.samples]
    selector = f'{{job="{version}",__name__!~"up|scrape_.*"}}'
    stored = eventually(lambda: prometheus("/query", query=selector)["result"])
    names = {series["metric"]["__name__"] for series in stored}

    assert {metric.name for metric in catalogue(version)} <= names
    assert names == {sample.name for sample in samples}
    assert len(stored) == len(samples)


@pytest.mark.parametrize("version", VERSIONS)
def test_types_and_stages_reach_prometheus(prometheus, targets, version):
    """Prometheus shows the type of every metric and the release stage in its help."""
    described = eventually(lambda: prometheus("/targets/metadata", match_target=f'{{job="{version}"}}'))
    found = {one["metric"]: (one["type"], one["help"].partition("]")[0]) for one in described}

    assert found == {metric.family: (metric.kind, f"[{metric.stage}") for metric in catalogue(version)}


@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_finds_nothing_but_odd_names(servers, version):
    """Prometheus' own checker has no complaint but the names that Tecton chose."""
    checked = subprocess.run(  # noqa: S603
        [program("promtool"), "check", "metrics"],
        input=page_of(servers[version]),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    complaints = [line for line in (checked.stdout + checked.stderr).splitlines() if line]

    # promtool ends with 3 where it only dislikes a name, with 1 where it cannot read the page.
    assert checked.returncode in {0, 3}
    assert {line.split()[0] for line in complaints} == {m.name for m in catalogue(version)} & ODD_NAMES
    assert all(re.search(r'should not have "_(count|total)" suffix$', line) for line in complaints)
