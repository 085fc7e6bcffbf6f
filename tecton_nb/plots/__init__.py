"""Pictures of frames: a frame in, matplotlib axes out; no pyplot and no global settings."""

from __future__ import annotations

from .ecdf import plot_latency_ecdf
from .latency import latency_quantiles
from .picture import describe, save_figure

__all__ = ["describe", "latency_quantiles", "plot_latency_ecdf", "save_figure"]
