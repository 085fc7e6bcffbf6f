"""Service level objectives: what they ask for, and what requests and metrics say about them.

Data become slices of time (`slices_from_replies`, `slices_from_metrics`), and slices become results
(`attainment`, `budget`, `burn_rates`). Each number is an interval: exact data make it a point, and
what cannot be known widens it. Every result names its method and its source.
"""

from __future__ import annotations

from .ladder import slices_from_metrics
from .objective import BURN_RATE_POLICY, OBJECTIVES, BurnRate, Objective, tecton_objectives
from .replies import eligibility, slices_from_replies
from .results import attainment, budget, burn_rates

__all__ = [
    "BURN_RATE_POLICY",
    "OBJECTIVES",
    "BurnRate",
    "Objective",
    "attainment",
    "budget",
    "burn_rates",
    "eligibility",
    "slices_from_metrics",
    "slices_from_replies",
    "tecton_objectives",
]
