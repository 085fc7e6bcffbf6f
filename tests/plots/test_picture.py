"""Pictures in notebooks and files."""

import pickle
import xml.etree.ElementTree as ElementTree
from base64 import b64decode

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from matplotlib.image import imread

from tecton_nb.exceptions import InputError
from tecton_nb.plots import describe, plot_latency_ecdf, save_figure

CALLS = pd.DataFrame({"client_time_seconds": [0.003, 0.005], "server_time_seconds": [0.002, 0.004]})


def picture(**options):
    """Return a small picture."""
    return plot_latency_ecdf(CALLS, **options)


@pytest.mark.parametrize("of", [lambda ax: ax, lambda ax: ax.figure])
def test_notebook_shows_axes_and_figure(of):
    """Axes or figure as the last value of a cell are shown as a picture with its alt text."""
    ax = picture()

    data, metadata = DisplayFormatter().format(of(ax))

    assert b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"] == describe(ax)
    assert (metadata["image/png"]["width"], metadata["image/png"]["height"]) == (700, 420)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_saved_twice_is_same_file(tmp_path, suffix):
    """The same data give the same bytes: the file holds no date."""
    one = save_figure(picture(), tmp_path / f"one{suffix}")
    other = save_figure(picture().figure, tmp_path / f"other{suffix}")

    assert one == tmp_path / f"one{suffix}"
    assert one.read_bytes() == other.read_bytes()


def test_saved_png_has_200_dpi(tmp_path):
    """A picture of 7 by 4.2 inches is saved as 1,400 by 840 points, whatever the suffix's case."""
    path = save_figure(picture(), str(tmp_path / "a.PNG"))

    assert imread(path, format="png").shape[:2] == (840, 1400)


def test_saved_svg_holds_alt_text(tmp_path):
    """The description travels with the file."""
    ax = picture()

    path = save_figure(ax, tmp_path / "a.svg")

    assert describe(ax) in "".join(ElementTree.parse(path).getroot().itertext())  # noqa: S314


@pytest.mark.parametrize("name", ["picture.gif", "picture", "picture.png.txt"])
def test_unknown_suffix_is_refused_in_words(tmp_path, name):
    """A suffix we do not write is refused with those we do, and no file is made."""
    with pytest.raises(InputError, match=r"End the path with \.png, \.svg or \.pdf\."):
        save_figure(picture(), tmp_path / name)

    assert not list(tmp_path.iterdir())


def test_subfigure_is_saved_as_whole_figure(tmp_path):
    """Axes in a part of a figure are saved with the whole figure."""
    figure = Figure(figsize=(4, 2))
    ax = figure.subfigures(1, 2)[0].add_subplot()

    path = save_figure(picture(ax=ax), tmp_path / "a.png")

    assert imread(path).shape[:2] == (400, 800)


def test_axes_of_others_are_not_described():
    """Axes that hold no picture of ours are refused in words."""
    with pytest.raises(InputError, match="hold no picture"):
        describe(Figure().add_subplot())


def test_cleared_axes_are_not_described():
    """Clearing the axes clears what was said about them."""
    ax = picture()
    ax.clear()

    with pytest.raises(InputError):
        describe(ax)


def test_pickled_picture_keeps_its_description():
    """A picture that went through a pickle is still described and shown."""
    ax = picture(threshold_seconds=0.004)

    copy = pickle.loads(pickle.dumps(ax.figure)).axes[0]  # noqa: S301

    assert describe(copy) == describe(ax)
    assert copy._repr_mimebundle_()[0]["image/png"]
