"""What a metric is, from the page's own HELP and TYPE or else from Tecton's documents."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from ..reprs import Kind, Status
from ..wire.catalogue import VERSIONS, Metric, catalogue
from ..wire.metrics_page import Heading, owned_names

# The stage stands somewhere in the help text: in front, in brackets, after the word, or in a sentence about the metric.
_WORDS = r"(GA|Generally Available|Preview|Deprecated)"
_STAGE = re.compile(
    rf"(?:^\W*|[\[(]|\bstage\W+){_WORDS}\s*(?:$|[])|:;.,-])"
    r"|^\W*(Deprecated)\s+(?:since|use|in|as|and|please)\b"
    r"|(?:^\W*|\b(?:metric|gauge|counter|summary|histogram|series|it)\s+)(?:is|was|has\s+been)\s+(?:now\s+)?"
    rf"(?:in\s+(?:public\s+|private\s+)?)?{_WORDS}\b",
    re.IGNORECASE,
)
_STAGES = {"ga": "GA", "generally available": "GA", "preview": "Preview", "deprecated": "Deprecated"}
_STAGE_KINDS = {"GA": Kind.GOOD, "Preview": Kind.UNSURE, "Deprecated": Kind.BAD}


@dataclass(frozen=True, slots=True)
class Described:
    """A metric with what page and documents say of it; `stage` and `version` are `None` where nobody says."""

    heading: Heading
    stage: str | None
    version: str | None


def described(headings: Iterable[Heading], names: Iterable[str]) -> dict[str, Described]:
    """Return by the name of a line the metric it belongs to.

    Parameters
    ----------
    headings
        What the page declares. Missing kinds, units and help texts are filled from Tecton's documents.
    names
        Names of lines; one that neither page nor documents know is a metric of its own, of kind ``unknown``.
    """
    declared = {heading.name: described_heading(heading).heading for heading in headings}
    owners = owned_names([*declared.values(), *(h for name, h in _listed().items() if name not in declared)])
    return {name: described_heading(owners.get(name) or Heading(name)) for name in names}


def described_heading(heading: Heading) -> Described:
    """Return what a page declares of a metric, completed from Tecton's documents."""
    since, listed = _known().get(heading.name, (None, None))
    if listed is not None:
        kind = listed.kind if heading.kind == "unknown" else heading.kind
        heading = replace(heading, kind=kind, help=heading.help or listed.help, unit=heading.unit or listed.unit)
    said = _STAGE.search(heading.help)
    stage = _STAGES[said[said.lastindex or 1].lower()] if said else listed.stage if listed else None
    return Described(heading, stage, since)


def help_with_stage(one: Described) -> str:
    """Return the help text; the stage stands in front where it does not say it."""
    said = one.heading.help
    return f"[{one.stage}] {said}" if one.stage and not _STAGE.search(said) else said


def stage_status(stage: str | None) -> Status | str:
    """Return a release stage as a card shows it: with a sign, a dash where nobody states one."""
    return Status(stage, _STAGE_KINDS[stage]) if stage in _STAGE_KINDS else "—"


def metric_names() -> tuple[str, ...]:
    """Return the names of the metrics that Tecton's documents list."""
    return tuple(_known())


@cache
def _known() -> dict[str, tuple[str, Metric]]:
    """Return by family name the oldest version that lists a metric, and what the newest says of it."""
    found: dict[str, tuple[str, Metric]] = {}
    for version in VERSIONS:
        for metric in catalogue(version):
            since, _ = found.get(metric.family, (version, metric))
            found[metric.family] = (since, metric)
    return found


@cache
def _listed() -> dict[str, Heading]:
    return {name: Heading(name, metric.kind, metric.help, metric.unit) for name, (_, metric) in _known().items()}
