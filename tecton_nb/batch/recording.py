"""Batches in a folder: parquet files of every frame and a manifest, to read again later or to outgrow memory.

::

    FOLDER/part-00000.parquet          values, so that pandas.read_parquet(FOLDER) reads them
    FOLDER/_statuses/part-00000.parquet
    FOLDER/_effective_times/ _slo_info/ _calls/ _errors/
    FOLDER/_manifest.json              service, options, times, versions; never the API key

Readers of parquet folders pass over names that begin with an underscore.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from .. import columns
from ..exceptions import DecodeError, InputError, TectonError, quoted
from ..frames.assemble import Schema
from ..frames.dtypes import to_timestamp
from ..frames.parquet import full_path, read_parquet, refuse_index, write_parquet
from ..wire.body import as_list, as_object, optional_int, optional_text
from ..wire.responses import NameAndType
from ..wire.timestamps import parse_timestamp
from ..wire.types import JsonObject, data_type_to_json, parse_data_type
from .origin import Found, Origin
from .recording_folder import FRAMES, Draft, damaged, part_path, parts_in, read_manifest
from .report import BatchReport


class Recorder:
    """Writes a recording, part by part; it takes the place of an older one when it is finished.

    Parameters
    ----------
    path
        The folder. One that is made can be read by its owner only. An older recording in it is replaced at the
        end, anything else is left alone.
    origin
        Where the rows come from.
    schema
        Names and types of the features.
    index
        Labels of all rows to come.

    Attributes
    ----------
    is_replacing
        Whether there is an older recording.

    Raises
    ------
    InputError
        If something else than a recording is there, or parquet cannot hold the labels.
    OSError
        If the folder cannot be written.
    """

    def __init__(self, path: str | Path, origin: Origin, schema: Schema, index: pd.Index) -> None:
        refuse_index(index)
        self._draft = Draft(full_path(path))
        self._origin = origin
        self._schema = schema
        self._parts = 0
        self._span: tuple[pd.Timestamp, pd.Timestamp] | None = None
        self.is_replacing = self._draft.is_replacing

    def add(self, found: Found) -> None:
        """Write the frames of some rows behind those that are there."""
        self._draft.check()
        calls = found.calls()
        for name in FRAMES:
            frame = calls if name == "calls" else getattr(found, name)()
            write_parquet(frame, self._draft.part_path(name, self._parts))
        self._parts += 1
        self._widen_span(calls)

    def finish(self, report: BatchReport) -> None:
        """Put the recording in its place."""
        began, ended = self._span or (None, None)
        self._draft.finish(
            {
                **self._origin.to_json(),
                "features": [
                    {"name": item.name, "dataType": data_type_to_json(item.data_type)} for item in self._schema
                ],
                "parts": self._parts,
                "started_at": None if began is None else began.isoformat(),
                "finished_at": None if ended is None else ended.isoformat(),
                "report": report.to_json(),
            }
        )

    def discard(self) -> None:
        """Take away what was written; an older recording is as it was."""
        self._draft.discard()

    def _widen_span(self, calls: pd.DataFrame) -> None:
        if len(calls):
            ends = calls["started_at"] + pd.to_timedelta(calls["client_time_seconds"].fillna(0.0).astype(float), "s")
            began, ended = calls["started_at"].min(), ends.max()
            first, last = self._span or (began, ended)
            self._span = (min(first, began), max(last, ended))


class Recording:
    """A recording as the source of a batch's frames; each is read when it is asked for.

    Raises
    ------
    InputError
        If the folder holds no recording that can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = full_path(path)
        manifest = read_manifest(self.path)
        try:
            self.origin = Origin.from_json(manifest)
            self.schema = _schema(manifest)
            self.report = BatchReport.from_json(as_object(manifest.get("report"), "report"))
            self._id = optional_text(manifest, "id", "")
            self._parts = _parts(manifest, self.path)
            began = optional_text(manifest, "started_at", "")
            self.started_at = None if began is None else to_timestamp(parse_timestamp(began))
        except (DecodeError, ValueError) as error:
            raise damaged(self.path, str(error)) from None

    @cached_property
    def index(self) -> pd.Index:
        """Labels of the rows."""
        return self.statuses().index

    def features(self) -> pd.DataFrame:
        """Return the values."""
        return self._frame("features", self._names, self.report.rows)

    def statuses(self) -> pd.DataFrame:
        """Return the serving statuses."""
        return self._frame("statuses", self._names, self.report.rows)

    def effective_times(self) -> pd.DataFrame:
        """Return the effective times."""
        return self._frame("effective_times", self._names, self.report.rows)

    def slo_info(self) -> pd.DataFrame:
        """Return the serving times."""
        return self._frame("slo_info", _named(columns.SLO_INFO), self.report.rows)

    def calls(self) -> pd.DataFrame:
        """Return one row per HTTP call."""
        return self._frame("calls", _named(columns.CALLS)).reset_index(drop=True)

    def errors(self) -> pd.DataFrame:
        """Return one row per failed row."""
        return self._frame("errors", _named(columns.ERRORS))

    def first_error(self) -> TectonError | None:
        """Return the error of the first failed row as it was told, if there is one."""
        errors = self.errors()
        if errors.empty:
            return None
        return TectonError(f"{errors['exception'].iloc[0]}: {errors['message'].iloc[0]}")

    def check(self) -> None:
        """Raise an error if something else has been recorded to the folder since."""
        if read_manifest(self.path).get("id") != self._id:
            raise InputError(f"The batch at {quoted(self.path)} was recorded anew since it was loaded. Load it again.")

    @property
    def _names(self) -> list[str]:
        return [item.name for item in self.schema]

    def _frame(self, name: str, expected: list[str], rows: int | None = None) -> pd.DataFrame:
        why = ""
        try:
            parts = [read_parquet(part_path(self.path, name, number)) for number in range(self._parts)]
        except (OSError, pa.ArrowInvalid, ValueError) as error:
            why = f"{name} cannot be read ({error})"
        # Only now: a recording that is replaced while it is read is no damaged one.
        self.check()
        if why:
            raise damaged(self.path, why)
        frame = parts[0] if len(parts) == 1 else pd.concat(parts)
        if list(frame.columns) != expected:
            raise damaged(self.path, f"{name} has other columns than the manifest says")
        if rows is not None and len(frame) != rows:
            raise damaged(self.path, f"{name} has {len(frame):,} rows, and the manifest says {rows:,}")
        return frame


def record(path: str | Path, origin: Origin, found: Found, report: BatchReport) -> Path:
    """Write a batch that is in memory and return the folder's full path; errors as `Recorder`."""
    folder = full_path(path)
    if isinstance(found, Recording) and found.path.resolve() == folder.resolve():
        found.check()
        return folder
    recorder = Recorder(folder, origin, found.schema, found.index)
    try:
        recorder.add(found)
    except BaseException:
        recorder.discard()
        raise
    recorder.finish(report)
    return folder


def _named(described: tuple[columns.Column, ...]) -> list[str]:
    return [column.name for column in described]


def _parts(manifest: JsonObject, path: Path) -> int:
    parts, there = optional_int(manifest, "parts", "") or 0, sum(1 for _ in parts_in(path, "features"))
    if not 1 <= parts <= there:
        raise DecodeError(f"its manifest names {parts:,} as the number of parts, and {there:,} are there")
    return parts


def _schema(manifest: JsonObject) -> Schema:
    items = [as_object(item, "features") for item in as_list(manifest.get("features"), "features")]
    return tuple(
        NameAndType(
            optional_text(item, "name", "features") or "", parse_data_type(item.get("dataType"), where="features")
        )
        for item in items
    )
