"""Tecton feature services in a notebook: typed DataFrames in one line.

>>> import tecton_nb as tnb
>>> client = tnb.connect("local")                      # the embedded server; tnb.connect() for your cluster
>>> delays = client.feature_service("flight_delay_service")
>>> delays.get_features(delays.example_rows(3))        # doctest: +SKIP

Names are loaded when they are first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import columns, exceptions, experiments, local, metrics, plots, widgets
    from .batch.result import FeatureBatch
    from .client.aio import AsyncTectonClient
    from .client.replies import (
        GetFeatureServiceMetadataResponse,
        GetFeaturesResponse,
        GetFeaturesResult,
        QueryFeaturesResponse,
    )
    from .client.service import AsyncFeatureService, FeatureService
    from .client.sync import TectonClient
    from .compare.compared import compare_features
    from .compare.comparison import Comparison
    from .connect import connect
    from .frames.parquet import read_parquet, write_parquet
    from .metrics.scrape import Scrape
    from .widgets.explorer import explore
    from .wire.options import MetadataOptions, RequestOptions
    from .wire.slo import SLOInfo

# Public name to the module it lives in; a module itself stands for its own name.
_HOMES = {
    "AsyncFeatureService": "client.service",
    "AsyncTectonClient": "client.aio",
    "Comparison": "compare.comparison",
    "FeatureBatch": "batch.result",
    "FeatureService": "client.service",
    "GetFeatureServiceMetadataResponse": "client.replies",
    "GetFeaturesResponse": "client.replies",
    "GetFeaturesResult": "client.replies",
    "MetadataOptions": "wire.options",
    "QueryFeaturesResponse": "client.replies",
    "RequestOptions": "wire.options",
    "SLOInfo": "wire.slo",
    "Scrape": "metrics.scrape",
    "TectonClient": "client.sync",
    "columns": "",
    "compare_features": "compare.compared",
    "connect": "connect",
    "exceptions": "",
    "experiments": "",
    "explore": "widgets.explorer",
    "local": "",
    "metrics": "",
    "plots": "",
    "read_parquet": "frames.parquet",
    "widgets": "",
    "write_parquet": "frames.parquet",
}

__all__ = [
    "AsyncFeatureService",
    "AsyncTectonClient",
    "Comparison",
    "FeatureBatch",
    "FeatureService",
    "GetFeatureServiceMetadataResponse",
    "GetFeaturesResponse",
    "GetFeaturesResult",
    "MetadataOptions",
    "QueryFeaturesResponse",
    "RequestOptions",
    "SLOInfo",
    "Scrape",
    "TectonClient",
    "columns",
    "compare_features",
    "connect",
    "exceptions",
    "experiments",
    "explore",
    "local",
    "metrics",
    "plots",
    "read_parquet",
    "widgets",
    "write_parquet",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tecton_nb' has no attribute '{name}'", name=name, obj=sys.modules[__name__])
    module = importlib.import_module(f".{home or name}", __name__)
    found = getattr(module, name) if home else module
    globals()[name] = found
    return found


def load_ipython_extension(ipython: Any) -> None:
    """Add the line magic ``%tecton`` and the completions; IPython calls it for ``%load_ext tecton_nb``."""
    importlib.import_module(".magic", __name__).register(ipython)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class _Face(ModuleType):
    """The package, whose names mean what `__all__` says even where a module bears the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing `tecton_nb.connect` would bind the name to that module, in place of the function.
        if isinstance(value, ModuleType) and _HOMES.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
