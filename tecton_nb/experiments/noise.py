"""Which differences are noise: a side that differs with itself nearly as much as with the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .. import columns
from ..compare import Comparison

# Deviations of the difference of two shares, above which it is no chance: about 1 in 1,000 features by mistake.
_CLEAR = 3.0


def noise_of(baselines: Iterable[Comparison], comparison: Comparison) -> dict[str, int]:
    """Return the features that are noise, and in how many cells each differs in the worst baseline.

    Noise is what differs in a baseline, unless the two sides differ in clearly more cells: one glitch does not hide a
    difference. Cells for which one of two answers failed, timed out or was not fetched count neither here nor there.

    Parameters
    ----------
    baselines
        One side against itself.
    comparison
        The two sides, over as many rows.
    """
    between = answered_differences(comparison)
    found: dict[str, int] = {}
    for baseline in baselines:
        for name, count in answered_differences(baseline).items():
            found[name] = max(found.get(name, 0), count)
    rows = comparison.shape[0]
    return {name: count for name, count in found.items() if not _is_clearly_more(between.get(name, 0), count, rows)}


def answered_differences(comparison: Comparison) -> dict[str, int]:
    """Return, by feature, how many cells differ for which both sides had an answer."""
    cells = comparison.mismatches()
    is_silent = cells[["left_status", "right_status"]].isin(columns.NO_ANSWER_STATUSES).any(axis=1)
    counts = cells.loc[~is_silent, "feature"].value_counts(sort=False)
    return {str(name): int(count) for name, count in counts.items()}


def _is_clearly_more(between: int, within: int, rows: int) -> bool:
    """Whether one share of the rows is larger than another by more than chance (test of two proportions)."""
    if between <= within:
        return False
    both = between + within
    deviation = np.sqrt(both * max(1 - both / (2 * rows), 0.0))
    return bool(between - within > _CLEAR * deviation)
