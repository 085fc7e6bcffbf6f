"""Figures of the notebook on latency and SLO, by the data on their axes: nbval compares no picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.dates import date2num

from tecton_nb.plots.breakdown import breakdown

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """Everything the notebook defines, run from its cells in this process."""
    cells = json.loads((NOTEBOOKS / "03_latency_and_slo.ipynb").read_text("utf-8"))["cells"]
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(NOTEBOOKS)
        for cell in cells:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), found)  # noqa: S102  # our own file
    return found


def incident(names: dict[str, Any]) -> tuple[float, float]:
    """Return when the incident began and ended, as matplotlib counts."""
    began, ended = (np.datetime64(f"2024-05-01T13:{minute}:00") for minute in (10, 40))
    return float(date2num(began)), float(date2num(ended))


def test_objective_is_missed_during_the_incident_only(names):
    """The shaded span of missed slices is the half hour of the incident."""
    upper, strip = names["slo_axes"].child_axes

    (span,) = [patch for patch in upper.patches if patch.get_gid()]
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx(incident(names))
    assert strip.lines[0].get_ydata()[0] == 100
    assert strip.lines[0].get_ydata()[-1] < 0


def test_p99_is_above_the_threshold_during_the_incident(names):
    """The ladder's p99 exceeds 100 ms from the first slow scrape on, and no longer than the incident."""
    ax = names["quantile_axes"]
    began, ended = incident(names)

    (span,) = [patch for patch in ax.patches if patch.get_gid() == "above the threshold"]
    step = 5 / (24 * 60)
    assert began <= span.get_x() <= began + step + 1e-9
    assert span.get_x() + span.get_width() <= ended + step + 1e-9


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


def test_parts_of_the_time_are_those_of_the_calls(names):
    """The bars are the shares of store, server and the rest in the calls of the notebook."""
    frame = names["every_call"].dropna(subset=["server_time_seconds"])
    times = ("client_time_seconds", "server_time_seconds", "store_max_latency_seconds")
    expected = breakdown(*(frame[name].to_numpy(float) for name in times))

    widths = [patch.get_width() for patch in names["breakdown_axes"].patches]

    np.testing.assert_allclose(widths, np.concatenate([shares for _, shares in expected.values()]) * 100)


def test_p99_of_the_calls_is_that_of_the_incident(names):
    """More than one in a hundred calls met the slow store, so the p99 is at least the added 120 ms."""
    marks = [line.get_ydata()[0] for line in names["percentile_axes"].lines if len(line.get_xdata()) == 1]

    assert marks[2] >= 120


def test_statuses_and_ages_are_drawn_by_view(names):
    """The view computed on request has statuses and no age."""
    shown, aged = (
        {label.get_text().partition(".")[0] for label in names[axes].get_yticklabels()}
        for axes in ("status_axes", "freshness_axes")
    )

    assert (shown, aged) == (
        {"payment_check", "user_payments", "user_profile"},
        {"user_payments", "user_profile"},
    )
