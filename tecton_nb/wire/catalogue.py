"""Tecton's metrics as its documents list them: a data file, so that a new page of theirs is a new set of rows.

Version ``0.7`` is the Metrics API page of that release (17 metrics), ``1.x`` the pages of 1.0, 1.1 and the
beta of 1.2 (40 metrics, the 17 among them).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ..exceptions import SettingsError, listed, quoted

VERSIONS = ("0.7", "1.x")
LATEST = VERSIONS[-1]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the catalogue.

    Parameters
    ----------
    version
        Of the documents that list it, one of `VERSIONS`.
    name
        As listed.
    kind
        ``gauge``, ``summary`` or ``histogram``.
    unit
        In words, such as ``requests per second``; percentages run from 0 to 100.
    labels
        Names of its labels, without those that a kind brings along (``quantile``) unless they are listed.
    stage
        Release stage: ``GA`` or ``Preview``.
    help
        What it tells, in a sentence.
    """

    version: str
    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    stage: str
    help: str

    @property
    def family(self) -> str:
        """Name behind HELP and TYPE.

        The documents list the one histogram by its ``_bucket`` samples, as the label ``le`` beside it
        shows; its family lacks that suffix.
        """
        return self.name.removesuffix("_bucket") if self.kind == "histogram" else self.name


@cache
def catalogue(version: str = LATEST) -> tuple[Metric, ...]:
    """Return the metrics of a version in the order of the documents.

    Raises
    ------
    SettingsError
        If the version is none of `VERSIONS`.
    """
    if version not in VERSIONS:
        raise SettingsError(f"There is no metrics version {quoted(version)}; choose one of {listed(VERSIONS)}.")
    return tuple(metric for metric in _all() if metric.version == version)


@cache
def _all() -> tuple[Metric, ...]:
    text = resources.files(__package__).joinpath("catalogue.csv").read_text(encoding="utf-8")
    _, *rows = csv.reader(text.splitlines())
    return tuple(
        Metric(version, name, kind, unit, tuple(labels.split()), stage, said)
        for version, name, kind, unit, labels, stage, said in rows
    )
