"""Metrics of a feature server as frames."""

from . import slo
from .scrape import Scrape

__all__ = ["Scrape", "slo"]
