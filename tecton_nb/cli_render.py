"""``tecton-nb render``: configurations of monitoring agents, to standard output."""

from __future__ import annotations

from typing import Annotated

import typer

from .exceptions import InputError, listed, quoted
from .metrics.render import datadog, otel, prometheus, rules, signalfx
from .metrics.slo import OBJECTIVES, Objective, tecton_objectives
from .transport.address import parse_address

Url = Annotated[str, typer.Option(help="Address of the cluster, such as https://yourcluster.tecton.ai.")]
KeyEnv = Annotated[str, typer.Option(help="Variable of the agent's environment that holds the API key.")]
KeyFile = Annotated[str | None, typer.Option(help="File with the API key, as the agent finds it.")]

render = typer.Typer(
    no_args_is_help=True,
    help="Print the configuration of a monitoring agent. The API key is named by file or variable, never written.",
)


@render.command("prometheus")
def print_prometheus(
    url: Url,
    key_file: Annotated[str, typer.Option(help="File with the API key, as Prometheus finds it.")] = "tecton.key",
    version: Annotated[int, typer.Option(min=2, max=3, help="Of Prometheus: 3 needs and knows more.")] = 2,
) -> None:
    """Print a prometheus.yml."""
    _print(prometheus(str(parse_address(url)), key_file=key_file, version=version))


@render.command("otel")
def print_otel(url: Url, key_env: KeyEnv = "TECTON_API_KEY", key_file: KeyFile = None) -> None:
    """Print a configuration of the OpenTelemetry collector."""
    _print(otel(str(parse_address(url)), key_env=key_env, key_file=key_file))


@render.command("datadog")
def print_datadog(
    url: Url,
    key_file: Annotated[
        str, typer.Option(help="File with the API key, readable by the agent.")
    ] = "/etc/datadog-agent/tecton.key",
) -> None:
    """Print an openmetrics.d/conf.yaml of the Datadog agent."""
    _print(datadog(str(parse_address(url)), key_file=key_file))


@render.command("signalfx")
def print_signalfx(url: Url, key_env: KeyEnv = "TECTON_API_KEY", key_file: KeyFile = None) -> None:
    """Print a configuration of Splunk's collector for SignalFx."""
    _print(signalfx(str(parse_address(url)), key_env=key_env, key_file=key_file))


@render.command("rules")
def print_rules(
    documents: Annotated[
        str, typer.Option(help=f"Version of Tecton's documents whose objectives hold: {', '.join(OBJECTIVES)}.")
    ] = "1.x",
    kind: Annotated[str, typer.Option(help="availability or latency.")] = "availability",
) -> None:
    """Print alert rules for Prometheus from an objective of Tecton's documents."""
    _print(rules(_objective(documents, kind)))


def _print(text: str) -> None:
    typer.echo(text, nl=False)


def _objective(documents: str, kind: str) -> Objective:
    promised = {objective.kind: objective for objective in tecton_objectives(documents)}
    for found in promised.values():
        if found.kind == kind:
            return found
    raise InputError(f"Tecton {quoted(documents)} promises no {quoted(kind)}; it promises {listed(promised)}.")
