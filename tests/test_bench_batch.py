"""The benchmark of batches measures what it says: both sides fetch the same rows from its servers."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).with_name("benchmarks")


@pytest.fixture
def bench(monkeypatch):
    """The modules of the benchmark."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("fourteen", "latency_server", "constant_server", "sides")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def test_both_sides_fetch_the_same_rows_from_the_slow_server(bench):
    """A row that got another row's values would end the benchmark."""
    with bench.latency_server.latency_server(0.02) as url:
        task = bench.sides.Task(url, 30, 8)
        our, their = bench.sides.ours(task), bench.sides.official_async(task)

    assert our.rows == their.rows == 30
    # The server's timer counts whole milliseconds, so it may fire up to one early.
    assert our.server_seconds >= 0.019
    assert our.client_seconds >= our.server_seconds


def test_checking_a_frame_with_one_wrong_value_fails(bench):
    """The check of every measurement looks at every value."""
    task = bench.sides.Task("", 3)
    frame = bench.sides._frame([bench.fourteen.values(key) for key in range(3)])
    task.check(frame)
    frame.iloc[1, 13] += 1

    with pytest.raises(AssertionError):
        task.check(frame)


def test_both_sides_read_the_constant_answers(bench):
    """Calls for one row and for ten find the values of their place in the call."""
    if not bench.constant_server.is_installed():
        pytest.skip("nginx is not installed (Debian package nginx-light)")
    one, ten, about = bench.fourteen.answer(0), bench.fourteen.batch_answer(range(10)), bench.fourteen.metadata_answer()
    answers = {"get-features": one, "get-features-batch": ten, "metadata": about}
    with bench.constant_server.constant_server(answers) as url:
        costs = [
            bench.sides.ours(bench.sides.Task(url, 20, rows_per_call=10, is_constant=True)),
            bench.sides.official_sync(bench.sides.Task(url, 20, is_constant=True)),
        ]

    assert [cost.rows for cost in costs] == [20, 20]
    assert 2_300 < len(one) < 2_500
