"""What came back, as frames and as words: one row per feature, service objective."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .. import columns
from ..batch.result import FeatureBatch
from ..client.service import FeatureService
from ..exceptions import InputError, quoted
from ..frames.assemble import frame_of
from ..frames.parquet import read_parquet
from ..reprs.cells import cell_of
from ..reprs.human import is_missing
from ..wire.slo import SLOInfo
from .entries import Entry


def details_of(batch: FeatureBatch, service: FeatureService, described: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row per feature of the only row of a batch; see ``columns.DETAILS``.

    `described` is ``service.features()`` where descriptions and tags are wanted.
    """
    known = service.metadata.to_pandas() if described is None else described
    parts = (batch.to_pandas(), batch.statuses(), batch.effective_times())
    values, statuses, times = ([part.iloc[:, k].iloc[0] for k in range(part.shape[1])] for part in parts)
    return frame_of(
        {
            "name": list(known["name"]),
            "value": [None if is_missing(value) else value for value in values],
            "data_type": list(known["data_type"]),
            "status": [None if is_missing(status) else status for status in statuses],
            "effective_time": [None if is_missing(time) else pd.Timestamp(time).value for time in times],
            "description": [None if is_missing(text) else text for text in known["description"]],
            "tags": [None if is_missing(text) else text for text in known["tags"]],
        },
        columns.DETAILS,
    )


def slo_words(batch: FeatureBatch) -> str:
    """Return in one line what the card of an answer says of its service objective; empty if nothing was said."""
    said = {str(name): None if is_missing(value) else value for name, value in batch.slo_info().iloc[0].items()}
    if all(value is None for value in said.values()):
        return ""
    reasons, store = said.pop("slo_ineligibility_reasons"), said.pop("store_max_latency_seconds")
    info = SLOInfo(slo_ineligibility_reasons=[reasons] if reasons else None, store_max_latency=store, **said)
    return "; ".join(f"{name} {cell_of(value).text}" for name, value in info.facts()) + "."


def read_rows(path: Path, entries: tuple[Entry, ...]) -> pd.DataFrame:
    """Return the rows of a CSV or parquet file; the cells of a CSV are read by the types of the keys.

    An empty cell of a CSV is null, of text too.

    Raises
    ------
    InputError
        If the file is neither, is not there, or a cell cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        raise InputError(f"Cannot read rows from {quoted(path)}. Name a DataFrame, or a .csv or .parquet file.")
    try:
        if suffix == ".parquet":
            return read_parquet(path)
        texts = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read rows from {quoted(path)}: {error}") from None
    known = {entry.name: entry for entry in entries}
    read = {name: _column(texts[name], known.get(str(name)), path.name) for name in texts.columns}
    return pd.DataFrame(read, index=texts.index, dtype=object)


def _column(texts: pd.Series[Any], entry: Entry | None, name: str) -> list[Any]:
    if entry is None:
        return list(texts)
    return [_cell(text, entry, f"In {quoted(name)}, row {row:,}") for row, text in enumerate(texts, 1)]


def _cell(text: Any, entry: Entry, where: str) -> Any:
    if is_missing(text):
        return None
    try:
        return entry.python(_entered(entry, str(text)))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _entered(entry: Entry, text: str) -> Any:
    words = {"true": True, "false": False}
    return entry.take(words.get(text.strip().lower(), text)) if entry.is_boolean else entry.read(text)
