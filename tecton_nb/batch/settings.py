"""What a run is for and how it is to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..frames.assemble import Schema
from ..transport.connection import Connection
from ..wire.requests import RequestTemplate
from .origin import Origin

_ROWS_PER_CALL = 5
# Fewer rows go one by one: they are done at once, and each keeps an effective time of its own.
_LEAST_ROWS_FOR_CALLS_OF_SEVERAL = 100


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """The arguments of ``FeatureService.get_features_batch``, checked."""

    origin: Origin
    schema: Schema
    template: RequestTemplate
    connection: Connection
    deadline_seconds: float
    rows_per_call: int | Literal["auto"] = "auto"

    def rows_per_call_for(self, missing: int) -> int:
        """Return how many rows one call asks for where so many are to be fetched."""
        if self.rows_per_call != "auto":
            return self.rows_per_call
        return _ROWS_PER_CALL if missing >= _LEAST_ROWS_FOR_CALLS_OF_SEVERAL else 1
