"""What is remembered of series between scrapes: no longer than the series themselves."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tecton_nb.metrics.choosing import series_of
from tecton_nb.metrics.identity import cells_of, identity_of
from tecton_nb.wire.metrics_page import Series


@pytest.mark.parametrize("make", [cells_of, identity_of])
def test_what_was_made_of_a_series_goes_with_it(make: Callable[[Series], Any]):
    """A server that invents new series with every scrape does not fill the memory through what is made of them."""
    series = Series("a", {"x": "y" * 1_000})
    made, again = make(series), make(series)
    dropped = weakref.ref(series)

    del series
    gc.collect()

    assert made is again
    assert dropped() is None


def test_series_of_a_file_are_not_kept():
    """Reading one history after another keeps nothing of the former ones."""
    dropped = weakref.ref(series_of("a", '{"x":"y"}'))

    gc.collect()

    assert dropped() is None
