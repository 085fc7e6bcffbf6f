"""Figures that show themselves in a notebook without pyplot, their alt text, and saving them."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from ..exceptions import InputError, quoted
from .style import figure_style

SAVED_DPI = 200
_SUFFIXES = (".png", ".svg", ".pdf")

Bundle = tuple[dict[str, str], dict[str, dict[str, Any]]]


class PictureFigure(Figure):
    """A figure that pyplot does not know and that a notebook shows all the same."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:  # noqa: ARG002
        return _bundle(self)


class PictureAxes(Axes):
    """Axes that are shown as the picture they are on when they are the last value of a cell."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:  # noqa: ARG002
        return _bundle(_root(self))


class AltText(Artist):
    """A sentence that lives on axes, so that clearing, pickling or closing them takes it along."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence
        self.set_visible(False)
        self.set_in_layout(False)

    def draw(self, renderer: RendererBase) -> None:
        """Draw nothing."""


def picture_axes(width: float = 7.0, height: float = 4.2) -> Axes:
    """Return the axes of a new figure of our own, `width` by `height` inches."""
    with figure_style():
        figure = PictureFigure(figsize=(width, height), layout="constrained", dpi=100)
        FigureCanvasAgg(figure)
        return figure.add_subplot(axes_class=PictureAxes)


def bar_axes(names: Sequence[str]) -> Axes:
    """Return the axes of a new figure for as many horizontal bars as there are names, wide enough for these."""
    longest = max(map(len, names), default=0)
    return picture_axes(max(7.0, 4.6 + 0.085 * longest), max(2.0, 1.2 + 0.3 * len(names)))


def add_alt_text(ax: Axes, sentence: str) -> None:
    """Keep the sentence with the axes for `describe`."""
    ax.add_artist(AltText(sentence))


def describe(ax: Axes) -> str:
    """Return what the axes show, in one sentence made from the data drawn.

    Fit for an ``alt`` attribute or a caption. Axes drawn on more than once have one sentence each time.

    Raises
    ------
    InputError
        If no function of this package has drawn on the axes.
    """
    sentences = _sentences(ax)
    if not sentences:
        raise InputError(
            "These axes hold no picture of this package. Call one of the `plot_` functions with them first."
        )
    return " ".join(sentences)


def save_figure(picture: Axes | Figure | SubFigure, path: str | os.PathLike[str]) -> Path:
    """Save the whole figure at 200 dpi and return its path.

    The same data give the same bytes on the same machine: the file holds no date and no version.
    The alt text goes into the file's description.

    Parameters
    ----------
    picture
        The axes a plot function returned, or their figure.
    path
        File to write; its suffix chooses the format: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    InputError
        If the suffix is another one.
    OSError
        If the file cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(
            f"Cannot save a picture as {quoted(target.name)}: its suffix {quoted(target.suffix)} names no format "
            "we write. End the path with .png, .svg or .pdf."
        )
    figure = _root(picture)
    # The salt is read while saving; without it every SVG has other ids.
    with rc_context({"svg.hashsalt": "tecton_nb"}):
        figure.savefig(target, format=suffix[1:], dpi=SAVED_DPI, metadata=_metadata(suffix, _alt(figure)))
    return target


def _metadata(suffix: str, alt: str) -> Mapping[str, str | None]:
    by_suffix: dict[str, dict[str, str | None]] = {
        ".png": {"Software": None, "Description": alt},
        ".svg": {"Date": None, "Creator": None, "Description": alt},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None, "Subject": alt},
    }
    return by_suffix[suffix]


def _root(picture: Axes | Figure | SubFigure) -> Figure:
    figure: Figure = (picture.figure if isinstance(picture, Axes) else picture).figure
    return figure


def _sentences(ax: Axes) -> list[str]:
    return [child.sentence for child in ax.get_children() if isinstance(child, AltText)]


def _alt(figure: Figure) -> str:
    return " ".join(sentence for ax in figure.axes for sentence in _sentences(ax))


def _bundle(figure: Figure) -> Bundle:
    buffer = BytesIO()
    # Twice the size it is shown at, so that it is sharp on the screens of today.
    figure.savefig(buffer, format="png", dpi=2 * figure.dpi, metadata=_metadata(".png", _alt(figure)))
    width, height = (round(side) for side in figure.get_size_inches() * figure.dpi)
    alt = _alt(figure) or repr(figure)
    data = {"text/plain": alt, "image/png": b64encode(buffer.getvalue()).decode("ascii")}
    return data, {"image/png": {"alt": alt, "width": width, "height": height}}
