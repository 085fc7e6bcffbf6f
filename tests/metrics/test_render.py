"""Configurations of agents and alert rules, as data."""

import pytest
import yaml

from tecton_nb import cli
from tecton_nb.exceptions import SettingsError
from tecton_nb.metrics import render
from tecton_nb.metrics.slo import Objective, tecton_objectives
from tecton_nb.wire.catalogue import catalogue

URL = "https://yourcluster.tecton.ai"
KEY = "0123456789abcdef0123456789abcdef"
AGENTS = ("prometheus", "otel", "datadog", "signalfx")


def job(text: str) -> dict:
    """Return the only scrape job of a configuration, whatever stands around it."""
    content = yaml.safe_load(text)
    config = next(iter(content["receivers"].values()))["config"] if "receivers" in content else content
    (found,) = config["scrape_configs"]
    return found


@pytest.mark.parametrize("agent", ["prometheus", "otel", "signalfx"])
def test_job_scrapes_the_documented_endpoint_every_30_seconds(agent):
    """Scheme, host, path, interval and the kind of key are those of Tecton's document."""
    found = job(getattr(render, agent)(URL))

    assert (found["scheme"], found["metrics_path"]) == ("https", "/api/v1/observability/metrics")
    assert found["static_configs"] == [{"targets": ["yourcluster.tecton.ai"]}]
    assert (found["scrape_interval"], found["authorization"]["type"]) == ("30s", "Tecton-key")


def test_datadog_has_a_type_for_every_metric_of_the_catalogue():
    """The agent sends nothing for a page without types, so each metric has its own."""
    (instance,) = yaml.safe_load(render.datadog(URL))["instances"]

    typed = {name: entry["type"] for each in instance["metrics"][:-1] for name, entry in each.items()}
    assert typed == {metric.family: metric.kind for metric in catalogue()}
    assert instance["metrics"][-1] == ".+"
    assert instance["openmetrics_endpoint"] == f"{URL}/api/v1/observability/metrics"
    assert "headers" not in instance


def test_signalfx_keeps_the_times_of_the_page():
    """The deprecated receiver of the document, which stamps its own times, is not used."""
    content = yaml.safe_load(render.signalfx(URL))

    assert list(content["receivers"]) == ["prometheus/tecton"]
    assert content["service"]["pipelines"]["metrics/tecton"]["exporters"] == ["signalfx"]


@pytest.mark.parametrize("agent", ["otel", "signalfx"])
def test_collectors_take_the_key_from_their_environment_or_a_file(agent):
    """The key is a variable's name or a path."""
    write = getattr(render, agent)

    assert job(write(URL, key_env="MY_KEY"))["authorization"]["credentials"] == "${env:MY_KEY}"
    assert job(write(URL, key_file="/run/key"))["authorization"]["credentials_file"] == "/run/key"


@pytest.mark.parametrize("agent", ["otel", "signalfx"])
def test_dollars_of_an_address_are_doubled_for_collectors(agent):
    """A collector takes a single dollar sign for a variable, so those of an address are doubled."""
    assert job(getattr(render, agent)("https://gateway.example/a$b"))["metrics_path"].startswith("/a$$b/")


@pytest.mark.parametrize(
    "url", ["https://h/", "https://h/api", "https://h/api/v1/", "https://h/api/v1/observability/metrics"]
)
def test_address_may_be_that_of_any_document(url):
    """With or without /api, /api/v1 or the whole path it is the same endpoint."""
    found = job(render.prometheus(url))

    assert (found["static_configs"][0]["targets"], found["metrics_path"]) == (["h"], "/api/v1/observability/metrics")


def test_gateway_path_and_port_are_kept():
    """A path in front of /api stays, and so does a port; IPv6 keeps its brackets."""
    found = job(render.prometheus("http://[::1]:8080/tecton/api"))

    assert found["metrics_path"] == "/tecton/api/v1/observability/metrics"
    assert (found["scheme"], found["static_configs"][0]["targets"]) == ("http", ["[::1]:8080"])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("yourcluster.tecton.ai", "does not start with https://"),
        ("ftp://h", "does not start with https://"),
        ("http://h", "plain http would send the API key in clear"),
        ("https://u:secret-word@h", "no user name"),
        ("https://h?api_key=secret-word", "no user name, query"),
        ("https://h/\n- job_name: evil", "or space"),
        ("https://h:port", "Cannot read the address"),
        ("https://u:secret-word", "its host or its port cannot be one"),
        (None, "must be text, not NoneType"),
        ("https://", "does not start with https:// and a host"),
    ],
)
@pytest.mark.parametrize("agent", AGENTS)
def test_addresses_that_cannot_be_used_are_refused_in_words(agent, url, words):
    """No configuration is written for an address that is none, and no password is shown."""
    with pytest.raises(SettingsError) as caught:
        getattr(render, agent)(url)

    assert words in str(caught.value)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("agent", "options"),
    [
        *((agent, {"key_file": KEY}) for agent in AGENTS),
        ("prometheus", {"key_file": f"Tecton-key {KEY}"}),
        ("prometheus", {"key_file": f"Authorization: Tecton-key {KEY}"}),
        ("prometheus", {"key_file": "Tecton-key another-kind-of-key"}),
        ("otel", {"key_env": KEY}),
        ("otel", {"key_env": "abcdef0123456789abcdef0123456789"}),
        ("otel", {"key_env": "$KEY} evil"}),
        ("otel", {"key_env": None}),
        ("prometheus", {"key_file": ""}),
        ("prometheus", {"key_file": "a\nb"}),
    ],
)
def test_key_itself_is_refused_and_not_shown(agent, options):
    """Who gives the key in place of its file or variable gets no configuration, and a sentence without the key."""
    with pytest.raises(SettingsError) as caught:
        getattr(render, agent)(URL, **options)

    assert "key" in str(caught.value)
    assert not any(str(value) in str(caught.value) for value in options.values() if value and len(value) > 20)


def test_path_with_marks_of_yaml_stays_a_path():
    """A file name that YAML would read as something else is quoted."""
    path = "/a: b #c/'d'.key"

    assert job(render.prometheus(URL, key_file=path))["authorization"]["credentials_file"] == path


def test_newer_prometheus_gets_what_only_it_knows():
    """Version 3 is told the format of pages without a content type; version 2 would refuse the field."""
    assert job(render.prometheus(URL, version=3))["fallback_scrape_protocol"] == "PrometheusText0.0.4"
    assert "fallback_scrape_protocol" not in job(render.prometheus(URL))
    with pytest.raises(SettingsError, match="choose 2 or 3"):
        render.prometheus(URL, version=4)


def test_rules_have_the_thresholds_of_the_workbook():
    """The four alerts of 99.95 % fire at 14.4, 6, 3 and 1 times 0.05 %; the first two page."""
    (group,) = yaml.safe_load(render.rules(tecton_objectives("1.x")[0]))["groups"]

    alerts = [rule for rule in group["rules"] if "alert" in rule]
    assert [rule["expr"].rsplit(">= ", 1)[1].rstrip(")") for rule in alerts] == ["0.0072", "0.003", "0.0015", "0.0005"]
    assert [rule["labels"]["severity"] for rule in alerts] == ["page", "page", "ticket", "ticket"]
    assert [(rule["expr"].count("[1h]"), rule["expr"].count("[5m]")) for rule in alerts[:1]] == [(2, 2)]


def test_name_of_an_objective_cannot_break_out_of_the_file():
    """A name with line breaks, markup of YAML and of templates stays text in comment, label and annotation."""
    name = "a\n- record: evil\x00 {{ .Labels }} # b: 'c'"

    text = render.rules(Objective("availability", 0.999, name=name))

    (group,) = yaml.safe_load(text)["groups"]
    assert all(set(rule) <= {"record", "alert", "expr", "labels", "annotations"} for rule in group["rules"])
    assert not any(rule.get("record") == "evil" for rule in group["rules"])
    assert group["rules"][0]["labels"]["objective"] == "a-record-evil-.labels-b-c"
    assert '{{ "{{" }} .Labels' in group["rules"][-1]["annotations"]["summary"]


def test_objectives_in_any_script_have_labels_of_their_own():
    """Names that no small Latin letter holds are told apart by a hash; others are their own label."""
    names = ["可用性", "延迟", "Größe a", "Grüße a", "!", "Plain Name"]

    groups = [yaml.safe_load(render.rules(Objective("availability", 0.999, name=name)))["groups"][0] for name in names]

    labels = [group["rules"][0]["labels"]["objective"] for group in groups]
    assert len({*labels}) == len(names)
    assert all(labels)
    assert labels[-1] == "plain-name"


def test_rules_out_of_reach_are_left_out():
    """At 90 % everything bad burns at 10, so the rule of 14.4 is not written."""
    (group,) = yaml.safe_load(render.rules(Objective("availability", 0.9)))["groups"]

    assert [rule["labels"]["long_window"] for rule in group["rules"] if "alert" in rule] == ["6h", "1d", "3d"]


def test_rules_that_would_alarm_a_healthy_service_are_left_out_with_a_word():
    """Over 7 days the last two rules would fire at 0.7 and 0.23 times the budget; the file says why it lacks them."""
    text = render.rules(Objective("availability", 0.999, window="7d"))

    (group,) = yaml.safe_load(text)["groups"]
    assert [rule["labels"]["long_window"] for rule in group["rules"] if "alert" in rule] == ["1h", "6h"]
    assert "# Left out is the rule of 1d and 2h: its factor is 0.7, and below 1 no budget runs out.\n" in text
    assert "# Left out is the rule of 3d and 6h: its factor is 0.233, and" in text


@pytest.mark.parametrize("agent", AGENTS)
def test_command_prints_what_the_function_returns(agent, monkeypatch, capsys):
    """`tecton-nb render` writes the configuration to standard output, ready for a file."""
    monkeypatch.setattr("sys.argv", ["tecton-nb", "render", agent, "--url", URL])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code in {0, None}
    assert capsys.readouterr().out == getattr(render, agent)(URL)


def test_command_prints_rules_or_says_what_is_promised(monkeypatch, capsys):
    """`tecton-nb render rules` writes those of an objective; one that no document promises is a sentence."""
    said = []
    for kind in ("availability", "latency"):
        monkeypatch.setattr("sys.argv", ["tecton-nb", "render", "rules", "--kind", kind])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said.append((ended.value.code or 0, *capsys.readouterr()))

    assert said[0] == (0, render.rules(tecton_objectives("1.x")[0]), "")
    assert said[1] == (2, "", "tecton-nb: Tecton '1.x' promises no 'latency'; it promises 'availability'.\n")
