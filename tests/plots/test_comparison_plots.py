"""The pictures of a comparison: what is drawn is what the frames hold."""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tecton_nb import compare_features
from tecton_nb.exceptions import InputError
from tecton_nb.plots import describe, plot_drift, plot_feature_pair, plot_mismatches, save_figure
from tecton_nb.plots.style import contrast

CORPUS = Path(__file__).parents[1] / "corpora" / "plot-labels.jsonl"
LABELS = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
DRAWN = {"mismatches": plot_mismatches, "pair": plot_feature_pair, "drift": plot_drift}


def compared(features=3, label="view.feature"):
    """Return a comparison in which feature i differs in 10 i of 100 rows by 5, and a row stands on the left only."""
    random = np.random.default_rng(3)
    names = pd.Index([f"{label}{i or ''}" for i in range(features)], dtype=object)
    left = pd.DataFrame(random.normal(50, 5, (100, features))).set_axis(names, axis=1)
    right = left.copy()
    for i in range(features):
        right.iloc[: min(10 * i, 99), i] += 5.0
    right.iloc[98, 0] = np.nan
    return compare_features(left, right.iloc[:99])


def frame_for(kind, comparison):
    """Return the frame a picture is drawn from."""
    return comparison.pairs(next(reversed(comparison.counts))) if kind == "pair" else comparison.summary()


def draw(ax):
    """Render the axes' figure."""
    FigureCanvasAgg(ax.figure).draw()


def texts(ax):
    """Return every text on the axes but the numbers along them."""
    names = ax.get_yticklabels() if ax.get_ylabel() == "feature" else []
    own = [*ax.texts, ax.xaxis.label, ax.yaxis.label, *names]
    legends = [*ax.figure.legends, *([ax.get_legend()] if ax.get_legend() else [])]
    return [*own, ax._left_title, *(text for legend in legends for text in legend.get_texts())]


def test_bars_are_the_shares_of_cells_by_verdict():
    """Each bar is as long as the share of its feature's cells with that verdict, the worst feature on top."""
    summary = compared().summary()

    ax = plot_mismatches(summary)

    worst = summary.sort_values("mismatches", ascending=False)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == worst["feature"].tolist()
    drawn = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    for verdict in ("different_value", "only_left"):
        np.testing.assert_allclose(
            drawn[verdict.replace("_", " ")], (worst[verdict] / worst["cells"] * 100).astype(float)
        )
    assert ax.get_title("left") == "3 of 3 features differ"


def test_only_the_worst_twenty_features_are_drawn():
    """More than 20 features that differ are counted in the title, and the worst 20 drawn."""
    ax = plot_mismatches(compared(25).summary())

    assert len(ax.get_yticks()) == 20
    assert ax.get_title("left") == "25 of 25 features differ, the worst 20"


def test_pairs_are_drawn_where_they_are():
    """Every pair of finite values is a point, those that differ marked otherwise; the rest is counted."""
    pairs = compared().pairs("view.feature2")

    ax = plot_feature_pair(pairs)

    same, other = (np.asarray(points.get_offsets()) for points in ax.collections)
    differs = (pairs["verdict"] == "different_value").to_numpy()
    np.testing.assert_allclose(other, pairs.loc[differs, ["left", "right"]].to_numpy(dtype=float))
    np.testing.assert_allclose(same, pairs.loc[~differs, ["left", "right"]].to_numpy(dtype=float))
    assert ax.get_title("left") == "view.feature2: 20 of 99 rows differ"


def test_pairs_without_two_finite_values_are_counted():
    """A null, NaN or infinity cannot be placed: the title says how many there are."""
    left = pd.DataFrame({"x": pd.array([1.0, None, np.inf, 4.0], "Float64")})

    ax = plot_feature_pair(compare_features(left, left).pairs("x"))

    assert ax.get_title("left") == "x: 0 of 4 rows differ,\n2 without two finite values"


def test_times_are_drawn_in_days():
    """Times are numbers of days, and the axes say so."""
    left = pd.DataFrame({"t": pd.to_datetime(["1970-01-02", "1970-01-03"], utc=True)})

    ax = plot_feature_pair(compare_features(left, left + pd.Timedelta("12h")).pairs("t"))

    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[1, 1.5], [2, 2.5]])
    assert "days since 1970" in ax.get_xlabel()


def test_drift_is_drawn_as_in_the_summary():
    """Circles are the indices and squares the statistics of the summary, the largest on top."""
    summary = compared().summary().sort_values("psi", ascending=False)

    ax = plot_drift(summary)

    lines = {line.get_label(): line.get_xdata() for line in ax.lines}
    np.testing.assert_allclose(lines["population stability index"], summary["psi"].to_numpy(dtype=float))
    np.testing.assert_allclose(lines["Kolmogorov-Smirnov"], summary["ks_statistic"].to_numpy(dtype=float))
    assert [label.get_text() for label in ax.get_yticklabels()] == summary["feature"].tolist()


@pytest.mark.parametrize("kind", DRAWN)
def test_hostile_names_are_drawn_literally(kind):
    """A feature called like markup is drawn as it is, on our axes and on the user's."""
    for label in LABELS:
        ours = DRAWN[kind](frame_for(kind, compared(2, label)))
        drawn = DRAWN[kind](frame_for(kind, compared(2, label)), ax=Figure(figsize=(3, 2)).add_subplot())
        draw(drawn)
        assert not any(text.get_parse_math() for text in texts(ours) if text.get_text())
        assert not any(text.get_parse_math() or text.get_usetex() for text in texts(drawn) if text.get_text())


@pytest.mark.parametrize("kind", DRAWN)
def test_picture_leaves_settings_frame_and_other_axes_alone(kind):
    """Drawing changes neither matplotlib's settings nor the frame, and only the axes that were given."""
    figure = Figure(facecolor="black", layout="constrained")
    mine, other = figure.subplots(1, 2)
    mine.set_facecolor("black")
    frame = frame_for(kind, compared())
    before, settings = frame.copy(deep=True), dict(mpl.rcParams)

    returned = DRAWN[kind](frame, ax=mine)
    draw(mine)

    assert returned is mine
    assert not other.lines
    assert not other.collections
    assert dict(mpl.rcParams) == settings
    pd.testing.assert_frame_equal(frame, before)


def test_bars_can_be_seen_on_dark_axes():
    """On black axes every bar reaches a contrast of 3:1."""
    ax = Figure(facecolor="black").add_subplot(facecolor="black")

    plot_mismatches(compared().summary(), ax=ax)

    assert all(contrast(to_rgb(bar.get_facecolor()), (0.0, 0.0, 0.0)) >= 3 for bar in ax.patches)


@pytest.mark.parametrize("kind", DRAWN)
def test_nothing_to_draw_is_said(kind):
    """Equal or empty frames are drawn as the words for it."""
    empty = pd.DataFrame({"x": pd.array([], "Float64")})

    ax = DRAWN[kind](frame_for(kind, compare_features(empty, empty)))

    draw(ax)
    assert describe(ax).endswith("nothing to draw.")
    assert ax.texts[0].get_text() in {"nothing differs", "no pairs of values", "no distributions"}


@pytest.mark.parametrize("kind", DRAWN)
def test_description_tells_the_figures(kind, tmp_path):
    """The alt text names the features with their figures, and the picture can be saved."""
    ax = DRAWN[kind](frame_for(kind, compared()))

    said = describe(ax)
    assert "view.feature2" in said
    assert any(word in said for word in ("20.0 %", "21.0 %", "right minus left is 5", "PSI"))
    assert save_figure(ax, tmp_path / "a.svg").stat().st_size > 1_000


def test_texts_are_no_pair_of_numbers():
    """A feature of texts is refused with what to look at instead."""
    left = pd.DataFrame({"s": ["a", "b"]})

    with pytest.raises(InputError, match="pairs of numbers or of times can be drawn"):
        plot_feature_pair(compare_features(left, left).pairs("s"))


@pytest.mark.parametrize("kind", DRAWN)
def test_wrong_frames_are_refused(kind):
    """Another frame is refused with the call that makes the right one."""
    with pytest.raises(InputError, match=r"has no column .* Pass comparison\."):
        DRAWN[kind](pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="Cannot draw list"):
        DRAWN[kind]([1])
