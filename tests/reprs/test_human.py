"""Numbers in human words."""

import math

import pandas as pd
import pytest

from tecton_nb.reprs import human_age, human_bytes, human_percent, human_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0031, "3.1 ms"),
        (0, "0 s"),
        (5e-9, "5.0 ns"),
        (0.00042, "420 µs"),
        (0.0421, "42 ms"),
        (0.00996, "10 ms"),
        (0.99999, "1.0 s"),
        (59.9, "1.0 min"),
        (3_599.0, "1.0 h"),
        (7_200, "2.0 h"),
        (3 * 86_400, "3.0 d"),
        (-0.0031, "-3.1 ms"),
        (None, "missing"),
        (math.nan, "missing"),
        (pd.NA, "missing"),
        (math.inf, "infinite"),
    ],
)
def test_human_seconds_picks_unit_that_suits(seconds, words):
    """A duration is shown in the unit a person would choose."""
    assert human_seconds(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "just now"),
        (45.9, "45 seconds ago"),
        (119, "1 minute ago"),
        (2 * 3_600, "2 hours ago"),
        (86_399, "23 hours ago"),
        (86_400, "1 day ago"),
        (400 * 86_400, "400 days ago"),
        (-90, "in 1 minute"),
        (None, "missing"),
        (math.nan, "missing"),
    ],
)
def test_human_age_never_older_than_it_is(seconds, words):
    """An age is told in whole units, rounded down."""
    assert human_age(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_536, "1.5 KiB"),
        (16 * 2**20, "16 MiB"),
        (2**20 - 1, "1.0 MiB"),
        (5 * 2**50, "5,120 TiB"),
        (None, "missing"),
    ],
)
def test_human_bytes_uses_powers_of_1024(size, words):
    """A size is shown in units of 1,024."""
    assert human_bytes(size) == words


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.0, "100 %"),
        (0.999999, "99.99 %"),
        (1 - 1e-12, "99.99 %"),
        (0.9995, "99.95 %"),
        (0.29, "29.0 %"),
        (0.9876, "98.7 %"),
        (0.0004, "0.04 %"),
        (1e-7, "under 0.01 %"),
        (0, "0 %"),
        (math.nan, "missing"),
    ],
)
def test_human_percent_only_whole_is_100(ratio, words):
    """A share that misses one call in a million is not called 100 %."""
    assert human_percent(ratio) == words
