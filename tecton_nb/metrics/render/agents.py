"""The four integrations that Tecton's document describes, as they work today."""

from __future__ import annotations

from typing import Any

from ...exceptions import SettingsError, quoted
from ...wire.catalogue import LATEST, catalogue
from .source import INTERVAL, KEY_TYPE, Source, checked_file, checked_variable, dumped, source_of

_NAMESPACE = "tecton"
_TOKEN = "<TOKEN>"  # noqa: S105  # what the agent puts the key in place of


def prometheus(url: str, *, key_file: str = "tecton.key", version: int = 2) -> str:
    """Return a ``prometheus.yml`` that scrapes a cluster.

    Parameters
    ----------
    url
        Address of the cluster.
    key_file
        File with the API key, as Prometheus finds it: relative to its configuration.
    version
        2 for every Prometheus from 2.26 on. 3 adds what only the newer ones know and need: the format to
        assume where the server states no content type, and the end of series that vanish although they
        have timestamps of their own.

    Raises
    ------
    SettingsError
        If the address, the file or the version cannot be used.
    """
    if version not in {2, 3}:
        raise SettingsError(f"There is no Prometheus version {quoted(version)} to write for; choose 2 or 3.")
    newer: dict[str, Any] = (
        {"fallback_scrape_protocol": "PrometheusText0.0.4", "track_timestamps_staleness": True} if version == 3 else {}
    )
    job = _job(source_of(url), {"credentials_file": checked_file(key_file)}) | newer
    return dumped(
        "Prometheus: scrapes Tecton's Metrics API. The API key stands in a file of its own.",
        {"scrape_configs": [job]},
    )


def otel(url: str, *, key_env: str | None = "TECTON_API_KEY", key_file: str | None = None) -> str:
    """Return a configuration of the OpenTelemetry collector that scrapes a cluster and exports to Datadog.

    Tecton's own sample is refused: a scrape configuration has no ``headers``; the key belongs into ``authorization``.

    Parameters
    ----------
    url
        Address of the cluster.
    key_env
        Variable of the collector's environment that holds the API key.
    key_file
        File with the API key, instead of the variable.

    Raises
    ------
    SettingsError
        If the address, the variable or the file cannot be used.
    """
    return dumped(
        "OpenTelemetry collector: scrapes Tecton's Metrics API. Put your own exporter in place of datadog.\n"
        "Inside the prometheus receiver a dollar sign that is none of the collector's is doubled.",
        {
            "receivers": {"prometheus": _receiver(source_of(url), key_env, key_file)},
            "processors": {"batch": {"send_batch_max_size": 100, "send_batch_size": 10, "timeout": "10s"}},
            "exporters": {"datadog": {"api": {"site": "${env:DD_SITE}", "key": "${env:DD_API_KEY}"}}},
            "service": {
                "pipelines": {
                    "metrics": {"receivers": ["prometheus"], "processors": ["batch"], "exporters": ["datadog"]}
                }
            },
        },
    )


def datadog(url: str, *, key_file: str = "/etc/datadog-agent/tecton.key") -> str:
    """Return an ``openmetrics.d/conf.yaml`` of the Datadog agent that scrapes a cluster.

    Tecton's own sample sends nothing, and says nothing of it, where the page states no types, so every metric of the
    catalogue has its type here. The key is put in by ``auth_token``, which leaves the agent's own headers alone.

    Parameters
    ----------
    url
        Address of the cluster.
    key_file
        File with the API key, readable by the agent.

    Raises
    ------
    SettingsError
        If the address or the file cannot be used.
    """
    typed = [{metric.family: {"name": metric.family, "type": metric.kind}} for metric in catalogue(LATEST)]
    instance = {
        "openmetrics_endpoint": source_of(url).url,
        "namespace": _NAMESPACE,
        "min_collection_interval": 30,
        "metrics": [*typed, ".+"],
        "auth_token": {
            "reader": {"type": "file", "path": checked_file(key_file)},
            "writer": {
                "type": "header",
                "name": "Authorization",
                "value": f"{KEY_TYPE} {_TOKEN}",
                "placeholder": _TOKEN,
            },
        },
    }
    return dumped(
        "Datadog agent, openmetrics.d/conf.yaml: scrapes Tecton's Metrics API.\n"
        "The last pattern takes metrics that are newer than this list, where the page states their type.",
        {"instances": [instance]},
    )


def signalfx(url: str, *, key_env: str | None = "TECTON_API_KEY", key_file: str | None = None) -> str:
    """Return a configuration of the Splunk distribution of the collector that scrapes a cluster for SignalFx.

    Tecton's own sample uses the receiver ``lightprometheus``, which is deprecated and replaces the times that the
    page states; the receiver here keeps them.

    Parameters
    ----------
    url
        Address of the cluster.
    key_env
        Variable of the collector's environment that holds the API key.
    key_file
        File with the API key, instead of the variable.

    Raises
    ------
    SettingsError
        If the address, the variable or the file cannot be used.
    """
    name = "prometheus/tecton"
    exporter = {"access_token": "${env:SPLUNK_ACCESS_TOKEN}", "realm": "${env:SPLUNK_REALM}"}
    return dumped(
        "Splunk distribution of the OpenTelemetry collector: scrapes Tecton's Metrics API for SignalFx.",
        {
            "receivers": {name: _receiver(source_of(url), key_env, key_file)},
            "exporters": {"signalfx": exporter},
            "service": {"pipelines": {"metrics/tecton": {"receivers": [name], "exporters": ["signalfx"]}}},
        },
    )


def _job(source: Source, credentials: dict[str, str]) -> dict[str, Any]:
    return {
        "job_name": "tecton",
        "scrape_interval": INTERVAL,
        "scheme": source.scheme,
        "metrics_path": source.path,
        "authorization": {"type": KEY_TYPE, **credentials},
        "static_configs": [{"targets": [source.target]}],
    }


def _receiver(source: Source, key_env: str | None, path: str | None) -> dict[str, Any]:
    if path is None and key_env is None:
        raise SettingsError("The collector needs the API key: give key_env or key_file.")
    credentials = {"credentials_file": checked_file(path)} if path is not None else {}
    job = _doubled(_job(source, credentials))
    if path is None:
        job["authorization"]["credentials"] = f"${{env:{checked_variable(str(key_env))}}}"
    return {"config": {"scrape_configs": [job]}}


def _doubled(value: Any) -> Any:
    """Return the value with every dollar sign doubled: the collector takes a single one for a variable."""
    if isinstance(value, dict):
        return {key: _doubled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubled(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
