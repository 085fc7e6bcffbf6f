"""Metrics of a feature server as frames: one scrape, a history of them, or an existing Prometheus; objectives and agents."""

from . import render, slo
from .history import MetricsHistory
from .prometheus import PrometheusSource
from .scrape import Scrape, parse_exposition

__all__ = ["MetricsHistory", "PrometheusSource", "Scrape", "parse_exposition", "render", "slo"]
