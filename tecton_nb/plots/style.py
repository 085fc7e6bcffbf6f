"""Colours, lines and the look of our own figures; nothing here changes matplotlib's global settings."""

from __future__ import annotations

from contextlib import AbstractContextManager

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.typing import ColorType

Colour = tuple[float, float, float]
LineStyle = str | tuple[int, tuple[float, ...]]

# Okabe and Ito's colours for every kind of colour vision; the first five reach 3:1 on white.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#F0E442")
LINE_STYLES = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
MINIMUM_CONTRAST = 3.0
WHITE: Colour = (1.0, 1.0, 1.0)


def figure_style() -> AbstractContextManager[None]:
    """Return the settings for a figure of our own, in force while the context is open."""
    return rc_context(
        {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 11,
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "text.usetex": False,
            "text.parse_math": False,
        }
    )


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2.1, relative luminance)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def background(ax: Axes) -> Colour:
    """Return the colour behind the axes: their own, else the figure's, else white."""
    for face in (ax.get_facecolor(), ax.figure.get_facecolor()):
        red, green, blue, alpha = to_rgba(face)
        if alpha > 0:
            return red, green, blue
    return WHITE


def colours(ax: Axes) -> list[Colour]:
    """Return the colours that can be told from the axes' background (contrast at least 3:1), in order."""
    behind = background(ax)
    every = [to_rgba(name)[:3] for name in OKABE_ITO]
    return [colour for colour in every if contrast(colour, behind) >= MINIMUM_CONTRAST]


def look(ax: Axes, place: int) -> tuple[Colour, LineStyle]:
    """Return colour and line style of the series at a place: neighbours differ in both."""
    palette = colours(ax)
    return palette[place % len(palette)], LINE_STYLES[place % len(LINE_STYLES)]


def ink(ax: Axes) -> ColorType:
    """Return the colour of the axes' own labels, for texts and lines that belong to no series."""
    return ax.xaxis.label.get_color()


def _luminance(colour: Colour) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
