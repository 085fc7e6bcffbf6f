"""The demo's data, made only when it is asked for: a store that holds it already never asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import pandas as pd

from ...wire.timestamps import format_timestamp
from ..definitions.views import Definitions
from ..storage.database import Database
from ..storage.store import Store
from .documented import documented_data, documented_definitions, documented_examples
from .flight_services import flight_data, flight_definitions, flight_examples
from .flights import Flights, load_flights

_DESCRIPTION = "the demo data up to {} with seed {}"
_INSTANT = re.compile(_DESCRIPTION.format(r"(\S+)", r"-?\d+"))


class DemoData(Mapping[str, pd.DataFrame]):
    """Definitions, data and, as a mapping by service name, example rows of the demo.

    Parameters
    ----------
    instant
        Where the data ends.
    seed
        Seed of what is made up.
    has_flights
        Whether the flights are part of it, or only the documents' services.
    """

    def __init__(self, instant: pd.Timestamp, seed: int, *, has_flights: bool) -> None:
        self.instant = instant
        self.seed = seed
        self.has_flights = has_flights

    @property
    def definitions(self) -> Definitions:
        """The views and services, those over the flights only where these are part of it."""
        documented = documented_definitions()
        return documented + flight_definitions() if self.has_flights else documented

    def sources(self) -> dict[str, DemoSource]:
        """Return where the data of each stored view comes from."""
        return {view.name: DemoSource(self, view.name) for view in self.definitions.stored_views}

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The data of the stored views, by view name."""
        flights = {} if self._flights is None else flight_data(self._flights)
        return {**self._documented, **flights}

    def __getitem__(self, service: str) -> pd.DataFrame:
        return self._examples[service]

    def __iter__(self) -> Iterator[str]:
        return iter(self._examples)

    def __len__(self) -> int:
        return len(self._examples)

    @cached_property
    def _examples(self) -> dict[str, pd.DataFrame]:
        flights = {} if self._flights is None else flight_examples(self._flights)
        return {**documented_examples(self._documented), **flights}

    @cached_property
    def _documented(self) -> dict[str, pd.DataFrame]:
        return documented_data(self.instant, self.seed)

    @cached_property
    def _flights(self) -> Flights | None:
        return load_flights(self.instant) if self.has_flights else None


class DemoSource:
    """The first data of one view of the demo.

    Parameters
    ----------
    data
        All of it.
    view
        Name of the view.
    """

    def __init__(self, data: DemoData, view: str) -> None:
        self._data = data
        self._view = view

    def describe(self) -> str:
        """Return where the data ends, and its seed."""
        return _DESCRIPTION.format(format_timestamp(self._data.instant.as_unit("ns").value), self._data.seed)

    def load(self) -> pd.DataFrame:
        """Return the frame."""
        return self._data.frames[self._view]


def kept_instant(path: str | Path) -> pd.Timestamp | None:
    """Return where the demo data of a store file ends, `None` if it holds none.

    Raises
    ------
    SettingsError
        If the file cannot be opened.
    """
    with Store((), Database(path)) as store:
        found = (_INSTANT.fullmatch(kept.source) for kept in store.kept_views().values())
        return next((pd.Timestamp(match[1]) for match in found if match), None)
