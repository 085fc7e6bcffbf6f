"""Two tables of features side by side: what differs, where, how much, and why. Knows frames only."""

from __future__ import annotations

from .compared import CompareOptions, check_options, compare_features, compare_sides
from .comparison import Comparison
from .sides import FeatureTable, Side, side_of
from .why import CAUSES

__all__ = [
    "CAUSES",
    "CompareOptions",
    "Comparison",
    "FeatureTable",
    "Side",
    "check_options",
    "compare_features",
    "compare_sides",
    "side_of",
]
