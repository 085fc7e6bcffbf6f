"""Metrics of a feature server as frames: scrapes, their history, an existing Prometheus, objectives, agents.

Each is loaded when it is first used: a client needs the scrapes, and neither the history nor YAML.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import render, slo
    from .history import MetricsHistory
    from .prometheus import PrometheusSource
    from .scrape import Scrape, parse_exposition

# Public name to the module it lives in; a module itself stands for its own name.
_HOMES = {
    "MetricsHistory": "history",
    "PrometheusSource": "prometheus",
    "Scrape": "scrape",
    "parse_exposition": "scrape",
    "render": "",
    "slo": "",
}

__all__ = ["MetricsHistory", "PrometheusSource", "Scrape", "parse_exposition", "render", "slo"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    module = importlib.import_module(f".{home or name}", __name__)
    found = getattr(module, name) if home else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
