"""The other side of the wire: an embedded feature server for learning, tests and demonstrations.

`demo_server` starts one with real data; `FeatureServer` serves definitions of your own.
"""

from .definitions import (
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureService,
    Field,
    RealtimeView,
)
from .demo import demo_server
from .server import FeatureServer

__all__ = [
    "AggregatedView",
    "Aggregation",
    "BatchView",
    "Definitions",
    "Feature",
    "FeatureServer",
    "FeatureService",
    "Field",
    "RealtimeView",
    "demo_server",
]
