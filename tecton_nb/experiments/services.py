"""``compare_services``: fetch two sides by turns and compare what came, noise set apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias, Unpack

import pandas as pd

from ..batch.plan import Rows
from ..batch.result import FeatureBatch
from ..client.service import FeatureService
from ..compare import CompareOptions, Comparison, Side, check_options, compare_sides, side_of
from ..exceptions import InputError, quoted
from ..reprs import Card, HasCard, Kind, Section, Status
from .noise import noise_of
from .options import ignored, options_for
from .sides import (
    Asked,
    Fetched,
    abba,
    blocks_of,
    check_columns,
    check_labels,
    check_recorded,
    feature_names,
    fetch_by_turns,
)

Source: TypeAlias = "FeatureService | Asked | FeatureBatch"


@dataclass(frozen=True)
class ServiceComparison(HasCard):
    """Two sides as they were fetched, and how they compare.

    Attributes
    ----------
    comparison
        Left against right, without the features that are noise: it may be equal where these are not.
    noise
        Features that differ with themselves when the same side is fetched again: clocks, random numbers, values
        that change meanwhile. Nothing can be said of them. A feature in which the two sides differ in clearly more
        cells than one side with itself is no noise.
    baselines
        One side against itself: the comparisons that told the noise.
    left, right
        What was compared: recorded, or fetched by turns.
    """

    comparison: Comparison
    noise: tuple[str, ...]
    baselines: tuple[Comparison, ...] = field(repr=False)
    left: FeatureBatch | Fetched = field(repr=False)
    right: FeatureBatch | Fetched = field(repr=False)
    title: str = ""
    _noisy_cells: Mapping[str, int] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"<ServiceComparison: {self._verdict().word}>"

    def _card(self) -> Card:
        card = self.comparison.card()
        noise = tuple(self._noisy_cells.items())
        section = [Section("Noise: differs with itself", ("feature", "cells differing in the baseline"), noise)]
        said = "not tried" if not self.baselines else f"{len(noise):,} {_features(len(noise))}"
        facts = (("compared", self.title), *card.facts, ("noise", said))
        return Card(card.title, self._verdict(), facts, (*card.sections, *(section if noise else [])))

    def _verdict(self) -> Status:
        count = len(self._noisy_cells)
        if self.comparison.equal and count:
            return Status(f"equal but for {count:,} noisy {_features(count)}", Kind.GOOD)
        return self.comparison.verdict


def compare_services(
    left: Source,
    right: Source,
    rows: Rows,
    *,
    repeat_baseline: bool = True,
    **options: Unpack[CompareOptions],
) -> ServiceComparison:
    """Fetch the same rows from two sides and compare the answers.

    The two are asked by turns, in blocks of 8 rows in the order A B B A, so that what changes with time hits both
    alike and cannot pass for a difference.

    Parameters
    ----------
    left, right
        A `FeatureService`, an `Asked` (a service with request options), or a `FeatureBatch` that was recorded before.
        They may differ in service, version, workspace, cluster and options. A side that is to pass the serving
        cache needs ``{"read_from_cache": False, "write_to_cache": False}``, or it fills the cache of the other; see
        `compare_caching`.
    rows
        As for ``FeatureService.get_features_batch``. Each side is asked with those columns that it takes.
    repeat_baseline
        Fetch the left side (the right one where the left is recorded) twice before, whole: features that differ
        between its three answers, and not in clearly fewer cells than between the sides, are noise and left out of
        the comparison. Costs two fetches more.
    **options
        ``rtol``, ``atol``, ``per_feature`` and ``ignore`` of ``compare_features``.

    Returns
    -------
    ServiceComparison
        Its `comparison` explains itself by the columns of `rows` too: differences that are all in one segment are
        told so. Rows that fail raise nothing: they have the status FAILED.

    Raises
    ------
    InputError
        If a key is missing, a column is none that a side takes, a recorded side has other rows, a label of the rows
        stands twice, or an option of the comparison is none. Told before anything is fetched, but missing keys.
    """
    # Looked at more than once.
    options["ignore"] = ignored(options)
    one, other = _asked(left, "left"), _asked(right, "right")
    live = [side for side in (one, other) if isinstance(side, Asked)]
    _check(one, other, rows, options)
    repeats = [_fetch(live[0], rows) for _ in range(2)] if repeat_baseline and live else []
    fetched = _by_turns(one, other, rows)
    again = fetched[0] if isinstance(one, Asked) else fetched[1]
    baselines = _baselines([*repeats, again], options) if repeats else ()
    comparison = _without((), fetched, rows, options)
    noisy = noise_of(baselines, comparison)
    if noisy:
        comparison = _without(noisy, fetched, rows, options)
    title = f"{_name(one)} against {_name(other)}"
    return ServiceComparison(comparison, tuple(noisy), baselines, *fetched, title, noisy)


def _asked(source: Source, where: str) -> Asked | FeatureBatch:
    if isinstance(source, FeatureService):
        return Asked(source)
    if isinstance(source, Asked | FeatureBatch):
        return source
    raise InputError(
        f"Cannot fetch the {where} side: {quoted(source)} ({type(source).__name__}) is no FeatureService, "
        "no Asked(service, request_options) and no FeatureBatch."
    )


def _check(left: Asked | FeatureBatch, right: Asked | FeatureBatch, rows: Rows, options: CompareOptions) -> None:
    """Raise an InputError for whatever can be known to be wrong before anything is fetched."""
    live = [side for side in (left, right) if isinstance(side, Asked)]
    if live:
        check_columns(live, rows)
    check_labels(rows)
    for side, where in ((left, "left"), (right, "right")):
        if isinstance(side, FeatureBatch):
            check_recorded(side, rows, where)
    names = (name for side in (left, right) for name in feature_names(side))
    check_options(dict.fromkeys(names), **options)


def _fetch(side: Asked, rows: Rows) -> Fetched:
    return fetch_by_turns([side], rows, lambda _: (0,))[0]


def _by_turns(
    left: Asked | FeatureBatch, right: Asked | FeatureBatch, rows: Rows
) -> tuple[FeatureBatch | Fetched, FeatureBatch | Fetched]:
    if isinstance(left, Asked) and isinstance(right, Asked):
        one, other = fetch_by_turns([left, right], rows, abba)
        return one, other
    return (
        _fetch(left, rows) if isinstance(left, Asked) else left,
        _fetch(right, rows) if isinstance(right, Asked) else right,
    )


def _baselines(answers: list[FeatureBatch | Fetched], options: CompareOptions) -> tuple[Comparison, ...]:
    sides = [side_of(answer, "fetched") for answer in answers]
    # What only the other side has may be named in the options too.
    own = options_for(options, sides[0].values.columns)
    return tuple(compare_sides(one, other, **own) for one, other in pairwise(sides))


def _without(
    noise: Iterable[str],
    fetched: tuple[FeatureBatch | Fetched, FeatureBatch | Fetched],
    rows: Rows,
    options: CompareOptions,
) -> Comparison:
    left, right = (side_of(answer, where) for answer, where in zip(fetched, ("left", "right"), strict=True))
    kept: CompareOptions = {**options, "ignore": {*ignored(options), *noise}}
    return compare_sides(left, right, **kept, segments=_segments(rows, left))


def _segments(rows: Rows, left: Side) -> pd.DataFrame | None:
    index, _ = blocks_of(rows)
    many = [rows] if isinstance(rows, Mapping) else rows
    frame = many if isinstance(many, pd.DataFrame) else pd.DataFrame(list(many))
    return frame.set_axis(index, axis=0).loc[left.values.index] if index.is_unique else None


def _features(count: int) -> str:
    return "feature" if count == 1 else "features"


def _name(side: Asked | FeatureBatch) -> str:
    return f"{side.service} (recorded)" if isinstance(side, FeatureBatch) else str(side)
