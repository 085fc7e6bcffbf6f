"""Metrics of a feature server as frames: one scrape, a history of them, or an existing Prometheus."""

from .history import MetricsHistory
from .scrape import Scrape, parse_exposition

__all__ = ["MetricsHistory", "Scrape", "parse_exposition"]
