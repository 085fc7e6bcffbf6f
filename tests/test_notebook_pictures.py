"""Pictures of the notebooks, by the data on their axes: nbval compares no picture."""

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import date2num
from notebook_cells import NOTEBOOKS, code_cells, run, source

from tecton_nb.plots.breakdown import breakdown

# Notebook and name of every picture that a test below reads.
CHECKED: set[tuple[str, str]] = set()


def of(notebook: str) -> Callable[[Callable[..., None]], Any]:
    """Make a test one of what a notebook defines, `names`, and note which pictures it reads."""

    def note(test: Callable[..., None]) -> Any:
        CHECKED.update((notebook, name) for name in re.findall(r'names\["(\w+_axes)"\]', inspect.getsource(test)))
        return pytest.mark.parametrize("names", [notebook], indirect=True)(test)

    return note


@pytest.fixture(scope="module")
def names(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Everything the notebook defines."""
    return run(request.param)


def pictures(path) -> list[tuple[str, int]]:
    """Return name and place of the axes that the cells of a notebook show, an empty name where one has none."""
    shown = []
    for place, cell in enumerate(code_cells(path)):
        if any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            last = ast.parse(source(cell)).body[-1]
            is_named = isinstance(last, ast.Expr) and isinstance(last.value, ast.Name)
            shown.append((last.value.id if is_named else "", place))
    return shown


def is_read_later(path, name: str, place: int) -> bool:
    """Whether a cell after the picture reads what is on its axes."""
    later = [source(cell) for cell in code_cells(path)[place + 1 :]]
    return any(name in text and re.search(r"\.(lines|patches|collections|get_\w+)\b", text) for text in later)


def test_every_picture_is_checked_by_its_data():
    """What a picture shows is read from its axes, by a test here or by a later cell, which nbval compares."""
    shown = [(path, name, place) for path in NOTEBOOKS for name, place in pictures(path)]

    assert len(shown) >= 14
    assert [
        (path.stem, place)
        for path, name, place in shown
        if not name or not ((path.stem, name) in CHECKED or is_read_later(path, name, place))
    ] == []


@of("00_start_here")
def test_ages_of_the_first_picture_are_those_of_the_frame(names):
    """Each view's line reaches from its youngest value to its oldest, the oldest view on top."""
    ax = names["age_axes"]
    age = pd.Timestamp("2026-03-01T12:00:00Z") - names["batch"].effective_times().dropna(axis="columns", how="all")
    seconds = age.T.groupby(lambda name: name.partition(".")[0]).agg(["min", "max"]).map(pd.Timedelta.total_seconds)

    spans = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    shown = dict(zip([label.get_text() for label in ax.get_yticklabels()], spans, strict=True))
    assert [*shown][:3] == ["plane_facts", "origin_weather", "route_profile"]
    for view, span in shown.items():
        own = seconds.loc[view]
        assert [*span] == [max(1, own.xs("min", level=1).min()), max(1, own.xs("max", level=1).max())]


@of("01_first_features")
def test_latencies_of_the_first_notebook_are_those_of_its_calls(names):
    """The two curves are the client's and the server's times of the 200 calls, in ms, up to all of them."""
    calls = names["batch"].calls()

    curves = [line for line in names["latency_axes"].lines if len(line.get_xdata()) > 2]
    for line, column in zip(curves, ("client_time_seconds", "server_time_seconds"), strict=True):
        np.testing.assert_allclose(np.unique(line.get_xdata()), np.unique(calls[column].to_numpy(float)) * 1000)
        assert (line.get_ydata()[0], line.get_ydata()[-1]) == (0, 100)


@of("05_compare")
def test_bars_of_the_comparison_are_its_mismatches(names):
    """The parts of each feature's bar add up to the share of its cells that differ."""
    ax = names["mismatch_axes"]
    summary = names["found"].comparison.summary().set_index("feature")

    labels = [label.get_text() for label in ax.get_yticklabels()]
    parts = np.array([patch.get_width() for patch in ax.patches]).reshape(-1, len(labels))
    np.testing.assert_allclose(parts.sum(axis=0), 100 * (1 - summary.loc[labels, "match_ratio"].to_numpy(float)))


@of("05_compare")
def test_points_of_the_pair_lie_on_the_mirrored_diagonal(names):
    """The balance changed its sign: each of the 44 points has right equal to minus left."""
    (points,) = names["pair_axes"].collections

    left, right = np.asarray(points.get_offsets()).T
    assert len(left) == 44
    np.testing.assert_allclose(right, -left)


@of("05_compare")
def test_drift_drawn_is_that_of_the_summary(names):
    """The dots are the PSI and the Kolmogorov-Smirnov distance of each feature."""
    ax = names["drift_axes"]
    summary = names["found"].comparison.summary().set_index("feature")

    labels = [label.get_text() for label in ax.get_yticklabels()]
    dots = {line.get_label(): line.get_xdata() for line in ax.lines if line.get_marker() != "None"}
    np.testing.assert_allclose(dots["population stability index"], summary.loc[labels, "psi"].to_numpy(float))
    np.testing.assert_allclose(
        dots["Kolmogorov-Smirnov"], summary.loc[labels, "ks_statistic"].to_numpy(float, na_value=np.nan)
    )


def incident(names: dict[str, Any]) -> tuple[float, float]:
    """Return when the incident began and ended, as matplotlib counts."""
    began, ended = (np.datetime64(f"2024-05-01T13:{minute}:00") for minute in (10, 40))
    return float(date2num(began)), float(date2num(ended))


@of("03_latency_and_slo")
def test_objective_is_missed_during_the_incident_only(names):
    """The shaded span of missed slices is the half hour of the incident."""
    upper, strip = names["slo_axes"].child_axes

    (span,) = [patch for patch in upper.patches if patch.get_gid()]
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx(incident(names))
    assert strip.lines[0].get_ydata()[0] == 100
    assert strip.lines[0].get_ydata()[-1] < 0


@of("03_latency_and_slo")
def test_p99_is_above_the_threshold_during_the_incident(names):
    """The ladder's p99 exceeds 100 ms from the first slow scrape on, and no longer than the incident."""
    ax = names["quantile_axes"]
    began, ended = incident(names)

    (span,) = [patch for patch in ax.patches if patch.get_gid() == "above the threshold"]
    step = 5 / (24 * 60)
    assert began <= span.get_x() <= began + step + 1e-9
    assert span.get_x() + span.get_width() <= ended + step + 1e-9


@of("03_latency_and_slo")
def test_calls_of_the_incident_are_slow_or_failed(names):
    """In the incident every point is at least as high as the added 120 ms; the crosses are nowhere else."""
    ax = names["time_axes"]
    began, ended = incident(names)

    (points,) = [line for line in ax.lines if line.get_marker() == "."]
    (crosses,) = [line for line in ax.lines if line.get_marker() == "x"]
    inside = (points.get_xdata() >= began) & (points.get_xdata() <= ended)
    assert inside.any()
    assert points.get_ydata()[inside].min() >= 120
    assert all(began <= moment <= ended for moment in crosses.get_xdata())
    assert len(crosses.get_xdata()) == (names["every_call"]["status"] == 501).sum()


@of("03_latency_and_slo")
def test_parts_of_the_time_are_those_of_the_calls(names):
    """The bars are the shares of store, server and the rest in the calls of the notebook."""
    frame = names["every_call"].dropna(subset=["server_time_seconds"])
    times = ("client_time_seconds", "server_time_seconds", "store_max_latency_seconds")
    expected = breakdown(*(frame[name].to_numpy(float) for name in times))

    widths = [patch.get_width() for patch in names["breakdown_axes"].patches]

    np.testing.assert_allclose(widths, np.concatenate([shares for _, shares in expected.values()]) * 100)


@of("03_latency_and_slo")
def test_p99_of_the_calls_is_that_of_the_incident(names):
    """More than one in a hundred calls met the slow store, so the p99 is at least the added 120 ms."""
    marks = [line.get_ydata()[0] for line in names["percentile_axes"].lines if len(line.get_xdata()) == 1]

    assert marks[2] >= 120


@of("03_latency_and_slo")
def test_statuses_and_ages_are_drawn_by_view(names):
    """The view computed on request has statuses and no age."""
    shown, aged = (
        {label.get_text().partition(".")[0] for label in ax.get_yticklabels()}
        for ax in (names["status_axes"], names["freshness_axes"])
    )

    assert (shown, aged) == (
        {"payment_check", "user_payments", "user_profile"},
        {"user_payments", "user_profile"},
    )
