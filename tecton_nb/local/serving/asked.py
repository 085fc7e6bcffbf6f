"""What a request asks for beside its keys: options read once, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ...wire.requests import FeaturesRequest, Locator
from .refusals import refusal

_INT32_END = 2**31


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a features request that does not change from row to row.

    Parameters
    ----------
    metadata
        Metadata options that are on, such as ``includeNames``.
    allows_partial
        Whether what fits is wanted of an answer that is too large.
    budget_seconds
        After which the answer leaves with what is ready; `None` for no budget.
    """

    locator: Locator
    metadata: frozenset[str] = frozenset()
    allows_partial: bool = False
    reads_cache: bool = True
    writes_cache: bool = True
    ignores_extra_fields: bool = False
    coerces_counts: bool = False
    budget_seconds: float | None = None

    def wants(self, option: str) -> bool:
        """Whether a metadata option is on."""
        return option in self.metadata


def asked_of(request: FeaturesRequest) -> Asked:
    """Return what a request asks for.

    Raises
    ------
    DecodeError
        If a flag is no boolean or the latency budget no whole number.
    BadRequestError
        If the latency budget is not positive. One under 100 ms is taken at its word: the documents
        only advise against it.
    """
    budget = request.latency_budget_seconds()
    if budget is not None and not 0 < budget * 1000 < _INT32_END:
        raise refusal(400, "latencyBudgetMs must be a positive int32; 100 or more is recommended.")
    return Asked(
        locator=request.locator,
        metadata=request.metadata_options,
        allows_partial=request.allow_partial_results,
        reads_cache=request.option("readFromCache", default=True),
        writes_cache=request.option("writeToCache", default=True),
        ignores_extra_fields=request.option("ignoreExtraRequestContextFields", default=False),
        coerces_counts=request.option("coerceNullCountsToZero", default=False),
        budget_seconds=budget,
    )
