"""Metrics of a feature server as frames: scrapes, their history, an existing Prometheus, objectives, agents."""

from . import render, slo
from .history import MetricsHistory
from .prometheus import PrometheusSource
from .scrape import Scrape, parse_exposition

__all__ = ["MetricsHistory", "PrometheusSource", "Scrape", "parse_exposition", "render", "slo"]
