"""Pictures of single calls: what is drawn is what the frame holds."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import date2num
from picture_frames import calls

from tecton_nb.plots import (
    describe,
    latency_quantiles,
    plot_heatmap,
    plot_latency_breakdown,
    plot_latency_over_time,
    plot_latency_percentiles,
)
from tecton_nb.plots.breakdown import breakdown


def days(moments) -> np.ndarray:
    """Return moments as matplotlib counts them."""
    return date2num(pd.DatetimeIndex(moments).tz_localize(None).to_numpy())


def steps(ax) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the curves that are drawn in steps."""
    return [line.get_data() for line in ax.lines if line.get_drawstyle() == "steps-post"]


def test_percentile_curve_passes_through_every_call():
    """The k-th fastest of n calls begins at the percentile (k - 1) / n, and the curve ends at the slowest."""
    frame = calls(40)

    ax = plot_latency_percentiles(frame)

    x, y = steps(ax)[0]
    np.testing.assert_allclose(1 - 1 / x[:-1], np.arange(40) / 40, atol=1e-12)
    np.testing.assert_allclose(y[:-1], np.sort(frame["client_time_seconds"].to_numpy(float)) * 1_000)
    assert (x[-1], y[-1]) == (40, frame["client_time_seconds"].max() * 1_000)


def test_percentiles_are_equally_far_apart_by_nines():
    """90 %, 99 % and 99.9 % stand at 10, 100 and 1,000 on a log axis and are called so."""
    ax = plot_latency_percentiles(calls(2_000))

    ticks = dict(zip(ax.get_xticks(), ax.xaxis.get_major_formatter().format_ticks(ax.get_xticks()), strict=True))
    assert ax.get_xscale() == "log"
    assert {10.0: "90 %", 100.0: "99 %", 1_000.0: "99.9 %"}.items() <= ticks.items()


def test_percentile_marks_are_those_of_the_quantile_frame():
    """p50, p95 and p99 are marked where the quantile frame has them; what few calls cannot tell is not."""
    frame = calls(2_000)
    expected = latency_quantiles(frame)[["p50_seconds", "p95_seconds", "p99_seconds"]].to_numpy(float) * 1_000

    marks = [line.get_ydata()[0] for line in plot_latency_percentiles(frame).lines if len(line.get_xdata()) == 1]
    few = [line for line in plot_latency_percentiles(calls(5)).lines if len(line.get_xdata()) == 1]

    np.testing.assert_allclose(marks, expected.ravel())
    assert len(few) == 2


@pytest.mark.parametrize("draw", [plot_latency_percentiles, plot_latency_over_time, plot_heatmap])
def test_threshold_stands_at_its_time_and_tells_its_share(draw):
    """The line of 50 ms is at 50 ms, and the words say which share of the calls kept it."""
    frame = calls(500)
    share = np.floor((frame["client_time_seconds"] <= 0.05).mean() * 1_000) / 10

    ax = draw(frame, threshold_seconds=0.05)

    assert any(list(line.get_ydata()) == [50.0, 50.0] for line in ax.lines)
    assert any(f"within 50 ms: {share:.1f} % of c" in text.get_text() for text in ax.texts)
    assert f"{share:.1f} %" in describe(ax)


def test_every_call_is_a_point_at_its_moment():
    """Good calls are points, failed ones crosses, each where it began and as high as it took long."""
    frame = calls(300)
    failed = (frame["status"] >= 400).to_numpy(bool)

    ax = plot_latency_over_time(frame)

    (points,) = [line for line in ax.lines if line.get_marker() == "."]
    (crosses,) = [line for line in ax.lines if line.get_marker() == "x"]
    for line, rows in ((points, frame[~failed]), (crosses, frame[failed])):
        np.testing.assert_allclose(line.get_xdata(), days(rows["started_at"]))
        np.testing.assert_allclose(line.get_ydata(), rows["client_time_seconds"].to_numpy(float) * 1_000)
    assert f"{failed.sum()} failed" in describe(ax)


def test_call_without_status_is_a_cross():
    """A call that got no answer is drawn as failed."""
    frame = calls(10, incident=False)
    frame.loc[3, "status"] = pd.NA

    ax = plot_latency_over_time(frame)

    (crosses,) = [line for line in ax.lines if line.get_marker() == "x"]
    assert crosses.get_xdata().tolist() == days(frame["started_at"][[3]]).tolist()


def test_percentiles_of_each_while_are_measured():
    """p50 and p99 of each while are times of calls in it that did not fail."""
    frame = calls(2_000)
    good = frame[frame["status"] == 200]
    moments = days(good["started_at"])
    edges = np.linspace(moments[0], moments[-1], 41)
    inside = good["client_time_seconds"][(moments >= edges[17]) & (moments < edges[18])].to_numpy(float)

    p50, p99 = [line for line in plot_latency_over_time(frame).lines if len(line.get_xdata()) == 40]

    assert (frame["status"] == 500).any()
    for line, q in ((p50, 0.5), (p99, 0.99)):
        assert line.get_ydata()[17] == pytest.approx(np.quantile(inside, q, method="inverted_cdf") * 1_000)
        assert line.get_xdata()[17] == pytest.approx((edges[17] + edges[18]) / 2)


def test_while_without_calls_is_a_gap():
    """Where nothing was called for a while the percentiles break."""
    frame = calls(2_000)
    minutes = (frame["started_at"] - frame["started_at"].min()) / pd.Timedelta("1min")

    ax = plot_latency_over_time(frame[(minutes < 10) | (minutes > 20)])

    (p50, _) = [line for line in ax.lines if 30 < len(line.get_xdata()) <= 40]
    assert np.isnan(p50.get_ydata()).any()


def test_few_calls_have_no_percentiles_over_time():
    """Twelve calls are twelve points; percentiles of so few would be invented."""
    ax = plot_latency_over_time(calls(12))

    assert len(ax.lines) == 1


def test_bars_are_means_of_the_calls_nearest_to_each_percentile():
    """The p99 of 1,000 calls is the mean of the ten calls around the 990th, and its parts are theirs."""
    frame = calls(1_000).sort_values("client_time_seconds", ignore_index=True)
    near = frame.iloc[984:994]
    store = near["store_max_latency_seconds"].mean() / near["client_time_seconds"].mean()

    ax = plot_latency_breakdown(frame)

    bar = next(patch for patch in ax.patches if round(patch.get_y() + patch.get_height() / 2) == 3)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["p50", "p90", "p95", "p99", "p99.9"]
    assert bar.get_width() == pytest.approx(store * 100)


def test_parts_of_each_bar_add_up_to_the_whole():
    """Store, rest of the server and the rest are 100 % at every percentile."""
    ax = plot_latency_breakdown(calls(400))

    widths = pd.Series(dict.fromkeys(range(4), 0.0))
    for patch in ax.patches:
        widths[round(patch.get_y() + patch.get_height() / 2)] += patch.get_width()
    np.testing.assert_allclose(widths, 100)


def test_server_that_reports_more_than_was_measured_is_told():
    """A store slower than its server, as Tecton's own examples have it, keeps its time, and the sentence counts it."""
    shares = breakdown(np.array([0.03]), np.array([0.0169]), np.array([0.0269]))["p50"][1]
    frame = pd.DataFrame(
        {
            "client_time_seconds": [0.03],
            "server_time_seconds": [0.0169],
            "store_max_latency_seconds": [0.0269],
        }
    )

    np.testing.assert_allclose(shares, [0.0269 / 0.03, 0, 0.0031 / 0.03])
    assert "1 report more for a part than for the whole" in describe(plot_latency_breakdown(frame))


def test_calls_that_lack_a_time_are_left_out_and_counted():
    """A call without a server time is in no bar, and the title says so."""
    frame = calls(50)
    frame.loc[[1, 2], "server_time_seconds"] = pd.NA

    assert plot_latency_breakdown(frame).get_title("left").endswith("goes, 2 left out that lack a time")


def test_percentiles_beyond_the_calls_are_not_drawn():
    """Of 50 calls none tells a p99, so there is no such bar."""
    ax = plot_latency_breakdown(calls(50))

    assert [label.get_text() for label in ax.get_yticklabels()] == ["p50", "p90", "p95"]


def test_heatmap_counts_every_call_once():
    """The numbers in the cells add up to the calls, and each lies where its calls do."""
    frame = calls(777)

    ax = plot_heatmap(frame)

    mesh = ax.collections[0]
    counts = mesh.get_array().filled(0)
    assert counts.sum() == 777
    edges = mesh.get_coordinates()
    slowest = frame["client_time_seconds"].max() * 1_000
    row = np.searchsorted(edges[:, 0, 1], slowest) - 1
    assert counts[row].sum() >= 1
    assert counts[row + 1 :].sum() == 0


def test_heatmap_has_a_scale_with_a_name():
    """A scale beside the heatmap says what the colours count."""
    ax = plot_heatmap(calls(300))

    assert ax.child_axes[0].get_ylabel() == "calls in a cell (log scale)"
