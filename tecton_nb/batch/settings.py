"""What a run is for and how it is to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..frames.assemble import Schema
from ..transport.connection import Connection
from ..wire.requests import RequestTemplate
from .origin import Origin


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """The arguments of ``FeatureService.get_features_batch``, checked."""

    origin: Origin
    schema: Schema
    template: RequestTemplate
    connection: Connection
    deadline_seconds: float
    rows_per_call: int | Literal["auto"] = "auto"
