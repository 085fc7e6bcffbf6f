"""What needs both a client and a comparison: two services, the cache, online against offline."""

from __future__ import annotations

from .caching import CacheExperiment, compare_caching
from .offline import OfflineComparison, compare_with_offline, offline_spine
from .services import ServiceComparison, compare_services
from .sides import Asked

__all__ = [
    "Asked",
    "CacheExperiment",
    "OfflineComparison",
    "ServiceComparison",
    "compare_caching",
    "compare_services",
    "compare_with_offline",
    "offline_spine",
]
