"""Pictures of frames: a frame in, matplotlib axes out; no pyplot and no global settings."""

from __future__ import annotations

from .comparison import plot_drift, plot_feature_pair, plot_mismatches
from .ecdf import plot_latency_ecdf
from .latency import latency_quantiles
from .picture import describe, save_figure

__all__ = [
    "describe",
    "latency_quantiles",
    "plot_drift",
    "plot_feature_pair",
    "plot_latency_ecdf",
    "plot_mismatches",
    "save_figure",
]
