"""What every panel is made of: its frame, its static twin, and small pieces of safe HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import pandas as pd

from ..reprs import Card, Section, card_html, card_text, escaped, frame_section, human_seconds
from ..reprs.card import ROW_LIMIT
from .frontend import PanelFrame

STATIC = (
    "The panel itself needs a running notebook that shows widgets (JupyterLab, Notebook 7, Voila). "
    "This is what stood in it when the cell was run."
)
# Formulas in foreign text stay text.
_PLAIN = "tex2jax_ignore mathjax_ignore"
_STRIP_LIMIT = 60


class Panel(ipywidgets.VBox):
    """A box of widgets that keeps its keys, has a name, and shows a plain frame where widgets are not shown.

    Parameters
    ----------
    children
        What the panel holds.
    label
        Name for those who do not see it.
    """

    def __init__(self, children: Sequence[ipywidgets.Widget], *, label: str) -> None:
        self._frame = PanelFrame(label=label)
        super().__init__([*children, self._frame])
        self.add_class("tnb-panel")

    def _card(self) -> Card:
        raise NotImplementedError

    def __repr__(self) -> str:
        return card_text(self._card())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**kwargs) or {})
        card = self._card()
        bundle["text/plain"] = f"{card_text(card)}\n{STATIC}"
        bundle["text/html"] = f"{card_html(card)}{words_html(STATIC)}"
        return bundle


def place(kind: str = "") -> ipywidgets.HTML:
    """Return an empty place for HTML; `kind` is ``status`` or ``alert`` for one that is read out when it changes."""
    found = ipywidgets.HTML()
    found.add_class(f"tnb-{kind or 'place'}")
    return found


def forget(widget: Any) -> None:
    """Close a widget that is shown no more, and all it holds: until then ipywidgets and the browser keep them."""
    for child in getattr(widget, "children", ()):
        forget(child)
    for part in (getattr(widget, "style", None), widget.layout):
        if isinstance(part, ipywidgets.Widget):
            part.close()
    widget.close()


def button_for(words: str, tooltip: str, press: Callable[[], object]) -> ipywidgets.Button:
    """Return a button that calls a function."""
    button = ipywidgets.Button(description=words, tooltip=tooltip)
    button.on_click(lambda _: press())
    return button


def switch_for(box: ipywidgets.Widget, words: str, before: Callable[[], None] = lambda: None) -> Any:
    """Return a button that shows and hides a box."""
    switch = ipywidgets.ToggleButton(description=words, tooltip=f"Show or hide: {words}")
    box.layout.display = "none"

    def show(change: Mapping[str, Any]) -> None:
        before()
        box.layout.display = "" if change["new"] else "none"

    switch.observe(show, "value")
    return switch


def words_html(text: object) -> str:
    """Return one line of words, whatever stands in them."""
    return f'<span class="{_PLAIN}">{escaped(text)}</span>' if text else ""


def error_html(error: BaseException) -> str:
    """Return an error in the words of the exception, its name in front."""
    sentence = str(error) or "It says nothing else."
    return (
        f'<div class="tnb-error {_PLAIN}"><strong><span aria-hidden="true">✗ </span>'
        f"{escaped(type(error).__name__)}</strong> {escaped(sentence)}</div>"
    )


def table_html(title: str, frame: pd.DataFrame, *, limit: int = ROW_LIMIT, total: int | None = None) -> str:
    """Return a frame as a card with one table, at most `limit` rows of it; `total` is how many there are."""
    rows = frame.head(limit).itertuples(index=False, name=None)
    section = frame_section(title, frame.columns, rows, total=len(frame) if total is None else total, limit=limit)
    return section_html(section)


def section_html(section: Section) -> str:
    """Return one table of a card as a card of its own."""
    return card_html(Card("", sections=(section,)))


def telling(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without the columns in which nothing stands but gaps and zeros; the first one stays."""
    is_said = frame.notna() & (frame != 0).fillna(True)
    return frame.loc[:, [place == 0 or said for place, said in enumerate(is_said.any().to_numpy(dtype=bool))]]


def strip_html(calls: pd.DataFrame) -> str:
    """Return the latencies of the last calls as bars side by side, with a sentence that says the same."""
    recent = calls.tail(_STRIP_LIMIT)
    times = [None if pd.isna(t) else float(t) for t in recent["client_time_seconds"]]
    known = sorted(time for time in times if time is not None)
    if not known:
        return ""
    middle, slowest = known[(len(known) - 1) // 2], known[-1]
    pairs = zip(times, recent["status"], strict=True)
    bars = "".join(_bar(time, status, slowest) for time, status in pairs)
    count = "1 call" if len(times) == 1 else f"last {len(times):,} calls"
    sentence = f"Latency of the {count}: median {human_seconds(middle)}, slowest {human_seconds(slowest)}."
    return (
        f'<div class="tnb-strip"><div class="tnb-bars" role="img" aria-label="{escaped(sentence)}">{bars}</div>'
        f"{words_html(sentence)}</div>"
    )


def _bar(time: float | None, status: Any, slowest: float) -> str:
    height = 100.0 if time is None or not slowest else max(6.0, 100 * time / slowest)
    kind = "tnb-good" if not pd.isna(status) and status == 200 else "tnb-bad"
    said = f"{human_seconds(time)}, {'no answer' if pd.isna(status) else f'status {status}'}"
    return f'<i class="{kind}" style="height:{height:.0f}%" title="{escaped(said)}"></i>'
