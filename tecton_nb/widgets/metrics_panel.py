"""A metric over time: choose it, filter by labels, choose a window, see the picture."""

from __future__ import annotations

import shlex
import threading
from io import BytesIO
from typing import Any, Protocol

import ipywidgets
import pandas as pd
import traitlets
from matplotlib.axes import Axes

from ..exceptions import InputError, quoted
from ..plots import describe, plot_metric, plot_quantiles, plot_services
from ..reprs import Card, frame_section
from .background import Latest
from .pieces import Panel, error_html, place, table_html, words_html

_WINDOWS = {"last hour": "1h", "last 6 hours": "6h", "last day": "1D", "last week": "7D", "everything": None}
_SERVICE = "feature_service_name"
# What `History.frame` calls its own arguments.
_ARGUMENTS = frozenset({"self", "metric", "since", "until"})
_NEWEST = 5
# Twice the size it is shown at, so that it is sharp on the screens of today.
_DPI = 200


class History(Protocol):
    """What a panel needs of a metrics history: `metrics.MetricsHistory` is one."""

    def frame(self, metric: str, since: Any = None, until: Any = None, **labels: Any) -> pd.DataFrame:
        """Return one row per sample: ``timestamp``, ``metric``, ``value`` and a column per label."""

    def families(self) -> pd.DataFrame:
        """Return one row per metric, with the column ``metric``."""


class MetricsPanel(Panel):
    """A metric, a filter such as ``feature_service_name=fraud``, a window, and the picture of what is left.

    Parameters
    ----------
    history
        Where the samples are.

    Attributes
    ----------
    frame
        The samples that are drawn; `None` before there are any.
    error
        The error that is shown; `None` if there is none.
    """

    frame = traitlets.Instance(pd.DataFrame, allow_none=True)
    error = traitlets.Instance(Exception, allow_none=True)

    def __init__(self, history: History) -> None:
        self._history = history
        self._latest = Latest(threading.RLock())
        names = tuple(dict.fromkeys(str(name) for name in history.families()["metric"]))
        self._metric = ipywidgets.Combobox(
            description="Metric", options=names, value=names[0] if names else "", continuous_update=False
        )
        self._filter = ipywidgets.Text(
            description="Labels", placeholder="name=value name=value", continuous_update=False
        )
        self._window = ipywidgets.Dropdown(description="Window", options=list(_WINDOWS), value="everything")
        self._picture = ipywidgets.Image(format="png")
        self._said, self._refused, self._table = place("status"), place("alert"), place()
        controls = ipywidgets.HBox([self._metric, self._filter, self._window])
        controls.add_class("tnb-line")
        super().__init__([controls, self._said, self._refused, self._picture, self._table], label="Metrics history")
        for control in (self._metric, self._filter, self._window):
            control.observe(self._changed, "value")
        self.refresh()

    def refresh(self) -> None:
        """Read the history again."""
        metric, text, window = str(self._metric.value), str(self._filter.value), str(self._window.value)
        if not metric:
            self._said.value = words_html("The history holds no metric yet.")
            return
        self._said.value = words_html(f"Reading {quoted(metric)} …")
        self._latest.start(lambda: _drawn(self._history, metric, text, window), self._show, self._failed)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the picture is there; whether that came in time."""
        return self._latest.wait(timeout_seconds)

    def _changed(self, change: object) -> None:
        del change
        self.refresh()

    def _show(self, found: tuple[pd.DataFrame, bytes, str]) -> None:
        frame, picture, sentence = found
        self.error, self.frame = None, frame
        self._refused.value = ""
        self._picture.value = picture
        self._picture.layout.display = "" if picture else "none"
        self._said.value = words_html(sentence)
        self._table.value = table_html("Newest samples", _newest(frame), total=len(frame))

    def _failed(self, error: Exception) -> None:
        # Nothing of another choice stays below the error.
        self.error, self.frame = error, None
        self._picture.layout.display, self._table.value = "none", ""
        self._refused.value, self._said.value = error_html(error), ""

    def _card(self) -> Card:
        facts = (("metric", self._metric.value or "none"), ("labels", self._filter.value or "all"))
        if self.frame is None:
            return Card("MetricsPanel", "", facts)
        newest = _newest(self.frame)
        rows = newest.itertuples(index=False)
        section = frame_section("Newest samples", newest.columns, rows, total=len(self.frame))
        return Card("MetricsPanel", "", facts, (section,))


def _newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the last samples with the labels they have; the metric's name stands above."""
    last = frame.tail(_NEWEST).drop(columns="metric", errors="ignore").dropna(axis="columns", how="all")
    # Labels that have no column of their own.
    return (
        last if "labels" in last and last["labels"].astype(bool).any() else last.drop(columns="labels", errors="ignore")
    )


def labels_from(text: str) -> dict[str, str]:
    """Return the labels that a filter names, such as ``feature_service_name=fraud quantile=0.99``.

    Raises
    ------
    InputError
        If a part of it is no name and value.
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise InputError(f"Cannot read the filter {quoted(text)}: {error}.") from None
    pairs = [part.partition("=") for part in parts]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise InputError(f"Cannot read {quoted(name)} as a label. Write name=value, separated by spaces.")
        if name in _ARGUMENTS:
            raise InputError(f"Cannot filter by the label {quoted(name)} here. Choose the rows from `frame` instead.")
    return {name: value for name, _, value in pairs}


def _drawn(history: History, metric: str, text: str, window: str) -> tuple[pd.DataFrame, bytes, str]:
    frame = history.frame(metric, **labels_from(text))
    span = _WINDOWS[window]
    if span is not None and len(frame):
        # To the newest sample: a history of last year is not empty today.
        frame = frame[frame["timestamp"] > frame["timestamp"].max() - pd.Timedelta(span)]
    sentence = f"{metric}: 1 sample." if len(frame) == 1 else f"{metric}: {len(frame):,} samples."
    if frame.empty:
        return frame, b"", sentence
    ax = _picture(metric, frame)
    said = describe(ax)
    picture = BytesIO()
    ax.figure.figure.savefig(picture, format="png", dpi=_DPI, metadata={"Software": None, "Description": said})
    return frame, picture.getvalue(), f"{sentence} {said}"


def _picture(metric: str, frame: pd.DataFrame) -> Axes:
    """Return the package's own picture of a metric: of a summary its quantiles, of a histogram how much it counted."""
    if "quantile" in frame and frame["quantile"].notna().any():
        services = frame[_SERVICE].nunique(dropna=False) if _SERVICE in frame else 1
        return plot_services(frame, metric) if services > 1 else plot_quantiles(frame, metric)
    if "sample" in frame and (frame["sample"] == "bucket").any():
        return plot_metric(frame[frame["sample"] == "count"], metric, unit="observations since the start")
    return plot_metric(frame, metric)
