"""What holds for every picture: it looks as it did, can be seen, says what it shows, and leaves others alone."""

import gc
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from picture_frames import (
    NOW,
    PICTURES,
    budget,
    calls,
    effective_times,
    ladder,
    pixels,
    rates,
    services,
    statuses,
    stream_ages,
)

from tecton_nb import plots
from tecton_nb.exceptions import InputError
from tecton_nb.plots import describe
from tecton_nb.plots.style import WHITE, contrast

BASELINE = Path(__file__).with_name("baseline")
CORPUS = Path(__file__).parents[1] / "corpora" / "plot-labels.jsonl"
LABELS = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
# Root mean square over all points, of 255: well below what a missing line does.
TOLERANCE = 3.0
DARK = {
    "axes.facecolor": "black",
    "figure.facecolor": "black",
    "axes.edgecolor": "white",
    **dict.fromkeys(["text.color", "axes.labelcolor", "xtick.color", "ytick.color"], "white"),
}


def difference(ax, name: str) -> float:
    """Return the root mean square difference from a baseline; infinite if the sizes differ."""
    now, then = pixels(ax).astype(float), imread(BASELINE / f"{name}.png")[..., :3].astype(float) * 255
    return float(np.sqrt(((now - then) ** 2).mean())) if now.shape == then.shape else float("inf")


def texts(ax) -> list[str]:
    """Return every text of the axes' figure."""
    return [text.get_text() for text in ax.figure.findobj(Text)]


def literal(label: str, limit: int = 120) -> str:
    """Return a label as it must be drawn: escaped if it cannot be printed, and cut."""
    text = label.encode("unicode_escape").decode() if label in {"a\tb", "a\ud800b"} else label
    return text if len(text) <= limit else text[: limit - 1] + "…"


@pytest.mark.parametrize("name", PICTURES)
def test_picture_looks_as_it_did(name):
    """Each picture equals its stored image within a fixed tolerance."""
    assert difference(PICTURES[name](), name) < TOLERANCE


def test_comparison_of_images_can_fail():
    """A picture without one of its lines, or of something else, is beyond the tolerance."""
    ax = PICTURES["quantiles"]()
    ax.lines[-1].remove()

    assert difference(ax, "quantiles") > TOLERANCE
    assert difference(PICTURES["metric"](), "quantiles") > TOLERANCE


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("name", PICTURES)
def test_lines_and_words_can_be_seen(name, is_dark):
    """On white and on black every line and every word has a contrast of at least 3:1."""
    with mpl.rc_context(DARK if is_dark else {}):
        ax = PICTURES[name]()
    behind = (0.0, 0.0, 0.0) if is_dark else WHITE

    every = [ax, *ax.child_axes]
    lines = [line for each in every for line in each.lines if line.get_linestyle() != "None" or line.get_marker()]
    words = [text for each in every for text in each.findobj(Text) if text.get_text() and text.get_visible()]
    outside = [text for text in words if text.get_bbox_patch() is None and text not in inside_bars(ax)]
    assert lines or ax.patches or ax.collections
    assert all(contrast(to_rgb(line.get_color()), behind) >= 3 for line in lines)
    assert all(contrast(to_rgb(text.get_color()), behind) >= 3 for text in outside)


def inside_bars(ax) -> list[Text]:
    """Return the texts that stand on coloured bars, whose contrast with the bar is tested by itself."""
    return [text for text in ax.texts if text.get_text().endswith(" %") and text.get_ha() == "center"]


@pytest.mark.parametrize("name", ["latency_breakdown", "statuses"])
def test_words_on_bars_can_be_read(name):
    """A share written on a bar has a contrast of at least 3:1 with it."""
    ax = PICTURES[name]()

    found = inside_bars(ax)
    assert found
    for text in found:
        patch = text.get_bbox_patch()
        bars = [bar for bar in ax.patches if bar.contains_point(ax.transData.transform(text.get_position()))]
        behind = patch.get_facecolor() if patch else bars[-1].get_facecolor()
        assert contrast(to_rgb(text.get_color()), behind[:3]) >= 3


@pytest.mark.parametrize("name", PICTURES)
def test_picture_says_what_it_shows(name):
    """The alt text is a sentence with numbers; every axis has its unit, times name their zone; settings stay."""
    before = dict(mpl.rcParams)

    ax = PICTURES[name]()

    sentence, said = describe(ax), texts(ax)
    assert sentence.endswith(".")
    assert any(character.isdigit() for character in sentence)
    assert any(unit in " ".join(said) for unit in ("(ms", "(%)", "per second", "age (log scale)", "age of a value"))
    has_time = name not in {"latency_ecdf", "latency_percentiles", "latency_breakdown", "freshness", "statuses"}
    assert ("time (UTC)" in said) == has_time
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", PICTURES)
def test_given_axes_are_drawn_on_and_returned(name):
    """The caller's axes come back; their figure keeps its size, and its other axes stay empty."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)

    returned = PICTURES[name](ax=left)

    FigureCanvasAgg(figure).draw()
    assert returned is left
    assert figure.get_size_inches().tolist() == [10, 4]
    assert not [*right.lines, *right.patches, *right.texts]


FRAMES = {
    "plot_latency_percentiles": (calls, {}),
    "plot_latency_over_time": (calls, {}),
    "plot_latency_breakdown": (calls, {}),
    "plot_heatmap": (calls, {}),
    "plot_metric": (rates, {}),
    "plot_quantiles": (ladder, {}),
    "plot_services": (services, {}),
    "plot_slo": (budget, {}),
    "plot_freshness": (effective_times, {"now": NOW}),
    "plot_statuses": (statuses, {}),
}


@pytest.mark.parametrize("function", FRAMES)
def test_frame_is_left_alone(function):
    """Drawing changes nothing in the caller's frame."""
    make, options = FRAMES[function]
    frame = make()
    before = frame.copy(deep=True)

    getattr(plots, function)(frame, **options)

    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    "function", [name for name in FRAMES if name not in {"plot_metric", "plot_quantiles", "plot_services"}]
)
def test_empty_frame_is_said(function):
    """A frame without rows is drawn as words and described so."""
    make, options = FRAMES[function]

    ax = getattr(plots, function)(make().iloc[:0], **options)

    FigureCanvasAgg(ax.figure).draw()
    assert any(text.startswith("no ") for text in texts(ax))
    assert "nothing to draw" in describe(ax)


@pytest.mark.parametrize("function", FRAMES)
def test_what_is_no_frame_is_refused_in_words(function):
    """Anything but a frame is answered with the frame that is meant."""
    with pytest.raises(InputError, match=r"Pass a frame, such as|Cannot read"):
        getattr(plots, function)([1, 2], **FRAMES[function][1])


@pytest.mark.parametrize(
    ("function", "frame", "words"),
    [
        ("plot_latency_percentiles", calls(3).drop(columns="client_time_seconds"), "no column 'client_time_seconds'"),
        ("plot_latency_over_time", calls(3).drop(columns="started_at"), "no column 'started_at'"),
        ("plot_latency_over_time", calls(3).assign(started_at=[1, 2, 3]), "holds int64, not times"),
        ("plot_latency_over_time", calls(3).assign(started_at=["now", "then", "x"]), "values that are no times"),
        ("plot_latency_breakdown", calls(3).drop(columns="store_max_latency_seconds"), "store_max_latency_seconds"),
        ("plot_heatmap", ladder(), "quantiles do not tell how many requests"),
        ("plot_metric", calls(3), "no column 'metric'"),
        ("plot_metric", pd.concat([rates(), ladder()]), "holds 2 metrics; name one"),
        ("plot_metric", ladder(), "draw its quantiles with plot_quantiles"),
        ("plot_quantiles", rates(), "holds no quantiles of 'feature_service_requests_rate'"),
        (
            "plot_quantiles",
            services(),
            "choose one, such as frame[frame['feature_service_name']",
        ),
        ("plot_services", rates().drop(columns="feature_service_name"), "no column 'feature_service_name'"),
        ("plot_slo", budget().drop(columns="left_min_ratio"), "no column 'left_min_ratio'"),
        ("plot_slo", pd.concat([budget(), budget().assign(service="b")]), "several values of 'service'"),
        ("plot_freshness", effective_times(), "give now=pandas.Timestamp.now('UTC')"),
        ("plot_freshness", rates(), "hold no ages of stream events"),
        ("plot_freshness", calls(3), "holds Float64, not times. Pass batch.effective_times()"),
        ("plot_statuses", calls(3), "no statuses. Pass batch.statuses()"),
    ],
)
def test_frame_that_lacks_what_is_needed_gets_one_sentence(function, frame, words):
    """What is missing is said in one clear sentence, before anything is drawn."""
    options = {"now": NOW} if function == "plot_freshness" and "started_at" in frame else {}

    with pytest.raises(InputError) as caught:
        getattr(plots, function)(frame, **options)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.plot_latency_over_time(calls(3), tz="Mars/Olympus"),
        lambda: plots.plot_metric(rates(), tz=""),
        lambda: plots.plot_slo(budget(), tz="../etc"),
    ],
)
def test_unknown_time_zone_is_refused_in_words(draw):
    """A zone nobody knows is named, with how to write one."""
    with pytest.raises(InputError, match="There is no time zone"):
        draw()


def test_times_are_shown_in_the_zone_that_is_named():
    """08:00 UTC is 03:00 in New York, and the axis says which of them it shows."""
    ax = plots.plot_metric(rates(), tz="America/New_York")
    FigureCanvasAgg(ax.figure).draw()

    assert ax.get_xlabel() == "time (America/New_York)"
    assert "03:00" in [label.get_text() for label in ax.get_xticklabels()]


@contextmanager
def gc_paused():
    """Leave out of a measurement what the tests before left behind: in a whole run collecting takes longer."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# By picture: how to draw some names in it, how many at a time, and how long a name may be there.
HOSTILE = {
    "plot_metric": (lambda names: plots.plot_metric(named_rates(names)), 8, 120),
    "plot_services": (lambda names: plots.plot_services(named_rates(names)), 4, 34),
    "plot_statuses": (lambda names: plots.plot_statuses(named_columns(statuses(5), names), by="feature"), 8, 120),
    "plot_latency_percentiles": (
        lambda names: plots.plot_latency_percentiles(calls(8 * len(names)).assign(g=untouched(names * 8)), by="g"),
        8,
        120,
    ),
}


def untouched(names: list[str]) -> pd.Series:
    """Return names as they are: a column of texts could not hold a lone surrogate."""
    return pd.Series(names, dtype=object)


def named_rates(names: list[str]) -> pd.DataFrame:
    """Return a series of a few samples for each name."""
    plain = rates(tuple(f"s{place}" for place in range(len(names)))).groupby("feature_service_name").head(5)
    own = untouched([names[int(name[1:])] for name in plain["feature_service_name"]])
    return plain.reset_index(drop=True).assign(feature_service_name=own)


def named_columns(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return a frame whose columns have these names."""
    columns = {place: frame.iloc[:, place % frame.shape[1]] for place in range(len(names))}
    return pd.DataFrame(columns).set_axis(pd.Index(names, dtype=object), axis=1)


@pytest.mark.parametrize(
    ("function", "start"),
    [(function, start) for function, (_, step, _) in HOSTILE.items() for start in range(0, len(LABELS), step)],
)
def test_hostile_names_are_drawn_literally_and_soon(function, start):
    """Names with markup, control or missing characters are drawn as they are, in under a second."""
    draw, step, limit = HOSTILE[function]
    names = LABELS[start : start + step]

    with gc_paused():
        started = time.thread_time()
        ax = draw(names)
        FigureCanvasAgg(ax.figure).draw()
        seconds = time.thread_time() - started

    assert seconds < 1
    assert {literal(name, limit) for name in names} <= set(texts(ax))
    named = {literal(name, limit) for name in names}
    shown = [text for text in ax.figure.findobj(Text) if text.get_text() in named and text.get_visible()]
    assert not any(text.get_parse_math() or text.get_usetex() for text in shown)


@pytest.mark.parametrize("label", LABELS)
def test_hostile_service_is_drawn_literally_in_a_title(label):
    """The name of a service in the title of its objective is drawn as it is."""
    ax = plots.plot_slo(budget().iloc[:5].assign(service=untouched([label] * 5)))

    FigureCanvasAgg(ax.figure).draw()
    assert f"({literal(label, 70)})" in ax.get_title("left")
    assert not ax._left_title.get_parse_math()


@pytest.mark.parametrize("start", range(0, len(LABELS), 8))
def test_hostile_views_are_drawn_literally_beside_their_bars(start):
    """The names of views beside their ages are drawn as they are."""
    names = [label.partition(".")[0] for label in LABELS[start : start + 8]]
    times = named_columns(effective_times().iloc[:5, :8], [f"{name}.a" for name in names])

    ax = plots.plot_freshness(times, now=NOW)

    FigureCanvasAgg(ax.figure).draw()
    assert {literal(name) for name in names} == {text.get_text() for text in ax.get_yticklabels()}
    assert not any(text.get_parse_math() for text in ax.get_yticklabels())


def test_hostile_stream_is_drawn_literally():
    """Names of streams with dollar signs are no formulas."""
    ax = plots.plot_freshness(stream_ages(("price_$", "a$b$c")))

    FigureCanvasAgg(ax.figure).draw()
    assert {"price_$: oldest event", "a$b$c: average event"} <= set(texts(ax))


def test_pyplot_is_never_loaded_by_any_picture():
    """Drawing everything leaves pyplot out, in a process of its own."""
    code = (
        "import sys; from picture_frames import PICTURES;"
        "[draw()._repr_mimebundle_() for draw in PICTURES.values()]; sys.exit('matplotlib.pyplot' in sys.modules)"
    )

    finished = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parent)  # noqa: S603

    assert finished.returncode == 0
