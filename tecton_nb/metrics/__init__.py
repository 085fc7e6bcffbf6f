"""Metrics of a feature server as frames: one scrape, a history of them, or an existing Prometheus."""

from .scrape import Scrape, parse_exposition

__all__ = ["Scrape", "parse_exposition"]
