"""Pictures of metrics, objectives, ages and statuses: what is drawn is what the frame holds."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import date2num
from picture_frames import (
    LATENCY,
    NOW,
    RATE,
    budget,
    effective_times,
    ladder,
    rates,
    samples,
    services,
    statuses,
    stream_ages,
)

from tecton_nb.exceptions import InputError
from tecton_nb.metrics.slo import Objective, slices_from_metrics
from tecton_nb.metrics.slo import budget as budget_of
from tecton_nb.plots import (
    describe,
    plot_freshness,
    plot_latency_over_time,
    plot_metric,
    plot_quantiles,
    plot_services,
    plot_slo,
    plot_statuses,
)
from tecton_nb.plots.series import unit_of
from tecton_nb.wire.catalogue import catalogue


def days(moments) -> np.ndarray:
    """Return moments as matplotlib counts them."""
    return date2num(pd.DatetimeIndex(moments).tz_localize(None).to_numpy())


def spans(ax, label: str) -> list[tuple[float, float]]:
    """Return the shaded spans of a kind."""
    patches = [patch for patch in ax.patches if patch.get_gid() == label]
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in patches]


def test_metric_lines_are_the_series_of_the_frame():
    """Each service's line passes through its samples, in the order of names."""
    frame = rates()

    ax = plot_metric(frame, RATE)

    for name, line in zip(["ctr", "flight_delay", "fraud"], ax.lines, strict=True):
        own = frame[frame["feature_service_name"] == name]
        known = ~np.isnan(line.get_ydata())
        np.testing.assert_allclose(line.get_xdata()[known], days(own["timestamp"]))
        np.testing.assert_allclose(line.get_ydata()[known], own["value"].to_numpy(float))
    assert [text.get_text() for text in ax.texts if text.get_text() in {"ctr", "fraud", "flight_delay"}] == [
        "ctr",
        "flight_delay",
        "fraud",
    ]


@pytest.mark.parametrize("end", [0.0, 5.0, 10.0])
def test_names_of_lines_that_end_together_stay_apart(end):
    """Names beside lines that end at one height, at the top of the axes, too, neither overlap nor leave the axes."""
    parts = [samples(RATE, [0.0, 10.0, end], feature_service_name=name) for name in "abc"]

    ax = plot_metric(pd.concat(parts))
    ax.figure.draw_without_rendering()

    heights = sorted(text.xy[1] for text in ax.texts)
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert 0 <= heights[0] <= heights[-1] <= 1
    assert all(below.y1 <= above.y0 for below, above in pairwise(boxes))


def test_metric_line_breaks_in_a_gap_that_is_shaded():
    """Twenty minutes without samples are grey, and no line crosses them."""
    frame = rates(("one",))
    times = days(frame["timestamp"])
    (hole,) = np.flatnonzero(np.diff(times) > 0.01)

    ax = plot_metric(frame)

    assert spans(ax, "no samples") == [pytest.approx((times[hole], times[hole + 1]))]
    middle = (times[hole] + times[hole + 1]) / 2
    (line,) = ax.lines
    assert line.get_xdata()[np.isnan(line.get_ydata())].tolist() == pytest.approx([middle])


def test_short_gap_of_frequent_samples_is_one():
    """Where samples come every 30 s, four and a half minutes without any are a gap, as the history says, too."""
    frame = samples(RATE, np.ones(40)).drop(index=range(20, 28))

    ax = plot_metric(frame)

    (line,) = ax.lines
    assert np.isnan(np.asarray(line.get_ydata(), float)).sum() == 1
    assert "Gaps without samples: 1." in describe(ax)


def test_series_read_a_moment_apart_have_no_gaps():
    """Two series every 30 s, the second a millisecond later, are whole; one missed scrape breaks neither."""
    later = samples(RATE, np.ones(40), feature_service_name="b")
    later = later.assign(timestamp=later["timestamp"] + pd.Timedelta("1ms"))
    frame = pd.concat([samples(RATE, np.ones(40), feature_service_name="a").drop(index=20), later.drop(index=20)])

    ax = plot_metric(frame)

    assert not any(np.isnan(np.asarray(line.get_ydata(), float)).any() for line in ax.lines[:2])
    assert "Gaps" not in describe(ax)


STAGES = ("GA", "Preview", "Deprecated", None)


def noted(ax) -> str:
    """Return what stands on the axes beside the title."""
    return " ".join(text.get_text() for text in ax.texts)


@pytest.mark.parametrize("draw", [plot_quantiles, plot_services])
def test_breaks_and_shades_are_explained_where_there_are_any(draw):
    """A note says what grey, breaks without grey and the threshold are; without them it says nothing of them."""
    whole = samples(LATENCY, [0.01] * 40, kind="summary", quantile=0.99, feature_service_name="fraud")

    full, bare = draw(ladder(), threshold_seconds=0.1), draw(whole)

    assert "grey: no samples; a break without grey: no traffic" in noted(full)
    assert not any(word in noted(bare) for word in ("grey", "break", "dashed", "above"))


@pytest.mark.parametrize(
    ("draw", "frame"),
    [(plot_metric, rates()), (plot_quantiles, ladder()), (plot_services, rates()), (plot_freshness, stream_ages())],
)
def test_metrics_that_are_not_generally_available_are_marked(draw, frame):
    """A metric that is Preview or Deprecated says so on the picture; GA, and no stage at all, say nothing."""
    notes = {stage: noted(draw(frame.assign(stage=pd.array([stage] * len(frame), "string")))) for stage in STAGES}

    assert {stage for stage, words in notes.items() if f"stage: {stage}" in words} == {"Preview", "Deprecated"}
    assert not any("stage" in notes[stage] for stage in ("GA", None))


def test_panels_explain_their_threshold():
    """Dashes and red are explained where a threshold was given, red only where there is any."""
    slow, fast = (noted(plot_services(services(), threshold_seconds=seconds)) for seconds in (0.1, 60.0))

    assert "dashed: 100 ms; red: highest quantile above it" in slow
    assert "dashed: " in fast
    assert "red" not in fast


def test_streams_of_two_workspaces_are_lines_of_their_own():
    """A view of one name in two workspaces is two views, each with its own ages."""
    one = stream_ages(("clicks",))
    both = pd.concat([one, one.assign(workspace="dev", value=one["value"] * 100)])

    ax = plot_freshness(both)

    drawn = {float(np.nanmax(line.get_ydata())) for line in ax.lines}
    assert drawn == {float(part["value"].max()) for _, part in both.groupby(["workspace", "metric"])}
    assert "dev / clicks: oldest event" in describe(ax)


def test_rare_samples_are_no_gaps():
    """Samples an hour apart are joined: what is usual is no gap."""
    ax = plot_metric(samples(RATE, [1, 2, 3, 4], every="1h"))

    assert spans(ax, "no samples") == []
    assert not np.isnan(ax.lines[0].get_ydata()).any()


def test_nan_of_the_page_breaks_the_line_without_shade():
    """NaN says that there was no traffic, not that nobody looked."""
    ax = plot_metric(samples(RATE, [1, np.nan, 3]))

    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, True, False]
    assert spans(ax, "no samples") == []


def test_metric_of_many_series_draws_the_highest_and_counts_the_rest():
    """Of fourteen series the ten that reach highest are drawn, and the title says so."""
    ax = plot_metric(rates(tuple(f"s{place:02}" for place in range(14))))

    assert len(ax.lines) == 10
    assert ax.get_title("left") == f"{RATE}, the highest 10 of 14 series"


def test_metric_unit_is_stated():
    """The unit of Tecton's metrics is known by their names; another may be given."""
    assert plot_metric(rates()).get_ylabel() == "requests per second"
    assert plot_metric(samples("mine", [1.0]), unit="hens").get_ylabel() == "hens"
    assert plot_metric(samples("mine", [1.0])).get_ylabel() == "value"


@pytest.mark.parametrize("version", ["0.7", "1.x"])
def test_units_are_those_of_the_catalogue(version):
    """For every metric of Tecton's documents the axis states the unit that the documents state."""
    assert {metric.name: unit_of(metric.name) for metric in catalogue(version)} == {
        metric.name: metric.unit for metric in catalogue(version)
    }


def test_metric_with_several_kinds_of_samples_is_refused():
    """Sums and counts are no lines beside each other."""
    both = pd.concat([samples("x", [1.0], kind="summary"), samples("x", [2.0]).assign(sample="count")])

    with pytest.raises(InputError, match="Choose one: frame"):
        plot_metric(both)


def test_quantile_lines_are_the_rungs_in_milliseconds():
    """Each rung's line passes through its samples; NaN stays a gap."""
    frame = ladder(has_gap=False)

    ax = plot_quantiles(frame, LATENCY)

    for rung, line in zip([0.5, 0.9, 0.95, 0.99], ax.lines, strict=True):
        own = frame[frame["quantile"] == rung]["value"].to_numpy(float, na_value=np.nan)
        np.testing.assert_allclose(line.get_ydata(), own * 1_000)
    assert np.isnan(ax.lines[0].get_ydata()).sum() == 40
    assert [text.get_text() for text in ax.texts][-4:] == ["p50", "p90", "p95", "p99"]


def test_what_is_above_the_threshold_is_shaded():
    """The span from the first sample of p99 above 100 ms to the first one below again is shaded."""
    frame = samples(LATENCY, [0.05, 0.2, 0.3, 0.05, 0.2], kind="summary", quantile=0.99)
    at = days(frame["timestamp"])

    ax = plot_quantiles(frame, threshold_seconds=0.1)

    step = at[1] - at[0]
    assert spans(ax, "above the threshold") == [
        pytest.approx((at[1], at[3])),
        pytest.approx((at[4], at[4] + step)),
    ]
    assert any(list(line.get_ydata()) == [100.0, 100.0] for line in ax.lines)
    assert "p99 above 100 ms in 60.0 % of its samples" in describe(ax)


def test_shade_ends_at_a_gap():
    """Nothing is said of a time without samples, even between two that are above."""
    frame = samples(LATENCY, [0.2] * 40, kind="summary", quantile=0.99)
    frame = frame.drop(index=range(5, 30)).reset_index(drop=True)
    at = days(frame["timestamp"])

    ax = plot_quantiles(frame, threshold_seconds=0.1)

    above, below = spans(ax, "above the threshold")
    assert above == pytest.approx((at[0], at[4] + (at[1] - at[0])))
    assert below[0] == pytest.approx(at[5])
    assert spans(ax, "no samples") == [pytest.approx((at[4], at[5]))]


def test_services_have_panels_with_the_same_axes():
    """Four services are four panels of one scale, each with its own lines."""
    frame = services()

    ax = plot_services(frame, threshold_seconds=0.1)

    assert [panel.get_title("left") for panel in ax.child_axes] == ["ctr", "flight_delay", "fraud", "origin_carriers"]
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in ax.child_axes}) == 1
    for panel in ax.child_axes:
        own = frame[(frame["feature_service_name"] == panel.get_title("left")) & (frame["quantile"] == 0.99)]
        drawn = panel.lines[-1].get_ydata()
        expected = own["value"].to_numpy(float, na_value=np.nan) * 1_000
        np.testing.assert_allclose(drawn[~np.isnan(drawn)], expected[~np.isnan(expected)])


def test_services_of_a_gauge_start_at_zero():
    """Rates of services are read against 0, each panel on the same scale."""
    ax = plot_services(rates())

    assert {panel.get_ylim()[0] for panel in ax.child_axes} == {0.0}


def test_more_than_twelve_services_are_counted():
    """Of fourteen services twelve have panels, and the title says so."""
    ax = plot_services(rates(tuple(f"s{place:02}" for place in range(14))))

    assert len(ax.child_axes) == 12
    assert "the highest 12 of 14" in ax.get_title("left")


def test_slo_draws_what_the_window_attained_and_the_budget_left():
    """Both ends of the interval are lines, above what was attained, below the budget; the target stands at 99.5 %."""
    frame = budget(0.001)

    ax = plot_slo(frame)

    upper, strip = ax.child_axes
    for panel, names in ((upper, ("attained_min", "attained_max")), (strip, ("left_min", "left_max"))):
        for line, name in zip(panel.lines, names, strict=False):
            np.testing.assert_allclose(line.get_ydata(), frame[f"{name}_ratio"].to_numpy(float) * 100)
            np.testing.assert_allclose(line.get_xdata(), days(frame["timestamp"]))
    assert set(upper.lines[2].get_ydata()) == {99.5}
    assert upper.get_xlim() == strip.get_xlim()


def test_slo_shades_slices_that_miss_the_target():
    """The two incidents are shaded, each from the beginning of its first slice to the end of its last."""
    frame = budget()
    ends = days(frame["timestamp"])
    length = ends[1] - ends[0]

    (first, second) = spans(plot_slo(frame).child_axes[0], "slices that miss the target")

    assert first == pytest.approx((ends[200] - length, ends[211]))
    assert second == pytest.approx((ends[420] - length, ends[439]))


def test_slo_shades_no_more_than_the_slices():
    """Of two slices an hour apart only five minutes are shaded where one misses the target."""
    frame = budget().iloc[[0, 12, 205]].reset_index(drop=True)
    end = days(frame["timestamp"])[-1]

    (span,) = spans(plot_slo(frame).child_axes[0], "slices that miss the target")

    assert span == pytest.approx((end - 300 / 86_400, end))


def test_slo_names_its_method_and_source():
    """No share is shown without how it was counted and from what."""
    ax = plot_slo(budget())

    assert any("counted by occurrences, from latency quantiles" in text.get_text() for text in ax.texts)
    assert "counted by occurrences, from latency quantiles" in describe(ax)


def test_slo_of_computed_results_is_drawn():
    """What metrics.slo.budget returns for a ladder is what the picture takes."""
    objective = Objective("latency", 0.9, 0.1, method="ratio_timeslices")
    course = budget_of(slices_from_metrics(ladder(has_gap=False).assign(sample="value"), objective), objective)

    ax = plot_slo(course)

    attained = course["attained_min_ratio"].to_numpy(float) * 100
    np.testing.assert_allclose(ax.child_axes[0].lines[0].get_ydata(), attained)
    assert describe(ax).startswith("90 % within 100 ms over 30d, counted by ratio_timeslices, from latency quantiles")


def test_freshness_draws_youngest_middle_and_oldest():
    """The line of a view goes from its youngest to its oldest value, its circle is the median; oldest views first."""
    frame = effective_times()
    ages = (NOW - frame[["clicks.a", "clicks.b"]]).stack().dt.total_seconds()

    ax = plot_freshness(frame, now=NOW)

    names = [label.get_text() for label in ax.get_yticklabels()]
    row = names.index("clicks")
    line, circle = [line for line in ax.lines if line.get_ydata()[0] == row]
    assert names == ["plane_facts", "merchant_profile", "user_payments", "ads", "clicks"]
    assert list(line.get_xdata()) == pytest.approx([ages.min(), ages.max()])
    assert circle.get_xdata()[0] == pytest.approx(np.quantile(ages, 0.5, method="inverted_cdf"))
    assert "1 view without times" in ax.get_title("left")


@pytest.mark.parametrize("now", ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00", NOW, NOW.to_pydatetime()])
def test_freshness_takes_any_moment(now):
    """A text or a moment with a zone, and one without, which is UTC."""
    assert describe(plot_freshness(effective_times(), now=now)) == describe(plot_freshness(effective_times(), now=NOW))


def test_freshness_of_streams_draws_each_age():
    """Oldest and average event of each stream are lines over time, the same colour for one stream."""
    frame = stream_ages()
    own = frame[(frame["feature_view_name"] == "clicks") & frame["metric"].str.contains("max")]

    ax = plot_freshness(frame)

    assert len(ax.lines) == 4
    np.testing.assert_allclose(ax.lines[0].get_ydata(), own["value"].to_numpy(float))
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[2].get_color()
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()


def test_status_bars_are_shares_of_the_frame():
    """Each bar's segments are the shares of the statuses of its feature, in a fixed order, and fill it."""
    frame = statuses()

    ax = plot_statuses(frame)

    by_row: dict[int, list[float]] = {}
    for patch in ax.patches:
        by_row.setdefault(round(patch.get_y() + patch.get_height() / 2), []).append(patch.get_width())
    order = ["PRESENT", "CACHED_PRESENT", "MISSING_DATA", "UNKNOWN_STATUS", "TIME_OUT", "FAILED"]
    for row, name in enumerate(frame.columns):
        expected = [(frame[name] == kind).mean() * 100 for kind in order]
        np.testing.assert_allclose(by_row[row], expected)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == order


def test_many_features_are_drawn_by_view():
    """More than twelve features are added up by view; missing statuses are told as not reported."""
    wide = pd.concat([statuses(20), statuses(20).add_suffix("_again")], axis=1)
    wide.iloc[0, 0] = pd.NA

    ax = plot_statuses(wide)

    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["user_payments", "merchant_profile", "plane_facts", "clicks", "check"]
    assert "not reported" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_worst_of_many_features_are_drawn():
    """Of thirty features the twenty with the fewest values present have bars, and the title says so."""
    shares = {f"v.f{place:02}": ["PRESENT"] * place + ["MISSING_DATA"] * (30 - place) for place in range(30)}

    ax = plot_statuses(pd.DataFrame(shares).astype("string"), by="feature")

    assert [label.get_text() for label in ax.get_yticklabels()] == [f"v.f{place:02}" for place in range(20)]
    assert "the 20 worst of 30" in ax.get_title("left")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_metric(samples(RATE, [np.nan, np.nan])),
        lambda: plot_quantiles(samples(LATENCY, [np.nan, np.nan], kind="summary", quantile=0.99)),
        lambda: plot_freshness(stream_ages().assign(value=pd.array([pd.NA] * 960, "Float64"))),
    ],
)
def test_samples_without_numbers_are_said(draw):
    """A service that nobody asked has NaN only; that is written in place of a line."""
    ax = draw()

    ax.figure.draw_without_rendering()
    assert [text.get_text() for text in ax.texts] == ["no values"]


@pytest.mark.parametrize("now", ["soon", object()])
def test_moment_that_is_none_is_refused(now):
    """What cannot be read as a moment is answered with how to write one."""
    with pytest.raises(InputError, match="is no moment"):
        plot_freshness(effective_times(), now=now)


def test_statuses_by_something_else_are_refused():
    """Only features and views can be bars."""
    with pytest.raises(InputError, match="not by 'row'"):
        plot_statuses(statuses(), by="row")


def test_frames_of_the_demo_server_are_drawn(client):
    """What a batch and a scrape of the embedded server give is drawn as it is, every call of it at its moment."""
    service = client.feature_service("fraud_detection_feature_service")
    batch = service.get_features_batch([{"user_id": "C1000262126", "amount": 100}] * 3)

    over_time = describe(plot_latency_over_time(batch.calls()))
    drawn = [
        plot_statuses(batch.statuses()),
        plot_freshness(batch.effective_times(), now="2024-05-01T12:00:00Z"),
        plot_metric(client.get_metrics().to_pandas(), RATE),
    ]

    assert "without a time" not in over_time
    assert "p50 " in over_time
    assert all("nothing to draw" not in describe(ax) for ax in drawn)
