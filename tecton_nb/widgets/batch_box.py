"""Rows for a batch: a DataFrame of the notebook or a file; and how far the batch is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd
import traitlets
from IPython.core.getipython import get_ipython

from ..batch.report import BatchProgress
from ..exceptions import InputError, did_you_mean, quoted
from ..reprs import human_seconds
from .answers import read_rows
from .entries import Entry
from .pieces import place, words_html


class BatchBox(ipywidgets.VBox):
    """A field for the rows, a button, and a bar.

    Attributes
    ----------
    button
        Begins the batch.
    edits
        How often something was entered.
    """

    edits = traitlets.Int(0)

    def __init__(self) -> None:
        self._source = ipywidgets.Combobox(
            description="Rows from",
            placeholder="a DataFrame's name, or a .csv or .parquet file",
            continuous_update=False,
        )
        self.button = ipywidgets.Button(description="Fetch batch", tooltip="Fetch the features of all rows")
        self.button.add_class("tnb-sends")
        self._source.observe(self._edited, "value")
        self._bar = ipywidgets.FloatProgress(description="Progress", min=0.0, max=1.0, value=0.0)
        self._far = place()
        source = ipywidgets.HBox([self._source, self.button])
        source.add_class("tnb-line")
        self._running = ipywidgets.HBox([self._bar, self._far])
        self._running.layout.display = "none"
        super().__init__([source, self._running])

    @property
    def source(self) -> str:
        """Name of the DataFrame, or path of the file; may be set."""
        return str(self._source.value).strip()

    @source.setter
    def source(self, name: str) -> None:
        self._source.value = name

    def offer(self) -> None:
        """Offer the DataFrames that the notebook has now."""
        self._source.options = tuple(sorted(_frames_of_the_notebook()))

    def _edited(self, change: object) -> None:
        del change
        self.edits += 1

    def show(self, progress: BatchProgress) -> None:
        """Show how far a batch is."""
        over = progress.done + progress.failed
        self._bar.value = over / progress.rows if progress.rows else 1.0
        left = (
            ""
            if progress.eta_seconds is None or over == progress.rows
            else f", {human_seconds(progress.eta_seconds)} left"
        )
        rate = f", {progress.rows_per_second:,.0f} rows/s" if progress.rows_per_second else ""
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        self._far.value = words_html(f"{over:,} of {progress.rows:,} different rows{failed}{rate}{left}")
        self._running.layout.display = ""


def rows_from(source: str, entries: tuple[Entry, ...]) -> pd.DataFrame:
    """Return the rows that a name or a path stands for.

    Raises
    ------
    InputError
        If it is neither a DataFrame of the notebook nor a file that can be read.
    """
    frames = _frames_of_the_notebook()
    if source in frames:
        return frames[source]
    if not source:
        raise InputError("Name the rows of the batch: a DataFrame of this notebook, or a .csv or .parquet file.")
    try:
        path = Path(source).expanduser()
    except RuntimeError:
        raise InputError(
            f"Cannot find the home folder that {quoted(source)} begins with. Write the whole path."
        ) from None
    if path.suffix or path.exists():
        return read_rows(path, entries)
    hint = did_you_mean(source, frames)
    raise InputError(f"There is no DataFrame {quoted(source)} in this notebook, and no file of that name.{hint}")


def _frames_of_the_notebook() -> dict[str, pd.DataFrame]:
    shell: Any = get_ipython()
    names = {} if shell is None else dict(shell.user_ns)
    return {n: found for n, found in names.items() if isinstance(found, pd.DataFrame) and not n.startswith("_")}
