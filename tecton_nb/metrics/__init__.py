"""Metrics of a feature server as frames."""

from . import render, slo
from .scrape import Scrape

__all__ = ["Scrape", "render", "slo"]
