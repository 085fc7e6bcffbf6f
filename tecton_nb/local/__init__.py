"""The other side of the wire: an embedded feature server for learning, tests and demonstrations.

`demo_server` starts one with real data; `FeatureServer` serves definitions of your own.
"""

from .definitions.views import (
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
from .http.connection import Limits
from .server import FeatureServer
from .serving.dialect import Dialect

__all__ = [
    "AggregatedView",
    "Aggregation",
    "BatchView",
    "Definitions",
    "Dialect",
    "Feature",
    "FeatureServer",
    "FeatureService",
    "Field",
    "Limits",
    "RealtimeView",
    "demo_server",
]
