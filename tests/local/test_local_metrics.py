"""The metrics page: Tecton's metrics, with the server's own numbers and seeded ones."""

import math
from dataclasses import replace

import pytest
from asking import asked
from prometheus_client.parser import text_string_to_metric_families
from riders import AUTHORIZATION, KEY, NOW, CountedLatency, ask, post, rider_data, rider_definitions

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import FeatureServer
from tecton_nb.local.definitions.plan import plan_service
from tecton_nb.local.faults import AddedLatency, ErrorStatus, Faults
from tecton_nb.local.observability.metrics_page import MetricsPage, MetricsSettings
from tecton_nb.local.observability.simulated_metrics import SIMULATED
from tecton_nb.local.observability.simulation import Simulation
from tecton_nb.local.observability.telemetry import LatencySummary, Telemetry, WindowSum
from tecton_nb.wire.catalogue import VERSIONS, catalogue
from tecton_nb.wire.exposition import parse_exposition

SECOND = 10**9
MINUTE = 60 * SECOND
ROW = {"joinKeyMap": {"rider_id": "R-77"}, "requestContextMap": {"basket_value": 31.5}}
ETA = {"featureServiceName": "rider_eta_service", **ROW}
NOTHING = {"params": {"featureServiceName": "nothing"}}


class Moving:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        """Return where it stands."""
        return self.at


@pytest.fixture
def clock():
    """A clock that is moved by hand."""
    return Moving()


@pytest.fixture
def started(clock):
    """Make servers of the rider services; they are closed when the test ends."""
    servers = []

    def start(**options):
        options = {"readable_workspaces": ["prod"], "latency": CountedLatency(), "clock": clock, **options}
        servers.append(FeatureServer(rider_definitions(), data=rider_data(), api_key=KEY, **options))
        return servers[-1].responder

    yield start
    for server in servers:
        server.close()


def page(responder):
    """The metrics page as text."""
    return responder.respond("GET", "/api/v1/observability/metrics", AUTHORIZATION, b"").body.decode()


def values(responder, name, *labels):
    """The values of one metric, by the values of its labels; just the value if no label is asked for."""
    family = {family.name: family for family in parse_exposition(page(responder))}[name.removesuffix("_count")]
    found = {tuple(s.labels.get(key) for key in labels): s.value for s in family.samples if s.name == name}
    return found if labels else found[()]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_metric_of_a_version_is_on_the_page_once(started, version):
    """The page has each metric of the documents once, in their order, with type, release stage and labels."""
    families = parse_exposition(page(started(metrics_version=version)))
    metrics = catalogue(version)

    assert [family.name for family in families] == [metric.family for metric in metrics]
    for family, metric in zip(families, metrics, strict=True):
        listed = {*metric.labels, "quantile"} if metric.kind == "summary" else set(metric.labels)
        lines = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert family.kind == metric.kind
        assert family.help.startswith(f"[{metric.stage}] ")
        assert f"({metric.unit}" in family.help
        assert metric.name in {sample.name for sample in family.samples}
        assert set().union(*(sample.labels for sample in family.samples)) == listed
        assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_sample_has_the_servers_time_in_milliseconds(started, version):
    """Every line ends with the moment of the scrape in milliseconds."""
    families = parse_exposition(page(started(metrics_version=version)))

    assert {s.timestamp_ms for family in families for s in family.samples} == {NOW // 1_000_000}


@pytest.mark.parametrize("version", VERSIONS)
def test_reference_parser_reads_the_same_page(started, version):
    """Prometheus' own Python parser finds the same metrics, types and number of samples."""
    text = page(started(metrics_version=version))
    theirs = list(text_string_to_metric_families(text))
    lines = [line for line in text.splitlines() if not line.startswith("#")]

    assert [(f.name, f.type) for f in theirs] == [(m.family, m.kind) for m in catalogue(version)]
    assert sum(len(family.samples) for family in theirs) == len(lines)


def test_newest_version_is_the_default(started):
    """Who asks for no version gets the 40 metrics of today's documents."""
    assert page(started()) == page(started(metrics_version="1.x"))


def test_unknown_version_is_refused_before_the_server_starts():
    """A version that no document has stops the server, with the versions there are."""
    with pytest.raises(SettingsError, match=r"no metrics version '1.2'; choose one of '0.7', '1.x'\."):
        FeatureServer(rider_definitions(), metrics_version="1.2")


def test_rates_of_two_scrapes_five_minutes_apart_match_the_requests(started, clock):
    """Each of two scrapes, five minutes apart, shows the requests of its own five minutes, a batch as its rows."""
    responder = started()
    scrapes = []
    for singles, rows in ((6, 3), (1, 2)):
        for _ in range(singles):
            clock.at += 20 * SECOND
            ask(responder, "get-features", ETA)
        ask(responder, "get-features-batch", {"featureServiceName": "rider_eta_service", "requestData": [ROW] * rows})
        clock.at = NOW + 5 * MINUTE * (len(scrapes) + 1)
        by_service = values(responder, "feature_service_requests_rate", "feature_service_name")
        scrapes.append((by_service, values(responder, "feature_service_requests_total_rate", "aws_region")))

    assert [total[("local",)] * 300 for _, total in scrapes] == pytest.approx([9, 3])
    assert [rates.pop(("rider_eta_service",)) * 300 for rates, _ in scrapes] == pytest.approx([9, 3])
    assert {rate for rates, _ in scrapes for rate in rates.values()} == {0}


def test_server_group_has_the_rates_of_the_whole(started):
    """There is one server group, so its rates, errors and load are those of the server."""
    responder = started()
    ask(responder, "get-features", ETA)
    post(responder, "get-features", NOTHING)
    families = {family.name: family for family in parse_exposition(page(responder))}

    for whole, group in (
        ("feature_service_requests_total_rate", "feature_service_requests_total_rate_per_server_group"),
        ("feature_service_requests_rate", "feature_service_requests_rate_per_server_group"),
        ("feature_server_errors_rate_grpc", "feature_server_errors_rate_grpc_per_server_group"),
        ("feature_server_utilization", "feature_server_max_utilization_per_server_group"),
        ("feature_server_average_utilization", "feature_server_average_utilization_per_server_group"),
        ("feature_server_minimum_utilization", "feature_server_minimum_utilization_per_server_group"),
    ):
        assert [s.value for s in families[group].samples] == [s.value for s in families[whole].samples]
        assert {s.labels["server_group"] for s in families[group].samples} == {"default"}


def test_latency_quantiles_forget_while_sum_and_count_do_not(started, clock):
    """Quantiles are those of the last five minutes and NaN without traffic; sum and count are of all requests."""
    responder = started()
    for _ in range(4):
        ask(responder, "get-features", ETA)
    busy = values(responder, "feature_service_latency", "feature_service_name", "quantile")
    clock.at += 5 * MINUTE
    quiet = values(responder, "feature_service_latency", "feature_service_name", "quantile")
    counts = values(responder, "feature_service_latency_count", "feature_service_name")

    shares = ("0.5", "0.9", "0.95", "0.99")
    assert [busy["rider_eta_service", share] for share in shares] == [0.012, 0.016, 0.016, 0.016]
    assert all(math.isnan(value) for value in quiet.values())
    assert counts[("rider_eta_service",)] == 4
    assert counts[("rider_zone_service",)] == 0


def test_errors_are_percents_by_http_status_and_by_grpc_code(started):
    """Of four answers one 404 and one 401 are 25 percent each, under both names of the error."""
    responder = started()
    for _ in range(2):
        ask(responder, "get-features", ETA)
    post(responder, "get-features", NOTHING)
    responder.respond("POST", "/v1/feature-service/get-features", [], b"")
    by_status = values(responder, "feature_server_errors_rate", "status")
    by_code = values(responder, "feature_server_errors_rate_grpc", "status")

    assert {key: value for (key,), value in by_status.items() if value} == {"401": 25, "404": 25}
    assert {key: value for (key,), value in by_code.items() if value} == {"UNAUTHENTICATED": 25, "NOT_FOUND": 25}
    assert {("429",), ("500",), ("503",), ("504",)} <= by_status.keys()


def test_store_latency_is_told_by_feature_view(started):
    """The 99th percentile of the store is known for a view that was read, and NaN for the others."""
    responder = started()
    for _ in range(3):
        ask(responder, "get-features", ETA)
    found = list(values(responder, "online_store_p99_latency_seconds", "feature_view_id").values())

    assert sorted(found, key=math.isnan)[0] == 0.003
    assert [math.isnan(value) for value in sorted(found, key=math.isnan)] == [False, True]


def test_page_tells_nothing_of_a_closed_workspace(started):
    """Services and views of a workspace that the key may not read are not on the page."""
    closed, opened = started(), started(readable_workspaces=None)

    assert "rider_history_service" not in page(closed)
    assert 'workspace="dev"' not in page(closed)
    assert "rider_history_service" in page(opened)


def test_services_of_one_name_share_the_series_that_do_not_tell_workspaces_apart():
    """Where two workspaces have a service of one name, no series is there twice."""
    definitions = rider_definitions()
    twin = replace(definitions.services[0], workspace="dev")
    plans = [plan_service(service, definitions) for service in (*definitions.services, twin)]
    families = MetricsPage(MetricsSettings(), Telemetry()).families(plans, NOW)
    series = [(s.name, *sorted(s.labels.items())) for family in families for s in family.samples]

    assert len(set(series)) == len(series)


def test_cache_traffic_is_told_by_service_view_and_duration():
    """Reads, writes, hits and durations of the cache come as rates, percents and a histogram in milliseconds.

    Services of one name in two workspaces add up.
    """
    definitions = rider_definitions()
    first, twin = definitions.services[0], replace(definitions.services[0], workspace="dev")
    telemetry = Telemetry()
    for service, seconds, is_hit in ((first, 0.00004, True), (twin, 0.0002, True), (first, 0.03, False)):
        telemetry.cache.read(service.id, "rider_history", NOW, seconds, is_hit=is_hit)
    telemetry.cache.read(first.id, "rider_history", NOW, 0.4, is_hit=True)
    telemetry.cache.wrote(first.id, NOW)
    plans = [plan_service(service, definitions) for service in (first, twin)]
    families = {f.name: f for f in MetricsPage(MetricsSettings(), telemetry).families(plans, NOW)}
    durations = families["feature_server_cache_read_duration"].samples
    rates = families["feature_server_cache_request_rate"].samples
    buckets = {s.labels["le"]: s.value for s in durations if s.name.endswith("_bucket")}

    assert {s.labels["operation"]: s.value * 300 for s in rates} == pytest.approx({"read": 4, "write": 1})
    assert [s.value for s in families["feature_server_cache_hit_rate"].samples] == [75]
    assert [buckets[bound] for bound in ("0.01", "0.05", "0.5", "25.0", "50.0", "100.0", "+Inf")] == [
        *(0, 1, 2, 2, 3, 3, 4)
    ]
    assert [s.value for s in durations[-2:]] == pytest.approx([430.24, 4])


def test_simulated_metrics_say_so_and_no_others(started):
    """HELP says 'simulated' for streams, ingestion, scaling and the cache cluster, and for nothing measured."""
    said = {family.name for family in parse_exposition(page(started())) if "simulated" in family.help}
    begins = ("spark_stream", "stream_ingestapi", "feature_server_autoscaler", "feature_server_scaling")

    assert said == set(SIMULATED)
    assert {name for name in said if not name.startswith(begins)} == {
        "feature_server_cache_memory_used_total",
        "feature_server_cache_memory_provisioned_total",
        "feature_server_cache_primary_nodes_count",
        "feature_server_cache_replica_nodes_count",
        "feature_server_cache_engine_utilization_average_percent",
    }


def test_simulated_metrics_repeat_by_seed_and_move_with_the_clock(started, clock):
    """The same seed and instant give the same page; another seed or another instant gives another."""
    first, again, other = (page(started(metrics_seed=seed)) for seed in (1, 1, 2))
    clock.at += MINUTE
    later = page(started(metrics_seed=1))

    assert first == again != other
    assert [line.split()[:-1] for line in later.splitlines()] != [line.split()[:-1] for line in first.splitlines()]


def test_streams_are_the_aggregated_views_of_the_workspace(started):
    """Stream metrics carry the names of the views that are computed from events."""
    found = values(started(), "spark_stream_input_rate", "workspace", "feature_view_name")

    assert set(found) == {("prod", "zone_visits")}


def test_simulated_numbers_fit_together(started, clock):
    """Ages are in order, a stream keeps up, and the ingest count grows as its rate says."""
    responder = started()
    for _ in range(20):
        before = values(responder, "stream_ingestapi_request_processing_latency_count", "aws_region")[("local",)]
        clock.at += 5 * MINUTE
        rate = values(responder, "stream_ingestapi_request_rate", "aws_region")[("local",)]
        after = values(responder, "stream_ingestapi_request_processing_latency_count", "aws_region")[("local",)]
        streams = [
            values(responder, f"spark_stream_{what}", "feature_view_name")[("zone_visits",)]
            for what in (
                "min_processed_event_age",
                "average_processed_event_age",
                "served_feature_age",
                "max_processed_event_age",
                "online_store_write_rate",
                "input_rate",
                "processing_rate",
            )
        ]

        assert after - before == pytest.approx(rate * 300, abs=1)
        assert 0 < streams[0] < streams[1] < min(streams[2], streams[3])
        assert 0 < streams[4] < streams[5] < streams[6]


def test_courses_stay_within_their_bounds_and_add_up():
    """A course never leaves its bounds, and the events between two instants are the area under it."""
    simulation = Simulation(5)
    steps = range(NOW, NOW + 600 * SECOND, SECOND // 2)
    course = [simulation.level("x", 10.0, 20.0, now) for now in steps]
    day = [simulation.level("x", 10.0, 20.0, NOW + minute * MINUTE) for minute in range(1_440)]

    assert 10 <= min(day) < 12.5
    assert 17.5 < max(day) <= 20
    assert sum(course) / 2 == pytest.approx(simulation.events("x", 10.0, 20.0, NOW, NOW + 600 * SECOND), rel=1e-4)
    assert 10 <= simulation.constant("x", 10.0, 20.0) <= 20


def test_counters_do_not_grow_with_time():
    """A server that nobody scrapes for a day keeps five minutes of sums and the newest latencies."""
    window, latencies = WindowSum(), LatencySummary()
    for second in range(86_400):
        window.add(NOW + second * SECOND, 1)
        latencies.add(NOW + second * SECOND, 0.5)
    end = NOW + 86_399 * SECOND

    assert len(window._earlier) == 300
    assert len(latencies._last) == 2_000
    assert window.total(end) == 300
    assert (latencies.count, latencies.sum) == (86_400, 43_200)


def test_incident_made_with_faults_shows_on_the_page(clock):
    """While a view is late and a service fails, latency, store latency and error rate say so."""
    incident = Faults(
        AddedLatency(0.05, service="rider_eta_service", view="rider_history"),
        ErrorStatus(503, service="rider_zone_service"),
    )
    with FeatureServer(rider_definitions(), data=rider_data(), clock=clock, api_key=KEY, faults=incident) as server:
        late = asked(server.url, KEY, "rider_eta_service", ROW["joinKeyMap"], requestContextMap={"basket_value": 1})
        failed = asked(server.url, KEY, "rider_zone_service", {"rider_id": "R-77", "zone_id": "501"})
        responder = server.responder
        errors = values(responder, "feature_server_errors_rate", "status")
        latency = values(responder, "feature_service_latency", "feature_service_name", "quantile")
        store = values(responder, "online_store_p99_latency_seconds", "feature_view_id").values()
        rates = values(responder, "feature_service_requests_rate", "feature_service_name")

    assert (late[0], failed[0]) == (200, 503)
    assert errors[("503",)] == 50
    assert latency["rider_eta_service", "0.5"] >= 0.05
    assert max(value for value in store if not math.isnan(value)) >= 0.05
    assert rates[("rider_zone_service",)] * 300 == pytest.approx(1)
