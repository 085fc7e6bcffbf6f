"""The latency picture: what is drawn is what the frame holds."""

import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tecton_nb.exceptions import InputError
from tecton_nb.plots import describe, latency_quantiles, plot_latency_ecdf
from tecton_nb.plots.style import WHITE, colours, contrast

CORPUS = Path(__file__).parents[1] / "corpora" / "plot-labels.jsonl"
LABELS = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]


def calls(count: int = 2_000, **others) -> pd.DataFrame:
    """Return seeded calls with lognormal times around 2 ms in the server and 3 ms in all."""
    random = np.random.default_rng(7)
    server = random.lognormal(np.log(0.002), 0.35, count)
    client = server + random.lognormal(np.log(0.001), 0.5, count)
    times = {"client_time_seconds": client, "server_time_seconds": server}
    return pd.DataFrame({name: pd.array(values, "Float64") for name, values in times.items()} | others)


def curves(ax) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return time and share of each curve."""
    return [line.get_data() for line in ax.lines if line.get_drawstyle() == "steps-post"]


def texts(ax) -> list[str]:
    """Return every text on the axes but tick labels."""
    legend = ax.get_legend()
    own = [text.get_text() for text in [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]]
    return own + [ax.get_title("left")] + ([text.get_text() for text in legend.get_texts()] if legend else [])


def draw(ax) -> None:
    """Render the axes' figure."""
    FigureCanvasAgg(ax.figure).draw()


def test_curves_are_empirical_distribution_of_frame():
    """Each curve passes through every time of the frame at the share of calls at most that long."""
    frame = calls(50)

    ax = plot_latency_ecdf(frame)

    for (times, shares), name in zip(curves(ax), ["client_time_seconds", "server_time_seconds"], strict=True):
        expected = np.sort(frame[name].to_numpy(float)) * 1_000
        np.testing.assert_allclose(times[1:], expected)
        np.testing.assert_allclose(shares, np.arange(51) / 50 * 100)


def test_axes_say_what_and_in_which_unit():
    """Both axes are labelled with their unit, time is logarithmic, and the number of calls is stated."""
    ax = plot_latency_ecdf(calls())

    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert "(ms" in ax.get_xlabel()
    assert "(%)" in ax.get_ylabel()
    assert ax.get_title("left") == "Latency of 2,000 calls"


def test_percentiles_are_marked_on_curves():
    """p50, p95 and p99 of the quantile frame are the places of the markers."""
    frame = calls()
    expected = latency_quantiles(frame)[["p50_seconds", "p95_seconds", "p99_seconds"]].to_numpy(float) * 1_000

    ax = plot_latency_ecdf(frame)

    marks = [line.get_data() for line in ax.lines if line.get_marker() in {"o", "s", "^"}]
    np.testing.assert_allclose([x[0] for x, _ in marks], expected.ravel())
    assert [y[0] for _, y in marks] == [50, 95, 99] * 2


def test_threshold_is_drawn_with_share_of_calls():
    """The threshold stands at its time and says which share of the calls kept it."""
    frame = calls()
    within = (frame["client_time_seconds"] <= 0.004).mean()

    ax = plot_latency_ecdf(frame, threshold_seconds=0.004)

    assert any(list(line.get_xdata()) == [4.0, 4.0] for line in ax.lines)
    (note,) = [text for text in texts(ax) if text.startswith("within 4 ms")]
    assert f"{np.floor(within * 1_000) / 10:.1f} % of client times" in note


@pytest.mark.parametrize("threshold", [0, -1, float("nan"), float("inf")])
def test_threshold_that_is_no_time_is_refused(threshold):
    """A threshold that a log axis cannot show is refused before anything is drawn."""
    with pytest.raises(InputError, match="threshold_seconds"):
        plot_latency_ecdf(calls(5), threshold_seconds=threshold)


def test_two_curves_are_labelled_directly():
    """Client and server time carry their names and numbers beside the curves; there is no legend."""
    ax = plot_latency_ecdf(calls())

    assert ax.get_legend() is None
    assert [text.split("\n")[0] for text in texts(ax)[:2]] == ["client time", "server time"]


@pytest.mark.parametrize("factor", [0.1, 1, 30])
def test_direct_labels_stay_inside_axes_and_apart(factor):
    """The labels of two curves overlap neither each other nor the axes' edges, however far apart the curves are."""
    frame = calls()
    frame["client_time_seconds"] *= factor

    ax = plot_latency_ecdf(frame)
    draw(ax)

    one, other = (text.get_window_extent() for text in ax.texts)
    edges = ax.get_window_extent()
    assert not one.overlaps(other)
    assert all(edges.x0 <= box.x0 and box.x1 <= edges.x1 for box in (one, other))


def test_groups_are_told_by_legend_with_numbers():
    """Groups get a legend: their names with their line, their numbers of calls and their percentiles."""
    frame = calls(400, carrier=["UA", "DL"] * 200)

    ax = plot_latency_ecdf(frame, by="carrier", threshold_seconds=0.01)

    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(curves(ax)) == 2
    assert {"UA", "DL", "carrier", "p50", "p95", "p99", "within 10 ms"} <= set(names)
    assert names.count("200") == 2


def test_five_groups_differ_in_colour_and_line_and_can_be_seen():
    """Five groups have five colours of contrast 3:1 or more on white, and neighbours differ in line style too."""
    frame = calls(500, group=list("abcde") * 100)

    ax = plot_latency_ecdf(frame, by="group")

    lines = [line for line in ax.lines if line.get_drawstyle() == "steps-post"]
    assert len({to_rgb(line.get_color()) for line in lines}) == 5
    assert all(contrast(to_rgb(line.get_color()), WHITE) >= 3 for line in lines)
    assert all(a._unscaled_dash_pattern != b._unscaled_dash_pattern for a, b in pairwise(lines))


def test_colours_on_dark_axes_can_be_seen():
    """On the user's dark axes the curves still reach a contrast of 3:1."""
    figure = Figure(facecolor="black")
    ax = figure.add_subplot(facecolor="black")

    plot_latency_ecdf(calls(100), ax=ax)

    assert len(colours(ax)) >= 5
    curve_colours = [to_rgb(line.get_color()) for line in ax.lines if line.get_drawstyle() == "steps-post"]
    assert all(contrast(colour, (0.0, 0.0, 0.0)) >= 3 for colour in curve_colours)


def test_given_axes_are_drawn_on_and_returned():
    """The caller's axes come back, and nothing else of their figure is changed, even where they are small."""
    figure = Figure(figsize=(8, 3))
    left, right = figure.subplots(1, 2)

    returned = plot_latency_ecdf(calls(100), ax=left)

    assert returned is left
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["client time", "server time"]
    assert figure.get_size_inches().tolist() == [8, 3]
    assert not right.lines
    draw(left)


def test_no_calls_is_said():
    """A frame without calls is drawn as the words for it, and described so."""
    ax = plot_latency_ecdf(calls(0), threshold_seconds=0.1)

    draw(ax)
    assert "no calls" in texts(ax)
    assert describe(ax) == "Latency of 0 calls: nothing to draw."


def test_calls_without_time_are_counted_in_title():
    """Calls that have no time are left out of the curve and counted."""
    frame = calls(4)
    frame.loc[1, "client_time_seconds"] = None

    ax = plot_latency_ecdf(frame)

    assert ax.get_title("left") == "Latency of 4 calls, 1 without a client time"
    assert curves(ax)[0][1].max() == 100


def test_all_server_times_missing_draws_client_time():
    """A server that reports no times leaves one curve, and the title says why."""
    ax = plot_latency_ecdf(calls(10).assign(server_time_seconds=pd.array([None] * 10, "Float64")))

    assert len(curves(ax)) == 1
    assert ax.get_title("left") == "Latency of 10 calls, none with a server time"


def test_no_times_at_all_is_said():
    """Calls without any time are drawn as the words for it."""
    frame = calls(3).assign(client_time_seconds=np.nan, server_time_seconds=np.nan)

    ax = plot_latency_ecdf(frame)

    assert "no times" in texts(ax)


@pytest.mark.parametrize("seconds", [0.0, 0.003])
def test_one_call_is_drawn(seconds):
    """One call is a step from 0 to 100 %, even if it took no measurable time."""
    frame = calls(1).assign(client_time_seconds=seconds)

    ax = plot_latency_ecdf(frame)

    draw(ax)
    times, shares = curves(ax)[0]
    assert shares.tolist() == [0, 100]
    assert times[0] == max(seconds * 1_000, 0.001)


@pytest.mark.parametrize("label", LABELS)
def test_hostile_group_is_drawn_literally_and_soon(label):
    """A group name with markup, control or missing characters is drawn as it is, in under a second."""
    values = pd.Series([label, "other"] * 10, dtype=object)
    started = time.process_time()

    ax = plot_latency_ecdf(calls(20).assign(group=values), by="group")
    draw(ax)

    assert time.process_time() - started < 1
    drawn = {text.get_text() for text in ax.get_legend().get_texts()}
    literal = label.encode("unicode_escape").decode() if label in {"a\tb", "a\ud800b"} else label
    assert (literal if len(literal) <= 120 else literal[:119] + "…") in drawn
    assert not any(text.get_parse_math() or text.get_usetex() for text in ax.get_legend().get_texts())


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("is_ours", [True, False])
def test_hostile_column_name_is_drawn_literally(label, is_ours):
    """The name of the group column is drawn as it is, on our axes and on the user's."""
    ax = None if is_ours else Figure(layout="constrained").add_subplot()
    frame = calls(20, group=["a", "b"] * 10)
    frame.columns = pd.Index([*frame.columns[:2], label], dtype=object)

    ax = plot_latency_ecdf(frame, by=label, ax=ax)

    draw(ax)
    assert not any(text.get_parse_math() for text in [ax._left_title, ax.get_legend().get_title()])


def test_scripts_without_font_are_escaped():
    """A character that no font can draw is written as its code instead of an empty box."""
    frame = calls(2).assign(group=["a\U000fffffb", "x\u20ac"])

    ax = plot_latency_ecdf(frame, by="group")

    draw(ax)
    assert {"a\\U000fffffb", "x\u20ac"} <= set(texts(ax))


def test_tex_setting_of_user_is_not_used_for_our_texts():
    """Users who set TeX for their own pictures get ours without it."""
    with mpl.rc_context({"text.usetex": True}):
        ax = plot_latency_ecdf(calls(20), threshold_seconds=0.01)

    assert not any(text.get_usetex() for text in [*ax.texts, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels()])


def test_global_settings_are_left_alone():
    """Drawing changes none of matplotlib's global settings."""
    before = dict(mpl.rcParams)

    plot_latency_ecdf(calls(20, group=["a", "b"] * 10), by="group")

    assert dict(mpl.rcParams) == before


def test_frame_is_left_alone():
    """Drawing changes nothing in the caller's frame."""
    frame = calls(20)
    before = frame.copy(deep=True)

    plot_latency_ecdf(frame)

    pd.testing.assert_frame_equal(frame, before)


def test_description_tells_numbers():
    """The alt text holds the number of calls, the percentiles and the share within the threshold."""
    frame = calls(100).assign(client_time_seconds=0.0031, server_time_seconds=0.0005)

    sentence = describe(plot_latency_ecdf(frame, threshold_seconds=0.001))

    assert sentence == (
        "Latency of 100 calls: client time p50 3.1 ms, p95 3.1 ms, p99 3.1 ms; "
        "server time p50 500 µs, p95 500 µs, p99 500 µs; "
        "within 1 ms: 0 % of client times, 100 % of server times."
    )


def test_pyplot_is_never_loaded():
    """Importing and drawing leave pyplot out, in a process of their own."""
    code = (
        "import sys, pandas as pd; from tecton_nb.plots import plot_latency_ecdf;"
        "ax = plot_latency_ecdf(pd.DataFrame({'client_time_seconds': [0.1], 'server_time_seconds': [0.1]}));"
        "ax._repr_mimebundle_(); sys.exit('matplotlib.pyplot' in sys.modules)"
    )

    finished = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603

    assert finished.returncode == 0
