"""Metrics of a feature server as frames."""

from .scrape import Scrape

__all__ = ["Scrape"]
