"""Pictures of frames: a frame in, matplotlib axes out; no pyplot and no global settings."""

from __future__ import annotations

from .breakdown import plot_latency_breakdown
from .comparison import plot_drift, plot_feature_pair, plot_mismatches
from .ecdf import plot_latency_ecdf
from .freshness import plot_freshness
from .heatmap import plot_heatmap
from .latency import latency_quantiles
from .metric import plot_metric
from .over_time import plot_latency_over_time
from .percentiles import plot_latency_percentiles
from .picture import describe, save_figure
from .quantiles import plot_quantiles
from .services import plot_services
from .slo import plot_slo
from .statuses import plot_statuses

__all__ = [
    "describe",
    "latency_quantiles",
    "plot_drift",
    "plot_feature_pair",
    "plot_freshness",
    "plot_heatmap",
    "plot_latency_breakdown",
    "plot_latency_ecdf",
    "plot_latency_over_time",
    "plot_latency_percentiles",
    "plot_metric",
    "plot_mismatches",
    "plot_quantiles",
    "plot_services",
    "plot_slo",
    "plot_statuses",
    "save_figure",
]
