"""The little JavaScript there is: keys stay in a panel, labels are complete, code can be copied."""

from __future__ import annotations

from importlib.resources import files

import anywidget
import traitlets


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


class PanelFrame(anywidget.AnyWidget):
    """Invisible; looks after the panel it is a child of.

    Parameters
    ----------
    label
        Name of the panel for those who do not see it.
    heard
        How many edits of its form the kernel has taken in.
    """

    _esm = _text("panel.js")
    _css = _text("panel.css")
    label = traitlets.Unicode("").tag(sync=True)
    heard = traitlets.Int(0).tag(sync=True)


class CodeBox(anywidget.AnyWidget):
    """Code to read and to copy.

    Parameters
    ----------
    text
        The code; shown as text, whatever it holds.
    label
        Name of the box for those who do not see it.
    """

    _esm = _text("code_box.js")
    text = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
