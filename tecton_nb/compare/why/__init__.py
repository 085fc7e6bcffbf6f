"""Why two sides differ: each cause is looked for by itself and comes with its evidence; the likeliest is first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from ... import columns
from ..cells import Cells
from ..join import Join
from ..pair import FeaturePair
from ..tables import typed_frame
from .case import Case, Finding, Segment, case_of
from .circumstances import cached, concentrated, expired, segments_of, stale, with_other_status
from .values import (
    other_order,
    other_precision,
    other_sign,
    other_type,
    other_unit,
    other_zone,
    shifted,
    with_default,
)

# What each cause means, how it is looked for, and how much to believe it: what arithmetic shows exactly comes before
# what may go along with another cause.
_DETECTORS: dict[str, tuple[str, float, Callable[[Case], Finding | None]]] = {
    "type": ("one side has another type, such as text for numbers", 1.0, other_type),
    "precision": ("the same after rounding, such as to float32 or to three digits", 1.0, other_precision),
    "order": ("arrays with the same elements in another order", 1.0, other_order),
    "sign": ("the same number with the other sign", 1.0, other_sign),
    "timezone": ("times apart by a whole offset of time zones", 1.0, other_zone),
    "unit_factor": ("a constant ratio, such as seconds against milliseconds", 0.98, other_unit),
    "default": ("one side has a fixed value where the other has null", 0.96, with_default),
    "ttl": ("no value on one side exactly where the other's is older than some age", 0.95, expired),
    "cache": ("one side came from the serving cache", 0.94, cached),
    "stale": ("one side's effective time is older", 0.9, stale),
    # One event more is a count of one more everywhere: what explains the one explains the other.
    "offset": ("a constant difference", 0.88, shifted),
    "status": ("serving statuses differ", 0.85, with_other_status),
    "segment": ("the differences are concentrated in one key segment", 0.7, concentrated),
}
# Name of each cause and its meaning.
CAUSES = {cause: meaning for cause, (meaning, _, _) in _DETECTORS.items()}
_LEAST_SHARE = 0.1


def explain(differing: Sequence[tuple[FeaturePair, Cells]], join: Join, further: pd.DataFrame | None) -> pd.DataFrame:
    """Return the explanations of each feature, ranked; see ``columns.EXPLANATIONS``."""
    segments = segments_of(join, further) if differing else []
    rows = [row for pair, cells in differing for row in _ranked(pair, cells, segments)]
    return typed_frame(rows, columns.EXPLANATIONS)


def _ranked(pair: FeaturePair, cells: Cells, segments: Sequence[Segment]) -> list[dict[str, object]]:
    case = case_of(pair, cells, segments)
    if case is None:
        return []
    looked_for = [(cause, weight, detect(case)) for cause, (_, weight, detect) in _DETECTORS.items()]
    found = [(cause, weight, f) for cause, weight, f in looked_for if f is not None and f.share >= _LEAST_SHARE]
    found.sort(key=lambda item: -item[1] * item[2].share * item[2].belief)
    return [
        {"feature": pair.name, "rank": rank, "cause": cause, "explained_ratio": f.share, "evidence": f.evidence}
        for rank, (cause, _, f) in enumerate(found, 1)
    ]
