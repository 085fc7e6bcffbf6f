"""Panels for a notebook: explore a feature service, fill its keys, look at metrics, compare two tables.

Each is loaded when it is first used: the picture of a `MetricsPanel` needs matplotlib, the explorer does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compare_panel import ComparePanel
    from .explorer import FeatureServiceExplorer, explore
    from .fields import JoinKeyForm
    from .metrics_panel import MetricsPanel
    from .picker import ServicePicker
    from .selection import Selection

_HOMES = {
    "ComparePanel": "compare_panel",
    "FeatureServiceExplorer": "explorer",
    "JoinKeyForm": "fields",
    "MetricsPanel": "metrics_panel",
    "Selection": "selection",
    "ServicePicker": "picker",
    "explore": "explorer",
}

__all__ = [
    "ComparePanel",
    "FeatureServiceExplorer",
    "JoinKeyForm",
    "MetricsPanel",
    "Selection",
    "ServicePicker",
    "explore",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tecton_nb.widgets' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
