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
from ..reprs import Status, human_age, human_seconds
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
            "value": [None if _is_gap(value) else value for value in values],
            "data_type": list(known["data_type"]),
            "status": [None if _is_gap(status) else status for status in statuses],
            "effective_time": [None if _is_gap(time) else pd.Timestamp(time).value for time in times],
            "description": [None if _is_gap(text) else text for text in known["description"]],
            "tags": [None if _is_gap(text) else text for text in known["tags"]],
        },
        columns.DETAILS,
    )


def shown_details(details: pd.DataFrame, at: pd.Timestamp | None) -> pd.DataFrame:
    """Return the details as they are shown: statuses with a sign, ages in words, nothing that says nothing.

    `at` is the moment the ages are counted to.
    """
    found: dict[str, list[Any]] = {"feature": list(details["name"]), "value": list(details["value"])}
    found["data type"] = list(details["data_type"])
    if details["status"].notna().any():
        found["status"] = [None if _is_gap(status) else Status(str(status)) for status in details["status"]]
    if details["effective_time"].notna().any():
        found["complete up to"] = [_age(time, at) for time in details["effective_time"]]
    for name in ("description", "tags"):
        if details[name].notna().any():
            found[name] = list(details[name])
    return pd.DataFrame(found, dtype=object)


def call_moment(calls: pd.DataFrame) -> pd.Timestamp | None:
    """Return when the last call was started, `None` if none was."""
    moments = calls["started_at"].dropna()
    return None if moments.empty else moments.iloc[-1]


def slo_words(batch: FeatureBatch) -> str:
    """Return in one line whether the request counts for the latency objective, and how long the server took."""
    info = batch.slo_info().iloc[0]
    if _is_gap(info["slo_eligible"]) and _is_gap(info["server_time_seconds"]):
        return ""
    times = {
        "server": info["server_time_seconds"],
        "server for the objective": info["slo_server_time_seconds"],
        "slowest store read": info["store_max_latency_seconds"],
    }
    parts = [f"{name} {human_seconds(float(time))}" for name, time in times.items() if not _is_gap(time)]
    return "; ".join([_eligible(info), *parts]) + "."


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
    read = {name: _column(texts[name], known.get(str(name))) for name in texts.columns}
    return pd.DataFrame(read, index=texts.index, dtype=object)


def _column(texts: pd.Series[Any], entry: Entry | None) -> list[Any]:
    if entry is None:
        return list(texts)
    return [None if _is_gap(text) else entry.python(_entered(entry, str(text))) for text in texts]


def _entered(entry: Entry, text: str) -> Any:
    words = {"true": True, "false": False}
    return entry.take(words.get(text.strip().lower(), text)) if entry.is_boolean else entry.read(text)


def _eligible(info: pd.Series[Any]) -> str:
    if _is_gap(info["slo_eligible"]):
        return "Service objective: not said"
    if info["slo_eligible"]:
        return "Counts for the service objective"
    reasons = info["slo_ineligibility_reasons"]
    return "Does not count for the service objective" + ("" if _is_gap(reasons) else f" ({reasons})")


def _age(time: Any, at: pd.Timestamp | None) -> str:
    if _is_gap(time):
        # Realtime features have none: nothing is missing.
        return "—"
    return str(time) if at is None else human_age((at - time).total_seconds())


def _is_gap(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT
