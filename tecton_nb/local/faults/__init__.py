"""Faults on demand: what a feature server, or the way to it, does wrong now and then.

`FeatureServer.faults` takes them while the server runs; `read_faults` reads them from a file.
"""

from .features import AddedFeature, MissingFeatures, RemovedFeature, RenamedFeature, RetypedFeature, StaleValues
from .fields import Fault
from .file import read_faults
from .kinds import (
    AddedLatency,
    DoubleAnswer,
    Drip,
    EarlyClose,
    ErrorStatus,
    Garbage,
    Lognormal,
    Redirect,
    Reset,
    Stall,
    Uniform,
    WrongLength,
)
from .rules import AddedFaults, Faults

__all__ = [
    "AddedFaults",
    "AddedFeature",
    "AddedLatency",
    "DoubleAnswer",
    "Drip",
    "EarlyClose",
    "ErrorStatus",
    "Fault",
    "Faults",
    "Garbage",
    "Lognormal",
    "MissingFeatures",
    "Redirect",
    "RemovedFeature",
    "RenamedFeature",
    "Reset",
    "RetypedFeature",
    "StaleValues",
    "Stall",
    "Uniform",
    "WrongLength",
    "read_faults",
]
